"""The contract that both transports keep, row by row, and the upstream cases of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bufferevent import SUSPEND_BW, SUSPEND_LOOKUP, SUSPEND_WM, Bufferevent
from model.content import content
from model.errors import SimulatorError
from model.event_base import EventBase
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_THREADSAFE,
    BEV_OPT_UNLOCK_CALLBACKS,
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import KINDS, MS, RW, Rig, Spy, in_worlds, play

CLOSE = BEV_OPT_CLOSE_ON_FREE
DEFER = CLOSE | BEV_OPT_DEFER_CALLBACKS


def inner(spy: Spy) -> Bufferevent:
    assert isinstance(spy.bev, Bufferevent)
    return spy.bev


@in_worlds()
def test_initial_state(rig: Rig) -> None:
    """Section 1: enabled is WRITE, nothing suspended, no timeouts, watermarks 0."""
    bev = rig.base.bufferevent_socket_new(None, CLOSE)
    assert bev.get_enabled() == EV_WRITE
    assert (bev.read_suspended, bev.write_suspended, bev.refcnt) == (0, 0, 1)
    assert (bev.timeout_read_ns, bev.timeout_write_ns) == (None, None)
    assert (bev.wm_read_low, bev.wm_read_high, bev.wm_write_low, bev.wm_write_high) == (0,) * 4
    assert (bev.max_single_read, bev.max_single_write) == (16_384, 16_384)
    assert (bev.getfd(), bev.input_length(), bev.output_length()) == (None, 0, 0)
    bev.free()


@pytest.mark.parametrize("options", range(16))
@pytest.mark.parametrize("kind", KINDS)
def test_options(kind: str, options: int) -> None:
    """UNLOCK_CALLBACKS needs DEFER_CALLBACKS; everything else is legal."""

    def body(rig: Rig) -> None:
        refused = options & BEV_OPT_UNLOCK_CALLBACKS and not options & BEV_OPT_DEFER_CALLBACKS
        if refused and rig.is_epoll:
            with pytest.raises(ValueError, match="DEFER_CALLBACKS"):
                rig.base.bufferevent_socket_new(None, options)
        elif not refused:
            bev = rig.base.bufferevent_socket_new(None, options)
            assert bev.options & options == options
            forced = 0 if rig.is_epoll else BEV_OPT_THREADSAFE
            assert bev.options & forced == forced
            bev.free()

    play(kind, body)


@pytest.mark.parametrize("kind", KINDS)
def test_unlock_without_defer_is_refused_everywhere(kind: str) -> None:
    """Also where callbacks are deferred anyway: the caller's options decide."""

    def body(rig: Rig) -> None:
        with pytest.raises(ValueError, match="DEFER_CALLBACKS"):
            rig.base.bufferevent_socket_new(None, BEV_OPT_UNLOCK_CALLBACKS)

    play(kind, body)


@in_worlds()
def test_upstream_bufferevent(rig: Rig) -> None:
    """regress_bufferevent.c: bufferevent. 8333 bytes; the reader disables reading at the end."""
    client, server = rig.pair()
    data = content(0, 0, 8_333)
    masks: list[int] = []

    def reading(spy: Spy) -> None:
        spy.take()
        if len(spy.data) == 8_333:
            spy.bev.disable(EV_READ)
            masks.append(spy.bev.get_enabled())

    server.on_read = reading
    server.bev.enable(EV_READ)
    client.bev.disable(EV_READ)
    client.bev.write(data)
    assert rig.base.loop() == 1, "the loop ends by itself"
    assert server.data == data
    assert masks == [EV_WRITE]
    assert client.seen == [("write", 0)]
    assert client.events() == server.events() == []
    server.bev.enable(EV_READ)
    assert server.bev.get_enabled() == RW


