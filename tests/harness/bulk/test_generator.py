"""What bulk search draws: valid whatever is done to it, and only what the swarm has."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bulk import swarm
from harness.bulk.generator import (
    NOISE_MAX,
    TAPE_MAX,
    Case,
    fresh,
    mutated,
    scenario_and_tape,
)
from harness.bulk.swarm import Swarm, SwarmNoise
from harness.compare import race_free
from harness.foreign import within
from harness.noise import CALLBACKS, scenario_of
from harness.scenario import BuffereventEnd, ends, steps_of
from harness.scenario_json import from_json, to_json, validate
from model.faults import NONE
from tests.harness.bulk.drawn import cases, fresh_cases, randoms, swarms

#: steps that a scenario may have whatever the swarm says: its set-up and the motifs bring them
USUAL = {"enable", "disable", "setwatermark", "read", "write", "flush", "wait"}


@given(cases | fresh_cases, st.booleans())
def test_every_case_is_a_valid_scenario(case: Case, foreign: bool) -> None:
    scenario, tape = scenario_and_tape(case, foreign)
    validate(scenario)
    assert from_json(to_json(scenario)) == scenario
    assert all(0 <= value <= 155 for value in tape)
    assert (scenario, tape) == scenario_and_tape(case, foreign)


@given(cases, st.lists(cases, max_size=3), randoms, st.integers(1, 8))
def test_whatever_mutation_does_is_a_case(
    case: Case, others: list[Case], random: Random, times: int
) -> None:
    for _ in range(times):
        made = mutated(case, random, others)
        assert made.race_free == case.race_free
        case = made
    assert len(case.noise) <= NOISE_MAX
    assert len(case.tape) <= TAPE_MAX
    validate(scenario_and_tape(case)[0])


@given(randoms)
def test_mutation_changes_most_cases(random: Random) -> None:
    case = fresh(random)
    assert any(mutated(case, random, []) != case for _ in range(4))


@given(fresh_cases)
def test_race_free_cases_are(case: Case) -> None:
    if case.race_free:
        assert race_free(scenario_and_tape(case)[0])


@given(fresh_cases)
def test_foreign_cases_stay_within_reach(case: Case) -> None:
    scenario, _ = scenario_and_tape(case, foreign=True)
    assert within(scenario) == scenario


@given(st.binary(max_size=200), swarms)
def test_a_scenario_has_only_what_the_swarm_has(noise: bytes, drawn: Swarm) -> None:
    scenario = scenario_of(SwarmNoise(noise, drawn), focus=drawn.focus)
    of_threads = {"timer"} if scenario.threads else set()
    used = {step.do for step in steps_of(scenario)} - USUAL - of_threads
    assert used <= set(drawn.names())
    assert scenario.faults == NONE or "faults" in drawn.parts
    assert not scenario.loop_once or "rarities" in drawn.parts
    assert not scenario.groups or "limits" in drawn.parts or drawn.focus == "limits"
    assert not scenario.threads or "threads" in drawn.parts
    assert scenario.workers is None or "workers" in drawn.parts
    for _, end in ends(scenario):
        if isinstance(end, BuffereventEnd):  # limits and rarities add to what reading does
            lists = (end.on_write, end.on_event, end.on_accept)
            busy = [name for name, each in zip(CALLBACKS[1:], lists, strict=True) if each]
            assert set(busy) <= set(drawn.callbacks)


def test_what_is_read_last_does_not_starve() -> None:
    """Of short noise as of long: a part that may exist mostly does."""
    random = Random(5)
    drawn = Swarm(parts=("limits", "rarities"))
    for size in (16, 96):
        read = [scenario_of(SwarmNoise(random.randbytes(size), drawn)) for _ in range(200)]
        unusual = [each for each in read if each.loop_once]
        assert len(unusual) > 50


@given(st.binary(max_size=200))
def test_a_swarm_with_everything_reads_connections_as_plain_noise_does(noise: bytes) -> None:
    everything = scenario_of(SwarmNoise(noise, Swarm(parts=("tls",))))
    plain = scenario_of(noise)
    if plain.faults == NONE and plain.network == everything.network and not plain.groups:
        pairs = [(each.client, each.server) for each in everything.connections]
        assert len(pairs) == len(plain.connections)
        assert everything.app == plain.app


@pytest.mark.parametrize("foreign", [False, True])
def test_the_same_seed_draws_the_same_cases(foreign: bool) -> None:
    first, second = Random(7), Random(7)
    for _ in range(50):
        assert fresh(first, foreign=foreign) == fresh(second, foreign=foreign)


def test_swarms_differ_and_each_step_is_in_some() -> None:
    random = Random(1)
    drawn = [swarm.draw(random) for _ in range(300)]
    assert {verb for each in drawn for verb in each.names()} == set(swarm.VERBS)
    assert {part for each in drawn for part in each.parts} == set(swarm.PARTS)
    assert {each.focus for each in drawn} >= {"", "tls", "pair", "layers", "limits"}
    assert {each.taped for each in drawn} == {False, True}
    assert {name for each in drawn for name in each.callbacks} == set(CALLBACKS)
    assert 0 < sum(len(each.callbacks) < len(CALLBACKS) for each in drawn) < 300
    assert len(set(drawn)) > 250
    missing = [set(swarm.VERBS) - set(each.names()) for each in drawn]
    assert all(any(verb in each for each in missing) for verb in swarm.VERBS)


@given(swarms)
def test_a_mask_is_its_names(drawn: Swarm) -> None:
    assert swarm.mask_of(drawn.names()) == drawn.verbs
    assert "\n" not in drawn.told()
