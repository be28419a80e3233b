"""Runs with threads: what another thread called around a wait, and packets that others took."""

from __future__ import annotations

import pytest

from harness.inclusion.search import Explanation, explain
from harness.inclusion.turns import Turns, gathered
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, Scenario
from harness.worlds import why_not
from model.errors import NtStatus, Win32Error
from model.trace import Record
from tests.harness.test_app_threads import SAFE, crowd

CALLS = frozenset({"epoll_ctl", "epoll_wait", "eventfd_write", "recv"})
PENDING = Win32Error.WSA_IO_PENDING


def explained(outcome: Outcome, records: tuple[Record, ...] | None = None) -> Explanation:
    profile = "wine-8" if outcome.kernel_version.startswith("Wine") else "nt"
    chosen = outcome.records if records is None else records
    return explain(outcome.world, outcome.scenario, chosen, profile)


def real(world: str, scenario: Scenario) -> Outcome:
    if (reason := why_not(world)) is not None:
        pytest.skip(reason)
    return run(scenario, world)


def woken() -> Outcome:
    """The loop sleeps when a thread writes to it; the other end echoes that."""
    echo = BuffereventEnd(options=SAFE, after_reads="echo")
    steps = (AppStep("wait", None, (20_000_000,)), AppStep("write", "c0", (100,)))
    connection = Connection(BuffereventEnd(options=SAFE), echo)
    return real("epoll", Scenario((connection,), threads=(steps,)))


@pytest.mark.parametrize("seed", range(3))
def test_eight_threads_on_epoll_are_explained(seed: int) -> None:
    outcome = real("epoll", crowd(seed, 1_000))
    found = explained(outcome)
    assert found.explained, (found.record, found.found, found.possible)


def test_eight_threads_on_a_real_port_are_explained() -> None:
    found = explained(real("iocp", crowd(0, 80)))
    assert found.explained, (found.record, found.found, found.possible)


def test_a_wakeup_from_nowhere_is_not_explained() -> None:
    """Without the threads' writes the eventfd has nothing to tell."""
    outcome = woken()
    writes = [n for n, record in enumerate(outcome.records) if record[1] == "eventfd_write"]
    assert writes
    less = tuple([each for each in outcome.records if each[1] != "eventfd_write"])
    found = explained(outcome, less)
    assert not found.explained and found.record is not None
    assert less[found.record][1] == "epoll_wait"


def test_bytes_that_nobody_sent_are_not_explained() -> None:
    outcome = woken()
    records = list(outcome.records)
    place, received = next(
        (n, record)
        for n, record in enumerate(records)
        if record[1] == "recv" and isinstance(record[4], bytes) and record[4]
    )
    other = bytes([received[4][0] ^ 1]) + received[4][1:]
    records[place] = (*received[:4], other)
    found = explained(outcome, tuple(records))
    assert not found.explained and found.record == place


def test_calls_of_others_lie_around_the_waits_of_the_loop() -> None:
    records: list[Record] = [
        (0, "recv", 5, 10, b""),
        (1, "on", "t0"),
        (1, "epoll_ctl", 3, 1, 6, 1, None),
        (2, "on", "main"),
        (2, "epoll_wait", 3, None, []),
        (3, "on", "t1"),
        (3, "eventfd_write", 4, None),
        (4, "on", "main"),
        (4, "recv", 5, 10, b""),
        (5, "on", "t0"),
        (5, "epoll_ctl", 3, 2, 6, 1, None),
        (6, "on", "main"),
        (6, "recv", 5, 10, b""),
    ]
    turns = Turns(records, CALLS)
    assert turns.foreign == {2, 6, 10}
    assert turns.around == {4: [2, 6]}
    assert turns.awaited == {2}


def test_packets_stand_behind_their_dequeue_and_submissions_before_it() -> None:
    records: list[Record] = [
        (0, "thread", "w0", "spawn"),
        (1, "on", "w0"),
        (1, "gqcs", 9, None, 1),
        (2, "on", "t0"),
        (2, "lock", "c0", "acquire", "t0"),
        (3, "on", "w0"),
        (3, "completion", 5, 7, "recv", NtStatus.SUCCESS, b"x"),
        (4, "on", "t0"),
        (4, "wsa_recv", 5, 7, 100, PENDING),
    ]
    made, numbers = gathered(records)
    told = [(record[1], numbers[place]) for place, record in enumerate(made) if record[1] != "on"]
    assert told == [("thread", 0), ("wsa_recv", 8), ("gqcs", 2), ("completion", 6), ("lock", 4)]
    writers = Turns(made, frozenset()).writers
    whose = {record[1]: writers[place] for place, record in enumerate(made) if record[1] != "on"}
    assert whose["wsa_recv"] == whose["lock"] == "t0"
    assert whose["gqcs"] == whose["completion"] == "w0"


def test_a_trace_with_one_thread_is_left_alone() -> None:
    records: list[Record] = [(0, "gqcs", 9, 0, Win32Error.WAIT_TIMEOUT)]
    made, numbers = gathered(records)
    assert made is records and list(numbers) == [0]
