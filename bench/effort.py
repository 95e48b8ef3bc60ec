"""How much is measured: a whole run, three minutes, or just enough to see that it works."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts and times of a run. A measurement is ``warmup_s`` of load and then ``seconds``."""

    name: str
    rounds: int
    """Interleaved rounds; each measures every server once."""
    seconds: float
    warmup_s: float
    connections: int
    """Of the closed loop, in the comparison of servers."""
    open_loop_parts: tuple[float, ...]
    """Rates of the open loop, as parts of what a server did in the closed loop."""
    open_loop_rounds: int
    core_s: float
    """Time for each operation in process."""
    thorough: bool
    """Whether the growth of cost is measured at every point or at a few."""
    point_s: float
    """Time for each point of the growth of cost."""


FULL: Final = Effort(
    name="full",
    rounds=7,
    seconds=8.0,
    warmup_s=1.0,
    connections=32,
    open_loop_parts=(0.25, 0.5, 0.75),
    open_loop_rounds=3,
    core_s=2.0,
    thorough=True,
    point_s=5.0,
)
QUICK: Final = Effort(
    name="quick",
    rounds=3,
    seconds=1.5,
    warmup_s=0.3,
    connections=32,
    open_loop_parts=(0.5,),
    open_loop_rounds=1,
    core_s=0.4,
    thorough=False,
    point_s=0.8,
)
SMOKE: Final = Effort(
    name="smoke",
    rounds=1,
    seconds=0.2,
    warmup_s=0.05,
    connections=4,
    open_loop_parts=(0.5,),
    open_loop_rounds=1,
    core_s=0.01,
    thorough=False,
    point_s=0.1,
)
EFFORTS: Final = {effort.name: effort for effort in (FULL, QUICK, SMOKE)}
