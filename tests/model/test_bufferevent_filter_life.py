"""Filters at the end of their lives, flushed, and timed: bufferevent_filter.c."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from model.content import content
from model.errors import Errno
from model.layer import Filters
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_FINISHED,
    BEV_FLUSH,
    BEV_NORMAL,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play
from tests.model.stacks import CLOSE, DEFER, made, stacked


@in_worlds()
def test_flush(rig: Rig) -> None:
    """It ignores the watermarks and says whether anything was done."""
    client, server = rig.pair()
    below = client.bev
    below.setwatermark(EV_WRITE, 0, 10)
    top = rig.filter(client, made("pieces"))
    below.disable(EV_WRITE)
    top.bev.write(bytes(500))
    assert top.bev.output_length() == 490
    assert top.bev.flush(EV_WRITE, BEV_NORMAL) == 0
    assert top.bev.flush(EV_WRITE, BEV_FLUSH) == 1
    assert (top.bev.output_length(), below.output_length()) == (0, 500)
    assert top.bev.flush(EV_WRITE, BEV_FLUSH) == 0
    assert server.bev.flush(RW, BEV_FINISHED) == 0


@in_worlds("epoll")
def test_flush_goes_down_to_the_pair(rig: Rig) -> None:
    """FINISHED of a stack over a pair ends the stream at the other stack's top."""
    first, second = (stacked(rig, end, ["zlib"]) for end in rig.inner_pair())
    second.bev.enable(EV_READ)
    first.bev.write(content(0, 0, 20_000))
    assert first.bev.flush(EV_WRITE, BEV_FINISHED) == 1
    rig.settle()
    assert bytes(second.data) == content(0, 0, 20_000)
    assert second.events() == ["READING|EOF"]
    first.bev.write(b"a new stream")
    rig.settle()
    assert second.data.endswith(b"a new stream")


@in_worlds()
def test_free_without_close_leaves_the_one_below(rig: Rig) -> None:
    """Its callbacks are gone, and it reads again; with callbacks of its own those stay."""
    client, server = rig.pair()
    freed: list[str] = []
    functions = Filters(free_context=lambda: freed.append("context"))
    top = rig.filter(client, functions, 0)
    top.bev.enable(EV_READ)
    top.free()
    rig.settle()
    below: Any = client.bev  # why it is suspended is no part of the subject's protocol
    assert below.getcb() == (None, None, None)
    assert below.read_suspended == 0
    assert freed == ["context"]
    again = Spy(client.bev)
    server.bev.write(b"plain")
    rig.settle()
    assert again.data == b"plain"
    second = rig.filter(client, made("copy"), 0)
    mine = Spy(client.bev)
    second.free()
    server.bev.write(b"!")
    rig.settle()
    assert mine.data == b"!"


@in_worlds()
def test_free_with_close_frees_the_stack(rig: Rig) -> None:
    client, server = rig.pair()
    freed: list[str] = []
    for name in ("low", "high"):
        client = rig.filter(client, Filters(free_context=partial(freed.append, name)))
    server.bev.enable(EV_READ)
    rig.settle()
    client.free()
    rig.settle()
    assert sorted(freed) == ["high", "low"]
    assert server.events() == ["READING|EOF"]


@pytest.mark.parametrize("which", ["on_read", "on_write", "on_event"])
@pytest.mark.parametrize("options", [CLOSE, DEFER])
@pytest.mark.parametrize("kind", ["epoll", "iocp"])
def test_free_in_each_callback(kind: str, options: int, which: str) -> None:
    def body(rig: Rig) -> None:
        client, server = rig.pair(options)
        top = stacked(rig, client, ["copy", "pieces"], options)
        setattr(top, which, Spy.free)
        top.bev.enable(EV_READ)
        top.bev.write(bytes(1_000))
        server.bev.write(bytes(1_000))
        rig.settle()
        server.free()
        rig.settle()
        assert top.freed

    play(kind, body)


@in_worlds()
def test_timeouts_of_a_filter(rig: Rig) -> None:
    """Its own timers: reading nothing, and output that what is below does not take."""
    client, _ = rig.pair()
    below = client.bev
    below.setwatermark(EV_WRITE, 0, 5)
    top = rig.filter(client, made("copy"))
    below.disable(EV_WRITE)
    top.bev.set_timeouts(15 * MS, 10 * MS)
    top.bev.enable(EV_READ)
    top.bev.write(b"ABCDEFG")
    rig.settle(60 * MS)
    assert top.events() == ["WRITING|TIMEOUT", "READING|TIMEOUT"]
    assert top.bev.get_enabled() == 0


@in_worlds()
def test_suspended_means_no_timeout(rig: Rig) -> None:
    """T-5: a full input waits for its application."""
    client, server = rig.pair()
    top = rig.filter(client, made("copy"))
    top.on_read = Spy.leave
    top.bev.setwatermark(EV_READ, 0, 10)
    top.bev.set_timeouts(10 * MS, None)
    top.bev.enable(EV_READ)
    server.bev.write(bytes(10))
    rig.settle(60 * MS)
    assert top.seen == [("read", 10)]


@in_worlds()
def test_forwarded_timeouts(rig: Rig) -> None:
    client, _ = rig.pair()
    client.bev.set_timeouts(10 * MS, None)
    top = rig.filter(client, made("copy"))
    top.bev.enable(EV_READ)
    rig.settle(60 * MS)
    assert top.events() == ["READING|TIMEOUT"]
    assert top.bev.get_enabled() == RW


@in_worlds()
def test_only_an_end_waits_for_the_bytes_before_it(rig: Rig) -> None:
    """be_filter_eventcb: a timeout is told at once, whatever still lies below."""
    client, server = rig.pair()
    top = rig.filter(client, made("copy"))
    top.on_read = Spy.leave
    top.bev.setwatermark(EV_READ, 0, 100)
    top.bev.enable(EV_READ)
    server.bev.write(bytes(500))
    rig.settle()
    assert client.bev.input_length() > 0
    client.bev.trigger_event(BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0)
    rig.settle()
    assert top.events() == ["READING|TIMEOUT"]
    client.bev.trigger_event(BEV_EVENT_READING | BEV_EVENT_EOF, 0)
    rig.settle()
    assert top.events() == ["READING|TIMEOUT"]
    while top.bev.input_length():
        top.bev.read(100)
        rig.settle()
    assert top.events() == ["READING|TIMEOUT", "READING|EOF"]


def test_a_connect_that_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """LE-119: CONNECTED goes through the stack; no timer of a filter is taken for it."""

    def body(rig: Rig) -> None:
        kernel = rig.world.readiness
        assert kernel is not None
        listening = rig.world.raw_listen(1)
        top = stacked(rig, rig.new(), ["copy", "copy"])
        top.bev.set_timeouts(50 * MS, 50 * MS)
        top.bev.enable(RW)
        connect = kernel.connect

        def at_once(_: object, fd: int, port: int) -> Errno | None:
            connect(fd, port)
            return None

        with monkeypatch.context() as patch:
            patch.setattr(type(kernel), "connect", at_once)
            assert top.bev.socket_connect(listening.port) == 0
        assert top.seen == []
        rig.settle()
        assert top.seen == [("event", "CONNECTED")]

    play("epoll", body)
