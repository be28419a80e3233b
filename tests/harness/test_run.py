"""One run: what it gives, what it refuses, and that nothing but scenario and tape counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.run import SUBJECTS, Outcome, judge, run
from harness.scenario import Scenario
from harness.strategies import scenarios, tapes
from harness.worlds import REAL, SIMULATED, WORLDS, is_completion, make_world, why_not
from model.choices import Choices, Decision, StrictChoices
from model.errors import Divergence, UsageError
from model.properties import PROPERTY
from model.trace import FIELDS, decode_record, encode_trace

ROOT = Path(harness.__file__).resolve().parent.parent
worlds = st.sampled_from(SIMULATED)

PROGRAM = """
import hashlib, random
from harness.noise import scenario_of, tape_of
from harness.run import run
from model.trace import encode_trace
digest = hashlib.sha256()
for number in range(60):
    noise = random.Random(number).randbytes(80)
    for world in ("sim-epoll", "sim-iocp"):
        outcome = run(scenario_of(noise), world, tape=tape_of(noise[::-1]))
        digest.update("\\n".join(encode_trace(outcome.records)).encode())
        digest.update(repr((outcome.decisions, outcome.verdicts)).encode())
print(digest.hexdigest())
"""


@given(scenarios(), tapes(), worlds)
def test_an_outcome_says_what_was_run(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    outcome = run(scenario, world, tape=tape)
    assert (outcome.scenario, outcome.world, outcome.tape) == (scenario, world, tape)
    assert (outcome.subject, outcome.mutant) == ("model", None)
    assert outcome.kernel_version == "simulated"
    assert outcome.subject_version == SUBJECTS["model"].version()
    assert len(outcome.decisions) <= len(tape)
    assert all(len(record) == 2 + len(FIELDS[record[1]]) for record in outcome.records)
    assert outcome.verdicts == judge(outcome.records, world, outcome.decisions)
    assert set(outcome.verdicts.checked) <= set(PROPERTY)


@given(scenarios(), tapes(), worlds)
@settings(max_examples=1_500)
def test_the_model_keeps_its_promises(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    assert run(scenario, world, tape=tape).verdicts.violations == ()


@given(scenarios(), tapes(), worlds)
def test_decisions_replay(scenario: Scenario, tape: tuple[int, ...], world: str) -> None:
    first = run(scenario, world, tape=tape)
    choices = StrictChoices(first.decisions)
    again = run(scenario, world, choices=choices)
    choices.finish()
    assert encode_trace(again.records) == encode_trace(first.records)
    assert again.verdicts == first.verdicts
    assert again.tape == tuple(decision.value for decision in first.decisions)


@given(scenarios(), tapes(), worlds)
def test_a_trace_file_loses_nothing(scenario: Scenario, tape: tuple[int, ...], world: str) -> None:
    outcome = run(scenario, world, tape=tape)
    read = tuple(decode_record(json.loads(line)) for line in encode_trace(outcome.records))
    assert read == outcome.records
    assert judge(read, world, outcome.decisions) == outcome.verdicts


@pytest.mark.parametrize("world", SIMULATED)
def test_a_strict_replay_refuses_another_scenario(world: str) -> None:
    choices = StrictChoices([Decision("no such decision", 3, 1)])
    with pytest.raises(Divergence, match="no such decision"):
        _replay(world, choices)


def _replay(world: str, choices: StrictChoices) -> None:
    run(Scenario(), world, choices=choices)
    choices.finish()


@pytest.mark.parametrize("seed", ["0", "1"])
def test_other_processes_and_hash_seeds_change_nothing(seed: str) -> None:
    assert _digest(seed) == _digest("17")


def _digest(hash_seed: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return finished.stdout.strip()


def test_unknown_names_are_told_with_the_known_ones() -> None:
    for names, match in (
        ({"world": "mars"}, "world 'mars' does not exist: name one of sim-epoll"),
        ({"world": "sim-epoll", "subject": "x"}, "subject 'x' does not exist: name one of model"),
        ({"world": "sim-epoll", "mutant": "x"}, "no mutant 'x'"),
    ):
        with pytest.raises(UsageError, match=match):
            run(Scenario(), **cast("dict[str, Any]", names))


def test_a_mutant_is_gone_after_its_run() -> None:
    from model.mutants import MUTANTS

    before = run(Scenario(), "sim-epoll").records
    for name in MUTANTS:
        assert run(Scenario(), "sim-epoll", mutant=name).mutant == name
    assert run(Scenario(), "sim-epoll").records == before


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_has_one_kernel(world: str) -> None:
    reason = why_not(world)
    if reason is not None or (world == "iocp" and sys.platform != "win32"):
        assert world in REAL
        return
    made = make_world(world, Choices(), Scenario().network)
    assert (made.completion is not None) == is_completion(world)
    assert (made.readiness is not None) != is_completion(world)
    made.run(lambda: None)


@given(scenarios(), st.data())
def test_a_real_world_keeps_the_promises_too(scenario: Scenario, data: st.DataObject) -> None:
    reason = why_not("epoll")
    if reason is not None:
        pytest.skip(reason)
    outcome: Outcome = run(scenario, "epoll")
    assert outcome.kernel_version.startswith("Linux")
    assert outcome.verdicts.violations == ()
