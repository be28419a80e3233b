"""Scenarios whose client ends connect anew, and other connections that begin oddly."""

from __future__ import annotations

import pytest

from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from model.faults import Faults

ENABLE = Step("enable", ("RW",))
WORLDS = pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp", "epoll"])


def callbacks(outcome: Outcome, name: str, which: str) -> int:
    """How many callbacks of a kind a bufferevent got."""
    return sum(r[1] == "cb" and r[2:4] == (name, which) for r in outcome.records)


@WORLDS
def test_a_client_end_connects_anew_to_a_peer(world: str) -> None:
    """The peer plays its program for each connection."""
    client = BuffereventEnd(setup=(ENABLE,), on_event=((), (Step("reconnect"), ENABLE)))
    server = PeerEnd((Step("send", ((64,),)), Step("close")))
    outcome = run(Scenario((Connection(client, server),)), world)
    assert outcome.verdicts.violations == ()
    events = [r[4] for r in outcome.records if r[1] == "cb" and r[2:4] == ("c0", "event")]
    assert events == [0x80, 0x11, 0x80, 0x11]
    assert {r[2] for r in outcome.records if r[1] == "peer"} == {"s0", "s0.1"}


@WORLDS
def test_a_client_end_connects_anew_to_a_bufferevent(world: str) -> None:
    """The server end is made once more, with the same program."""
    client = BuffereventEnd(setup=(ENABLE, Step("write", (10,))))
    app = (
        AppStep("wait", None, (5_000_000,)),
        AppStep("reconnect", "c0"),
        AppStep("write", "c0", (20,)),
    )
    outcome = run(Scenario((Connection(client, BuffereventEnd()),), app), world)
    assert outcome.verdicts.violations == ()
    assert callbacks(outcome, "c0", "event") == 2
    assert callbacks(outcome, "s0", "event") == 1
    assert callbacks(outcome, "s0.1", "read") == 1


@WORLDS
def test_a_loop_that_is_run_pass_by_pass(world: str) -> None:
    connection = Connection(BuffereventEnd(), PeerEnd((Step("send", ((64, 64),)),)))
    outcome = run(Scenario((connection,), loop_once=True), world)
    assert outcome.verdicts.violations == ()
    loops = [r for r in outcome.records if r[1] == "loop" and r[2] == 1]
    assert len(loops) >= 2
    assert callbacks(outcome, "c0", "read") >= 1


@WORLDS
def test_a_server_end_that_setfd_gives_its_descriptor(world: str) -> None:
    connection = Connection(PeerEnd((Step("send", ((64,),)),)), BuffereventEnd(setfd=True))
    outcome = run(Scenario((connection,)), world)
    assert outcome.verdicts.violations == ()
    assert callbacks(outcome, "s0", "read") == 1
    made = next(r for r in outcome.records if r[1] == "new" and r[2] == "s0")
    assert made[5] is None


@pytest.mark.parametrize(("listens", "result"), [(True, None), (False, "ECONNREFUSED")])
def test_a_connect_that_has_its_outcome_at_once(listens: bool, result: str | None) -> None:
    """LE-033, LE-182: told from the loop, once."""
    faults = Faults(("connect_at_once",))
    scenario = Scenario((Connection(server=PeerEnd(listens=listens)),), faults=faults)
    outcome = run(scenario, "sim-epoll", tape=(1,))
    assert outcome.verdicts.violations == ()
    answer = next(r[4] for r in outcome.records if r[1] == "connect")
    assert (answer and answer.name) == result
    events = [r[4] for r in outcome.records if r[1] == "cb" and r[3] == "event"]
    assert events == [0x80 if listens else 0x20]


@WORLDS
def test_events_that_the_application_triggers(world: str) -> None:
    app = (
        AppStep("wait", None, (5_000_000,)),
        AppStep("trigger_event", "c0", ("READING|EOF", False)),
        AppStep("trigger_event", "c0", ("WRITING|ERROR", True)),
        AppStep("priority", "c0", (2,)),
    )
    outcome = run(Scenario((Connection(),), app), world)
    assert outcome.verdicts.violations == ()
    masks = [r[4] for r in outcome.records if r[1] == "cb" and r[3] == "event"]
    assert masks in ([0x80, 0x11, 0x22], [0x80, 0x33])
