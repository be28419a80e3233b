"""Real traces are explained, and damaged ones are not, from the record on that was damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.inclusion.search import explain
from harness.run import run
from harness.scenario import Scenario
from harness.strategies import scenarios
from harness.worlds import why_not
from tests.explained import assert_explained
from tests.harness.inclusion.damage import (
    EPOLL,
    IOCP,
    accepted_without_a_connection,
    readiness_lost,
)
from tests.harness.inclusion.recorded import recorded

#: certain only later: what did not come may be late, a peer may be connecting at that moment
LATER = (readiness_lost, accepted_without_a_connection)
PLANTED = [("epoll", damage) for damage in EPOLL] + [("iocp", damage) for damage in IOCP]


@pytest.mark.parametrize("world", ["epoll", "iocp"])
@settings(max_examples=60)
@given(scenario=scenarios(max_connections=3))
def test_what_a_real_kernel_does_is_explained(world: str, scenario: Scenario) -> None:
    reason = why_not(world)
    if reason is not None:
        pytest.skip(reason)
    assert_explained(run(scenario, world))


@pytest.mark.parametrize("world", ["epoll", "iocp"])
def test_the_runs_to_damage_are_explained(world: str) -> None:
    for each in recorded(world):
        found = explain(each.world, each.scenario, each.records)
        assert found.explained, found
        assert found.decisions


@pytest.mark.parametrize(
    ("world", "damage"), PLANTED, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_damage_fits_somewhere(world: str, damage: object) -> None:
    assert callable(damage)
    assert any(list(damage(each)) for each in recorded(world))


@settings(max_examples=100)
@given(data=st.data())
@pytest.mark.parametrize("world", ["epoll", "iocp"])
def test_an_impossible_record_is_rejected(world: str, data: st.DataObject) -> None:
    damage = data.draw(st.sampled_from(EPOLL if world == "epoll" else IOCP))
    places = [(each, place) for each in recorded(world) for place in damage(each)]
    each, (number, records) = data.draw(st.sampled_from(places).filter(bool), label=damage.__name__)
    found = explain(each.world, each.scenario, records)
    assert not found.explained
    assert found.possible
    assert found.record is not None
    if damage in LATER:
        assert found.record >= number
    else:
        assert found.record == number, (found, records[number])


def test_the_message_says_what_was_possible() -> None:
    each = recorded("epoll")[0]
    number, record = next(
        (n, r) for n, r in enumerate(each.records) if r[1] == "recv" and isinstance(r[4], bytes)
    )
    records = [*each.records[:number], (*record[:4], b""), *each.records[number + 1 :]]
    found = explain(each.world, each.scenario, records)
    assert (found.record, found.found) == (number, "end of file")
    assert f"fd {record[2]} has {len(record[4])} byte" in found.possible


def test_a_beginning_of_a_trace_is_explained() -> None:
    each = recorded("epoll")[1]
    for size in range(0, len(each.records), 5):
        assert explain(each.world, each.scenario, each.records[:size]).explained
