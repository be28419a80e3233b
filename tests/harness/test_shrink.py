"""Taking parts out: everything goes that is not needed, and only valid scenarios are tried."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings

from harness.features import features
from harness.scenario import Scenario, steps_of
from harness.scenario_json import validate
from harness.shrink import parts_out, shrink
from harness.strategies import scenarios


@given(scenarios(max_connections=3))
def test_parts_out_are_valid_and_different(scenario: Scenario) -> None:
    for smaller in parts_out(scenario):
        validate(smaller)
        assert smaller != scenario


def has(feature: str, scenario: Scenario) -> bool:
    return feature in features(scenario)


@settings(max_examples=30)
@given(scenarios(max_connections=3))
def test_nothing_is_left_that_is_not_needed(scenario: Scenario) -> None:
    for feature in sorted(features(scenario)):
        found = shrink(scenario, partial(has, feature))
        assert feature in features(found)
        assert len(found.connections) <= 2 and len(list(steps_of(found))) <= 3
        assert not any(feature in features(smaller) for smaller in parts_out(found))


def test_what_never_fails_stays_as_it_is() -> None:
    assert shrink(Scenario(), lambda _: False) == Scenario()
