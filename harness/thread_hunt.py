"""How soon a strategy finds a bug of threads: scenarios, and some schedules of each.

Random walk and PCT draw scenarios out of noise with a random generator of their own, so that both
meet the same ones. The exhaustive search takes small scenarios (`harness.small_scope`) in rounds:
all schedules of each without a preemption, then all with one, then with two. It knows no seed. A
schedule is a plain tape in the end: what is found replays without the strategy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import process_time
from typing import ClassVar

from harness.iterative import Iterative
from harness.noise import scenario_of
from harness.run import Outcome, run
from harness.scenario import Scenario
from harness.schedules import PCT, RandomWalk, Strategy
from harness.small_scope import small_scenarios
from model.choices import Choices
from model.mutants import Mutant
from model.workers import Workers

PREEMPTIONS = 2  # at most, of an exhaustive search
SIZES = (48, 96, 160, 256)  # bytes of noise
WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


@dataclass(frozen=True)
class Counts:
    """What a search has run: `scenarios`, each in each of its worlds. Of an exhaustive search also:
    there are `scope` of them; of `whole` ones every schedule with at most `PREEMPTIONS` was seen,
    and of all every one with at most `seen` (-1: not even every one without a preemption).
    """

    scenarios: int
    scope: int = 0
    whole: int = 0
    seen: int = -1


@dataclass(frozen=True)
class Found:
    """What a search came to. `outcome` is the run that shows it, None when none did."""

    strategy: str
    runs: int
    seconds: float
    counts: Counts
    outcome: Outcome | None = None
    tape: tuple[int, ...] = ()


_Turn = tuple[Scenario, str, Strategy]  # in that world, until the strategy has no more


@dataclass
class _Drawn:
    """Scenarios out of noise, a few schedules of each."""

    mutant: Mutant
    make: Callable[[int], Strategy]
    seed: int
    begun: int = 0
    most: ClassVar[int] = 4  # schedules of one

    def turns(self) -> Iterator[_Turn]:
        drawn = scenarios_with_threads(self.seed, self.mutant.focus)
        if self.mutant.pool:
            drawn = map(_pooled, filter(_without_layers, drawn))
        for number, scenario in enumerate(drawn):
            for kernel in self.mutant.kernels:
                self.begun += 1
                yield scenario, WORLDS[kernel], self.make(self.seed + number)

    def counts(self) -> Counts:
        return Counts(self.begun)


@dataclass
class _Rounds:
    """Small scenarios, and all schedules of each."""

    most: ClassVar[int] = 100  # schedules of one in its turn
    mutant: Mutant
    searches: list[tuple[Scenario, str, Iterative]] = field(default_factory=list)

    def turns(self) -> Iterator[_Turn]:
        for scenario in small_scenarios(self.mutant.focus, self.mutant.pool):
            for kernel in self.mutant.kernels:
                self.searches.append((scenario, WORLDS[kernel], Iterative(PREEMPTIONS)))
        for preemptions in range(PREEMPTIONS + 1):
            left = self.searches
            while left:
                for search in left:
                    search[2].until = preemptions
                    yield search
                left = [search for search in left if search[2].seen < preemptions]

    def counts(self) -> Counts:
        searches = [each for _, _, each in self.searches]
        begun = sum(each.runs > 0 for each in searches)
        whole = sum(each.complete for each in searches)
        seen = min(min(each.seen, PREEMPTIONS) for each in searches)
        return Counts(begun, len(searches), whole, seen)


STRATEGIES: dict[str, Callable[[Mutant, int], _Drawn | _Rounds]] = {
    "random walk": lambda mutant, seed: _Drawn(mutant, lambda each: RandomWalk(each, 0.02), seed),
    "PCT": lambda mutant, seed: _Drawn(mutant, lambda each: PCT(each, 3, 0.02), seed),
    "exhaustive": lambda mutant, seed: _Rounds(mutant),
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
    plan = STRATEGIES[strategy](mutant, seed)
    started = process_time()
    count = 0
    for scenario, world, policy in plan.turns():
        for _ in range(plan.most):
            source = policy.source()
            if source is None:
                break
            spent = process_time() - started
            if count >= runs or spent > seconds:
                return Found(strategy, count, spent, plan.counts())
            between(count)
            outcome = run(scenario, world, choices=source, mutant=mutant.name)
            policy.ended(source)
            count += 1
            if breaks(outcome, mutant):
                spent = process_time() - started
                return Found(strategy, count, spent, plan.counts(), outcome, source.recorded())
    return Found(strategy, count, process_time() - started, plan.counts())


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
