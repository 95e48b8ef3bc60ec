"""A search through the schedules of the shared key cache's real code.

``interleave.pyx`` says what the actors do, ``scheduler.h`` how the search goes. What bounds it is
the number of preemptions in a schedule: up to that the search is complete. Nearly every known bug
of this kind shows with two (Musuvathi and Qadeer, "Iterative context bounding", 2007).
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Interleave: TypeAlias = Callable[..., int]

_HERE: Final = Path(__file__).parent
_PACKAGE: Final = _HERE.parents[2] / "talos"


@dataclass(frozen=True)
class Scenario:
    """Who acts, on what, and who may die of it. Each may be interrupted ``preemptions`` times."""

    name: str
    actors: tuple[str, ...]
    scene: str = "empty"
    preemptions: int = 2
    kills: int = 0
    mortal: tuple[int, ...] = ()
    seem_dead: bool = False
    """Everybody takes everybody else for dead: two may then write in one set."""

    def search(self, interleave: Interleave, *, deeper: int = 0) -> int:
        """Return how many schedules there were. Raises AssertionError with what went wrong."""
        return interleave(
            self.actors,
            scene=self.scene,
            preemptions=self.preemptions + deeper,
            kills=self.kills,
            mortal=self.mortal,
            seem_dead=self.seem_dead,
        )


SCENARIOS: Final = (
    Scenario("a fill and a read", ("fill", "read"), preemptions=3),
    Scenario("a revocation", ("fill", "revoke", "read"), preemptions=3),
    Scenario("a revocation of what is cached", ("revoke", "fill", "read"), "published"),
    Scenario("two fills in a revocation", ("fill", "fill", "revoke", "read")),
    Scenario("an eviction", ("fill", "evict", "read"), "published"),
    Scenario("two revocations", ("revoke", "revoke", "fill", "read")),
    Scenario("a revoker who dies", ("revoke", "fill", "lapse", "read"), kills=1, mortal=(0,)),
    Scenario(
        "a revoker who dies, and a filler",
        ("revoke", "fill", "lapse", "read"),
        "published",
        preemptions=1,
        kills=2,
        mortal=(0, 1),
    ),
    Scenario("a revoker whose hold lapses", ("revoke slowly", "fill", "lapse", "read")),
    Scenario("a filler who dies", ("fill", "fill", "read"), preemptions=1, kills=1, mortal=(0,)),
    Scenario(
        "a filler who dies in an eviction",
        ("fill", "evict", "fill", "read"),
        preemptions=1,
        kills=1,
        mortal=(0,),
    ),
    Scenario("two who die", ("fill", "fill", "read"), preemptions=0, kills=2, mortal=(0, 1)),
    Scenario("a slot that changes hands", ("fill", "fill reborn", "read"), kills=1, mortal=(0,)),
    Scenario("values are moved", ("fill neighbour", "read"), "to be moved"),
    Scenario("values are moved, others come", ("fill neighbour", "fill", "read"), "to be moved"),
    Scenario(
        "a mover who dies",
        ("fill neighbour", "fill", "read"),
        "to be moved",
        preemptions=1,
        kills=1,
        mortal=(0,),
    ),
    Scenario("two writers at once", ("fill", "evict", "fill", "read"), seem_dead=True),
    Scenario(
        "two movers at once",
        ("fill neighbour", "fill", "read"),
        "to be moved",
        seem_dead=True,
    ),
)

MISTAKES: Final = (
    Scenario("the row is read before the lease", ("fill late", "revoke", "read")),
    Scenario("no hold", ("revoke unheld", "fill", "read"), kills=1, mortal=(0,)),
    Scenario("no second eviction", ("revoke slowly, once", "fill", "lapse", "read")),
)
"""What the search must find, or it proves nothing."""


def build(folder: Path) -> Interleave:
    """Build in ``folder``, which is empty, and return the search."""
    shutil.copytree(_PACKAGE / "native", folder / "native")
    # Its place is taken by the one beside this file.
    (folder / "native" / "process.h").unlink()
    sources: Collection[Path] = [*_HERE.glob("*.h"), *_HERE.glob("*.pyx"), _HERE / "setup.py"]
    for source in sources:
        shutil.copy(source, folder)
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("interleave.*.so")
    spec = importlib.util.spec_from_file_location("interleave", built)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    interleave: Interleave = module.interleave
    return interleave
