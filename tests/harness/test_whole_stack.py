"""What bufferevents were made for: TLS over compression over a rate-limited socket, in every world.

The application writes and reads plain bytes; below it a filter compresses, TLS encrypts,
buckets hold the socket back, a group shares its bucket with another connection, and watermarks keep
each level small. The same properties judge all of it, on all four kernels.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from harness.run import Outcome, run
from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    RateGroup,
    Scenario,
    Step,
)
from harness.strategies import tapes
from harness.worlds import WORLDS, why_not
from model.content import content

MS = 1_000_000
SIZE = 30_000  # bytes there and back again
RATE = 4_000  # bytes a tick: a loaded machine, too, empties the bucket
TICK_NS = 20 * MS

#: what must have been judged, and not only not been broken
JUDGED = ("B-1", "B-2", "C-2", "E-1", "L-1", "L-3", "L-5", "M-1", "R-1", "R-3", "R-4", "S-3", "W-2")


def scenario() -> Scenario:
    """Two connections whose client ends share a group; each echoes."""
    limit = Step("set_rate_limit", (RATE, RATE, RATE, RATE, TICK_NS))
    client = BuffereventEnd(
        setup=(
            Step("setwatermark", ("R", 0, 4_096)),
            limit,
            Step("join_group", (0,)),
            Step("enable", ("RW",)),
            Step("write", (SIZE,)),
        )
    )
    server = BuffereventEnd(setup=(limit, Step("enable", ("RW",))), after_reads="echo")
    layers = (Layer("zlib", 4_096, 4_096), Layer("tls", 4_096, 4_096))
    connection = Connection(client, server, "socket", layers)
    group = RateGroup(2 * RATE, 2 * RATE, 2 * RATE, 2 * RATE, TICK_NS)
    app = (AppStep("wait", None, (900 * MS,)), AppStep("tls_shutdown", "c0"))
    return Scenario((connection, connection), app, groups=(group,))


def received(outcome: Outcome, name: str) -> bytes:
    """The plain bytes that an end's application read."""
    return b"".join(each[4] for each in outcome.records if each[1:3] == ("read", name))


def assert_kept(outcome: Outcome) -> None:
    assert outcome.verdicts.violations == ()
    for index in (0, 1):
        wanted = content(2 * index, 0, SIZE)
        assert received(outcome, f"c{index}") == wanted


@pytest.mark.parametrize("world", WORLDS)
def test_the_whole_stack_keeps_every_promise(world: str) -> None:
    reason = why_not(world)
    if reason is not None:
        pytest.skip(reason)
    outcome = run(scenario(), world)
    assert_kept(outcome)
    silent = [each for each in JUDGED if not outcome.verdicts.checked[each]]
    assert not silent, f"{world} says nothing about {silent}"


@pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])
def test_it_does_so_whatever_the_kernel_decides(world: str) -> None:
    @settings(max_examples=20)
    @given(tape=tapes())
    def over_any_tape(tape: tuple[int, ...]) -> None:
        assert_kept(run(scenario(), world, tape=tape))

    over_any_tape()
