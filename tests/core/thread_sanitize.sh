#!/bin/sh
# Runs threads over the shared key cache on a build with ThreadSanitizer.
#
#   tests/core/thread_sanitize.sh
#
# The build is made by .venv/bin/python in a temporary folder, which is removed in the end. CC names
# the compiler, gcc where it is not set.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
python=$checkout/.venv/bin/python
compiler=${CC:-gcc}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
cp -R "$checkout/talos/native" "$folder"
cp "$checkout"/tests/core/threads/* "$folder"

cd "$folder"
TALOS_SANITIZE=thread CC="$compiler" "$python" setup.py --quiet build_ext --inplace
grep -q __tsan_init threads.*.so || {
    echo "the build is not instrumented" >&2
    exit 1
}

# Without randomised addresses: the sanitizer wants to lay out memory itself, and some kernels leave
# it no room. The runtime comes first, because the interpreter itself knows nothing of it.
run() {
    setarch "$(uname -m)" --addr-no-randomize \
        env LD_PRELOAD="$(realpath "$("$compiler" -print-file-name=libtsan.so)")" \
        TSAN_OPTIONS="halt_on_error=1 abort_on_error=0 exitcode=66" PYTHONDONTWRITEBYTECODE=1 \
        "$python" run.py "$@"
}

run cache
if run race 2>race.log || ! grep -q "data race" race.log; then
    cat race.log >&2
    echo "a race that was put there on purpose went unnoticed" >&2
    exit 1
fi
echo "a race that was put there on purpose is reported"
