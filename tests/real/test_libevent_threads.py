"""libevent with libevent_pthreads: threads of the application, on the real kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cage import shared
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, Layer, Scenario, Step
from model.errors import UsageError
from tests.harness.foreign import needs_libevent
from tests.harness.test_app_threads import SAFE, UNLOCKED, crowd
from tests.harness.test_app_threads import shared as shared_scenario

pytestmark = needs_libevent

SUBJECT = "libevent-pthreads"
MS = 1_000_000


def threads_of(outcome: Outcome) -> set[str]:
    return {record[2] for record in outcome.records if record[1] == "on"}


def test_it_says_whose_locks_it_has() -> None:
    assert shared(SUBJECT).version(SUBJECT).endswith("pthreads)")
    assert "pthreads" not in shared("libevent").version("libevent")


@pytest.mark.parametrize("seed", range(8))
def test_eight_threads_on_four_connections(seed: int) -> None:
    outcome = run(crowd(seed, 400), "epoll", subject=SUBJECT)
    broken = {violation.property for violation in outcome.verdicts.violations}
    # Rarely C-1: bufferevent_readcb does not look again whether reading is enabled when it has the
    # lock, and event_del of another thread does not wait for it (EV_FINALIZE).
    assert not broken - {"C-1"}
    assert threads_of(outcome) >= {"t0", "t7", "main"}
    assert outcome.records[-1][1:] == ("base_free", 0)


@pytest.mark.parametrize("options", [SAFE, (*SAFE, "DEFER_CALLBACKS"), UNLOCKED])
def test_threads_share_a_bufferevent(options: tuple[str, ...]) -> None:
    outcome = run(shared_scenario(options), "epoll", subject=SUBJECT)
    broken = {violation.property for violation in outcome.verdicts.violations}
    assert not broken - {"L-5"}  # findings/watermark-spin: its server leaves the input as it is
    assert outcome.records[-1][1:] == ("base_free", 0)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=12), st.integers(2, 6))
def test_bytes_of_several_threads_come_in_the_order_of_their_calls(
    sizes: list[int], threads: int
) -> None:
    """B-1 and B-2, of one stream that several threads write at once."""
    end = BuffereventEnd(options=SAFE)
    writes = tuple([AppStep("write", "c0", (size,)) for size in sizes])
    scenario = Scenario((Connection(end, end),), threads=(writes,) * threads)
    outcome = run(scenario, "epoll", subject=SUBJECT)
    assert not outcome.verdicts.violations
    read = sum(len(r[4]) for r in outcome.records if r[1] == "read" and r[2] == "s0")
    assert read == sum(sizes) * threads


def test_one_thread_frees_what_another_writes_to() -> None:
    end = BuffereventEnd(options=(*SAFE, "DEFER_CALLBACKS"))
    writes = tuple([AppStep("write", "c0", (100,)) for _ in range(20)])
    freeing = (AppStep("wait", None, (MS,)), AppStep("free", "c0"))
    scenario = Scenario((Connection(end, end),), threads=(writes, writes, freeing))
    for _ in range(5):
        outcome = run(scenario, "epoll", subject=SUBJECT)
        assert not outcome.verdicts.violations
        assert outcome.records[-1][1:] == ("base_free", 0)


def test_what_cannot_be_is_one_line() -> None:
    scenario = shared_scenario(SAFE)
    with pytest.raises(UsageError, match=r"^scenario.threads: libevent has no locks for them"):
        run(scenario, "epoll", subject="libevent")
    with pytest.raises(UsageError, match=r"^subject libevent-pthreads does not run in sim-epoll"):
        run(scenario, "sim-epoll", subject=SUBJECT)
    end = BuffereventEnd(SAFE, setup=(Step("enable", ("RW",)),))
    layered = Connection(end, end, layers=(Layer(),))
    with pytest.raises(UsageError, match=r"^a filter beside threads: .*not bound"):
        run(replace(scenario, connections=(layered,)), "epoll", subject=SUBJECT)
