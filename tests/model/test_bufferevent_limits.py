"""What stops a direction: watermarks, suspension, timeouts, on both transports."""

from __future__ import annotations

import pytest

from model.bufferevent import SUSPEND_BW, SUSPEND_LOOKUP, SUSPEND_WM, Bufferevent
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import KINDS, MS, RW, Rig, Spy, in_worlds, play

CLOSE = BEV_OPT_CLOSE_ON_FREE
DEFER = CLOSE | BEV_OPT_DEFER_CALLBACKS


def inner(spy: Spy) -> Bufferevent:
    assert isinstance(spy.bev, Bufferevent)
    return spy.bev


@pytest.mark.parametrize(
    ("low", "length", "called"),
    [(0, 0, True), (0, 5, True), (1, 0, False), (1, 1, True), (5, 4, False), (5, 5, True)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_read_low_watermark(kind: str, low: int, length: int, called: bool) -> None:
    """Called iff len >= low; the gate of triggers only (W-2)."""

    def body(rig: Rig) -> None:
        client, server = rig.pair()
        server.on_read = Spy.leave
        server.bev.enable(EV_READ)
        client.bev.write(b"x" * length)
        rig.settle()
        server.seen.clear()
        server.bev.setwatermark(EV_READ, low, 0)
        rig.settle()
        assert server.seen == [], "setwatermark itself calls nobody"
        server.bev.trigger(EV_READ, 0)
        rig.settle()
        assert server.seen == ([("read", length)] if called else [])

    play(kind, body)


@pytest.mark.parametrize(
    ("low", "length", "called"), [(0, 0, True), (0, 1, False), (9, 9, True), (9, 10, False)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_write_low_watermark(kind: str, low: int, length: int, called: bool) -> None:
    """Called iff len <= low."""

    def body(rig: Rig) -> None:
        spy = rig.new()
        spy.bev.write(b"x" * length)
        spy.bev.setwatermark(EV_WRITE, low, 0)
        spy.bev.trigger(EV_WRITE, 0)
        rig.settle()
        assert spy.seen == ([("write", length)] if called else [])

    play(kind, body)


@in_worlds()
def test_high_watermark_stops_and_draining_resumes(rig: Rig) -> None:
    """Never past high; any drain below it resumes; high 0 lifts it (W-1, W-3)."""
    client, server = rig.pair()
    server.on_read = Spy.leave
    server.bev.setwatermark(EV_READ, 0, 10)
    server.bev.enable(EV_READ)
    client.bev.write(b"0123456789abcdefghij0123456789")
    rig.settle()
    assert server.seen == [("read", 10)], "once at the high watermark: no spinning (LE-045)"
    assert inner(server).read_suspended == SUSPEND_WM
    assert server.bev.read(4) == b"0123"
    rig.settle()
    assert server.seen == [("read", 10)] * 2
    server.bev.setwatermark(EV_READ, 0, 15)
    rig.settle()
    assert server.bev.input_length() == 15
    server.bev.setwatermark(EV_READ, 0, 0)
    rig.settle()
    assert server.bev.input_length() == 26
    assert inner(server).read_suspended == 0


@in_worlds()
def test_a_callback_that_drains_too_little_is_called_again(rig: Rig) -> None:
    """LE-100: an overrun of the high watermark is delivered as long as the callback takes some."""
    client, server = rig.pair()
    server.on_read = Spy.leave
    server.bev.enable(EV_READ)
    client.bev.write(b"x" * 50)
    rig.settle()
    server.on_read = lambda spy: spy.data.extend(spy.bev.read(7))
    server.bev.setwatermark(EV_READ, 0, 10)
    server.seen.clear()
    server.bev.trigger(EV_READ, 0)
    rig.settle()
    lengths = [what for which, what in server.seen if which == "read"]
    assert lengths[:6] == [50, 43, 36, 29, 22, 15]
    assert server.bev.input_length() < 10


@in_worlds()
def test_suspend_reasons_are_independent(rig: Rig) -> None:
    """Reading runs iff enabled and no reason is left; clearing one clears no other."""
    client, server = rig.pair()
    bev = inner(server)
    server.bev.enable(EV_READ)
    rig.settle()
    for why in (SUSPEND_BW, SUSPEND_LOOKUP):
        bev.suspend_read(why)
    client.bev.write(b"abc")
    rig.settle()
    bev.unsuspend_read(SUSPEND_BW)
    bev.unsuspend_read(SUSPEND_WM)
    assert bev.read_suspended == SUSPEND_LOOKUP
    client.bev.write(b"def")
    rig.settle()
    before = bytes(server.data)
    assert before in (b"", b"abc"), "at most what an operation in flight brought"
    bev.unsuspend_read(SUSPEND_LOOKUP)
    rig.settle()
    assert server.data == b"abcdef"


@in_worlds()
def test_unsuspending_a_disabled_direction_starts_nothing(rig: Rig) -> None:
    """LE-172."""
    client, server = rig.pair()
    bev = inner(server)
    bev.suspend_read(SUSPEND_BW)
    bev.enable(EV_READ)
    bev.disable(EV_READ)
    bev.unsuspend_read(SUSPEND_BW)
    client.bev.write(b"abc")
    rig.settle()
    assert server.seen == []
    assert bev.input_length() == 0


@in_worlds()
def test_suspended_writing(rig: Rig) -> None:
    """Enable while suspended starts nothing, the last reason does."""
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    bev = inner(client)
    bev.suspend_write(SUSPEND_BW)
    bev.suspend_write(SUSPEND_LOOKUP)
    client.bev.write(b"abc")
    client.bev.enable(EV_WRITE)
    rig.settle()
    assert server.data == b""
    bev.unsuspend_write(SUSPEND_BW)
    rig.settle()
    assert server.data == b""
    bev.unsuspend_write(SUSPEND_LOOKUP)
    rig.settle()
    assert server.data == b"abc"


@in_worlds()
def test_no_timeout_while_suspended(rig: Rig) -> None:
    """T-5, and from the un-suspension on the whole timeout runs (T-1)."""
    _, server = rig.pair()
    bev = inner(server)
    bev.set_timeouts(10 * MS, None)
    bev.enable(EV_READ)
    rig.settle(5 * MS)
    bev.suspend_read(SUSPEND_BW)
    rig.settle(100 * MS)
    assert server.events() == []
    bev.unsuspend_read(SUSPEND_BW)
    rig.settle(9 * MS)
    assert server.events() == []
    rig.settle(2 * MS)
    assert server.events() == ["READING|TIMEOUT"]


@in_worlds()
def test_read_timeout(rig: Rig) -> None:
    """Renewed by data, fires once, disables READ only, again after a re-enable (T-4)."""
    client, server = rig.pair()
    start = rig.world.now_ns()
    times: list[int] = []
    server.on_event = lambda _: times.append(rig.world.now_ns() - start)
    server.bev.set_timeouts(10 * MS, None)
    server.bev.enable(EV_READ)
    rig.settle(6 * MS)
    client.bev.write(b"x")
    rig.settle(50 * MS)
    assert times == [16 * MS]
    assert server.events() == ["READING|TIMEOUT"]
    assert server.bev.get_enabled() == EV_WRITE
    assert server.errors == [None]
    start = rig.world.now_ns()
    server.bev.enable(EV_READ)
    rig.settle(50 * MS)
    assert times == [16 * MS, 10 * MS]


@in_worlds()
def test_data_in_the_pass_of_the_timeout_wins(rig: Rig) -> None:
    """T-2 (issue 1530): the loop is late, data and timer are both due; the data is served."""
    client, server = rig.pair()
    server.bev.set_timeouts(10 * MS, None)
    server.bev.enable(EV_READ)
    rig.settle(MS)

    def late() -> None:
        client.bev.write(b"in time")
        rig.world.sleep(20 * MS)

    rig.base.once(MS, late)
    rig.settle(8 * MS)
    rig.settle(0)
    assert server.data == b"in time"
    assert server.events() == []
    rig.settle(30 * MS)
    assert server.events() == ["READING|TIMEOUT"]


@pytest.mark.parametrize("renewal", ["enable", "set_timeouts", "disable", "suspend"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_timeout_that_is_due_is_taken_back(kind: str, renewal: str) -> None:
    """T-1: whoever renews or stops the timer before its callback ran has no TIMEOUT from it."""

    def body(rig: Rig) -> None:
        _, server = rig.pair()
        server.bev.set_timeouts(10 * MS, None)

        def renew() -> None:
            if renewal == "enable":
                server.bev.enable(EV_READ)
            elif renewal == "set_timeouts":
                server.bev.set_timeouts(20 * MS, None)
            elif renewal == "disable":
                server.bev.disable(EV_READ)
            else:
                inner(server).suspend_read(SUSPEND_BW)

        rig.base.once(10 * MS, renew)
        server.bev.enable(EV_READ)
        rig.settle(15 * MS)
        assert server.events() == []
        rig.settle(30 * MS)
        timed = renewal in ("enable", "set_timeouts")
        assert server.events() == (["READING|TIMEOUT"] if timed else [])

    play(kind, body)


@in_worlds()
def test_set_timeouts_to_none(rig: Rig) -> None:
    """A NULL timeout removes the timer of what is running."""
    _, server = rig.pair()
    server.bev.set_timeouts(10 * MS, 10 * MS)
    server.bev.enable(RW)
    rig.settle(5 * MS)
    server.bev.set_timeouts(None, None)
    rig.settle(100 * MS)
    assert server.events() == []


@in_worlds()
def test_free_in_the_timeout_callback(rig: Rig) -> None:
    _, server = rig.pair()
    server.bev.set_timeouts(5 * MS, None)
    server.on_event = lambda spy: spy.free()
    server.bev.enable(EV_READ)
    rig.settle(50 * MS)
    assert server.freed
    assert server.events() == ["READING|TIMEOUT"]
