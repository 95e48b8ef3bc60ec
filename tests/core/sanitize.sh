#!/bin/sh
# Runs the core's tests on a build with AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tests/core/sanitize.sh [pytest arguments]
#   tests/core/sanitize.sh fuzz      the inputs that fuzzing has collected, instead of the tests
#
# The build is made by .venv/bin/python in a temporary copy of the checkout, which is removed in the
# end: neither the checkout nor its own build is touched. CC names the compiler, gcc where it is not
# set.
#
# Leak detection is off: CPython keeps what it interns until it exits, and means to.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
python=$checkout/.venv/bin/python
compiler=${CC:-gcc}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
cp "$checkout/setup.py" "$copy"
# All of it, since the recogniser is held to the reading of the Python that it stands before.
cp -R "$checkout/talos" "$checkout/tests" "$copy"
rm -f "$copy"/talos/_core.*.so

cd "$copy"
TALOS_SANITIZE=address,undefined CC="$compiler" "$python" setup.py --quiet build_ext --inplace
grep -q __asan_init talos/_core.*.so && grep -q __ubsan_handle talos/_core.*.so || {
    echo "the build is not instrumented" >&2
    exit 1
}

# The runtimes come first, because the interpreter itself knows nothing of them. The C++ library
# comes with them: its exceptions cannot be intercepted once it is loaded later.
for library in libasan.so libubsan.so libstdc++.so; do
    path=$("$compiler" -print-file-name="$library")
    preload="${preload:+$preload }$(realpath "$path")"
done

# Python's own allocator packs small objects together and would hide an overflow between them.
run() {
    env LD_PRELOAD="$preload" \
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
        PYTHONMALLOC=malloc PYTHONPATH="$copy" PYTHONDONTWRITEBYTECODE=1 \
        "$python" "$@"
}

run -c 'import sys, talos._core; assert talos._core.__file__.startswith(sys.argv[1])' "$copy"
if [ "${1:-}" = fuzz ]; then
    # Replayed, not fuzzed: beside the sanitizer's runtime atheris cannot measure coverage.
    mkdir -p build/fuzz "$checkout/build/fuzz/corpus" "$checkout/build/fuzz/recogniser"
    cp -R "$checkout/build/fuzz/corpus" "$checkout/build/fuzz/recogniser" build/fuzz
    run tests/fuzz/fuzz_core.py -runs=0
    run tests/fuzz/fuzz_recogniser.py -runs=0
else
    # Only what Python prints is captured: a sanitizer's report goes to the terminal.
    run -m pytest --noconftest --capture=sys -p no:cacheprovider tests/core "$@"
fi
