"""Bugs of threads are found by schedules; what is found is a plain tape."""

from __future__ import annotations

import pytest

from harness.mutation import hunt
from harness.run import run
from harness.scenario import Scenario
from harness.scenario_json import validate
from harness.shrink import shrink
from harness.thread_hunt import STRATEGIES, breaks, find, replays, scenarios_with_threads
from model.choices import Choices
from model.mutants import MUTANTS
from model.trace import encode_trace


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
    """From a fixed seed on sim-iocp: two threads, the loop's and one more."""
    mutant = MUTANTS["two-orders-hang"]
    found = find(mutant, seed=1)
    assert found.outcome is not None
    world = "sim-iocp"

    def hangs(scenario: Scenario) -> bool:
        for seed in range(6):
            source = STRATEGIES["random walk"][0](seed).source()
            assert source is not None
            if breaks(run(scenario, world, choices=source, mutant=mutant.name), mutant):
                tapes[scenario] = source.recorded()
                return True
        return False

    tapes: dict[Scenario, tuple[int, ...]] = {}
    assert hangs(found.outcome.scenario) or found.outcome.world == world
    small = shrink(found.outcome.scenario, hangs)
    assert len(small.threads) == 1
    tape = tapes[small]
    runs = [run(small, world, choices=Choices(tape), mutant=mutant.name) for _ in range(2)]
    assert all(breaks(each, mutant) for each in runs)
    assert encode_trace(runs[0].records) == encode_trace(runs[1].records)
    blocked = [record for record in runs[0].records if record[1] == "blocked"]
    assert {record[2] for record in blocked} == {"main", "t0"}
