"""The version line of the program, without importing the server for it."""

import os
from importlib.metadata import version


def version_line() -> str:
    """Return the one line of ``talos --version`` (contract 13.1).

    The build of the container image says of which commit it is and when it was made.
    """
    commit = os.environ.get("TALOS_BUILD_COMMIT", "unknown")
    built = os.environ.get("TALOS_BUILD_TIME", "unknown")
    return f"talos version {version('talos')} (commit: {commit}, built: {built})"
