"""How soon a strategy finds a bug of threads: scenarios out of noise, some schedules of each.

A scenario is drawn with a random generator of its own, so that all strategies meet the same ones.
A schedule is a plain tape in the end: what is found replays without the strategy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic

from harness.noise import scenario_of
from harness.run import Outcome, run
from harness.scenario import Scenario
from harness.schedules import PCT, Exhaustive, RandomWalk, Strategy
from model.choices import Choices
from model.mutants import Mutant
from model.workers import Workers

SCHEDULES = 4  # of one scenario, drawn at random
SYSTEMATIC = 60  # of one scenario, at most, of a search that could see all
SIZES = (48, 96, 160, 256)  # bytes of noise
WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Found:
    """What a search came to. `outcome` is the run that shows it, None when none did."""

    strategy: str
    runs: int
    seconds: float
    outcome: Outcome | None
    tape: tuple[int, ...] = ()


#: by name: a strategy from a seed, made anew for each scenario, and the most schedules of one
STRATEGIES: dict[str, tuple[Callable[[int], Strategy], int]] = {
    "random walk": (lambda seed: RandomWalk(seed, 0.02), SCHEDULES),
    "PCT": (lambda seed: PCT(seed, 3, 0.02), SCHEDULES),
    "exhaustive": (lambda seed: Exhaustive(2), SYSTEMATIC),
}


def scenarios_with_threads(seed: int, focus: str = "") -> Iterator[Scenario]:
    """The same for the same seed, without end."""
    drawn = random.Random(seed)
    while True:
        scenario = scenario_of(drawn.randbytes(drawn.choice(SIZES)), threads=True, focus=focus)
        if scenario.threads:
            yield scenario


def find(
    mutant: Mutant,
    strategy: str = "random walk",
    *,
    seed: int = 0,
    runs: int = 100_000,
    seconds: float = 60.0,
) -> Found:
    """Runs schedules until the property that the mutant names breaks, or the bounds are reached."""
    make, most = STRATEGIES[strategy]
    started = monotonic()
    count = 0
    drawn = scenarios_with_threads(seed, mutant.focus)
    if mutant.pool:
        drawn = map(_pooled, filter(_without_layers, drawn))
    for number, scenario in enumerate(drawn):
        for world in [WORLDS[kernel] for kernel in mutant.kernels]:
            policy = make(seed + number)
            for _ in range(most):
                source = policy.source()
                if source is None:
                    break
                if count >= runs or monotonic() - started > seconds:
                    return Found(strategy, count, monotonic() - started, None)
                outcome = run(scenario, world, choices=source, mutant=mutant.name)
                policy.ended(source)
                count += 1
                if breaks(outcome, mutant):
                    spent = monotonic() - started
                    return Found(strategy, count, spent, outcome, source.recorded())
    raise AssertionError("scenarios do not end")


def _pooled(scenario: Scenario) -> Scenario:
    return replace(scenario, workers=Workers(2, "pooled"), loop_once=False)


def _without_layers(scenario: Scenario) -> bool:
    return not any(connection.layers for connection in scenario.connections)


def breaks(outcome: Outcome, mutant: Mutant) -> bool:
    """Whether the run shows what the mutant is to break."""
    return any(each.property == mutant.breaks for each in outcome.verdicts.violations)


def replays(found: Found, mutant: Mutant) -> bool:
    """Whether the plain tape shows it again."""
    assert found.outcome is not None
    outcome = found.outcome
    tape = Choices(found.tape)
    return breaks(run(outcome.scenario, outcome.world, choices=tape, mutant=mutant.name), mutant)
