"""Callbacks, direct and deferred, and the free in every one of them, on both transports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model.bufferevent import Bufferevent
from model.errors import SimulatorError
from model.event_base import EventBase
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
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
    assert client.bev.output_length() == 5
    assert not server.data
    client.bev.enable(EV_WRITE)
    rig.settle()
    assert server.data == b"later"


@in_worlds()
def test_deferred_order_and_coalescing(rig: Rig) -> None:
    """CONNECTED, read, write, the rest OR-ed; any number of triggers is one callback (O-3)."""
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
def test_missing_callbacks(rig: Rig) -> None:
    """LE-188: what nobody wants to hear is dropped, direct or deferred."""
    for options in (CLOSE, DEFER):
        client, server = rig.pair(options)
        client.bev.setcb(None, None, None)
        client.bev.enable(EV_READ)
        client.bev.trigger(RW, BEV_TRIG_IGNORE_WATERMARKS)
        client.bev.trigger_event(0x11, 0)
        server.bev.write(b"unread")
        rig.settle()
        assert client.bev.input_length() == 6
        server.free()
        rig.settle()
        assert client.seen == []


@in_worlds()
def test_callbacks_are_looked_up_when_they_run(rig: Rig) -> None:
    """Setcb between trigger and run redirects or drops; nothing is kept for a missing one."""
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
        def write_and_free(spy: Spy) -> None:
            spy.bev.write(b"more")
            spy.free()

        def accepted(_: object, fd: int, __: int) -> None:
            server = rig.new(fd, options)
            server.bev.enable(EV_READ)
            server.bev.write(b"hello" * 100)
            if where == "accept":
                server.free()
            elif where == "eof":
                server.on_write = lambda spy: spy.free()
            elif where == "write":
                server.on_write = write_and_free

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
    """Incref and decref are public."""
    spy = rig.new()
    bev = inner(spy)
    bev.incref()
    spy.free()
    rig.settle()
    assert rig.base.bufferevents == 1
    bev.decref()
    rig.settle()
    assert rig.base.bufferevents == 0


def test_a_transport_must_say_how() -> None:
    """The methods under "The transport" are not optional."""
    base = EventBase(lambda: 0)
    bare = Bufferevent(base, None, 0)
    calls: list[Callable[[], object]] = [
        lambda: bare.enable(EV_READ),
        lambda: bare.disable(EV_READ),
        lambda: bare.write(b"x"),
        lambda: bare.socket_connect(1),
        lambda: bare.setfd(None),
    ]
    for call in calls:
        with pytest.raises(SimulatorError, match="Bufferevent"):
            call()
