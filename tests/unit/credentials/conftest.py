"""Property tests here have no deadline per example: how fast a machine is proves nothing."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
