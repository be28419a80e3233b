"""Fuzzing: Hypothesis draws scenarios and tapes, every world judges, failures shrink.

A campaign goes through the worlds in groups: the simulated ones together (one drawn example runs
in each), then each real one. A group is searched in rounds. A round is one use of Hypothesis with a
seed of its own, without a database: it draws examples until one breaks a property that this world
has not broken before, and `harness.shrinking` makes that one small at once, in its own world; the
next round looks for others. The smallest run in which the property broke is the failure's.

Time is bounded everywhere: by `seconds` for all, of which every world gets an equal share, and
shrinking of one failure by `SHRINK_S` and a third of what is left of its world's share. An
interrupt from the keyboard ends the campaign and keeps what it has found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from harness.compare import compare, race_free
from harness.failure import FailureFile
from harness.features import events_seen, features
from harness.run import SUBJECTS, Outcome, check_names, run, subject_version
from harness.scenario import Scenario
from harness.shrinking import shrink_here
from harness.shrinking.judge import name_of
from harness.strategies import foreign_scenarios, scenarios, tapes
from harness.worlds import check_available, is_simulated
from model.errors import Divergence
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
    file: FailureFile | None = None  # of the shrunk run, once there is one

    def as_file(self) -> FailureFile:
        """The file of the smallest run, with the shrinker's certificate if it has one."""
        others = [outcome.world for outcome in self.others]
        return self.file or FailureFile.of(self.outcome, self.property, others)


@dataclass
class WorldReport:
    """What one world did. `checked` counts, by property, the runs that had something to say."""

    world: str
    kernel_version: str = ""
    runs: int = 0
    shrink_runs: int = 0
    records: int = 0
    seconds: float = 0.0  # in these runs, those of shrinking not counted
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def runs_per_s(self) -> float:
        """Runs in a second of running, drawing and shrinking not included."""
        return self.runs / self.seconds if self.seconds else 0.0


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
        self.target: Failure | None = None

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
            phases=(Phase.generate,),
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
        try:
            search()
            self.examples_left = min(self.examples_left, left)  # there may be fewer to draw
        except (_Stop, HypothesisException):
            pass
        finally:
            self._keep_target()

    def _keep_target(self) -> None:
        """The failure of this round goes into the report, as small as there is time for."""
        failure = self.target
        if failure is None:
            return
        self.report.failures.append(failure)
        self.known.add((failure.first_name, failure.world))
        try:
            self._shrink(failure)
        finally:
            self.report.shrinking = None

    def _name(self, violation: Violation, outcome: Outcome) -> str:
        """What tells this failure from others."""
        return name_of(violation, self.report.subject, outcome.records)

    def _example(self, scenario: Scenario, tape: tuple[int, ...]) -> None:
        """What Hypothesis calls with one example."""
        if monotonic() >= self.deadline or self.examples_left <= 0:
            raise _Stop
        broken = self._explore(scenario, tape)
        self.tell()
        if broken:
            raise _Stop

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
                self.target = failure
                self.report.shrinking = failure.property
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

    def _shrink(self, failure: Failure) -> None:
        """Makes it smaller where it happened."""
        try:
            shrunk = shrink_here(
                failure.as_file(),
                seconds=self._shrink_s(),
                progress=lambda _: self.tell(),
                told=self._count_shrinking,
                same=failure.first_name,
            )
        except Divergence:  # a real world need not do it again
            return
        failure.shrunk_from = shrunk.tries
        failure.finished = shrunk.complete
        failure.file = shrunk.failure
        failure.outcome, *rest = shrunk.outcomes
        failure.others = tuple(rest)
        failure.violation = shrunk.violation
        if shrunk.interrupted:
            raise KeyboardInterrupt

    def _shrink_s(self) -> float:
        """Its share of the time, in seconds."""
        if self.deadline >= self.started + FOREVER_S / 2:
            return SHRINK_S
        return min(SHRINK_S, max(1.0, (self.deadline - monotonic()) / 3))

    def _count_shrinking(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.report.worlds[outcome.world].shrink_runs += 1

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
