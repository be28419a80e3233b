"""Runs that are almost the failure: what each came to, and where its decisions lie.

Every draw of the run counts as a decision here, also those behind the end of the tape, which are
dull. Their places in the trace are known for subjects of this process by asking the trace, and for
those in a cage by having everything sent as it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from harness.failure import FailureFile
from harness.run import SUBJECTS, Outcome, play
from harness.shrinking.case import Case
from harness.shrinking.judge import Judge, Shown, name_of, was_cut
from model.choices import Choices, Decision
from model.errors import Divergence
from model.trace import Record

DRAWS_MAX = 20_000  # of one run that are looked at


class Enough(Exception):
    """The bound of the explanation is reached."""


class _Placed(Choices):
    """Keeps every draw, and the number of records before it."""

    __slots__ = ("places", "records")

    def __init__(self, tape: Sequence[int]) -> None:
        super().__init__(tape)
        self.records: list[Record] = []
        self.places: list[int] = []

    def draw(self, name: str, bound: int) -> int:
        if bound <= 1:
            return 0
        place = self.position
        value = self.tape[place] % bound if place < len(self.tape) else 0
        self.position = place + 1
        if place < DRAWS_MAX:
            self.decisions.append(Decision(name, bound, value))
            self.places.append(len(self.records))
        return value


class _Sent(list[Any]):
    """The decisions that a cage sends, with the number of records before each."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__()
        self.places: list[int] = []
        self._records = records

    def append(self, item: Any) -> None:
        super().append(item)
        self.places.append(len(self._records))


@dataclass(frozen=True, slots=True)
class Drawn:
    """The decisions of a run with their places."""

    decisions: tuple[Decision, ...]
    places: tuple[int, ...]


class Runs:
    """Runs cases near a failure, within a bound. `first` is its own run."""

    def __init__(self, failure: FailureFile, same: str, seconds: float | None) -> None:
        self.failure = failure
        self.judge = Judge(failure, same)
        self.told: Callable[[], None] | None = None
        self.deadline = None if seconds is None else monotonic() + seconds
        self.judge.cut_too = True
        shown = self.judge.shown(Case(failure.scenario, failure.tape))
        if shown is None:
            raise Divergence(f"{same} does not break again in {failure.world}")
        self.first: Shown = shown
        self.judge.cut_too = was_cut(shown.outcome)
        if not self.judge.cut_too:
            self.judge.bound_by(len(shown.outcome.records))
        self.drawn = self._draw(shown.case)
        values = tuple([decision.value for decision in self.drawn.decisions])
        self.case = Case(shown.case.scenario, values)
        self._known: dict[Case, bool] = {}

    def _draw(self, case: Case) -> Drawn:
        world, subject, mutant = self.failure.world, self.failure.subject, self.failure.mutant
        if SUBJECTS[subject].caged:
            from harness.cage import watched

            records: list[Record] = []
            sent = _Sent(records)
            padded = (*case.tape, *[0] * (DRAWS_MAX - len(case.tape)))
            watched(case.scenario, world, padded, subject, records, sent)
            return Drawn(tuple(sent), tuple(sent.places))
        choices = _Placed(case.tape)
        play(case.scenario, world, choices, subject, mutant, into=choices.records)
        return Drawn(tuple(choices.decisions), tuple(choices.places))

    def fails(self, case: Case) -> bool:
        """Whether the case fails as the failure does. Raises `Enough`."""
        known = self._known.get(case)
        if known is None:
            self.check()
            known = self._known[case] = self.judge.shown(case) is not None
        return known

    def outcome(self, case: Case) -> Outcome:
        """The run of a case in the failure's own world. Raises `Enough`."""
        self.check()
        return self.judge.run(case, self.failure.world)

    def is_clean(self, outcome: Outcome) -> bool:
        """Whether nothing at all broke in it, or at least not what the failure is about."""
        names = {
            name_of(each, self.failure.subject, outcome.records)
            for each in outcome.verdicts.violations
        }
        return self.judge.same not in names

    def check(self) -> None:
        """Raises `Enough` when the time is up; whoever watches is told first."""
        if self.told is not None:
            self.told()
        if self.deadline is not None and monotonic() >= self.deadline:
            raise Enough

    def record_of(self, decision: int) -> int:
        """The first record behind a decision; of one that was never made, the last record."""
        places = self.drawn.places
        last = len(self.first.outcome.records) - 1
        return min(places[decision], last) if decision < len(places) else last
