"""Whole servers over HTTP, in interleaved rounds on the same cores."""
