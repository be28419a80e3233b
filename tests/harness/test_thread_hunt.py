"""Bugs of threads are found by schedules; what is found is a plain tape."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.failure import FailureFile
from harness.mutation import hunt
from harness.replay import REPRODUCED, replay
from harness.scenario import steps_of
from harness.scenario_json import validate
from harness.shrinking import shrink_failure
from harness.thread_hunt import STRATEGIES, find, replays, scenarios_with_threads
from model.mutants import MUTANTS


def test_scenarios_are_the_same_for_the_same_seed() -> None:
    first, again = scenarios_with_threads(5), scenarios_with_threads(5)
    for _ in range(20):
        scenario = next(first)
        assert scenario == next(again)
        assert scenario.threads
        validate(scenario)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_finds_a_bug_that_replays(strategy: str) -> None:
    mutant = MUTANTS["two-orders"]
    found = find(mutant, strategy, seed=2)
    assert found.outcome is not None
    assert replays(found, mutant)


def test_the_bounds_end_a_search() -> None:
    assert find(MUTANTS["LE-137"], runs=3).runs == 3
    assert not hunt(MUTANTS["LE-137"], runs=1).found


def test_a_deadlock_is_shrunk_and_replays_byte_for_byte() -> None:
    """From a fixed seed: two threads, the loop's and one more."""
    mutant = MUTANTS["two-orders-hang"]
    found = find(mutant, seed=1)
    assert found.outcome is not None
    failure = FailureFile.of(replace(found.outcome, tape=found.tape), mutant.breaks)
    small = shrink_failure(failure, tries=2_000).failure
    assert small.certificate is not None
    assert len(small.scenario.threads) == 1
    assert sum(map(bool, small.tape)) <= 4 and len(list(steps_of(small.scenario))) <= 6
    assert replay(small).result == REPRODUCED
    blocked = [record for record in small.records if record[1] == "blocked"]
    assert {record[2] for record in blocked} == {"main", "t0"}
