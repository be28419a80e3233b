"""Contenders for complete short runs: what the fuzzer does thousands of times a minute.

A run connects, sends ten echoes of 64 bytes, closes both ends, records everything and holds the
record to all properties.
"""

from __future__ import annotations

from collections.abc import Generator
from time import perf_counter
from typing import Any

_ECHOES = 10
_SIZE = 64
#: what such a run puts on the wire: a connect and its answer, two segments an echo, two FINs
_SEGMENTS = 2 + 2 * _ECHOES + 2
_WARM_UP = 100


def model_epoll(runs: int) -> float:
    """Complete runs a second in `sim-epoll`, properties checked."""
    return _runs("sim-epoll", runs)


def model_iocp(runs: int) -> float:
    """Complete runs a second in `sim-iocp`, properties checked."""
    return _runs("sim-iocp", runs)


def libevent(runs: int) -> float:
    """The same with libevent as the subject: played in its process, judged in this one."""
    return _runs("sim-epoll", runs, "libevent")


def subject_missing() -> str | None:
    """Why libevent does not run here as a subject; None if it does."""
    from harness.cage import shared
    from model.errors import DuopollError

    try:
        shared("libevent").version("libevent")
    except DuopollError as error:
        return str(error)
    return None


def scenario() -> Any:
    """The short run as data: the server end echoes, the client end counts and frees."""
    from harness.scenario import AppStep, BuffereventEnd, Connection, Scenario, Step

    read, write, echo, free = (
        Step("read", (0,)),
        Step("write", (_SIZE,)),
        Step("echo"),
        Step("free"),
    )
    client = BuffereventEnd(on_read=((read, write),) * (_ECHOES - 1) + ((read, free),))
    server = BuffereventEnd(on_read=((echo,),) * _ECHOES, on_event=((free,),))
    return Scenario((Connection(client, server),), (AppStep("write", "c0", (_SIZE,)),))


def _runs(world: str, runs: int, subject: str = "model") -> float:
    from harness.run import run

    short = scenario()
    for _ in range(_WARM_UP):
        outcome = run(short, world, subject=subject)
    assert_complete(outcome)
    started = perf_counter()
    for _ in range(runs):
        outcome = run(short, world, subject=subject)
    seconds = perf_counter() - started
    assert_complete(outcome)
    return runs / seconds


def assert_complete(outcome: Any) -> None:
    """A figure counts only if the run did all of its work and broke nothing."""
    assert not outcome.verdicts.violations, outcome.verdicts.violations
    echoes = [record for record in outcome.records if record[1] == "echo"]
    assert len(echoes) == _ECHOES, f"{len(echoes)} echoes"
    assert any(record[1] == "quiet" for record in outcome.records)
    assert outcome.records[-1][1:] == ("base_free", 0), outcome.records[-1]


def bare_simpy(runs: int) -> float:
    """SimPy alone: one process that waits for one timeout a segment of such a run."""
    from simpy import Environment
    from simpy.events import Event

    def segments(environment: Environment) -> Generator[Event, None, None]:
        for _ in range(_SEGMENTS):
            yield environment.timeout(1)

    started = perf_counter()
    for _ in range(runs):
        environment = Environment()
        environment.process(segments(environment))
        environment.run()
    return runs / (perf_counter() - started)
