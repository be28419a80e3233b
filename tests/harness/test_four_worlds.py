"""One scenario, four worlds: the real IOCP keeps the promises, and all worlds tell one story."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from harness.compare import compare, race_free
from harness.run import run
from harness.scenario import Scenario
from harness.strategies import scenarios
from harness.worlds import WORLDS, why_not


def _needs(world: str) -> None:
    reason = why_not(world)
    if reason is not None:
        pytest.skip(reason)


@given(scenarios())
@settings(max_examples=60)  # a run takes some 40 ms there
def test_the_real_iocp_keeps_the_promises(scenario: Scenario) -> None:
    _needs("iocp")
    outcome = run(scenario, "iocp")
    assert outcome.kernel_version.startswith(("Wine", "Windows"))
    assert outcome.verdicts.violations == ()


@given(scenarios(race_free=True))
@settings(max_examples=40)
def test_all_worlds_tell_one_story(scenario: Scenario) -> None:
    for world in WORLDS:
        _needs(world)
    assert race_free(scenario)
    outcomes = [run(scenario, world) for world in WORLDS]
    for outcome in outcomes:
        assert outcome.verdicts.violations == ()
    compared = compare(outcomes)
    assert compared.checked["X-1"]
    assert compared.violations == ()
