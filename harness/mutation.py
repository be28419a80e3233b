"""How soon the fuzzer finds a mutant: the same examples as `harness.fuzz`, without shrinking."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from harness.compare import compare, race_free
from harness.run import Outcome, run
from harness.scenario import Scenario
from harness.strategies import scenarios, tapes
from model.mutants import Mutant

_WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Hunt:
    """What a hunt came to. `broken`: every property that broke in the run that ended it."""

    mutant: str
    found: bool
    runs: int
    seconds: float
    broken: tuple[str, ...]


class _Found(Exception):
    """Ends the hunt from inside Hypothesis."""


def hunt(mutant: Mutant, *, runs: int, number: int = 0) -> Hunt:
    """Draws examples until the property that the mutant names breaks, at most `runs` of them.

    `number` is the seed.
    """
    across = mutant.breaks.startswith("X-")
    worlds = [_WORLDS[kernel] for kernel in mutant.kernels]
    started = monotonic()
    count = 0
    broken: set[str] = set()

    def example(scenario: Scenario, tape: tuple[int, ...]) -> None:
        nonlocal count, broken
        count += 1
        broken = _broken_across(mutant, scenario, tape) if across else set()
        for world in () if across else worlds:
            outcome = run(scenario, world, tape=tape, mutant=mutant.name)
            broken |= {violation.property for violation in outcome.verdicts.violations}
        if mutant.breaks in broken:
            raise _Found

    configured = settings(
        max_examples=runs,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    drawn = scenarios(race_free=True) if across else scenarios()
    try:
        seed(number)(configured(given(drawn, tapes())(example)))()
        found = False
    except _Found:
        found = True
    return Hunt(mutant.name, found, count, monotonic() - started, tuple(sorted(broken)))


def _broken_across(mutant: Mutant, scenario: Scenario, tape: tuple[int, ...]) -> set[str]:
    """What breaks when both simulated worlds are compared."""
    if not race_free(scenario):
        return set()
    outcomes: list[Outcome] = [
        run(scenario, world, tape=tape, mutant=mutant.name) for world in _WORLDS.values()
    ]
    return {violation.property for violation in compare(outcomes).violations}
