"""Fuzzing: Hypothesis draws scenarios and tapes, every world judges, failures shrink.

A campaign goes through the worlds in groups: the simulated ones together (one drawn example runs
in each), then each real one. A group is searched in rounds. A round is one use of Hypothesis with a
seed of its own, without a database: it draws examples until one breaks a property that this world
has not broken before, and shrinks that one at once (`harness.shrink` takes out what is then left
over); the next round looks for others. The smallest run in which the property broke is the
failure's.

Time is bounded everywhere: by `seconds` for all, of which every world gets an equal share, and
shrinking of one failure by `SHRINK_S` and a third of what is left of its world's share. An
interrupt from the keyboard ends the campaign and keeps what it has found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException

from harness.compare import compare, race_free
from harness.features import events_seen, features
from harness.run import SUBJECTS, Outcome, check_names, run, subject_version
from harness.scenario import Scenario
from harness.scenario_json import to_json
from harness.shrink import shrink
from harness.signature import signature
from harness.strategies import foreign_scenarios, scenarios, tapes
from harness.worlds import check_available, is_simulated
from model.properties import Violation

SHRINK_S = 10.0  # for one failure
ROUND_RUNS = 4_000  # examples of one round: Hypothesis remembers all of them
PROGRESS_S = 0.2  # between two calls of the progress function
FOREVER_S = 1e9


@dataclass
class Failure:
    """A property that broke in a world, and the smallest run in which it did.

    `others` are the runs of the same scenario in other worlds that a cross-world property
    compares with.
    """

    property: str
    world: str
    violation: Violation
    outcome: Outcome
    others: tuple[Outcome, ...] = ()
    shrunk_from: int = 0  # runs spent on shrinking
    finished: bool = False  # shrinking came to its end
    first_name: str = ""  # what told it from the failures that were known


@dataclass
class WorldReport:
    """What one world did. `checked` counts, by property, the runs that had something to say."""

    world: str
    kernel_version: str = ""
    runs: int = 0
    shrink_runs: int = 0
    records: int = 0
    seconds: float = 0.0  # in runs
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def runs_per_s(self) -> float:
        """Runs in a second of running, drawing not included."""
        return (self.runs + self.shrink_runs) / self.seconds if self.seconds else 0.0


@dataclass
class FuzzReport:
    """A campaign so far; complete when `fuzz` returns it."""

    seed: int
    subject: str
    mutant: str | None
    worlds: dict[str, WorldReport]
    features: Counter[str] = field(default_factory=Counter)  # by how many examples
    failures: list[Failure] = field(default_factory=list)
    examples: int = 0
    elapsed_s: float = 0.0
    interrupted: bool = False
    shrinking: str | None = None  # the property that is being shrunk just now


Progress = Callable[[FuzzReport], None]
Observe = Callable[[Outcome, float, str], None]  # a run, its seconds, how its example was made


class _Stop(BaseException):
    """Ends a round from inside; no Exception, so that Hypothesis lets it pass."""


class _Broken(Exception):
    """Tells Hypothesis that the example broke the property."""


def fuzz(
    worlds: Sequence[str] = ("sim-epoll", "sim-iocp"),
    subject: str = "model",
    *,
    runs: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    mutant: str | None = None,
    progress: Progress | None = None,
    observe: Observe | None = None,
    stop_at_first: bool = False,
) -> FuzzReport:
    """Searches for broken properties: `runs` in each world, or `seconds` for all together.

    `progress` is called with the report so far, a few times a second, `observe` with every run.
    `stop_at_first` ends the campaign with the first failure. Raises `UsageError` or
    `WorldUnavailable` before it starts.
    """
    for world in worlds:
        check_names(world, subject, mutant)
        check_available(world)
    subject_version(subject)
    reports = {world: WorldReport(world) for world in worlds}
    report = FuzzReport(seed, subject, mutant, reports)
    campaign = _Campaign(report, progress, stop_at_first)
    campaign.observe = observe
    try:
        campaign.search(runs, FOREVER_S if seconds is None else seconds)
    except KeyboardInterrupt:
        report.interrupted = True
    campaign.tell(force=True)
    return report


class _Campaign:
    """The search. One example at a time; `target` is what is being shrunk."""

    def __init__(self, report: FuzzReport, progress: Progress | None, first: bool) -> None:
        self.report = report
        self.progress = progress
        self.observe: Observe | None = None
        self.stop_at_first = first
        self.started = monotonic()
        self.told = 0.0
        self.known: set[tuple[str, str]] = set()  # what names a failure, and its world
        self.foreign = SUBJECTS[report.subject].caged
        self.group: tuple[str, ...] = ()
        self.examples_left = 0
        self.deadline = 0.0
        self.shrink_deadline = 0.0
        self.target: Failure | None = None
        self.target_size: tuple[int, ...] = ()

    def search(self, runs: int | None, seconds: float) -> None:
        """All groups, each with its share of the time."""
        simulated = tuple([world for world in self.report.worlds if is_simulated(world)])
        real = [(world,) for world in self.report.worlds if not is_simulated(world)]
        groups = [group for group in (simulated, *real) if group]
        worlds_left = len(self.report.worlds)
        end = self.started + seconds
        for group in groups:
            now = monotonic()
            self.deadline = now + (end - now) * len(group) / worlds_left
            worlds_left -= len(group)
            self.group = group
            self.examples_left = runs or 1 << 60
            number = 0
            while self.examples_left > 0 and monotonic() < self.deadline and not self._enough():
                self._round(number)
                number += 1

    def _enough(self) -> bool:
        return self.stop_at_first and bool(self.report.failures)

    def _round(self, number: int) -> None:
        """One use of Hypothesis, up to one failure."""
        self.target = None
        examples = min(self.examples_left, ROUND_RUNS)
        left = self.examples_left - examples
        configured = settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
        )
        draw = foreign_scenarios if self.foreign else scenarios
        drawn = draw()
        if len(self.group) > 1:  # comparing needs some that can be compared
            drawn = st.one_of(drawn, drawn, draw(race_free=True))
        body = given(drawn, tapes())(self._example)
        search = seed(self.report.seed + 1_000_003 * number)(configured(body))
        finished = False
        try:
            search()
            self.examples_left = min(self.examples_left, left)  # there may be fewer to draw
            finished = True
        except _Broken:
            finished = True
        except (_Stop, Flaky, HypothesisException):
            finished = False
        finally:
            self._keep_target(finished)

    def _keep_target(self, finished: bool) -> None:
        """The failure of this round goes into the report."""
        failure = self.target
        self.report.shrinking = None
        if failure is not None:
            failure.finished = finished
            if finished:
                self._take_parts_out(failure)
                failure.outcome = self._trimmed(failure)
            self.known.add((self._name(failure.violation, failure.outcome), failure.world))
            if failure.first_name:  # shrinking may have changed what it says
                self.known.add((failure.first_name, failure.world))
            self.report.failures.append(failure)

    def _name(self, violation: Violation, outcome: Outcome) -> str:
        """What tells this failure from others."""
        if self.foreign and not violation.property.startswith("X"):
            return signature(violation, outcome.records)
        return violation.property

    def _take_parts_out(self, failure: Failure) -> None:
        """What Hypothesis could not reach: `harness.shrink`, within the same time."""

        def fails(scenario: Scenario) -> bool:
            if monotonic() >= self.shrink_deadline:
                failure.finished = False
                return False
            self.tell()
            return self._shrink(scenario, failure.outcome.tape)

        shrink(failure.outcome.scenario, fails)

    def _trimmed(self, failure: Failure) -> Outcome:
        """The same run without the part of the tape that it does not need."""
        outcome = failure.outcome
        tape = [decision.value for decision in outcome.decisions]
        while tape and tape[-1] == 0:
            tape.pop()
        if failure.others or not is_simulated(outcome.world) or tuple(tape) == outcome.tape:
            return outcome
        again = self._run(outcome.scenario, outcome.world, tuple(tape))
        for violation in again.verdicts.violations:
            if self._name(violation, again) == failure.first_name:
                failure.violation = violation
                return again
        return outcome

    def _example(self, scenario: Scenario, tape: tuple[int, ...]) -> None:
        """What Hypothesis calls with one example.

        It tells failures apart by the line that raised, so there is one line that does.
        """
        shrinking = self.target is not None
        limit = self.shrink_deadline if shrinking else self.deadline
        if monotonic() >= limit or (self.examples_left <= 0 and not shrinking):
            raise _Stop
        broken = (self._shrink if shrinking else self._explore)(scenario, tape)
        self.tell()
        if broken:
            raise _Broken

    def _explore(self, scenario: Scenario, tape: tuple[int, ...]) -> bool:
        """Runs a new example in every world of the group: whether it shows a new failure."""
        self.examples_left -= 1
        self.report.examples += 1
        outcomes = [self._run(scenario, world, tape) for world in self.group]
        seen = features(scenario)
        for outcome in outcomes:
            seen |= events_seen(outcome.records)
            self._count(outcome)
        self.report.features.update(seen)
        failures = [
            Failure(violation.property, outcome.world, violation, outcome)
            for outcome in outcomes
            for violation in outcome.verdicts.violations
        ]
        for failure in [*failures, *self._failures_across(scenario, outcomes)]:
            name = self._name(failure.violation, failure.outcome)
            if (name, failure.world) not in self.known:
                failure.first_name = name
                self._aim(failure)
                return True
        return False

    def _failures_across(self, scenario: Scenario, outcomes: list[Outcome]) -> list[Failure]:
        """What breaks when worlds are compared, where they can be: those of the group, and a real
        world with the simulated ones."""
        if not race_free(scenario):
            return []
        if not is_simulated(self.group[0]):
            simulated = [world for world in self.report.worlds if is_simulated(world)]
            outcomes = outcomes + [self._run(scenario, world, ()) for world in simulated]
        if len(outcomes) < 2:
            return []
        compared = compare(outcomes)
        said = [name for name, times in compared.checked.items() if times]
        for outcome in outcomes:
            self.report.worlds[outcome.world].checked.update(said)
        return [_across(violation, outcomes) for violation in compared.violations]

    def _aim(self, failure: Failure) -> None:
        """From here on this round shrinks `failure`."""
        self.target = failure
        self.target_size = _size(failure.outcome)
        self.shrink_deadline = monotonic() + SHRINK_S
        if self.deadline < self.started + FOREVER_S / 2:
            share = max(1.0, (self.deadline - monotonic()) / 3)
            self.shrink_deadline = min(self.shrink_deadline, monotonic() + share)
        self.report.shrinking = failure.property

    def _shrink(self, scenario: Scenario, tape: tuple[int, ...]) -> bool:
        """Runs a smaller example where the target broke: does it still?"""
        target = self.target
        assert target is not None
        if target.others and not race_free(scenario):
            return False
        target.shrunk_from += 1
        worlds = (target.outcome.world, *(other.world for other in target.others))
        outcomes = [self._run(scenario, world, tape) for world in worlds]
        for outcome in outcomes:
            self.report.worlds[outcome.world].shrink_runs += 1
        verdicts = compare(outcomes) if target.others else outcomes[0].verdicts
        for violation in verdicts.violations:
            if self._name(violation, outcomes[0]) == target.first_name:
                self._keep_if_smaller(target, violation, outcomes)
                return True
        return False

    def _keep_if_smaller(
        self, target: Failure, violation: Violation, outcomes: list[Outcome]
    ) -> None:
        size = _size(outcomes[0])
        if size <= self.target_size:
            self.target_size = size
            smaller = _across(violation, outcomes) if target.others else None
            target.violation = violation
            target.outcome = outcomes[0] if smaller is None else smaller.outcome
            target.others = tuple(outcomes[1:])

    def _run(self, scenario: Scenario, world: str, tape: tuple[int, ...]) -> Outcome:
        started = monotonic()
        outcome = run(
            scenario,
            world,
            tape=tape if is_simulated(world) else (),
            subject=self.report.subject,
            mutant=self.report.mutant,
        )
        seconds = monotonic() - started
        self.report.worlds[world].seconds += seconds
        if self.observe is not None:
            how = "drawn by Hypothesis" if self.target is None else "while shrinking"
            self.observe(outcome, seconds, how)
        return outcome

    def _count(self, outcome: Outcome) -> None:
        counts = self.report.worlds[outcome.world]
        counts.kernel_version = outcome.kernel_version
        counts.runs += 1
        counts.records += len(outcome.records)
        counts.checked.update([name for name, times in outcome.verdicts.checked.items() if times])

    def tell(self, force: bool = False) -> None:
        """Calls the progress function, if it is time."""
        now = monotonic()
        self.report.elapsed_s = now - self.started
        if self.progress is not None and (force or now - self.told >= PROGRESS_S):
            self.told = now
            self.progress(self.report)


def _across(violation: Violation, outcomes: list[Outcome]) -> Failure:
    """A failure of a cross-world property; its first run carries the verdict."""
    first, *others = outcomes
    worlds = "+".join(outcome.world for outcome in outcomes)
    verdicts = replace(first.verdicts, violations=(violation,))
    return Failure(
        violation.property, worlds, violation, replace(first, verdicts=verdicts), tuple(others)
    )


def _size(outcome: Outcome) -> tuple[int, ...]:
    """How much there is to read in a failure: the less the better."""
    text = json.dumps(to_json(outcome.scenario))
    return len(text), len(outcome.tape), sum(outcome.tape)
