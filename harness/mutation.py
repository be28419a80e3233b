"""How soon the fuzzer finds a mutant, and how little of a run it takes to show it.

The examples are those of `harness.fuzz`; of a mutant in a part that few of them use (TLS, layers,
limits) every second one uses it. The first that breaks the property is shrunk
(`harness.shrinking`), if that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from harness.compare import compare, race_free
from harness.failure import FailureFile
from harness.run import run
from harness.scenario import Scenario
from harness.shrinking import Shrunk, shrink_failure
from harness.strategies import scenarios, tapes
from harness.thread_hunt import find
from model.mutants import Mutant

FOREVER_S = 1e9
SHRINK_S = 20.0  # of one mutant
#: where a mutant of a kernel kind is looked for
WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Hunt:
    """What a hunt came to. `broken`: every property that broke in the run that ended it."""

    mutant: str
    found: bool
    runs: int
    seconds: float
    broken: tuple[str, ...]
    shrunk: Shrunk | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data: of the shrunk failure its sizes."""
        told = {name: getattr(self, name) for name in ("mutant", "found", "runs", "seconds")}
        shrunk = self.shrunk
        return {
            **told,
            "broken": list(self.broken),
            "steps": None if shrunk is None else shrunk.steps,
            "decisions": None if shrunk is None else shrunk.decisions,
            "shrink_tries": None if shrunk is None else shrunk.tries,
            "shrink_seconds": None if shrunk is None else shrunk.seconds,
            "certified": shrunk is not None and shrunk.failure.certificate is not None,
        }


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
        return hunt_threads(mutant, runs, number, seconds, shrinking)
    across = mutant.breaks.startswith("X-")
    started = monotonic()
    count = 0
    broken: set[str] = set()
    case: FailureFile | None = None

    def example(scenario: Scenario, tape: tuple[int, ...]) -> None:
        nonlocal count, broken, case
        if monotonic() - started > seconds:
            raise _TooLong
        count += 1
        failures = (_broken_across if across else _broken_in)(mutant, scenario, tape)
        for failure in failures:
            broken = {each.property for each in failure.violations}
            if mutant.breaks in broken:
                case = replace(failure, broken=mutant.breaks)
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
    return Hunt(
        mutant.name, case is not None, count, took, tuple(sorted(broken)), _shrunk(case, shrinking)
    )


def _shrunk(found: FailureFile | None, shrinking: bool) -> Shrunk | None:
    return shrink_failure(found, seconds=SHRINK_S) if found is not None and shrinking else None


def _broken_in(mutant: Mutant, scenario: Scenario, tape: tuple[int, ...]) -> Iterator[FailureFile]:
    """A run in each world that the mutant lives in."""
    for kernel in mutant.kernels:
        yield FailureFile.of(run(scenario, WORLDS[kernel], tape=tape, mutant=mutant.name))


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


def hunt_threads(mutant: Mutant, runs: int, number: int, seconds: float, shrinking: bool) -> Hunt:
    """With schedules of a random walk."""
    found = find(mutant, seed=number, runs=runs, seconds=seconds)
    outcome = found.outcome
    if outcome is None:
        return Hunt(mutant.name, False, found.runs, found.seconds, ())
    failure = FailureFile.of(replace(outcome, tape=found.tape), mutant.breaks)
    broken = tuple(sorted({each.property for each in failure.violations}))
    shrunk = _shrunk(failure, shrinking)
    return Hunt(mutant.name, True, found.runs, found.seconds, broken, shrunk)


def _broken_across(
    mutant: Mutant, scenario: Scenario, tape: tuple[int, ...]
) -> Iterator[FailureFile]:
    """Both simulated worlds, compared."""
    if not race_free(scenario):
        return
    worlds = tuple(WORLDS.values())
    outcomes = [run(scenario, world, tape=tape, mutant=mutant.name) for world in worlds]
    outcome = replace(outcomes[0], verdicts=compare(outcomes))
    yield FailureFile.of(outcome, others=worlds[1:])
