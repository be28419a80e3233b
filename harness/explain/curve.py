"""When failing became certain: the same beginning, and everything after it drawn anew.

For a number of decisions k the first k are as in the failure and the rest of the tape is drawn as
the fuzzer draws tapes, with a seed of its own for each k. The share of those runs that fail as the
failure does rises to one at the last decision; where it jumps, the run was decided.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.explain.explanation import Certain, Point
from harness.explain.runs import Enough, Runs
from harness.noise import tape_of
from harness.shrinking.case import Case

REDRAWS = 20  # for each point
POINTS = 17  # at first; then the jump is looked at closer
SPARE = 64  # decisions drawn beyond those that the failure made
NEAR = 0.95  # this share and more is near certain


def points(runs: Runs, redraws: int = REDRAWS, seed: int = 1) -> Iterator[Point]:
    """The curve's points, in the order in which they are tried: the ends, between them coarse to
    fine, and at last those around the jump. Raises `Enough`."""
    most = len(runs.case.tape)
    told: dict[int, Point] = {}
    for k in _coarse(most):
        told[k] = _point(runs, k, redraws, seed)
        yield told[k]
    while True:
        first = _certain([told[k] for k in sorted(told)])
        before = max([k for k in told if first is not None and k < first.decision], default=None)
        if first is None or before is None or first.decision - before <= 1:
            return
        middle = (before + first.decision) // 2
        told[middle] = _point(runs, middle, redraws, seed)
        yield told[middle]


def certain_at(curve: Sequence[Point]) -> Certain | None:
    """The first point from which on all are near certain; `curve` is in order."""
    point = _certain(curve)
    return None if point is None else Certain(point.decision, point.record)


def _certain(curve: Sequence[Point]) -> Point | None:
    found = None
    for point in reversed(curve):
        if point.failed < NEAR * point.of:
            break
        found = point
    return found


def _coarse(most: int) -> list[int]:
    """The ends, the middle, the quarters, ..."""
    steps = min(POINTS - 1, most)
    if not steps:
        return [0]
    evenly = [most * step // steps for step in range(steps + 1)]
    order = [most, 0]
    stride = 1
    while stride < len(evenly):
        stride *= 2
    while stride > 1:
        order += [k for k in evenly[stride // 2 :: stride] if k not in order]
        stride //= 2
    return order


def _point(runs: Runs, k: int, redraws: int, seed: int) -> Point:
    """One point. A bound that comes in the middle of it leaves the runs that there were."""
    tape = runs.case.tape
    if k >= len(tape):
        redraws = 1  # nothing is left to draw
    drawn = random.Random(seed * 1_000_003 + k)
    failed = of = 0
    for _ in range(redraws):
        rest = tape_of(drawn.randbytes(len(tape) - k + SPARE)) if k < len(tape) else ()
        try:
            failed += runs.fails(Case(runs.case.scenario, (*tape[:k], *rest)))
        except Enough:
            if not of:
                raise
            break
        of += 1
    return Point(k, runs.record_of(k), failed, of)
