"""What the strategies draw: valid, bounded, varied, and dull when short."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from harness.compare import race_free
from harness.features import features
from harness.noise import scenario_of, tape_of
from harness.noise_tables import (
    ACCEPT_STEPS,
    APP_STEPS,
    PEER_STEPS,
    REACTION_STEPS,
    SETUP_STEPS,
    STOP,
)
from harness.scenario import ACTIONS, PEER_ACTIONS, BuffereventEnd, Scenario, ends, steps_of
from harness.scenario_json import validate
from harness.strategies import scenarios, tapes


@given(scenarios(), scenarios(race_free=True))
def test_what_is_drawn_is_valid(any_kind: Scenario, calm: Scenario) -> None:
    validate(any_kind)
    validate(calm)


@given(scenarios(race_free=True))
def test_race_free_ones_are(scenario: Scenario) -> None:
    assert race_free(scenario)


@given(scenarios())
def test_two_ends_never_echo_for_ever(scenario: Scenario) -> None:
    for connection in scenario.connections:
        both = (connection.client, connection.server)
        echoing = [isinstance(e, BuffereventEnd) and e.after_reads == "echo" for e in both]
        assert not all(echoing)


@given(scenarios())
def test_a_real_run_ends_soon(scenario: Scenario) -> None:
    waits = sum(step.args[0] for step in steps_of(scenario) if step.do in ("wait", "pause"))
    assert waits <= 6 * 20_000_000 + 12 * 20_000_000


@given(st.binary(max_size=300))
def test_noise_tells_one_scenario(data: bytes) -> None:
    assert scenario_of(data) == scenario_of(data + b"\0")
    assert all(0 <= value <= 155 for value in tape_of(data))


def test_no_noise_is_the_dullest_scenario() -> None:
    assert scenario_of(b"") == Scenario()
    assert scenario_of(b"", race_free=True) == Scenario()
    assert tape_of(b"") == ()


@pytest.mark.parametrize(
    "table", [ACCEPT_STEPS, APP_STEPS, PEER_STEPS, REACTION_STEPS, SETUP_STEPS]
)
def test_every_entry_of_a_table_has_a_byte(table: list[object]) -> None:
    assert len(table) <= 256 - STOP


def test_noise_reaches_every_action() -> None:
    seen: Counter[str] = Counter()
    for number in range(3_000):
        seen.update(features(scenario_of(Random(number).randbytes(100))))
    for action in ACTIONS:
        assert seen[f"app {action}"] or action == "busy"
        assert seen[f"callback {action}"]
    for action in PEER_ACTIONS:
        assert seen[f"peer {action}"] > 30
    assert seen["connection refused"] and seen["peer connects again"]
    assert seen["several connections"] and seen["bufferevents at both ends"]


def test_shrinking_leaves_what_matters() -> None:
    def resets(scenario: Scenario) -> bool:
        return any(step.do == "reset" for step in steps_of(scenario))

    once = settings(database=None, max_examples=2_000, phases=(Phase.generate, Phase.shrink))
    found = find(scenarios(max_connections=1), resets, settings=once, random=Random(1))
    assert [step.do for step in steps_of(found)] == ["enable", "reset"]
    assert len(list(ends(found))) == 2
    assert find(tapes(), lambda tape: len(tape) > 2, settings=once, random=Random(1)) == (0, 0, 0)
