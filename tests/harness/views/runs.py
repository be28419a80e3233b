"""Runs that the tests of views look at."""

from __future__ import annotations

from functools import cache

from harness.failure import FailureFile
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, Layer, PeerEnd, Scenario, Step

#: raw peers at either end, a reconnect, a reset, a peer that connects twice, more than one segment
BUSY = Scenario(
    connections=(
        Connection(
            client=PeerEnd(
                steps=(Step("send", ((5, 70_000),)), Step("recv", (5,)), Step("shutdown")),
                connects=2,
            ),
            server=BuffereventEnd(after_reads="echo"),
        ),
        Connection(
            client=BuffereventEnd(),
            server=PeerEnd(steps=(Step("recv", (9,)), Step("reset"))),
        ),
        Connection(client=BuffereventEnd(setup=(Step("write", (3,)),)), server=BuffereventEnd()),
    ),
    app=(
        AppStep("write", "c1", (9,)),
        AppStep("reconnect", "c1", ()),
        AppStep("write", "c1", (90_000,)),
    ),
)
LAYERED = Scenario(
    connections=(
        Connection(
            client=BuffereventEnd(after_reads="echo"),
            server=BuffereventEnd(setup=(Step("write", (20,)),)),
            layers=(Layer(kind="zlib"), Layer(kind="copy")),
        ),
    ),
)
BROKEN = Scenario(
    connections=(
        Connection(server=BuffereventEnd(setup=(Step("write", (1,)), Step("write", (1,))))),
    ),
)


@cache
def busy(world: str) -> Outcome:
    """One run with a bit of everything."""
    return run(BUSY, world)


@cache
def broken() -> FailureFile:
    """A mutant's failure: B-1 breaks, at a record."""
    outcome = run(BROKEN, "sim-iocp", mutant="LE-174")
    assert outcome.verdicts.violations
    return FailureFile.of(outcome)


def explanation(records: int) -> dict[str, object]:
    """An explanation with every part, of a run with so many records."""
    last = records - 1
    return {
        "story": ["The input kept memory.", "Then the kernel wrote into it."],
        "verdict": "decision 3 is enough: with 0 instead of 2 nothing breaks",
        "first_difference": {
            "change": "decision 3 at 0",
            "failing": {"record": last, "text": "c0 reads 1 byte"},
            "passing": {"record": 2, "text": "c0 reads nothing"},
        },
        "decisions": [
            {
                "index": 3,
                "name": "tcp.latency",
                "value": 2,
                "instead": 0,
                "still_fails": False,
                "record": 4,
            },
            {
                "index": 5,
                "name": "tcp.segment",
                "value": 1,
                "instead": 0,
                "still_fails": True,
                "record": last,
            },
        ],
        "curve": [
            {"decision": n, "record": min(n, last), "failed": 5 * n, "of": 20} for n in range(5)
        ],
        "certain_at": {"decision": 4, "record": 4},
        "bytes": [
            {
                "connection": "s0 -> c0",
                "direction": "in",
                "start": 0,
                "end": 1,
                "way": [
                    {"record": 1, "time_ns": 0, "what": "s0 writes 1 byte"},
                    {"record": last, "time_ns": 5, "what": "c0 reads 1 byte"},
                ],
            }
        ],
    }
