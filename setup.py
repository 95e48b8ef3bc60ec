"""Builds the compiled core, ``talos._core``. All else about the package is in pyproject.toml.

The extension is mandatory: a failed compile fails the install, and there is no Python fallback.

Two switches, read from the environment:

``TALOS_SANITIZE``
    A list for the compiler's ``-fsanitize=``, such as ``address,undefined``. The result only loads
    into an interpreter that has the sanitizer's runtime preloaded; ``tests/core/sanitize.sh`` does
    all of that in a copy of the checkout.

``TALOS_TRACE``
    Not empty and not ``0``: compile with Cython's line tracing, for coverage and profiling. Slow.

For work on the core, build in place: ``python setup.py build_ext --inplace``.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZE = os.environ.get("TALOS_SANITIZE", "")
TRACE = os.environ.get("TALOS_TRACE", "0") not in ("", "0")

BUILD = Path("build")


def variant_stamp() -> tuple[Path, bool]:
    """A file that changes only when the switches do, and whether it just has.

    The extension depends on it: without it, a switch set or cleared over an up-to-date object file
    would have no effect.
    """
    stamp = BUILD / "variant"
    text = f"sanitize={SANITIZE}\ntrace={TRACE}\n"
    if stamp.exists() and stamp.read_text() == text:
        return stamp, False
    BUILD.mkdir(exist_ok=True)
    stamp.write_text(text)
    return stamp, True


stamp, variant_changed = variant_stamp()

compile_args = ["-O2", "-Wall", "-Wextra"]
link_args: list[str] = []
if SANITIZE:
    flags = [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all"]
    # CPython is compiled with -fwrapv, which would hide signed overflow, and with NDEBUG, which
    # takes the assertions out of its header's macros.
    compile_args += [*flags, "-fno-wrapv", "-UNDEBUG", "-g", "-fno-omit-frame-pointer"]
    link_args += flags

core = Extension(
    "talos._core",
    sources=["talos/_core.pyx"],
    include_dirs=["talos/native"],
    # All of them are named for the source distribution: it would take only what Cython generated.
    depends=[str(stamp), "talos/_core.pyx", *sorted(map(str, Path("talos/native").iterdir()))],
    define_macros=[("CYTHON_TRACE_NOGIL", "1")] if TRACE else [],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

setup(
    ext_modules=cythonize(
        [core],
        build_dir=str(BUILD / "cython"),
        force=variant_changed,
        compiler_directives={"language_level": "3", "linetrace": TRACE},
    ),
)
