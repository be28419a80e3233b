"""Real runs to look at and to damage, recorded once for all tests."""

from __future__ import annotations

from functools import cache

import pytest

from harness.failure import FailureFile
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.worlds import why_not
from model.trace import Record

_READ = BuffereventEnd(options=("CLOSE_ON_FREE", "DEFER_CALLBACKS"))
_ECHO = BuffereventEnd(after_reads="echo")

#: data both ways, an end of file, a reset, a refused connect, both ends bufferevents
SCENARIOS = (
    Scenario(
        connections=(
            Connection(_READ, PeerEnd((Step("recv", (64,)), Step("send", ((5, 300),))))),
            Connection(PeerEnd((Step("send", ((7, 20),)), Step("recv", (27,)))), _ECHO),
        ),
        app=(AppStep("write", "c0", (64,)), AppStep("wait", None, (2_000_000,))),
    ),
    Scenario(
        connections=(
            Connection(_READ, PeerEnd((Step("send", ((100,),)), Step("close")))),
            Connection(PeerEnd((Step("send", ((9,),)), Step("reset")), connects=2), _READ),
        ),
        app=(AppStep("wait", None, (1_000_000,)), AppStep("write", "c0", (10,))),
    ),
    Scenario(
        connections=(
            Connection(_READ, PeerEnd(listens=False)),
            Connection(_READ, _ECHO),
        ),
        app=(AppStep("write", "c1", (1_000,)), AppStep("wait", None, (1_000_000,))),
    ),
)


@cache
def _recorded(world: str) -> tuple[FailureFile, ...]:
    return tuple(FailureFile.of(run(scenario, world)) for scenario in SCENARIOS)


def recorded(world: str) -> tuple[FailureFile, ...]:
    """Runs in a real world, which must be there."""
    reason = why_not(world)
    if reason is not None:
        pytest.skip(reason)
    return _recorded(world)


def replaced(run: FailureFile, number: int, *records: Record) -> list[Record]:
    """The run's records with others in the place of record `number`."""
    return [*run.records[:number], *records, *run.records[number + 1 :]]
