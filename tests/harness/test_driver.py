"""The driver and the peers: they play what the scenario says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.driver import TICKS_MAX, Driver
from harness.live import ACTS
from harness.noise import scenario_of
from harness.peers import _STEPS as PEER_STEPS
from harness.run import play
from harness.scenario import (
    ACTIONS,
    PEER_ACTIONS,
    AppStep,
    BuffereventEnd,
    Connection,
    PeerEnd,
    Scenario,
    Step,
)
from harness.strategies import scenarios, tapes
from model.choices import Choices
from model.content import content
from model.errors import Divergence, Errno, SimulatorError, UsageError, Win32Error
from model.subject import EV_READ, EVLOOP_NONBLOCK
from model.trace import Record, Trace
from sim.scheduler import Deadlock
from sim.world import SimWorld

MS = 1_000_000
SIMULATED = ("sim-epoll", "sim-iocp")
in_both = pytest.mark.parametrize("world", SIMULATED)
worlds = st.sampled_from(SIMULATED)


def S(do: str, *args: Any) -> Step:
    return Step(do, args)


def A(end: str | None, do: str, *args: Any) -> AppStep:
    return AppStep(do, end, args)


RW = S("enable", "RW")


def played(scenario: Scenario, world: str, tape: tuple[int, ...] = ()) -> tuple[Record, ...]:
    return play(scenario, world, Choices(tape)).records


def of_kind(records: tuple[Record, ...], kind: str, *start: object) -> list[Record]:
    """Records of a kind whose first fields are `start`."""
    return [r for r in records if r[1] == kind and r[2 : 2 + len(start)] == start]


def one(client: Any = None, server: Any = None, *app: AppStep) -> Scenario:
    connection = Connection(client or BuffereventEnd(), server or PeerEnd())
    return Scenario((connection,), app)


def peer(*steps: Step, **more: Any) -> PeerEnd:
    return PeerEnd(steps, **more)


# What holds for every scenario.


def starved(records: tuple[Record, ...]) -> bool:
    """Whether a listener tries for ever: others hold every page of the pool."""
    tries = of_kind(records, "accept_ex")
    return bool(tries) and tries[-1][-1] is Win32Error.WSAENOBUFS


@given(scenarios(), tapes(), worlds)
def test_a_run_has_a_beginning_and_an_end(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    records = played(scenario, world, tape)
    kinds = [record[1] for record in records]
    assert kinds[-1] == "base_free" and kinds.count("base_free") == 1
    assert kinds.count("teardown") == 1
    if not {"crash", "budget"} & set(kinds):
        if not starved(records):
            assert kinds.count("quiet") == 1 and kinds.index("quiet") < kinds.index("teardown")
        assert of_kind(records, "loop_end")[-1][2] == 1, "the loop is not empty at the end"


@given(scenarios(), tapes(), worlds)
def test_a_run_is_a_function_of_scenario_and_tape(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    assert played(scenario, world, tape) == played(scenario, world, tape)


@given(scenarios(), tapes(), worlds)
def test_nothing_is_done_to_a_freed_bufferevent(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    freed = set()
    for record in played(scenario, world, tape):
        if record[1] in ("op", "write", "read", "echo"):
            assert record[2] not in freed
        if record[1] == "op" and record[3] == "free":
            freed.add(record[2])


@given(scenarios(), tapes(), worlds)
def test_every_step_of_the_application_is_told_once_in_order(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    records = played(scenario, world, tape)
    """Those of other threads come between, each thread's in its order."""
    told = [(index, do.removesuffix(" not done")) for _, _, index, do in of_kind(records, "step")]
    first = 0
    for steps in (scenario.app, *scenario.threads):
        expected = [(index, step.do) for index, step in enumerate(steps, first)]
        first += len(steps)
        assert [each for each in told if each in expected] == expected
    assert len(told) == first