@in_worlds()
def test_upstream_watermarks(rig: Rig) -> None:
    """regress_bufferevent.c: bufferevent_watermarks. Reader (10, 20), writer (100, 2000)."""
    client, server = rig.pair()
    client.bev.setwatermark(EV_WRITE, 100, 2_000)
    server.bev.setwatermark(EV_READ, 10, 20)
    server.bev.enable(EV_READ)
    client.bev.write(content(0, 0, 65_000))
    rig.settle(10 * MS)
    assert bytes(server.data) == content(0, 0, 65_000)
    lengths = [int(what) for which, what in server.seen if which == "read"]
    assert min(lengths) >= 10
    assert max(lengths) <= 20
    written = [int(what) for which, what in client.seen if which == "write"]
    assert written
    assert max(written) <= 100
    assert client.events() == server.events() == []


@pytest.mark.parametrize("options", [CLOSE, DEFER, CLOSE | BEV_OPT_THREADSAFE, DEFER | 2])
@pytest.mark.parametrize("kind", KINDS)
def test_upstream_connect(kind: str, options: int) -> None:
    """regress_bufferevent.c: bufferevent_connect and its variants.

    The sender frees itself in its write callback when all is flushed; nothing is lost.
    """
    text = b"I will spare you the details of my life." * 300

    def body(rig: Rig) -> None:
        def accepted(_: object, fd: int, __: int) -> None:
            sender = rig.new(fd, options)
            sender.on_write = lambda spy: spy.free() if not spy.bev.output_length() else None
            sender.bev.write(text)
            sender.bev.enable(EV_WRITE)

        listener = rig.listen(accepted)
        clients = [rig.new(None, options) for _ in range(2)]
        for client in clients:
            client.bev.enable(EV_READ)
            assert client.bev.socket_connect(listener.port) == 0
            assert client.seen == []
        rig.settle(10 * MS)
        for client in clients:
            assert client.events() == ["CONNECTED", "READING|EOF"]
            assert client.seen[0] == ("event", "CONNECTED")
            assert client.seen[-1] == ("event", "READING|EOF")
            assert client.data == text

    play(kind, body)


@pytest.mark.parametrize("options", [CLOSE, DEFER])
@pytest.mark.parametrize("mask", [0, RW])
@pytest.mark.parametrize("kind", KINDS)
def test_upstream_connect_fail(kind: str, mask: int, options: int) -> None:
    """bufferevent_connect_fail(_eventcb)(_defer): one ERROR from the loop, nothing else."""

    def body(rig: Rig) -> None:
        client = rig.new(None, options)
        client.bev.enable(mask)
        assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
        assert client.seen == []
        rig.settle(3_000 * MS)
        assert client.seen == [("event", "ERROR")]
        assert client.errors[0] is not None

    play(kind, body)


@pytest.mark.parametrize("defer", [0, BEV_TRIG_DEFER_CALLBACKS])
@pytest.mark.parametrize("options", [CLOSE, DEFER])
@pytest.mark.parametrize("kind", KINDS)
def test_upstream_trigger(kind: str, options: int, defer: int) -> None:
    """bufferevent_trigger(_defer)(_postpone): low watermark, IGNORE_WATERMARKS, any event bits."""

    def body(rig: Rig) -> None:
        client, server = rig.pair(CLOSE, options)
        direct = rig.is_epoll and not defer and options == CLOSE
        counts: list[int] = []

        def reading(spy: Spy) -> None:
            if counts:
                return
            bev = spy.bev
            bev.setwatermark(EV_READ, bev.input_length() + 1, 0)
            counts.append(spy.count("read"))
            bev.trigger(EV_READ, defer)
            counts.append(spy.count("read"))
            bev.trigger(EV_READ, defer | BEV_TRIG_IGNORE_WATERMARKS)
            counts.append(spy.count("read"))
            bev.trigger_event(0x7F, defer)

        server.on_read = reading
        server.bev.enable(EV_READ)
        client.bev.write(b"0123456789")
        rig.settle()
        assert counts == [1, 1, 2 if direct else 1]
        assert server.count("read") == 2
        assert server.events() == ["READING|WRITING|EOF|ERROR|TIMEOUT"]

    play(kind, body)


