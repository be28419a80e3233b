"""Whether a smaller case fails as the failure does.

The model has one bug at a time, so the property names it; of a foreign subject, whose bugs nobody
has told apart, the signature does (`harness.signature`). A property that compares worlds is judged
on a run in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.compare import compare, race_free
from harness.failure import FailureFile
from harness.run import RECORD_BUDGET, RECORDS_OF_THREADS, SUBJECTS, Outcome, run
from harness.scenario import Scenario, threaded
from harness.schedules import Source, trimmed
from harness.shrinking.case import Case
from harness.signature import signature
from harness.worlds import is_completion, is_remote, is_simulated
from model.choices import Choices, Decision
from model.properties import Violation
from model.trace import Record

RECORDS_SPARE = 2_000  # that a smaller run may have more than four times the failure's


def name_of(violation: Violation, subject: str, records: Sequence[Record]) -> str:
    """What tells this failure from others: its property, or its signature."""
    if SUBJECTS[subject].caged and not violation.property.startswith("X"):
        return signature(violation, records)
    return violation.property


@dataclass(frozen=True)
class Shown:
    """A case that fails as it should. `others` are its runs in the worlds it is compared with."""

    case: Case
    outcome: Outcome
    violation: Violation
    others: tuple[Outcome, ...] = ()

    @property
    def decisions(self) -> Sequence[Decision]:
        return self.outcome.decisions


class Judge:
    """Runs cases of one failure. `tries` counts the cases."""

    def __init__(
        self,
        failure: FailureFile,
        same: str,
        told: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> None:
        self.worlds = (failure.world, *failure.others)
        self.subject = failure.subject
        self.mutant = failure.mutant
        self.same = same
        self.told = told
        self.tries = 0
        self.record_budget = RECORD_BUDGET * RECORDS_OF_THREADS
        self.cut_too = False  # whether a run that was cut may show it: the failure's own was
        self.by_name = not (SUBJECTS[self.subject].caged or any(map(is_remote, self.worlds)))
        self.exact = all(map(is_simulated, self.worlds))  # a run says what the next will be

    def shown(self, case: Case, choices: Source | None = None) -> Shown | None:
        """The run of a case, if it fails as it should.

        With `choices` its tape is what they answer: by names, or a schedule drawn anew.
        """
        self.tries += 1
        if len(self.worlds) > 1 and not race_free(case.scenario):
            return None
        outcomes = [self.run(case, self.worlds[0], choices)]
        if choices is not None:
            case = case._replace(tape=choices.recorded())
            outcomes[0] = replace(outcomes[0], tape=case.tape)
        outcomes += [self.run(case, world) for world in self.worlds[1:]]
        if self.told is not None:
            self.told(outcomes)
        if not self.cut_too and any(map(was_cut, outcomes)):
            return None
        return self._same(case, outcomes)

    def _same(self, case: Case, outcomes: list[Outcome]) -> Shown | None:
        first, *others = outcomes
        verdicts = compare(outcomes) if others else first.verdicts
        for violation in verdicts.violations:
            if name_of(violation, self.subject, first.records) == self.same:
                if others:
                    first = replace(first, verdicts=replace(verdicts, violations=(violation,)))
                elif self.exact:  # without what the run did not ask for
                    case = case._replace(tape=used(first))
                return Shown(case, first, violation, tuple(others))
        return None

    def bound_by(self, records: int) -> None:
        """Runs of smaller cases are cut when they have many more records than that."""
        self.record_budget = 4 * records + RECORDS_SPARE

    def run(self, case: Case, world: str, choices: Choices | None = None) -> Outcome:
        """One run, with the bound of records."""
        return run(
            case.scenario,
            world,
            tape=case.tape if is_simulated(world) else (),
            choices=choices,
            subject=self.subject,
            mutant=self.mutant,
            record_budget=self._budget(case.scenario, world),
        )

    def _budget(self, scenario: Scenario, world: str) -> int:
        if threaded(scenario, is_completion(world)):  # they get more
            return max(1, self.record_budget // RECORDS_OF_THREADS)
        return min(self.record_budget, RECORD_BUDGET)


def was_cut(outcome: Outcome) -> bool:
    """Whether the run had more records than it may."""
    return any(record[1] == "budget" for record in outcome.records)


def used(outcome: Outcome) -> tuple[int, ...]:
    """The tape that the run used, without what it did not ask for."""
    return trimmed(tuple([decision.value for decision in outcome.decisions]))
