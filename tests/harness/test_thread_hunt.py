"""Bugs of threads are found by schedules; what is found is a plain tape."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.failure import FailureFile, load, save_in
from harness.mutation import hunt
from harness.replay import REPRODUCED, replay
from harness.scenario_json import to_json, validate
from harness.shrinking import shrink_failure
from harness.thread_hunt import STRATEGIES, find, replays, scenarios_with_threads
from model.mutants import MUTANTS
from real import wine


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


@pytest.fixture(scope="module")
def deadlock() -> FailureFile:
    """From a fixed seed on sim-iocp: found, shrunk, and in the form in which failures are kept."""
    mutant = replace(MUTANTS["two-orders-hang"], kernels=("completion",))
    found = find(mutant, seed=2)
    assert found.outcome is not None
    failure = FailureFile.of(replace(found.outcome, tape=found.tape), mutant.breaks)
    small = shrink_failure(failure, tries=2_000).failure
    assert small.certificate is not None
    return replace(small, certificate=None)  # `run` makes none


def test_a_deadlock_is_shrunk_to_two_threads(deadlock: FailureFile) -> None:
    """The loop's and one of the application, each of which waits for the other."""
    assert deadlock.world == "sim-iocp"
    ((_,),) = deadlock.scenario.threads  # one thread, one step
    blocked = {record[2]: record for record in deadlock.records if record[1] == "blocked"}
    assert set(blocked) == {"main", "t0"}
    assert blocked["main"][3] in blocked["t0"][4] and blocked["t0"][3] in blocked["main"][4]
    assert deadlock.tape and deadlock.tape[-1]


def test_a_deadlock_is_kept_and_replays_byte_for_byte(
    deadlock: FailureFile, tmp_path: Path
) -> None:
    path = save_in(tmp_path, deadlock)
    assert load(path) == deadlock
    result = replay(path)
    assert result.result == REPRODUCED
    assert "byte for byte" in result.message


@pytest.mark.skipif(
    sys.platform == "win32" or wine.why_not() is not None,
    reason="needs Linux and a Windows interpreter under Wine: duopoll setup-wine",
)
def test_a_deadlock_is_the_same_bytes_on_linux_and_windows(
    deadlock: FailureFile, tmp_path: Path
) -> None:
    """Made here, replayed there; made there, the same bytes, and replayed here."""
    here = save_in(tmp_path / "here", replace(deadlock, broken=deadlock.violations[0].property))
    code, told = wine.run_interpreter(
        ["-m", "harness", "replay", wine.windows_path(here)], timeout_s=120
    )
    assert code == 1, told
    assert "byte for byte" in told

    program = tmp_path / "scenario.json"
    program.write_text(json.dumps(to_json(deadlock.scenario)))
    tape = ",".join(map(str, deadlock.tape))
    arguments = ["--world", deadlock.world, "--tape", tape, "--mutant", str(deadlock.mutant)]
    arguments += ["--json", "--out", wine.windows_path(tmp_path / "there")]
    code, told = wine.run_interpreter(
        ["-m", "harness", "run", wine.windows_path(program), *arguments], timeout_s=120
    )
    assert code == 1, told
    (there,) = (tmp_path / "there").iterdir()
    assert there.name == here.name
    assert there.read_bytes() == here.read_bytes()
    assert replay(there).result == REPRODUCED