@pytest.mark.parametrize(
    ("low", "length", "called"),
    [(0, 0, True), (0, 5, True), (1, 0, False), (1, 1, True), (5, 4, False), (5, 5, True)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_read_low_watermark(kind: str, low: int, length: int, called: bool) -> None:
    """2.1: called iff len >= low; the gate of triggers only (W-2)."""

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
    """2.2: called iff len <= low."""

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
    """Section 4: never past high; any drain below it resumes; high 0 lifts it (W-1, W-3)."""
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
    """1.2: reading runs iff enabled and no reason is left; clearing one clears no other."""
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
    """1.2, the write twin: enable while suspended starts nothing, the last reason does."""
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
    """Section 5: renewed by data, fires once, disables READ only, again after a re-enable (T-4)."""
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
def test_disable_stops_new_bytes(rig: Rig) -> None:
    """C-1: no read callback for bytes accepted after disable(READ); they come when enabled."""
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    rig.settle()
    server.bev.disable(EV_READ)
    client.bev.write(b"early")
    rig.settle()
    assert server.seen == []
    server.bev.enable(EV_READ)
    rig.settle()
    assert server.data == b"early"


@in_worlds()
def test_disabled_writing_keeps_the_output(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.disable(EV_WRITE)
    client.bev.write(b"later")
    rig.settle()
    assert (client.bev.output_length(), server.data) == (5, b"")
    client.bev.enable(EV_WRITE)
    rig.settle()
    assert server.data == b"later"


@in_worlds()
def test_deferred_order_and_coalescing(rig: Rig) -> None:
    """2.4: CONNECTED, read, write, the rest OR-ed; any number of triggers is one callback (O-3)."""
    spy = rig.new(None, DEFER)
    bev = spy.bev
    bev.trigger_event(BEV_EVENT_READING | BEV_EVENT_EOF, 0)
    for _ in range(3):
        bev.trigger(RW, 0)
    bev.trigger_event(0x22, 0)
    bev.trigger_event(0x80, 0)
    assert spy.seen == []
    rig.settle()
    assert spy.seen == [
        ("event", "CONNECTED"),
        ("read", 0),
        ("write", 0),
        ("event", "READING|WRITING|EOF|ERROR"),
    ]


@in_worlds()
def test_callbacks_are_looked_up_when_they_run(rig: Rig) -> None:
    """2.4: setcb between trigger and run redirects or drops; nothing is kept for a missing one."""
    spy, redirected = rig.new(None, DEFER), []
    spy.bev.trigger(EV_READ, 0)
    spy.bev.setcb(lambda _: redirected.append("read"), None, None)
    rig.settle()
    assert redirected == ["read"]
    spy.bev.setcb(None, None, None)
    spy.bev.trigger(RW, 0)
    spy.bev.trigger_event(0x11, 0)
    spy.bev.setcb(lambda _: redirected.append("again"), None, None)
    rig.settle()
    assert redirected == ["read"]
    assert spy.seen == []


@pytest.mark.parametrize("options", [CLOSE, DEFER])
@pytest.mark.parametrize("where", ["read", "write", "connected", "eof", "accept"])
@pytest.mark.parametrize("kind", KINDS)
def test_free_in_every_callback(kind: str, where: str, options: int) -> None:
    """C-4, S-3: legal everywhere, no callback afterwards (the spy asserts it), nothing left."""

    def body(rig: Rig) -> None:
        def accepted(_: object, fd: int, __: int) -> None:
            server = rig.new(fd, options)
            server.bev.enable(EV_READ)
            server.bev.write(b"hello" * 100)
            if where == "accept":
                server.free()
            elif where == "eof":
                server.on_write = lambda spy: spy.free()
            elif where == "write":
                server.on_write = lambda spy: (spy.bev.write(b"more"), spy.free())[1]

        listener = rig.listen(accepted)
        client = rig.new(None, options)
        client.bev.enable(EV_READ)
        client.bev.write(b"request" * 100)
        if where == "read":
            client.on_read = lambda spy: spy.free()
        if where in ("connected", "eof"):
            last = "CONNECTED" if where == "connected" else "EOF"
            client.on_event = lambda spy: spy.free() if last in spy.events()[-1] else None
        client.bev.socket_connect(listener.port)
        rig.settle(10 * MS)
        if where in ("read", "connected"):
            assert client.freed
        listener.free()

    play(kind, body)


@in_worlds()
def test_free_in_the_timeout_callback(rig: Rig) -> None:
    _, server = rig.pair()
    server.bev.set_timeouts(5 * MS, None)
    server.on_event = lambda spy: spy.free()
    server.bev.enable(EV_READ)
    rig.settle(50 * MS)
    assert server.freed
    assert server.events() == ["READING|TIMEOUT"]


@in_worlds()
def test_free_while_connecting(rig: Rig) -> None:
    """No event afterwards, and nothing left."""
    listening = rig.world.raw_listen(1)
    client = rig.new()
    assert client.bev.socket_connect(listening.port) == 0
    client.free()
    rig.settle()
    assert client.seen == []


@in_worlds()
def test_free_with_deferred_callbacks_pending(rig: Rig) -> None:
    spy = rig.new(None, DEFER)
    spy.bev.trigger(RW, 0)
    spy.bev.trigger_event(0x11, 0)
    spy.free()
    rig.settle()
    assert spy.seen == []
    assert rig.base.bufferevents == 0


@in_worlds()
def test_a_reference_keeps_it(rig: Rig) -> None:
    """Section 6: incref and decref are public."""
    spy = rig.new()
    bev = inner(spy)
    bev.incref()
    spy.free()
    rig.settle()
    assert rig.base.bufferevents == 1
    bev.decref()
    rig.settle()
    assert rig.base.bufferevents == 0


@in_worlds()
def test_echo_moves_without_copying(rig: Rig) -> None:
    client, server = rig.pair()
    moved: list[int] = []
    server.on_read = lambda spy: moved.append(spy.bev.write_input())
    server.bev.enable(EV_READ)
    client.bev.enable(EV_READ)
    client.bev.write(content(0, 0, 100_000))
    rig.settle()
    assert bytes(client.data) == content(0, 0, 100_000)
    assert sum(moved) == 100_000
    assert server.bev.write_input() == 0


@in_worlds(buffers=4_096)
def test_small_socket_buffers(rig: Rig) -> None:
    """B-1, B-2: short writes and a window that closes lose nothing."""
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.write(content(0, 0, 300_000))
    rig.settle(1_000 * MS)
    assert bytes(server.data) == content(0, 0, 300_000)


@settings(max_examples=30)
@given(
    tape=st.lists(st.integers(0, 6), max_size=40),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    high=st.sampled_from((0, 1, 100, 5_000)),
    options=st.sampled_from((CLOSE, DEFER)),
    kind=st.sampled_from(KINDS),
)
def test_echo_over_any_tape(
    tape: list[int], sizes: list[int], high: int, options: int, kind: str
) -> None:
    """B-1, B-2, W-1: whatever the network does, what comes back is what was sent."""

    def body(rig: Rig) -> None:
        servers: list[Spy] = []
        longest: list[int] = [0]

        def echo(spy: Spy) -> None:
            longest.append(spy.bev.input_length())
            spy.bev.write_input()

        def accepted(_: object, fd: int, __: int) -> None:
            server = rig.new(fd, options)
            servers.append(server)
            server.on_read = echo
            server.bev.setwatermark(EV_READ, 0, high)
            server.bev.enable(EV_READ)

        listener = rig.listen(accepted)
        client = rig.new(None, options)
        client.bev.enable(EV_READ)
        offset = 0
        for size in sizes:
            client.bev.write(content(0, offset, size))
            offset += size
        client.bev.socket_connect(listener.port)
        rig.settle(60_000 * MS)
        assert bytes(client.data) == content(0, 0, offset)
        assert client.events() == ["CONNECTED"]
        assert servers[0].events() == []
        assert not high or max(longest) <= high

    play(kind, body, tuple(tape))


def test_a_transport_must_say_how() -> None:
    """The methods under "The transport" are not optional."""
    base = EventBase(lambda: 0)
    bare = Bufferevent(base, None, 0)
    calls = (
        lambda: bare.enable(EV_READ),
        lambda: bare.disable(EV_READ),
        lambda: bare.write(b"x"),
        lambda: bare.socket_connect(1),
        lambda: bare.setfd(None),
    )
    for call in calls:
        with pytest.raises(SimulatorError, match="Bufferevent"):
            call()
