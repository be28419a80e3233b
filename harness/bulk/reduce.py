"""From a failure to a smaller one: the one place where a campaign calls the shrinker."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from harness.bulk.search import Broken, judged
from harness.failure import FailureFile, decode, encode
from harness.run import run
from harness.scenario import Scenario
from harness.shrink import shrink
from harness.signature import signature
from harness.worlds import is_simulated

SHRINK_S = 10.0  # of one failure


def reduced(data: bytes, seconds: float = SHRINK_S) -> bytes:
    """A failure file and a bound on the time: a failure file with the same signature, as small as
    that time allowed. Both are bytes, so that any executor can carry them."""
    return encode(shrink_failure(decode(data.split(b"\n")), seconds=seconds))


def shrink_failure(failure: FailureFile, *, seconds: float) -> FailureFile:
    """The same failure with less in it; itself, where nothing smaller shows it again."""
    violation = failure.violation
    if violation is None:
        return failure
    wanted = signature(violation, failure.records)
    worlds = (failure.world, *failure.others)
    deadline = monotonic() + seconds
    best = failure

    def fails(scenario: Scenario, tape: tuple[int, ...]) -> bool:
        nonlocal best
        if monotonic() >= deadline:
            return False
        shown = _shown(failure, scenario, tape, worlds, wanted)
        if shown is not None:
            best = shown.as_file()
        return shown is not None

    _shorter_tape(failure, fails)
    shrink(best.scenario, lambda scenario: fails(scenario, best.tape))
    for place, value in enumerate(best.tape):
        if value:
            fails(best.scenario, (*best.tape[:place], 0, *best.tape[place + 1 :]))
    return best


def _shorter_tape(failure: FailureFile, fails: Callable[[Scenario, tuple[int, ...]], bool]) -> None:
    """Without a tape, else with the part that the run took from it."""
    if not failure.tape or fails(failure.scenario, ()):
        return
    used = [decision.value for decision in failure.decisions]
    while used and used[-1] == 0:
        used.pop()
    fails(failure.scenario, tuple(used))


def _shown(
    failure: FailureFile,
    scenario: Scenario,
    tape: tuple[int, ...],
    worlds: tuple[str, ...],
    wanted: str,
) -> Broken | None:
    """What a smaller scenario breaks, if that is the same."""
    outcomes = [
        run(
            scenario,
            world,
            tape=tape if is_simulated(world) else (),
            subject=failure.subject,
            mutant=failure.mutant,
        )
        for world in worlds
    ]
    return next((each for each in judged(outcomes)[0] if each.signature == wanted), None)
