"""Replay: does a failure file still tell the truth?

In its own simulated world a run is repeated exactly. Every decision must be asked for by its
recorded name and bound, and every record must come out byte for byte; the first that does not is
named with both sides (`Divergence`), because then something changed: duopoll, the subject, or the
file's version of either. In a real world, whose kernel decides for itself, the same program is run
as often as asked and what happened is said. In another world than the file's the scenario is tried
there; a simulated world gets the recorded tape, whatever it asks. A property that compares worlds
is judged on a run in each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare import compare
from harness.failure import FailureFile, load
from harness.run import Outcome, run
from harness.words import count, plain
from harness.worlds import is_simulated
from model.choices import StrictChoices
from model.errors import Divergence, UsageError
from model.properties import Violation
from model.trace import encode_trace

SIDE_MAX = 300  # characters of one side of a difference

REPRODUCED, OTHER, CLEAN = "reproduced", "another property broke", "clean"


@dataclass(frozen=True)
class Replay:
    """What came of it. `outcome` is the first run in which the property broke, or the last run."""

    result: str
    message: str
    runs: int
    reproduced: int
    outcome: Outcome

    @property
    def exit_code(self) -> int:
        """0 clean, 1 a property broke."""
        return 0 if self.result == CLEAN else 1


def replay(file: str | Path | FailureFile, world: str | None = None, times: int = 1) -> Replay:
    """Repeats a failure in its own world, or tries it in another.

    Raises `Divergence` where an exact replay no longer fits, `UsageError` for a bad file and
    `WorldUnavailable` for a world that does not run here.
    """
    if times < 1:
        raise UsageError(f"--times is {times}: give how often to run, 1 or more")
    failure = file if isinstance(file, FailureFile) else load(file)
    target = world or failure.world
    if target == failure.world and is_simulated(target):
        return _exactly(failure)
    return _again(failure, target, 1 if is_simulated(target) else times)


def _exactly(failure: FailureFile) -> Replay:
    """In its own simulated world. Raises `Divergence`."""
    choices = StrictChoices(failure.decisions)
    outcome = run(
        failure.scenario,
        failure.world,
        choices=choices,
        subject=failure.subject,
        mutant=failure.mutant,
    )
    choices.finish()
    _same_trace(failure, outcome)
    outcome = _judged(failure, outcome)
    _same_verdict(failure, outcome.verdicts.violations)
    records = count(len(failure.records), "record")
    decisions = count(len(failure.decisions), "decision")
    same = f"{decisions} and {records} are the recorded ones, byte for byte"
    if failure.broken is None:
        return Replay(CLEAN, f"no property breaks in {failure.world}; {same}", 1, 0, outcome)
    message = f"{failure.broken} breaks again in {failure.world}; {same}"
    return Replay(REPRODUCED, message, 1, 1, outcome)


def _judged(failure: FailureFile, outcome: Outcome) -> Outcome:
    """The run with what it broke; of a failure between worlds, beside a run in each other one."""
    if not failure.others:
        return outcome
    outcomes = [outcome, *[_run(failure, world) for world in failure.others]]
    return replace(outcome, verdicts=compare(outcomes))


def _run(failure: FailureFile, world: str) -> Outcome:
    return run(
        failure.scenario,
        world,
        tape=failure.tape if is_simulated(world) else (),
        subject=failure.subject,
        mutant=failure.mutant,
    )


def _same_trace(failure: FailureFile, outcome: Outcome) -> None:
    recorded, found = encode_trace(failure.records), encode_trace(outcome.records)
    if recorded == found:
        return
    index = first_difference(recorded, found)
    _differ(
        failure,
        outcome,
        f"record {index} of {len(recorded)}",
        recorded[index] if index < len(recorded) else "(the run ended before it)",
        found[index] if index < len(found) else "(the run ended before it)",
    )


def first_difference(one: Sequence[object], other: Sequence[object]) -> int:
    """The first index at which two sequences differ; the shorter one's length if none does."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _same_verdict(failure: FailureFile, found: Sequence[Violation]) -> None:
    """The same trace must be judged in the same way: else the properties have changed."""
    if tuple(found) == failure.violations:
        return
    index = first_difference(failure.violations, found)
    sides = [
        f"{side[index].property} at record {side[index].record}: {plain(side[index].message)}"
        if index < len(side)
        else "no violation"
        for side in (failure.violations, found)
    ]
    raise Divergence(
        f"the trace is the recorded one, but it is judged differently: violation {index}\n"
        f"  recorded: {sides[0]}\n  this run: {sides[1]}\n"
        "the properties have changed since the file was made"
    )


def _differ(failure: FailureFile, outcome: Outcome, what: str, recorded: str, found: str) -> None:
    message = f"{what} differs\n  recorded: {plain(recorded, SIDE_MAX)}"
    message += f"\n  this run: {plain(found, SIDE_MAX)}"
    if failure.subject_version != outcome.subject_version:
        message += (
            f"\nthe file is of {plain(failure.subject)} {plain(failure.subject_version)},"
            f" this is {outcome.subject_version}"
        )
    raise Divergence(message)


def _again(failure: FailureFile, world: str, times: int) -> Replay:
    reproduced = others = 0
    first: Outcome | None = None
    for _ in range(times):
        last = _judged(failure, _run(failure, world))
        broken = [violation.property for violation in last.verdicts.violations]
        if failure.broken is None and broken:
            others += 1
        elif failure.broken in broken:
            reproduced += 1
            first = first or last
        elif broken:
            others += 1
    result = REPRODUCED if reproduced else OTHER if others else CLEAN
    message = _told(failure, world, times, reproduced, others)
    return Replay(result, message, times, reproduced, first or last)


def _told(failure: FailureFile, world: str, times: int, reproduced: int, others: int) -> str:
    runs = count(times, "run")
    wanted = failure.broken
    if wanted is None:
        found = f"some property breaks in {others} of {runs}" if others else f"clean in {runs}"
    elif reproduced:
        found = f"{wanted} breaks in {reproduced} of {runs}"
    else:
        found = f"{wanted} does not break in {runs}"
    more = f"; others break in {others}" if others and wanted is not None else ""
    return f"{world}: {found}{more} (recorded in {plain(failure.world)})"
