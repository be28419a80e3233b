"""How soon the fuzzer finds a mutant, and how little of a run it takes to show it.

The examples are those of `harness.fuzz`; of a mutant in a part that few of them use (TLS, layers,
limits) every second one uses it. The first that breaks the property is shrunk here, part by part,
if that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from harness.compare import compare, race_free
from harness.run import Outcome, run
from harness.scenario import Scenario, steps_of
from harness.shrink import shrink
from harness.strategies import scenarios, tapes
from harness.thread_hunt import breaks, find
from model.mutants import Mutant

FOREVER_S = 1e9
SHRINK_S = 10.0  # of one mutant
_WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Hunt:
    """What a hunt came to. `broken`: every property that broke in the run that ended it."""

    mutant: str
    found: bool
    runs: int
    seconds: float
    broken: tuple[str, ...]
    shrunk: int | None = None  # steps and decisions that are not dull; None: not shrunk


class _Found(Exception):
    """Ends the hunt from inside Hypothesis."""


class _TooLong(Exception):
    """Ends it too, without a find."""


def hunt(
    mutant: Mutant,
    *,
    runs: int,
    number: int = 0,
    seconds: float = FOREVER_S,
    shrinking: bool = False,
) -> Hunt:
    """Draws examples until the property that the mutant names breaks: at most `runs` of them, and
    none begins after `seconds`. `number` is the seed.
    """
    if mutant.threads:
        return _hunt_threads(mutant, runs, number, seconds, shrinking)
    across = mutant.breaks.startswith("X-")
    worlds = [_WORLDS[kernel] for kernel in mutant.kernels]
    started = monotonic()
    count = 0
    broken: set[str] = set()

    case: tuple[Scenario, tuple[int, ...]] | None = None

    def broken_by(scenario: Scenario, tape: tuple[int, ...]) -> set[str]:
        if across:
            return _broken_across(mutant, scenario, tape)
        outcomes = [run(scenario, world, tape=tape, mutant=mutant.name) for world in worlds]
        return {each.property for outcome in outcomes for each in outcome.verdicts.violations}

    def example(scenario: Scenario, tape: tuple[int, ...]) -> None:
        nonlocal count, broken, case
        if monotonic() - started > seconds:
            raise _TooLong
        count += 1
        broken = broken_by(scenario, tape)
        if mutant.breaks in broken:
            case = scenario, tape
            raise _Found

    configured = settings(
        max_examples=runs,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    drawn = scenarios(race_free=True) if across else scenarios(focus=focus_of(mutant))
    with suppress(_Found, _TooLong):
        seed(number)(configured(given(drawn, tapes())(example)))()
    took = monotonic() - started
    shrunk = None
    if case is not None and shrinking:
        shrunk = _shrunk(*case, lambda scenario, tape: mutant.breaks in broken_by(scenario, tape))
    return Hunt(mutant.name, case is not None, count, took, tuple(sorted(broken)), shrunk)


#: words in the names of modules, and what scenarios use them
_FOCUS = (
    (("ssl", "tls"), "tls"),
    (("pair",), "pair"),
    (("filter", "layer"), "layers"),
    (("rate",), "limits"),
)


def focus_of(mutant: Mutant) -> str:
    """What scenarios use the code that it patches; empty: most of them."""
    modules = " ".join(owner.__module__ for owner, _, _ in mutant.patches)
    usual = "limits" if mutant.breaks.startswith("R-") else ""
    return next((focus for words, focus in _FOCUS if any(word in modules for word in words)), usual)


def _hunt_threads(mutant: Mutant, runs: int, number: int, seconds: float, shrinking: bool) -> Hunt:
    """With schedules of a random walk."""
    found = find(mutant, seed=number, runs=runs, seconds=seconds)
    outcome = found.outcome
    if outcome is None:
        return Hunt(mutant.name, False, found.runs, found.seconds, ())
    broken = {each.property for each in outcome.verdicts.violations}

    def fails(scenario: Scenario, tape: tuple[int, ...]) -> bool:
        again = run(scenario, outcome.world, tape=tape, mutant=mutant.name)
        return breaks(again, mutant)

    by_parts = _shrunk(outcome.scenario, found.tape, fails) if shrinking else None
    return Hunt(mutant.name, True, found.runs, found.seconds, tuple(sorted(broken)), by_parts)


def _shrunk(
    scenario: Scenario,
    tape: tuple[int, ...],
    shows: Callable[[Scenario, tuple[int, ...]], bool],
) -> int:
    """The length of a run of which no part can be left out: its steps, and its decisions that are
    not dull. A clock bounds the search."""
    deadline = monotonic() + SHRINK_S

    def fails(smaller: Scenario, answers: tuple[int, ...]) -> bool:
        return monotonic() < deadline and shows(smaller, answers)

    if fails(scenario, ()):
        tape = ()
    scenario = shrink(scenario, lambda smaller: fails(smaller, tape))
    for place, answer in enumerate(tape):
        duller = (*tape[:place], 0, *tape[place + 1 :])
        if answer and fails(scenario, duller):
            tape = duller
    return len(list(steps_of(scenario))) + sum(map(bool, tape))


def _broken_across(mutant: Mutant, scenario: Scenario, tape: tuple[int, ...]) -> set[str]:
    """What breaks when both simulated worlds are compared."""
    if not race_free(scenario):
        return set()
    outcomes: list[Outcome] = [
        run(scenario, world, tape=tape, mutant=mutant.name) for world in _WORLDS.values()
    ]
    return {violation.property for violation in compare(outcomes).violations}
