"""What is judged where completion workers process what has ended: whole runs, and damaged copies.

A healthy run breaks nothing; the same trace without a callback that was due, or with a worker that
asks without end, breaks the property that says so, whatever other threads did meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from harness.noise_threads import UNLOCKED
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.schedules import RandomWalk
from model.errors import Win32Error
from model.properties import Violation, check
from model.threads import MAIN
from model.trace import Record
from model.workers import Workers

RUNS = 12
MS = 1_000_000
BUSY = (Step("busy", (MS,)), Step("write", (99,)))  # both directions go on meanwhile
ECHOES = PeerEnd((Step("send", ((64, 64, 64),)), Step("echo", (400,))))
PROGRAM = (AppStep("wait", None, (MS,)), AppStep("write", "c0", (99,))) * 3
LIMIT = Step("set_rate_limit", (1_000, 1_000, 1_000, 1_000, MS))
LOCKS = ("THREADSAFE",)
modes = pytest.mark.parametrize("mode", ["deferred", "pooled"])


def scenario(options: tuple[str, ...], mode: str, once: bool, limits: bool) -> Scenario:
    """A client that is sent bytes, and writes, again and again."""
    setup = (Step("enable", ("RW",)), *(LIMIT,) * limits, Step("write", (100,)))
    client = BuffereventEnd(options, setup, on_write=(BUSY,) * 3, after_reads="leave")
    workers = Workers(2, mode)
    return Scenario((Connection(client, ECHOES),), PROGRAM, loop_once=once, workers=workers)


@cache
def outcomes(
    options: tuple[str, ...], mode: str, once: bool = False, limits: bool = False
) -> list[Outcome]:
    made = scenario(options, mode, once, limits)
    walk = RandomWalk(7, 0.05)
    found = [run(made, "sim-iocp", choices=walk.source()) for _ in range(RUNS)]
    assert not any(each.verdicts.violations for each in found)
    return found


def broken(records: list[Record], name: str) -> list[Violation]:
    verdicts = check(records, completion=True, simulated=True, close_tolerance_ns=0)
    return [each for each in verdicts.violations if each.property == name]


def found_without_read_callbacks(
    found: list[Outcome], name: str, at: Callable[[Record], bool]
) -> int:
    """How many of the runs' read callbacks are missed by the property of that name, at such a
    record, when they and only they are taken out of the trace."""
    count = 0
    for outcome in found:
        records = list(outcome.records)
        for start, record in enumerate(records):
            if record[1] == "cb" and record[3] == "read":
                ends = ("cb_end", record[2], "read")
                end = next(i for i in range(start, len(records)) if records[i][1:4] == ends)
                damaged = records[:start] + records[start + 1 : end] + records[end + 1 :]
                count += any(at(damaged[each.record]) for each in broken(damaged, name))
    return count


@modes
def test_a_read_callback_comes_before_the_rest_of_its_turn(mode: str) -> None:
    """O-3, also where the lock is given back for each callback of a turn."""
    missed = found_without_read_callbacks(outcomes(UNLOCKED, mode), "O-3", lambda at: at[1] == "cb")
    assert missed


@pytest.mark.parametrize("options", [LOCKS, UNLOCKED])
def test_a_loop_with_once_leaves_nothing_that_workers_have_put_off(
    options: tuple[str, ...],
) -> None:
    """L-1, in the mode in which callbacks are the loop's."""
    found = outcomes(options, "deferred", once=True)
    assert found_without_read_callbacks(found, "L-1", lambda at: at[1] == "loop")


def test_a_loop_with_once_owes_nothing_that_the_pool_calls_back() -> None:
    found = outcomes(LOCKS, "pooled", once=True)
    assert not found_without_read_callbacks(found, "L-1", lambda at: at[1] == "loop")
    assert found_without_read_callbacks(found, "L-1", lambda at: at[1] == "quiet")


@modes
@pytest.mark.parametrize("pauses", [False, True])
def test_a_worker_does_so_much_for_one_packet(mode: str, pauses: bool) -> None:
    """R-6: seventeen reads of one bufferevent, behind one packet or behind one each."""
    judged = 0
    for outcome in outcomes(LOCKS, mode, limits=True):
        records = list(outcome.records)
        assert outcome.verdicts.checked["R-6"]
        thread = MAIN
        for index, record in enumerate(records):
            thread = record[2] if record[1] == "on" else thread
            if record[1] == "wsa_recv" and thread != MAIN:
                asks = (record[0], "gqcs", 260, None, Win32Error.WAIT_TIMEOUT)
                again = [record, *(asks,) * pauses] * 17
                judged += 1
                damaged = [*records[:index], *again, *records[index:]]
                assert bool(broken(damaged, "R-6")) != pauses
    assert judged
