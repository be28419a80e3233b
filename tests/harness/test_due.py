"""What other threads have made due: whole runs in any schedule, and copies without a callback."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.noise_threads import UNLOCKED
from harness.run import Outcome, run
from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    PeerEnd,
    Scenario,
    Step,
)
from harness.schedules import RandomWalk
from model.properties import check
from model.trace import Record
from model.workers import Workers

MS = 1_000_000
LOCKS = ("THREADSAFE",)
DEFERRED = ("THREADSAFE", "DEFER_CALLBACKS")
ECHOES = PeerEnd((Step("send", ((64, 64, 64),)), Step("echo", (400,))))
BUSY = (Step("busy", (MS,)), Step("write", (99,)))  # both directions go on meanwhile
SETUP = (Step("enable", ("RW",)), Step("write", (100,)))
THREADS = (
    (AppStep("write", "c0", (50,)), AppStep("trigger", "c0", ("R", True, False))),
    (AppStep("wait", None, (MS,)), AppStep("write", "c0", (50,))),
)


@st.composite
def scenarios(draw: st.DrawFn) -> tuple[Scenario, str]:
    """A client that is sent bytes and writes again and again, and a world for it."""
    options = draw(st.sampled_from((LOCKS, DEFERRED, UNLOCKED)))
    after = draw(st.sampled_from(("leave", "read", "echo")))
    client = BuffereventEnd(options, SETUP, on_write=(BUSY,) * 3, after_reads=after)
    server = BuffereventEnd(options, SETUP)  # two that echo never end
    connection = draw(
        st.sampled_from(
            (
                Connection(client, ECHOES),
                Connection(client, server, layers=(Layer("copy"),)),
                Connection(client, server, layers=(Layer("tls"),)),
                Connection(client, server, "pair"),
            )
        )
    )
    mode = draw(st.sampled_from((None, "deferred", "pooled")))
    program = (AppStep("wait", None, (MS,)), AppStep("write", "c0", (99,))) * 3
    threads = draw(st.sampled_from(((), THREADS))) if mode else THREADS
    made = Scenario(
        (connection,),
        program,
        loop_once=draw(st.booleans()),
        threads=threads,
        workers=Workers(2, mode) if mode else None,
    )
    return made, "sim-iocp" if mode else draw(st.sampled_from(("sim-epoll", "sim-iocp")))


def without(records: tuple[Record, ...], start: int) -> list[Record]:
    """The same without the callback that begins in record `start`."""
    ends = ("cb_end", records[start][2], records[start][3])
    end = next((i for i in range(start, len(records)) if records[i][1:4] == ends), start)
    return [*records[:start], *records[start + 1 : end], *records[end + 1 :]]


def callbacks(outcome: Outcome) -> list[int]:
    """Where read and write callbacks begin."""
    found = enumerate(outcome.records)
    return [i for i, record in found if record[1] == "cb" and record[3] in ("read", "write")]


@given(scenarios(), st.integers(0, 1_000_000), st.lists(st.integers(0, 99), max_size=6))
def test_nothing_is_due_before_what_would_have_told_it(
    made: tuple[Scenario, str], seed: int, which: list[int]
) -> None:
    """A healthy run owes nothing, in any schedule. One from which a callback was taken out may owe
    it from then on, and never before."""
    scenario, world = made
    outcome = run(scenario, world, choices=RandomWalk(seed, 0.05).source())
    assert outcome.verdicts.violations == ()
    begins = callbacks(outcome)
    for number in which if begins else ():
        start = begins[number % len(begins)]
        damaged = without(outcome.records, start)
        verdicts = check(
            damaged, completion=world == "sim-iocp", simulated=True, close_tolerance_ns=0
        )
        assert all(each.record >= start for each in verdicts.violations)
        assert verdicts.unreadable == ()
