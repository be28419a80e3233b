"""Rate limits out of noise: see `harness.noise`, which draws them last.

One scenario in some has limits. Rates stand around the sizes of the other tables: an operation of
4,096 or 16,384 bytes, a write of 1,000; small ones have short ticks, so that a run on a real kernel
ends soon. A limited scenario adds limits to what its ends do already: at set-up, in the first read
callbacks, and as later steps of the application.
"""

from __future__ import annotations

from harness.scenario import RateGroup, Step

MS = 1_000_000

#: read rate, read burst, write rate, write burst, tick
LIMITS: tuple[tuple[int, int, int, int, int], ...] = (
    (1_000, 1_000, 1_000, 1_000, 1 * MS),
    (4_096, 4_096, 4_096, 4_096, 5 * MS),
    (100, 100, 1_000, 1_000, 1 * MS),
    (1_000, 1_000, 100, 100, 1 * MS),
    (1_000, 5_000, 1_000, 5_000, 2 * MS),
    (100, 1_000, 100, 1_000, 1 * MS),
    (4_096, 16_384, 4_096, 16_384, 20 * MS),
    (20_000, 20_000, 20_000, 20_000, 10 * MS),
    (2_000, 2_000, 4_096, 4_096, 10 * MS),
    (5_000, 1_000, 1_000, 1_000, 1 * MS),  # a rate above its burst: refused
)
GROUPS: tuple[tuple[RateGroup, ...], ...] = (
    (),
    (RateGroup(),),
    (RateGroup(4_096, 4_096, 4_096, 4_096, 5 * MS),),
    (RateGroup(100, 1_000, 100, 1_000),),
    (RateGroup(1_000, 4_000, 1_000, 4_000, 2 * MS, 500), RateGroup()),
    (RateGroup(100, 100, 100, 100, 1 * MS, 1),),
)
_TOKENS = (100, 3_000, -5_000, 1_000, -100, 3_000, -5_000, 1)
_SINGLES = ((64, 64), (100, 4_096), (4_096, 100), (0, 0), (20_000, 20_000))


def _roomy(limits: tuple[int, ...]) -> list[int]:
    """At least 1,000 bytes a tick: what a group of stacks still has to move, at a hundred, is more
    ticks than a run has records for."""
    return [max(1_000, each) for each in limits]


_SET = [Step("set_rate_limit", limits) for limits in LIMITS]
_JOIN = [Step("join_group", (group,)) for group in (0, 1)]
_SINGLE = [Step("set_max_single", sizes) for sizes in _SINGLES]
_DECREMENTS = [Step(f"decrement_{way}", (size,)) for size in _TOKENS for way in ("read", "write")]

#: at set-up
SETUP_LIMITS: list[Step] = [*_SET * 2, *_SINGLE, *_DECREMENTS * 2]
#: later, in a callback or in the program
LATER_LIMITS: list[Step] = [
    *_SET, *_JOIN * 2, *_SINGLE, *_DECREMENTS * 3, Step("clear_rate_limit"), Step("leave_group"),
    *[Step("set_group_limit", (group, *_roomy(each))) for group in (0, 1) for each in LIMITS[:4]],
]  # fmt: skip
#: in programs that tell one story in every world: fast enough for whatever they move
CALM_LIMITS: list[Step] = [
    *[Step("set_rate_limit", limits) for limits in (LIMITS[0], LIMITS[1], LIMITS[4], LIMITS[7])],
    *_SINGLE,
]
