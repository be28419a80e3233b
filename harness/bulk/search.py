"""The search itself: draw a case, run it, judge it, look whether it is new.

`Search` is one stream of cases from a seed. It keeps those that showed something new and makes
others out of them, which is most of what it does once it has some. A *batch* is a piece of a
campaign's work: plain data in, plain data out, so any executor can carry it; what it gives is a
function of the batch and of nothing else, but for times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from time import monotonic
from typing import Any

from harness.bulk.corpus import Entry
from harness.bulk.generator import Case, fresh, mutated, scenario_and_tape
from harness.bulk.novelty import Key, keys_of, text_of
from harness.bulk.sample import how_observed, observed
from harness.collector import seldom
from harness.compare import compare
from harness.conform.rules import watching
from harness.failure import FailureFile, encode
from harness.run import SUBJECTS, Outcome, run
from harness.scenario import Scenario
from harness.shrinking.judge import name_of, was_cut
from harness.worlds import is_simulated
from model.properties import Verdicts, Violation

_FRESH = 256  # cases that a search without parents begins with: at first all is new
_SHORT = 2_000  # records: one run in some hundreds has more
_LONG = 4
_PARENTS = 3  # of so many the one with the shortest run is mutated
_USUAL = 100  # records, of a parent of which that is not known
_CALM = 16  # one fresh case in so many is run in every simulated world, and compared


@dataclass(frozen=True, slots=True)
class Broken:
    """A violation, the run it is in, and the runs that it was compared with."""

    violation: Violation
    outcome: Outcome
    others: tuple[Outcome, ...] = ()

    @property
    def signature(self) -> str:
        """What tells it from other violations, as for the shrinker: of the model its property."""
        return name_of(self.violation, self.outcome.subject, self.outcome.records)

    def as_file(self) -> FailureFile:
        """The failure as data."""
        outcome = self.outcome
        if self.others:  # which no run alone breaks: the first carries the verdict
            verdicts = replace(outcome.verdicts, violations=(self.violation,))
            outcome = replace(outcome, verdicts=verdicts)
        return FailureFile.of(
            outcome, self.violation.property, [each.world for each in self.others]
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """One case, run: in one world, or in all simulated ones if it is race-free."""

    case: Case
    outcomes: tuple[Outcome, ...]
    broken: tuple[Broken, ...]
    compared: tuple[str, ...] = ()  # properties that comparing the worlds had something to say of


class Search:
    """Cases from a seed, for one subject in some worlds."""

    def __init__(
        self,
        random: Random,
        worlds: Sequence[str],
        subject: str = "model",
        mutant: str | None = None,
        *,
        focus: str | None = None,
        calm: int | None = None,
        pool: Sequence[Case] = (),
    ) -> None:
        """`focus` is that of every second fresh case (None: drawn); one fresh case in `calm` is
        race-free (0: none); `pool` are cases to begin with."""
        self.random = random
        self.worlds = tuple(worlds)
        self.subject = subject
        self.mutant = mutant
        self.pool = list(pool)
        self._costs = [_USUAL] * len(self.pool)
        self.foreign = SUBJECTS[subject].caged
        self._focus = focus
        self._simulated = tuple([world for world in worlds if is_simulated(world)])
        usual = _CALM if len(self._simulated) > 1 else 0
        self._calm = usual if calm is None else calm
        self._turn = random.getrandbits(8)
        self._drawn = 0
        self._fresh = 0 if pool else _FRESH

    def draw(self) -> Case:
        """The next case: fresh, or out of one that was new."""
        random = self.random
        self._drawn += 1
        if self.pool and self._drawn > self._fresh and random.getrandbits(1):
            some = [random.randrange(len(self.pool)) for _ in range(_PARENTS)]
            return mutated(self.pool[min(some, key=self._costs.__getitem__)], random, self.pool)
        focus = self._focus
        if focus and random.getrandbits(1):
            focus = ""
        calm = bool(self._calm) and random.randrange(self._calm) == 0
        return fresh(random, focus=focus, race_free=calm, foreign=self.foreign)

    def keep(self, trial: Trial) -> None:
        """A case that was new lives on. Long runs show more that is new, but in their time many
        short ones could be made: so they are the likelier parents."""
        self.pool.append(trial.case)
        self._costs.append(sum(len(each.records) for each in trial.outcomes))

    def trial(self, case: Case) -> Trial:
        """Runs a case: in the next of the worlds, or in all simulated ones."""
        scenario, tape = scenario_and_tape(case, self.foreign)
        self._turn += 1
        compared = case.race_free and len(self._simulated) > 1
        worlds = self._simulated if compared else (self.worlds[self._turn % len(self.worlds)],)
        outcomes = tuple(
            [
                self._run(scenario, world, tape if is_simulated(world) else (), compared)
                for world in worlds
            ]
        )
        broken, said = judged(outcomes)
        return Trial(case, outcomes, broken, said)

    def _run(self, scenario: Scenario, world: str, tape: tuple[int, ...], whole: bool) -> Outcome:
        """A run; a long one is mostly given up, for the time that many short ones take.

        One in `_LONG` of those is run to its end instead, and so is each in which something broke
        before: what is told of is always a whole run.
        """
        subject, mutant = self.subject, self.mutant
        if not whole:
            outcome = run(
                scenario, world, tape=tape, subject=subject, mutant=mutant, record_budget=_SHORT
            )
            if len(outcome.records) <= _SHORT or not was_cut(outcome):
                return outcome
            if len(outcome.verdicts.violations) == 1 and self.random.randrange(_LONG):
                return replace(outcome, verdicts=replace(outcome.verdicts, violations=()))
        return run(scenario, world, tape=tape, subject=subject, mutant=mutant)


def judged(outcomes: Sequence[Outcome]) -> tuple[tuple[Broken, ...], tuple[str, ...]]:
    """What broke in runs of one scenario, the first violation of each property; of several runs,
    which are race-free, also between them, and which properties had something to say about that."""
    broken = [Broken(each, run) for run in outcomes for each in _first(run.verdicts)]
    if len(outcomes) < 2:
        return tuple(broken), ()
    verdicts = compare(outcomes)
    first, *others = outcomes
    broken += [Broken(each, first, tuple(others)) for each in _first(verdicts)]
    return tuple(broken), tuple([name for name, times in verdicts.checked.items() if times])


def _first(verdicts: Verdicts) -> list[Violation]:
    """One violation a property: the one that a failure file of it is about."""
    found: dict[str, Violation] = {}
    for each in verdicts.violations:
        found.setdefault(each.property, each)
    return list(found.values())


# Batches.


@dataclass(frozen=True, slots=True)
class Batch:
    """Some runs to make. `known` are the signatures that need no file any more; `seen` says
    which keys are new to nobody, as far as the asker had been told."""

    number: int
    seed: int
    subject: str
    mutant: str | None
    worlds: tuple[str, ...]
    runs: int
    parents: tuple[Case, ...] = ()
    known: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """A failure on its way to its file."""

    signature: str
    property: str
    worlds: tuple[str, ...]
    message: str
    data: bytes  # of the failure file
    swarm: str  # what existed in the run, in words


@dataclass(slots=True)
class Findings:
    """What came of a batch. Counters are by world, property, key and signature."""

    number: int
    runs: Counter[str] = field(default_factory=Counter)
    records: int = 0
    seconds: float = 0.0
    checked: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    failures: list[Found] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    observed: list[dict[str, Any]] = field(default_factory=list)  # see harness.bulk.sample


def search_batch(batch: Batch) -> Findings:
    """Makes the runs of a batch."""
    started = monotonic()
    random = Random((batch.seed << 32) + batch.number)
    search = Search(random, batch.worlds, batch.subject, batch.mutant, pool=batch.parents)
    findings = Findings(batch.number)
    counts: Counter[Key] = Counter()
    seen: set[str] = set(batch.seen)
    known = set(batch.known)
    with seldom() as after_run:
        while findings.runs.total() < batch.runs:
            before, began = findings.runs.total(), monotonic()
            trial = search.trial(search.draw())
            seconds = (monotonic() - began) / len(trial.outcomes)
            after_run()
            kept, failed = len(findings.entries), len(findings.failures)
            for outcome in trial.outcomes:
                _count(findings, outcome)
                keys = keys_of(outcome)
                new = [key for key in keys if key not in counts]
                counts.update(keys)
                if new and not seen.issuperset(texts := set(map(text_of, new))):
                    seen |= texts
                    _keep(findings, search, trial, outcome)
            findings.checked.update(trial.compared)
            for broken in trial.broken:
                _tell(findings, known, trial, broken)
            how = how_observed(
                batch.number,
                before,
                kept=len(findings.entries) > kept,
                broken=len(findings.failures) > failed,
            )
            if how is not None:
                findings.observed += [observed(each, seconds, how) for each in trial.outcomes]
    findings.keys = Counter({text_of(key): times for key, times in counts.items()})
    findings.seconds = monotonic() - started
    return findings


def _count(findings: Findings, outcome: Outcome) -> None:
    findings.runs[outcome.world] += 1
    findings.records += len(outcome.records)
    findings.checked.update([name for name, times in outcome.verdicts.checked.items() if times])


def _keep(findings: Findings, search: Search, trial: Trial, outcome: Outcome) -> None:
    """A case that was new goes on living, and into the corpus with all that it covers."""
    search.keep(trial)
    entry = Entry(trial.case, outcome.world, search.subject)
    covered = covers(entry, search.mutant)
    findings.entries.append(Entry(trial.case, outcome.world, search.subject, tuple(covered)))


def covers(entry: Entry, mutant: str | None = None) -> list[str]:
    """Every key of an entry's run, and the rules of the simulated kernel that it exercises; the
    entry is run for that."""
    scenario, tape = scenario_and_tape(entry.case, SUBJECTS[entry.subject].caged)
    if not is_simulated(entry.world):
        tape = ()
    with watching() as watch:
        outcome = run(
            scenario,
            entry.world,
            tape=tape,
            subject=entry.subject,
            mutant=mutant,
            record_budget=_SHORT,
        )
    keys = {text_of(key) for key in keys_of(outcome)}
    return sorted(keys | {f"rule {name}" for name in watch.hits})


def _tell(findings: Findings, known: set[str], trial: Trial, broken: Broken) -> None:
    name = broken.signature
    findings.broken[name] += 1
    if name in known:
        return
    known.add(name)
    worlds = (broken.outcome.world, *(each.world for each in broken.others))
    findings.failures.append(
        Found(
            signature=name,
            property=broken.violation.property,
            worlds=worlds,
            message=broken.violation.message,
            data=encode(broken.as_file()),
            swarm=trial.case.swarm.told(),
        )
    )
