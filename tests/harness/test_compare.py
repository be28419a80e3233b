"""Race-free scenarios, and what two worlds make of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from harness.compare import compare, race_free
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.strategies import scenarios, tapes
from harness.worlds import SIMULATED


def S(do: str, *args: Any) -> Step:
    return Step(do, args)


RW = S("enable", "RW")


def of(client: Any = None, server: Any = None, *app: AppStep) -> Scenario:
    return Scenario((Connection(client or BuffereventEnd(), server or PeerEnd()),), app)


@pytest.mark.parametrize(
    "scenario",
    [
        of(),
        of(None, BuffereventEnd(after_reads="echo"), AppStep("write", "c0", (64,))),
        of(None, PeerEnd((S("send", (1, 2)), S("recv", 4), S("shutdown")))),
        of(None, PeerEnd(listens=False)),
        of(BuffereventEnd(setup=(RW, S("setwatermark", "R", 0, 10), S("write", 9)))),
    ],
)
def test_what_is_race_free(scenario: Scenario) -> None:
    assert race_free(scenario)


@pytest.mark.parametrize(
    "scenario",
    [
        of(BuffereventEnd(setup=(RW, S("set_timeouts", 5, None)))),
        of(BuffereventEnd(setup=(RW, S("setwatermark", "R", 2, 0)))),
        of(BuffereventEnd(setup=())),
        of(BuffereventEnd(after_reads="leave")),
        of(BuffereventEnd(on_write=((S("write", 1),),))),
        of(BuffereventEnd(after_reads="echo"), BuffereventEnd(after_reads="echo")),
        of(None, PeerEnd((S("reset"),))),
        of(None, PeerEnd((S("close"),))),
        of(PeerEnd(connects=2), BuffereventEnd()),
        of(BuffereventEnd(setup=(RW, S("write", 1))), PeerEnd(listens=False)),
        of(None, PeerEnd(listens=False), AppStep("write", "c0", (1,))),
        of(None, None, AppStep("free", "c0")),
        of(None, BuffereventEnd(), AppStep("write", "s0", (1,))),
    ],
)
def test_what_is_not(scenario: Scenario) -> None:
    assert not race_free(scenario)


@given(scenarios(race_free=True), tapes())
def test_simulated_worlds_tell_the_same_story(scenario: Scenario, tape: tuple[int, ...]) -> None:
    verdicts = compare([run(scenario, world, tape=tape) for world in SIMULATED])
    assert verdicts.violations == ()


def test_a_different_story_is_told() -> None:
    told = run(of(None, PeerEnd((S("send", (10,)),))), "sim-epoll")
    other = run(of(None, PeerEnd((S("send", (11,)),))), "sim-iocp")
    assert compare([told, other]).violations
