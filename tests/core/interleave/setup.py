"""Builds ``interleave``: the core's sources, and a scheduler that is asked before every access."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    name="interleave",
    ext_modules=cythonize(
        [
            Extension(
                "interleave",
                ["interleave.pyx"],
                # process.h of this folder comes before that of the core.
                include_dirs=[".", "native"],
                extra_compile_args=[
                    *("-O1", "-Wall", "-Wextra", "-include", "scheduler.h"),
                    "-DTALOS_BEFORE_ACCESS=talos_before_access",
                ],
            )
        ]
    ),
)
