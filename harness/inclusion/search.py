"""Explains a trace, or says at which record no explanation is left.

An attempt takes every open choice by default; where it fails, the choices that it took before are
candidates for being wrong (`Hint`). Attempts are made with one hint more, those that came furthest
first, until one explains the trace or too many have failed.

An attempt knows the whole trace, so it may fail before the record that is to blame. That is the
first record with which the trace has no explanation any more, while without it there is one; it is
found by halving. What was possible there is what an attempt meets that knows the records before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from harness.inclusion import epoll, epoll_bounds, iocp, iocp_bounds
from harness.inclusion.replay import Replay
from harness.inclusion.turns import gathered
from harness.inclusion.waiting import Hint, Mismatch
from harness.scenario import Scenario
from harness.words import plain
from harness.worlds import is_completion
from model.choices import Decision
from model.errors import DuopollError
from model.trace import Record

ATTEMPTS = 60  # for a whole trace
FEWER = 20  # for each half


@dataclass
class Explanation:
    """Whether a trace is explained, and how.

    If it is not, `record` is the first that leaves no explanation; `found` is what it says and
    `possible` what could have been. `decisions` are those of the explanation, as a tape would hold
    them, and how often; `loose` names what has no decision (`harness.conform`'s loosenesses).
    """

    explained: bool
    attempts: int
    record: int | None = None
    found: str = ""
    possible: str = ""
    decisions: Counter[Decision] = field(default_factory=Counter)
    loose: tuple[str, ...] = ()


class _Trace:
    """A trace to explain, or its beginning."""

    def __init__(
        self, world: str, scenario: Scenario, records: Sequence[Record], profile: str
    ) -> None:
        self.world = world
        self.scenario = scenario
        gather = gathered(records) if is_completion(world) else (records, range(len(records)))
        self.records, self.numbers = gather
        self.profile = profile

    def attempt(self, hints: Collection[Hint], upto: int, known: int) -> Replay:
        """Tries to explain the records before `upto`, knowing those before `known`."""
        records = self.records[:upto]
        replay: Replay
        if is_completion(self.world):
            bounds = iocp_bounds.Bounds(records[:known])
            replay = iocp.IocpReplay(self.scenario, records, bounds, hints, self.profile)
        else:
            watched = epoll_bounds.Bounds(records[:known])
            replay = epoll.EpollReplay(self.scenario, records, watched, hints)
        replay.explain()
        return replay

    def search(self, upto: int, most: int) -> tuple[Replay | None, Mismatch | None, int]:
        """The attempt that explains the records before `upto`, or the best failure; attempts."""
        queue: list[tuple[int, int, frozenset[Hint]]] = [(0, 0, frozenset())]
        tried = {queue[0][2]}
        best: Mismatch | None = None
        attempts = 0
        while queue and attempts < most:
            hints = heappop(queue)[2]
            attempts += 1
            try:
                return self.attempt(hints, upto, upto), None, attempts
            except Mismatch as mismatch:
                if best is None or mismatch.record > best.record:
                    best = mismatch
                for hint in mismatch.hints:
                    more = hints | {hint}
                    if more not in tried:
                        tried.add(more)
                        heappush(queue, (-mismatch.record, len(tried), more))
        return None, best, attempts

    def first_unexplained(self, failed: Mismatch) -> Mismatch:
        """The record to blame, and what was possible there."""
        low, high = failed.record, len(self.records)  # the first `low` records: explained, or so
        while low + 1 < high:
            middle = (low + high) // 2
            replay, mismatch, _ = self.search(middle, FEWER)
            if replay is None:
                high, failed = middle, mismatch or failed
            else:
                low = middle
        blamed = high - 1
        try:
            self.attempt((), high, blamed)
        except Mismatch as mismatch:
            if mismatch.record == blamed:
                return mismatch
        except (DuopollError, ArithmeticError, LookupError, TypeError):
            pass  # the kernel was led somewhere where no search would have led it
        return Mismatch(blamed, failed.found, failed.possible)


def explain(
    world: str, scenario: Scenario, records: Sequence[Record], profile: str = "wine-8"
) -> Explanation:
    """Explains the records of a run of `scenario` in `world`; `profile`: that of its IOCP."""
    trace = _Trace(world, scenario, records, profile)
    replay, mismatch, attempts = trace.search(len(trace.records), ATTEMPTS)
    if replay is not None:
        loose = tuple(sorted(replay.loose))
        return Explanation(True, attempts, None, "", "", replay.network.decisions, loose)
    assert mismatch is not None
    blamed = trace.first_unexplained(mismatch)
    found, possible = plain(blamed.found, 300), plain(blamed.possible, 500)
    return Explanation(False, attempts, trace.numbers[blamed.record], found, possible)