@given(scenarios(), tapes(), worlds)
def test_an_end_writes_its_own_stream(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    written: dict[str, bytes] = {}
    for record in played(scenario, world, tape):
        if record[1] == "write" and record[4] == 0:
            written[record[2]] = written.get(record[2], b"") + record[3]
    for name, data in written.items():
        stream = 2 * int(name[1:]) + (name[0] == "s")
        assert data == content(stream, 0, len(data))


# The application.


@in_both
def test_steps_between_waits_are_done_at_once(world: str) -> None:
    app = (A("c0", "write", 5), A(None, "wait", 3 * MS), A("c0", "write", 6),
           A("c0", "disable", "R"), A(None, "wait", 0), A(None, "wait", 2 * MS),
           A("c0", "free"))  # fmt: skip
    records = played(one(None, peer(S("recv_all")), *app), world)
    assert [t for t, *_ in of_kind(records, "step")] == [
        0, 0, 3 * MS, 3 * MS, 3 * MS, 3 * MS, 5 * MS,
    ]  # fmt: skip


@in_both
def test_steps_on_an_end_that_is_not_there_are_not_done(world: str) -> None:
    app = (A("s0", "write", 1), A("c0", "free"), A("c0", "write", 1))
    records = played(one(None, BuffereventEnd(), *app), world)
    assert [do for *_, do in of_kind(records, "step")] == [
        "write not done", "free", "write not done",
    ]  # fmt: skip
    assert not of_kind(records, "write")


@in_both
def test_reactions_are_done_in_turn_and_then_the_rest(world: str) -> None:
    client = BuffereventEnd(
        setup=(RW, S("write", 64)),
        on_read=((S("read", 1),), (S("read", 2), S("write", 3))),
        on_event=((S("setwatermark", "W", 5, 0),),),
        on_write=((), (S("disable", "W"),)),
    )
    server = peer(S("recv", 64), S("send", (10,)), S("pause", MS), S("send", (10,)), S("recv", 3),
                  S("send", (5,)))  # fmt: skip
    records = played(one(client, server), world)
    assert [(size, len(data)) for *_, size, data in of_kind(records, "read")] == [
        (1, 1), (2, 2), (22, 22),
    ]  # fmt: skip
    operations = [name for *_, name, _ in of_kind(records, "op", "c0")]
    assert operations.index("setwatermark") < operations.index("disable")


@in_both
def test_after_reads(world: str) -> None:
    sent = peer(S("send", (100,)), S("recv", 100))

    def run(after_reads: str) -> tuple[Record, ...]:
        return played(one(BuffereventEnd(after_reads=after_reads), sent), world)

    assert sum(len(r[4]) for r in of_kind(run("read"), "read")) == 100
    assert not of_kind(run("leave"), "read") and not of_kind(run("leave"), "echo")
    back = [r[5] for r in of_kind(run("echo"), "peer", "s0", "recv")]
    assert b"".join(back) == content(1, 0, 100)


@in_both
def test_setcb_chooses_callbacks_by_letter(world: str) -> None:
    client = BuffereventEnd(setup=(RW, S("setcb", "E")))
    records = played(one(client, peer(S("send", (10,)), S("shutdown"))), world)
    assert {which for _, _, _, which, *_ in of_kind(records, "cb", "c0")} == {"event"}
    assert of_kind(records, "op", "c0", "setcb")[-1][4] == (0, 0, 1)


@in_both
def test_busy_takes_time_in_the_callback(world: str) -> None:
    client = BuffereventEnd(on_event=((S("busy", 7 * MS),),))
    records = played(one(client), world)
    begin = of_kind(records, "cb", "c0", "event")[0][0]
    assert of_kind(records, "cb_end", "c0", "event")[0][0] == begin + 7 * MS


@in_both
def test_a_free_in_a_callback_ends_the_reaction(world: str) -> None:
    client = BuffereventEnd(on_event=((S("free"), S("write", 5), S("free")),))
    records = played(one(client), world)
    assert len(of_kind(records, "op", "c0", "free")) == 1
    assert not of_kind(records, "write")


@in_both
def test_a_free_in_the_set_up_leaves_nothing_to_connect(world: str) -> None:
    records = played(one(BuffereventEnd(setup=(S("free"),))), world)
    assert not of_kind(records, "op", "c0", "connect")


@in_both
def test_the_first_connection_is_served_and_others_are_closed(world: str) -> None:
    server = BuffereventEnd(on_accept=((), (S("write", 3),)))
    records = played(one(peer(S("recv", 3), connects=3), server), world)
    accepted = [what for _, _, _, _, what, *_ in of_kind(records, "cb", "l0", "accept")]
    assert len(accepted) == 3
    assert [r[5] for r in of_kind(records, "new", "s0")] == accepted[:1]
    closed = [r[2] for r in of_kind(records, "close")]
    assert set(accepted[1:]) <= set(closed)
    assert of_kind(records, "peer", "c0", "recv")[-1][5] == content(1, 0, 3)


@in_both
def test_the_listener_of_the_connection_can_be_stopped(world: str) -> None:
    app = (A("c0", "listener_disable"), A(None, "wait", MS), A("c0", "listener_enable"))
    records = played(one(None, BuffereventEnd(), *app), world)
    assert [r[3] for r in of_kind(records, "op", "l0")][:2] == ["disable", "enable"]
    assert of_kind(records, "new", "s0")


@in_both
def test_descriptors_without_close_on_free_are_closed_by_the_application(world: str) -> None:
    app = (A(None, "wait", MS), A("c0", "free"))
    end = BuffereventEnd(options=())
    records = played(one(end, end, *app), world)
    sockets = [r[2] for r in of_kind(records, "socket")]
    closed = [r[2] for r in of_kind(records, "close") if r[3] is None]
    assert set(sockets) <= set(closed) and len(set(closed)) == len(closed)


# Peers.


@in_both
def test_a_peer_does_its_program(world: str) -> None:
    server = peer(S("send", (3, 4)), S("recv", 10), S("echo", 6), S("shutdown"), S("recv_all"))
    app = (A("c0", "write", 20), A(None, "wait", 5 * MS), A("c0", "free"))
    records = played(one(None, server, *app), world)
    told = [(r[3], r[5] if r[3] != "recv" else b"") for r in of_kind(records, "peer", "s0")]
    assert [name for name, _ in told if name != "recv"] == [
        "accept", "send", "send", "send", "shutdown",
    ]  # fmt: skip
    sent = b"".join(data for name, data in told if name == "send")
    assert sent == content(1, 0, 7) + content(0, 10, 6)
    received = b"".join(r[5] for r in of_kind(records, "peer", "s0", "recv"))
    assert received == content(0, 0, 20)
    assert of_kind(records, "peer", "s0", "recv")[-1][5] == b""


@in_both
def test_the_loop_is_asked_what_it_waits_for(world: str) -> None:
    records = played(one(), world)
    after = records[[record[1] for record in records].index("quiet") :]
    assert next(r[2] for r in after if r[1] == "loop") == EVLOOP_NONBLOCK
    results = [r[2] for r in after if r[1] == "loop_end"]
    assert results[1] == 0, "a bufferevent still reads"
    assert results[-1] == 1, "nothing is left in the end"


@in_both
def test_nobody_listens(world: str) -> None:
    records = played(one(None, peer(listens=False)), world)
    assert not of_kind(records, "peer")
    assert [r[4] for r in of_kind(records, "cb", "c0", "event")] == [0x20]


@in_both
def test_a_run_is_not_quiet_while_a_peer_rests(world: str) -> None:
    records = played(one(None, peer(S("pause", 1_200 * MS), S("send", (9,)))), world)
    assert of_kind(records, "read")
    assert of_kind(records, "quiet")[0][0] >= of_kind(records, "read")[0][0]


def test_every_action_can_be_done() -> None:
    assert set(ACTS) == set(ACTIONS) and set(PEER_STEPS) == set(PEER_ACTIONS)


# What goes wrong.


class FaultyBase:
    """A base whose loop does something wrong; it makes nothing."""

    def __init__(self, wrong: Callable[[], int]) -> None:
        self.wrong = wrong
        self.freed = 0

    def listener_new(self, *_: object, **__: object) -> Errno:
        return Errno.EMFILE

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        """Never."""

    def loop(self, flags: int = 0) -> int:
        return self.wrong() if flags == 0 else 1

    def free(self) -> int:
        self.freed += 1
        return 0


def faulty(wrong: Callable[[], int]) -> tuple[FaultyBase, list[Record]]:
    world = SimWorld("epoll", Choices())
    base = FaultyBase(wrong)
    trace = Trace(world.now_ns)
    driver = Driver(Scenario(connections=()), world, cast("Any", base), trace)
    world.run(driver.play)
    return base, trace.records


def raising(error: BaseException) -> Callable[[], int]:
    def wrong() -> int:
        raise error

    return wrong


@pytest.mark.parametrize(
    "error", [AssertionError("a\nb"), KeyError(5), Deadlock("for ever"), SimulatorError("ours")]
)
def test_an_exception_of_the_subject_is_a_record(error: Exception) -> None:
    base, records = faulty(raising(error))
    crash = of_kind(tuple(records), "crash")[0]
    assert crash[2] == type(error).__name__ and "\n" not in crash[3]
    assert crash[4].startswith(f"{__name__}:") and crash[4].endswith(" wrong")
    assert base.freed == 1 and of_kind(tuple(records), "teardown")


@pytest.mark.parametrize("error", [UsageError("bad"), Divergence("elsewhere")])
def test_other_errors_of_ours_go_up(error: Exception) -> None:
    with pytest.raises(type(error)):
        faulty(raising(error))


@in_both
def test_an_endless_run_is_cut(world: str) -> None:
    echo = BuffereventEnd(setup=(RW, S("write", 1)), after_reads="echo")
    records = play(one(echo, echo), world, Choices(), record_budget=500).records
    assert of_kind(records, "budget") and not of_kind(records, "quiet")
    assert len(records) < 1_000 and records[-1][1] == "base_free"


@in_both
def test_a_run_that_never_rests_is_given_up(world: str) -> None:
    pauses = (S("pause", 400 * MS), S("send", (1,))) * 40
    records = played(one(None, peer(*pauses)), world)
    ticks = sum(1 for r in records if r[1] in ("epoll_wait", "gqcs"))
    assert ticks > TICKS_MAX and not of_kind(records, "quiet")
    assert records[-1][1] == "base_free"


def test_enabled_is_what_the_scenario_says() -> None:
    records = played(scenario_of(b""), "sim-epoll")
    assert of_kind(records, "cb", "c0", "event")[0][8] & EV_READ
