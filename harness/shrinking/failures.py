"""Failure files in, shrunk failure files out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from harness.certificate import LIST, Certificate
from harness.compare import compare
from harness.failure import FailureFile
from harness.noise import tape_of
from harness.run import Outcome, run
from harness.shrinking.case import Case
from harness.shrinking.judge import Judge, Shown, name_of, was_cut
from harness.shrinking.removals import counted
from harness.shrinking.search import Enough, Progress, Search, still_failing
from harness.words import count, plain
from harness.worlds import is_simulated
from model.errors import Divergence, UsageError
from model.properties import Violation

SIMULATED_TRIES = 100  # tapes with which a failure of a real world is looked for
SIMULATED_NOISE = 64  # decisions of each of them
CUT_RECORDS = (1_000, 4_000)  # of a smaller run, where the failure is a run that does not end

Told = Callable[[Sequence[Outcome]], None]


@dataclass(frozen=True)
class Shrunk:
    """What shrinking came to. `complete`: nothing single is left that could go.

    `failure` carries the certificate then, if a simulated run is its own proof. The numbers are of
    the cases that were tried, of the scenario's steps and of the decisions that are not dull.
    """

    failure: FailureFile
    complete: bool
    interrupted: bool
    tries: int
    seconds: float
    steps_before: int
    decisions_before: int
    steps: int
    decisions: int
    outcomes: tuple[Outcome, ...]  # the run of the file, and those it is compared with
    violation: Violation


def shrink_failure(
    failure: FailureFile,
    *,
    seconds: float | None = None,
    tries: int | None = None,
    progress: Progress | None = None,
) -> Shrunk:
    """The smallest failure of the same kind that the search finds, in a simulated world.

    At most `tries` cases are tried, and none begins after `seconds`. `progress` is called after
    each; a KeyboardInterrupt ends the search and the smallest so far is given. Raises `UsageError`
    for a run in which nothing broke or that does not break in the simulator, and `Divergence` for
    a simulated one that does not break again.
    """
    first = simulated(_broken(failure))
    return _shrunk(first, same_of(first), (seconds, tries), progress, None)


def shrink_here(
    failure: FailureFile,
    *,
    seconds: float | None = None,
    tries: int | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    same: str | None = None,
) -> Shrunk:
    """The same where it happened, also in a real world: each case is one run there, and there is
    no certificate then. `told` hears of every run; `same` is what counts as the same failure."""
    same = same or same_of(_broken(failure))
    return _shrunk(failure, same, (seconds, tries), progress, told)


def _broken(failure: FailureFile) -> FailureFile:
    """The failure, if it is one."""
    if failure.broken is None:
        raise UsageError("no property broke in this run: name a file of a failure")
    return failure


def simulated(failure: FailureFile) -> FailureFile:
    """The failure in the simulator: itself, or a run there that breaks the same property.

    Raises `UsageError` if there is none among `SIMULATED_TRIES` tapes.
    """
    if is_simulated(failure.world) and all(map(is_simulated, failure.others)):
        return failure
    world, *others = dict.fromkeys(
        each if is_simulated(each) else f"sim-{each}" for each in (failure.world, *failure.others)
    )
    drawn = random.Random(0)
    for number in range(SIMULATED_TRIES if not failure.others or others else 0):
        tape = tape_of(drawn.randbytes(SIMULATED_NOISE)) if number else ()
        outcomes = [
            run(
                failure.scenario,
                each,
                tape=tape,
                subject=failure.subject,
                mutant=failure.mutant,
            )
            for each in (world, *others)
        ]
        verdicts = compare(outcomes) if others else outcomes[0].verdicts
        outcome = replace(outcomes[0], tape=tape, verdicts=verdicts)
        if any(_is(same_of(failure), each, outcome) for each in verdicts.violations):
            return FailureFile.of(outcome, failure.broken, others)
    raise UsageError(
        f"{failure.broken} broke in {plain(failure.world)} and does not break in {world}, in"
        f" {count(SIMULATED_TRIES, 'run')}: replay the file where it was made"
    )


def _first(failure: FailureFile, judge: Judge) -> Shown:
    """The run of the failure itself. Raises `Divergence` if it does not fail as it did."""
    judge.cut_too = True
    shown = judge.shown(Case(failure.scenario, failure.tape))
    if shown is None:
        raise Divergence(
            f"{plain(judge.same)} does not break again in {plain(failure.world)}:"
            " what was tested has changed since the file was made"
        )
    return shown


def same_of(failure: FailureFile) -> str:
    """What counts as the same failure."""
    if failure.certificate is not None:
        return failure.certificate.same
    violation = failure.violation
    assert violation is not None, "nothing broke"
    return name_of(violation, failure.subject, failure.records)


def _shrunk(
    failure: FailureFile,
    same: str,
    bounds: tuple[float | None, int | None],
    progress: Progress | None,
    told: Told | None,
) -> Shrunk:
    started = monotonic()
    judge = Judge(failure, same, told)
    first = _first(failure, judge)
    seconds, tries = bounds
    deadline = None if seconds is None else started + seconds
    best, complete, interrupted = first, False, False
    for start in _starts(judge, first):
        search = Search(judge, start, deadline, tries, progress)
        try:
            search.run()
            complete = not judge.exact or search.certified()
        except Enough:
            pass
        except KeyboardInterrupt:
            interrupted = True
        whole = _whole(failure, judge, search.best)
        if whole is not None:
            best = whole
            break
        complete = False  # it only took longer than the bound of its records
        if interrupted:
            break
    made = FailureFile.of(best.outcome, failure.broken, failure.others)
    if complete and judge.exact:
        tried = counted(best.case, judge.by_name)
        certificate = Certificate(judge.same, judge.record_budget, tried)
        made = replace(made, certificate=certificate)
    return Shrunk(
        made,
        complete,
        interrupted,
        judge.tries,
        round(monotonic() - started, 3),
        first.case.steps,
        first.case.decisions,
        best.case.steps,
        best.case.decisions,
        (best.outcome, *best.others),
        best.violation,
    )


def _starts(judge: Judge, first: Shown) -> Iterator[Shown]:
    """The run that the search starts from, with the bound of all others' records.

    A run that does not end is looked for in short runs first, then in longer ones: what is only
    long may look like it in a short one.
    """
    judge.cut_too = was_cut(first.outcome)
    if not judge.cut_too:
        judge.bound_by(len(first.outcome.records))
        yield first
        return
    whole = judge.record_budget
    for judge.record_budget in CUT_RECORDS:
        shown = judge.shown(first.case)
        if shown is not None:
            yield shown
    judge.record_budget = whole
    yield first


def _whole(failure: FailureFile, judge: Judge, best: Shown) -> Shown | None:
    """Its run is made once more, without our bound of records, where runs are exact. None: it does
    not fail then."""
    if not judge.exact:
        return best
    whole = Judge(failure, judge.same)
    whole.cut_too = True
    return whole.shown(best.case)


def _is(same: str, violation: Violation, outcome: Outcome) -> bool:
    return name_of(violation, outcome.subject, outcome.records) == same


def check_certificate(failure: FailureFile) -> str | None:
    """Goes through the certificate of a file: None if it holds, else what still fails.

    Raises `UsageError` for a file that has none or one that is not about its run, and `Divergence`
    if the failure itself is gone.
    """
    certificate = failure.certificate
    if certificate is None:
        raise UsageError("the file has no certificate: `duopoll shrink FILE` makes one")
    if certificate.list != LIST:
        raise UsageError(
            f"the certificate is of list {certificate.list}, this duopoll has {LIST}:"
            " shrink the file again"
        )
    judge = Judge(failure, certificate.same)
    shown = _first(failure, judge)
    expected = counted(shown.case, judge.by_name)
    if dict(certificate.tried) != expected:
        raise UsageError(
            f"the certificate tells of {count(certificate.total, 'removal')}, the run has"
            f" {sum(expected.values())}, or of other kinds: it is not this run's, shrink it again"
        )
    judge.cut_too = was_cut(shown.outcome)
    judge.record_budget = certificate.record_budget
    removal = still_failing(judge, shown)
    if removal is None:
        return None
    steps, decisions = removal.case.steps, removal.case.decisions
    return (
        f"{plain(judge.same)} still breaks with less ({removal.kind}): in"
        f" {count(steps, 'step')} and {count(decisions, 'decision')} that are not dull"
    )
