"""How soon a strategy finds a bug of threads: scenarios out of noise, some schedules of each.

A scenario is drawn with a random generator of its own, so that all strategies meet the same ones.
A schedule is a plain tape in the end: what is found replays without the strategy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import process_time

from harness.noise import scenario_of
from harness.run import Outcome, run
from harness.scenario import Scenario
from harness.schedules import PCT, Exhaustive, RandomWalk, Strategy
from model.choices import Choices
from model.mutants import Mutant
from model.workers import Workers

SCHEDULES = 4  # of one scenario, drawn at random
SYSTEMATIC = 400  # of one scenario, at most, of a search that could see all
SIZES = (48, 96, 160, 256)  # bytes of noise
SMALL = (16, 24, 32, 48)  # of scenarios of which a search could see all
SHORT = 500  # records of such a one
WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Found:
    """What a search came to. `outcome` is the run that shows it, None when none did.

    `scenarios` counts those that were begun, each in each of its worlds; of `whole` ones a
    systematic search has seen every schedule within its bound of preemptions.
    """

    strategy: str
    runs: int
    seconds: float
    outcome: Outcome | None
    tape: tuple[int, ...] = ()
    scenarios: int = 0
    whole: int = 0


@dataclass(frozen=True)
class Plan:
    """A strategy from a seed, made anew for each scenario, the most schedules of one, how large
    scenarios are, in bytes of noise, and how long, in records of the first run."""

    make: Callable[[int], Strategy]
    schedules: int
    sizes: tuple[int, ...] = SIZES
    records: int = 1 << 30


STRATEGIES: dict[str, Plan] = {
    "random walk": Plan(lambda seed: RandomWalk(seed, 0.02), SCHEDULES),
    "PCT": Plan(lambda seed: PCT(seed, 3, 0.02), SCHEDULES),
    "exhaustive": Plan(lambda seed: Exhaustive(1), SYSTEMATIC, SMALL, SHORT),
}


def scenarios_with_threads(
    seed: int, focus: str = "", sizes: tuple[int, ...] = SIZES
) -> Iterator[Scenario]:
    """The same for the same seed, without end."""
    drawn = random.Random(seed)
    while True:
        scenario = scenario_of(drawn.randbytes(drawn.choice(sizes)), threads=True, focus=focus)
        if scenario.threads:
            yield scenario


def find(
    mutant: Mutant,
    strategy: str = "random walk",
    *,
    seed: int = 0,
    runs: int = 100_000,
    seconds: float = 60.0,
    between: Callable[[int], None] = lambda runs: None,
) -> Found:
    """Runs schedules until the property that the mutant names breaks, or the bounds are reached.
    `seconds` are of processor time. `between` is called before each, with how many there were.
    """
    plan = STRATEGIES[strategy]
    started = process_time()
    count = whole = 0
    for begun, (scenario, world, policy) in enumerate(_policies(mutant, plan, seed), 1):
        for _ in range(plan.schedules):
            source = policy.source()
            if source is None:
                whole += 1
                break
            spent = process_time() - started
            if count >= runs or spent > seconds:
                return Found(strategy, count, spent, None, (), begun, whole)
            between(count)
            outcome = run(scenario, world, choices=source, mutant=mutant.name)
            policy.ended(source)
            count += 1
            if breaks(outcome, mutant):
                spent = process_time() - started
                tape = source.recorded()
                return Found(strategy, count, spent, outcome, tape, begun, whole)
            if len(outcome.records) > plan.records:
                break
    raise AssertionError("scenarios do not end")


def _policies(mutant: Mutant, plan: Plan, seed: int) -> Iterator[tuple[Scenario, str, Strategy]]:
    """Scenarios, each in each world that the mutant lives in, with a fresh strategy."""
    drawn = scenarios_with_threads(seed, mutant.focus, plan.sizes)
    if plan.sizes is SMALL:  # a thread without a step has one schedule too many already
        drawn = (scenario for scenario in drawn if any(scenario.threads))
    if mutant.pool:
        drawn = map(_pooled, filter(_without_layers, drawn))
    for number, scenario in enumerate(drawn):
        for kernel in mutant.kernels:
            yield scenario, WORLDS[kernel], plan.make(seed + number)


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
