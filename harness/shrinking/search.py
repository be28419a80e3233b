"""The search for a smaller failure, and the check of its certificate.

Every removal that still fails in the same way is kept at once and the search goes on at the same
place of the list, round and round, until a whole round keeps nothing. Numbers come last. What is
left is tried with a single decision elsewhere, and with less in it under schedules of fixed seeds.
What did not fail is remembered. With a bound of tries and none of seconds the search is a function
of the failure and the code.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from time import monotonic

from harness.schedules import RandomWalk, Source, trimmed
from harness.shrinking.case import Case, Removal
from harness.shrinking.judge import Judge, Shown
from harness.shrinking.parts import parts_out
from harness.shrinking.removals import NUMBERS, removals
from harness.shrinking.tapes import ByName


@dataclass(frozen=True, slots=True)
class Shrinking:
    """How far a search is: what progress functions are told."""

    tries: int
    steps: int  # of the smallest scenario so far
    decisions: int  # that are not dull, of its tape


Progress = Callable[[Shrinking], None]


DRAWS_MAX = 400  # of a dull run, of which one is answered otherwise
VALUES_MAX = 3  # that it is answered with
SCHEDULES = 4  # drawn anew for a scenario that lost a part
NOISE = 0.02  # share of their decisions that are not about threads and not dull


class Enough(Exception):
    """The bound of the search is reached."""


class Search:
    """`best` is the smallest so far."""

    def __init__(
        self,
        judge: Judge,
        first: Shown,
        deadline: float | None,
        tries: int | None,
        progress: Progress | None,
    ) -> None:
        self.judge = judge
        self.best = first
        self._deadline = deadline  # by the monotonic clock
        self._tries = tries
        self._progress = progress
        self._passed: set[Hashable] = set()  # what did not fail

    def run(self) -> None:
        """Until no removal fails. Raises `Enough`."""
        self._settle()
        while self._one_decision() or self._other_schedules():
            pass

    def _settle(self) -> None:
        """Until no removal fails."""
        self._dull_chunks()
        while self._round(parts=True) or self._round(parts=False):
            self._dull_chunks()

    def certified(self) -> bool:
        """Whether no removal at all fails. Raises `Enough`."""
        return not any(self._fails(each) for each in self._removals())

    def _removals(self) -> Iterable[Removal]:
        return removals(self.best.case, self.judge.by_name)

    def _round(self, parts: bool) -> bool:
        """Goes through the list until nothing of it fails; whether anything did."""
        kept = False
        index = since = 0
        listed = self._listed(parts)
        while since < len(listed):
            index %= len(listed)
            if self._fails(listed[index]):
                kept = True
                since = 0
                listed = self._listed(parts)
            else:
                index += 1
                since += 1
        return kept

    def _listed(self, parts: bool) -> list[Removal]:
        return [each for each in self._removals() if (each.kind in NUMBERS) is not parts]

    def _dull_chunks(self) -> None:
        """Many decisions dull at a time: halves of those that are not, quarters, ..."""
        size = self.best.case.decisions // 2
        while size > 1:
            place = 0
            while True:
                tape = self.best.case.tape
                sharp = [at for at, value in enumerate(tape) if value][place : place + size]
                if not sharp:
                    break
                duller = trimmed(tuple([0 if at in sharp else v for at, v in enumerate(tape)]))
                if not self._fails(Removal("decision", self.best.case._replace(tape=duller))):
                    place += size
            size //= 2

    def _fails(self, removal: Removal) -> bool:
        """Tries a removal, and keeps it if it fails."""
        key: Hashable = (removal.case, self.best.case) if removal.named else removal.case
        if key in self._passed:
            return False
        shown = self._shown(removal.case, ByName(self.best.decisions) if removal.named else None)
        if shown is None:
            self._passed.add(key)
        else:
            self._keep(shown)
        return shown is not None

    def _shown(self, case: Case, choices: Source | None = None) -> Shown | None:
        """One try."""
        if self._spent():
            raise Enough
        shown = self.judge.shown(case, choices)
        if self._progress is not None:
            self._progress(self.state)
        return shown

    def _one_decision(self) -> bool:
        """Where several decisions are not dull, whether a single one is enough: another one, at any
        draw of the dull run."""
        scenario = self.best.case.scenario
        if self.best.case.decisions < 2 or not self.judge.by_name:
            return False
        dull = ByName(())
        self.judge.run(Case(scenario), self.judge.worlds[0], dull)
        for place, (_, bound, _) in enumerate(dull.decisions[:DRAWS_MAX]):
            for value in range(1, min(bound, VALUES_MAX + 1)):
                tape = (*[0] * place, value)
                if self._fails(Removal("decision", Case(scenario, tape))):
                    self._settle()
                    return True
        return False

    def _other_schedules(self) -> bool:
        """Where threads are many, whether less of the scenario fails with another schedule, and in
        the end with no more decisions that are not dull than steps went."""
        before = self.best
        if not (before.case.decisions and before.case.scenario.threads and self.judge.by_name):
            return False
        for kind, fewer in parts_out(before.case.scenario):
            if kind in NUMBERS:
                return False
            for seed in range(SCHEDULES):
                shown = self._shown(Case(fewer), RandomWalk(seed, NOISE).source())
                if shown is None:
                    continue
                self._keep(shown)
                try:
                    self._settle()
                finally:
                    if _weight(self.best) >= _weight(before):
                        self._keep(before)
                if self.best is not before:
                    return True
                break
        return False

    @property
    def state(self) -> Shrinking:
        """For whoever watches."""
        return Shrinking(self.judge.tries, self.best.case.steps, self.best.case.decisions)

    def _spent(self) -> bool:
        if self._tries is not None and self.judge.tries >= self._tries:
            return True
        return self._deadline is not None and monotonic() >= self._deadline

    def _keep(self, shown: Shown) -> None:
        self.best = shown
        before = self.judge.record_budget
        if not self.judge.cut_too:
            self.judge.bound_by(len(shown.outcome.records))
        if self.judge.record_budget > before:  # what was cut may fail now
            self._passed.clear()


def _weight(shown: Shown) -> int:
    return shown.case.steps + shown.case.decisions


def still_failing(judge: Judge, shown: Shown) -> Removal | None:
    """The first removal that fails as the failure does; None: its certificate holds."""
    for removal in removals(shown.case, judge.by_name):
        choices = ByName(shown.decisions) if removal.named else None
        if judge.shown(removal.case, choices) is not None:
            return removal
    return None
