"""The version line of the program."""

from importlib.metadata import version


def version_line() -> str:
    """Return the one line of ``talos --version`` (contract 13.1)."""
    return f"talos version {version('talos')}"
