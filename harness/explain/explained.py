"""All parts of an explanation, one after the other, within one bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from harness.explain.changes import Nearest, flips, nearest
from harness.explain.curve import REDRAWS, certain_at, points
from harness.explain.explanation import Bytes, Explanation, Flip, Point
from harness.explain.flow import Flow
from harness.explain.runs import Enough, Runs
from harness.explain.ways import named_bytes, way
from harness.failure import FailureFile
from harness.shrinking.failures import same_of, simulated
from harness.story import story
from model.errors import UsageError

T = TypeVar("T")
Progress = Callable[[str], None]


def explain(
    failure: FailureFile,
    *,
    seconds: float | None = 60.0,
    redraws: int = REDRAWS,
    seed: int = 1,
    bytes_of: Sequence[Bytes] = (),
    progress: Progress | None = None,
) -> Explanation:
    """Why `failure` fails. At most `seconds` go into runs (None: no bound), `redraws` into each
    point of the curve; `bytes_of` are the bytes whose way is told, by default those of the verdict.

    `progress` is told what is being done; a KeyboardInterrupt ends the runs and what was found out
    is given. Raises `UsageError` for a run in which nothing broke, or one of a real world that does
    not break in the simulator, and `Divergence` for one that does not break again.
    """
    if failure.broken is None:
        raise UsageError("no property broke in this run: name a file of a failure")
    failure = simulated(failure)
    work = _Work(Runs(failure, same_of(failure), seconds), progress)
    violation = work.runs.first.violation
    records = work.runs.first.outcome.records
    flow = Flow(records)
    wanted = bytes_of or named_bytes(violation, flow)
    work.find_out(redraws, seed)
    close = work.nearest[-1] if work.nearest else None
    curve = tuple(sorted(work.curve, key=lambda point: point.decision))
    return Explanation(
        story=tuple(story(replace(failure, records=records))),
        verdict=f"{violation.property}: {violation.message}",
        first_difference=None if close is None else close.difference,
        decisions=tuple(sorted(work.flips, key=lambda flip: flip.index)),
        curve=curve,
        certain_at=certain_at(curve) if curve else None,
        bytes=tuple([way(flow, records, each) for each in wanted]),
        finished=work.finished,
        failing=records,
        passing=() if close is None else close.outcome.records,
    )


class _Work:
    """What was found out so far."""

    def __init__(self, runs: Runs, progress: Progress | None) -> None:
        self.runs = runs
        self.progress = progress
        self.flips: list[Flip] = []
        self.nearest: list[Nearest] = []  # each nearer than the one before
        self.curve: list[Point] = []
        self.finished = False

    def find_out(self, redraws: int, seed: int) -> None:
        """All three parts, until the bound or an interrupt."""
        try:
            self._all("decisions", flips(self.runs), self.flips)
            self._all("runs that pass", nearest(self.runs, self.flips), self.nearest)
            self._all("points of the curve", points(self.runs, redraws, seed), self.curve)
            self.finished = True
        except (Enough, KeyboardInterrupt):
            pass

    def _all(self, what: str, items: Iterator[T], into: list[T]) -> None:
        """Appends `items` as they are found; words about it before each run."""

        def tell() -> None:
            if self.progress is not None:
                self.progress(f"{what}: {len(into)}")

        self.runs.told = tell
        for item in items:
            into.append(item)
            tell()
