"""Small scenarios: few, valid, small, and nothing breaks in them without a bug."""

from __future__ import annotations

import pytest

from harness.iterative import Iterative
from harness.run import run
from harness.scenario import Scenario
from harness.scenario_json import validate
from harness.small_scope import small_scenarios
from harness.worlds import SIMULATED

SCOPES = [("", False), ("timers", False), ("pair", False), ("layers", False), ("tls", False)]
scopes = pytest.mark.parametrize(("focus", "pool"), [*SCOPES, ("", True)])


@scopes
def test_they_are_valid_and_no_two_are_the_same(focus: str, pool: bool) -> None:
    every = list(small_scenarios(focus, pool))
    for scenario in every:
        validate(scenario)
        assert len(scenario.connections) == 1 and len(scenario.threads) == (0 if pool else 1)
    assert len(set(map(repr, every))) == len(every)
    lengths = [sum(map(len, each.threads)) for each in every]
    assert pool or max(lengths) == 4


@scopes
def test_nothing_breaks_without_a_preemption(focus: str, pool: bool) -> None:
    for scenario in list(small_scenarios(focus, pool))[::5]:
        for world in SIMULATED:
            schedules(scenario, world, 0)


@pytest.mark.parametrize(("focus", "pool"), [("", False), ("layers", False), ("", True)])
def test_nothing_breaks_with_one_in_some(focus: str, pool: bool) -> None:
    for scenario in list(small_scenarios(focus, pool))[3::97]:
        for world in SIMULATED:
            schedules(scenario, world, 1)


def schedules(scenario: Scenario, world: str, bound: int) -> None:
    strategy = Iterative(bound)
    while strategy.runs < 100 and (source := strategy.source()) is not None:
        outcome = run(scenario, world, choices=source)
        strategy.ended(source)
        assert outcome.verdicts.violations == (), (scenario, world, source.recorded())
