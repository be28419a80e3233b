"""Explains a trace, or says at which record no explanation is left.

An attempt takes every open choice by default; where it fails, the choices that it took before are
candidates for being wrong (`Hint`), the latest first. Attempts are made with one hint more, best
first, until one explains the trace or `ATTEMPTS` have failed; the failure that came furthest is
told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from harness.inclusion import epoll, iocp
from harness.inclusion.replay import Hint, Mismatch, Replay
from harness.scenario import Scenario
from model.choices import Decision
from model.trace import Record

ATTEMPTS = 60


@dataclass
class Explanation:
    """Whether a trace is explained. If not: `record` is where the contradiction is certain."""

    explained: bool
    records: int
    attempts: int
    record: int | None = None
    found: str = ""
    possible: str = ""
    decisions: Counter[Decision] = field(default_factory=Counter)
    loose: tuple[str, ...] = ()


def explain_records(
    world: str, scenario: Scenario, records: Sequence[Record], profile: str = "wine-8"
) -> Explanation:
    """Explains the records of a run of `scenario` in `world`; `profile`: of its IOCP."""
    if world.endswith("epoll"):
        bounds = epoll.Bounds(records)
        return search(
            lambda hints: epoll.EpollReplay(scenario, records, bounds, hints), len(records)
        )
    done = iocp.Bounds(records)
    return search(
        lambda hints: iocp.IocpReplay(scenario, records, done, hints, profile), len(records)
    )


def search(make: Callable[[Collection[Hint]], Replay], size: int) -> Explanation:
    """Attempts with ever more hints."""
    queue: list[tuple[int, int, frozenset[Hint]]] = [(0, 0, frozenset())]
    tried = {queue[0][2]}
    best: Mismatch | None = None
    attempts = 0
    while queue and attempts < ATTEMPTS:
        _, _, hints = heappop(queue)
        attempts += 1
        try:
            replay = make(hints)
            replay.explain()
        except Mismatch as mismatch:
            if best is None or mismatch.record > best.record:
                best = mismatch
            for hint in mismatch.hints:
                more = hints | {hint}
                if more not in tried:
                    tried.add(more)
                    heappush(queue, (-mismatch.record, len(tried), more))
        else:
            return Explanation(
                True, size, attempts, decisions=replay.network.decisions, loose=tuple(replay.loose)
            )
    assert best is not None
    return Explanation(False, size, attempts, best.record, best.found, best.possible)
