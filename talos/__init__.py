"""Talos: a self-hosted server for API keys and the short-lived tokens derived from them.

There is no Python stand-in for the compiled core: without it, nothing of the package imports.
"""

try:
    from talos import _core as _core
except ImportError as cause:
    raise ImportError(
        f"the compiled core of Talos, talos._core, cannot be used: {cause}. "
        "In a checkout, run `make install`, or `python setup.py build_ext --inplace` where Cython "
        "and a C compiler are at hand; elsewhere, reinstall the package with pip."
    ) from cause
