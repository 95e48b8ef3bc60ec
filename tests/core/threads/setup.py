"""Builds ``threads``, with the sanitizer that TALOS_SANITIZE names."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZE = os.environ.get("TALOS_SANITIZE", "")
flags = [f"-fsanitize={SANITIZE}", "-g", "-fno-omit-frame-pointer"] if SANITIZE else []
if SANITIZE == "thread":
    # It says at every fence that it does not know fences. atomics.h says why that does no harm.
    flags.append("-Wno-tsan")

setup(
    name="threads",
    ext_modules=cythonize(
        [
            Extension(
                "threads",
                ["threads.pyx"],
                include_dirs=["native"],
                extra_compile_args=["-O1", "-Wall", "-Wextra", *flags],
                extra_link_args=flags[:1],
            )
        ]
    ),
)
