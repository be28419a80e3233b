"""What campaigns against foreign subjects have besides: motifs, signatures, spins cut early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fuzz import fuzz
from harness.motifs import MOTIFS, with_motif
from harness.scenario import Scenario
from harness.scenario_json import from_json, to_json, validate
from harness.signature import signature
from harness.spins import SpinTrace
from harness.strategies import scenarios
from model.properties import Violation
from model.properties.harness_records import STRIDE
from model.trace import BudgetExceeded, Record
from tests.harness.foreign import needs_libevent


@given(scenarios(), st.integers(0, len(MOTIFS) - 1), st.integers(0, 255))
def test_a_scenario_with_a_motif_is_a_scenario(scenario: Scenario, which: int, number: int) -> None:
    made = with_motif(scenario, which, number)
    validate(made)
    assert from_json(to_json(made)) == made
    assert with_motif(scenario, 0, number) == scenario


def fill(trace: SpinTrace, records: list[Record], most: int) -> int:
    """Writes the records over and over, as callbacks do; how many until the run was cut."""
    for count in range(most):
        trace.append(records[count % len(records)])
        try:
            trace.check_budget()
        except BudgetExceeded:
            return count
    return most


@given(st.integers(1, STRIDE))
def test_a_long_run_is_not_cut_and_a_spin_is(every: int) -> None:
    """One byte in a stride of records is progress enough; none is a spin."""
    idle: Record = (0, "cb", "c0", "read", 0, None, 64, 0, 6)
    moved: Record = (0, "recv", 4, 64, b"x")
    most = 5 * STRIDE
    assert fill(SpinTrace(lambda: 0, most), [moved] + [idle] * (every - 1), 2 * most) == most
    assert STRIDE <= fill(SpinTrace(lambda: 0, most), [idle], most) <= 2 * STRIDE
    failed: Record = (0, "accept", 4, None, None)
    assert fill(SpinTrace(lambda: 0, most), [failed, idle], most) <= 2 * STRIDE


def test_violations_are_told_apart_by_what_they_say() -> None:
    def named(name: str, ms: int, connected: bool) -> str:
        records: list[Record] = [(0, "op", name, "connect", (4,))]
        records += [(0, "cb", name, "event", 0x80, None, 0, 0, 6)] if connected else []
        records += [(0, "cb", name, "event", 0x42, None, 0, 0, 6)]
        message = f"{name} timed out {ms} ms late"
        return signature(Violation("T-1", len(records) - 1, message), records)

    assert named("c0", 5, True) == named("c1", 77, True)
    assert named("c0", 5, True) == "T-1 @ timed out # ms late | event callback | connected"
    assert named("c0", 5, False) != named("c0", 5, True)


@needs_libevent
@pytest.mark.parametrize("seed", [1])
def test_a_campaign_finds_one_property_broken_in_several_ways(seed: int) -> None:
    """And every failure that it reports breaks again in a run of its own."""
    report = fuzz(["sim-epoll"], "libevent", runs=150, seed=seed)
    properties = [failure.property for failure in report.failures]
    assert len(set(properties)) < len(properties)
    for failure in report.failures:
        assert failure.property in {v.property for v in failure.outcome.verdicts.violations}
