"""A disk of one's own that can be full: memory mounted where only one process tree sees it."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o size="$0",mode=0755 tmpfs "$1" && shift && exec "$@"'


def can_mount() -> bool:
    """Whether this account may mount something in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        on_small_disk(["true"], Path("/mnt"), "64k"), capture_output=True, check=False
    )
    return tried.returncode == 0


def on_small_disk(
    command: Sequence[str], folder: Path, size: str, *, account: int | None = None
) -> list[str]:
    """Return ``command`` so that it runs with ``size`` (such as ``2m``) of room in ``folder``.

    The process is root in a user namespace, or has the number ``account`` there.
    """
    wrapped = ["unshare", "--map-root-user", "--mount", "sh", "-c", _MOUNT, size, str(folder)]
    if account is not None:
        wrapped += ["unshare", "--user", f"--map-user={account}", f"--map-group={account}"]
    return [*wrapped, *command]


class SmallDisk:
    """The folder as the process ``pid`` sees it, changed by its account."""

    def __init__(self, pid: int, folder: Path, *, account: int | None = None) -> None:
        self._folder = Path(f"/proc/{pid}/root") / folder.relative_to("/")
        self._account = account

    def fill(self) -> None:
        """Leave no room."""
        self._run('cat /dev/zero > "$0/ballast" || true')

    def empty(self) -> None:
        """Give the room back."""
        self._run('rm "$0/ballast"')

    def make_folder(self, name: str) -> None:
        """Make a folder on the disk."""
        self._run('mkdir "$0/$1"', name)

    def _run(self, script: str, *arguments: str) -> None:
        # Other accounts than the process's do not exist on its disk, root included.
        subprocess.run(
            ["sh", "-c", script, str(self._folder), *arguments],
            check=True,
            capture_output=True,
            user=self._account,
            group=self._account,
            extra_groups=None if self._account is None else [],
        )
