"""The search for a smaller failure, and the check of its certificate.

Every removal that still fails in the same way is kept at once and the search goes on at the same
place of the list, round and round, until a whole round keeps nothing. Numbers come last. The
search draws nothing at random and remembers what did not fail; with a bound of tries and none of
seconds it is a function of the failure and the code.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from time import monotonic

from harness.schedules import trimmed
from harness.shrinking.case import Removal
from harness.shrinking.judge import Judge, Shown
from harness.shrinking.removals import NUMBERS, removals


@dataclass(frozen=True, slots=True)
class Shrinking:
    """How far a search is: what progress functions are told."""

    tries: int
    steps: int  # of the smallest scenario so far
    decisions: int  # that are not dull, of its tape


Progress = Callable[[Shrinking], None]


class Enough(Exception):
    """The bound of the search is reached."""


class Search:
    """`best` is the smallest so far."""

    def __init__(
        self,
        judge: Judge,
        first: Shown,
        seconds: float | None,
        tries: int | None,
        progress: Progress | None,
    ) -> None:
        self.judge = judge
        self.best = first
        self._deadline = None if seconds is None else monotonic() + seconds
        self._tries = tries
        self._progress = progress
        self._passed: set[Hashable] = set()  # what did not fail

    def run(self) -> None:
        """Until no removal fails. Raises `Enough`."""
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
        if self._spent():
            raise Enough
        named = self.best.decisions if removal.named else None
        shown = self.judge.shown(removal.case, named)
        if shown is None:
            self._passed.add(key)
        else:
            self._keep(shown)
        if self._progress is not None:
            self._progress(self.state)
        return shown is not None

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


def still_failing(judge: Judge, shown: Shown) -> Removal | None:
    """The first removal that fails as the failure does; None: its certificate holds."""
    for removal in removals(shown.case, judge.by_name):
        if judge.shown(removal.case, shown.decisions if removal.named else None) is not None:
            return removal
    return None
