"""Filters and stacks of them: bufferevent_filter.c, and its rows of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import filters
from model.bufferevent import SUSPEND_FILT_READ
from model.content import content
from model.evbuffer import Evbuffer
from model.layer import FilterResult, Filters
from model.subject import (
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play
from tests.model.stacks import CLOSE, DEFER, KINDS, made, stacked


@settings(max_examples=40)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=4),
    high=st.sampled_from((0, 1, 100, 5_000)),
    take=st.sampled_from((1 << 30, 64, 1_000)),
    options=st.sampled_from((CLOSE, DEFER)),
    bottom=st.sampled_from(("epoll", "iocp", "pair")),
)
def test_what_goes_into_a_stack_comes_out(
    kinds: list[str],
    sizes: list[int],
    high: int,
    take: int,
    options: int,
    bottom: str,
) -> None:
    """B-1, B-2, L-3: on any transport, in any depth, whatever the watermark of the reader."""

    def body(rig: Rig) -> None:
        below = rig.inner_pair(options) if bottom == "pair" else rig.pair(options)
        client, server = (stacked(rig, end, kinds, options) for end in below)
        server.on_read = lambda spy: spy.data.extend(spy.bev.read(take))
        server.bev.setwatermark(EV_READ, 0, high)
        server.bev.enable(EV_READ)
        offset = 0
        for size in sizes:
            client.bev.write(content(0, offset, size))
            offset += size
        for _ in range(400):
            rig.settle(100 * MS)
            if server.bev.input_length():
                server.take()
        assert bytes(server.data) == content(0, 0, offset)
        assert server.events() == client.events() == []

    play("iocp" if bottom == "iocp" else "epoll", body)


@in_worlds()
def test_getters(rig: Rig) -> None:
    """LE-199: the descriptor is that of the bottom; get_underlying is what is right below."""
    client, server = rig.pair()
    fd = client.bev.getfd()
    middle = rig.filter(client, made("copy"))
    top = rig.filter(middle, made("copy"))
    assert top.bev.getfd() == middle.bev.getfd() == fd
    assert id(top.bev.get_underlying()) == id(middle.bev)
    assert top.bev.get_partner() is None
    assert server.bev.get_underlying() is None


@in_worlds()
def test_creation_takes_over(rig: Rig) -> None:
    """Its callbacks, READ|WRITE enabled, reading suspended until the filter reads."""
    client, server = rig.pair()
    below: Any = client.bev  # why it is suspended is no part of the subject's protocol
    top = rig.filter(client, made("copy"))
    assert below.get_enabled() == RW
    assert below.read_suspended == SUSPEND_FILT_READ
    server.bev.write(b"early")
    rig.settle()
    assert (top.seen, below.input_length(), client.seen) == ([], 0, [])
    top.bev.enable(EV_READ)
    rig.settle()
    assert top.seen == [("read", 5)]
    assert top.data == b"early"


@in_worlds()
def test_input_that_was_there_before_the_filter(rig: Rig) -> None:
    client, server = rig.pair()
    client.on_read = Spy.leave
    client.bev.enable(EV_READ)
    server.bev.write(b"before")
    rig.settle()
    top = rig.filter(client, made("copy"))
    rig.settle()
    assert top.seen == []
    top.bev.enable(EV_READ)
    assert top.seen == [], "from the loop, not inside enable"
    rig.settle()
    assert top.seen == [("read", 6)]


@in_worlds()
def test_write_callback_means_handed_down(rig: Rig) -> None:
    """O-5: the output is at its low watermark and the bytes are below."""
    client, server = rig.pair()
    below = client.bev
    top = rig.filter(client, made("copy"))
    top.on_write = lambda spy: below_lengths.append(below.output_length())
    below_lengths: list[int] = []
    top.bev.write(bytes(1_000))
    assert (top.bev.output_length(), below.output_length(), top.seen) == (0, 1_000, [])
    rig.settle()
    assert top.seen == [("write", 0)]
    assert server.seen == []


@in_worlds()
def test_back_pressure_downwards(rig: Rig) -> None:
    """Above the write high watermark of what is below the bytes wait; they go on below it."""
    client, server = rig.pair()
    below = client.bev
    below.setwatermark(EV_WRITE, 0, 50)
    top = rig.filter(client, made("copy"))
    below.disable(EV_WRITE)
    top.bev.write(content(0, 0, 180))
    assert (top.bev.output_length(), below.output_length()) == (130, 50)
    server.bev.enable(EV_READ)
    below.enable(EV_WRITE)
    rig.settle()
    assert bytes(server.data) == content(0, 0, 180)
    assert max(int(length) for _, length in top.seen) <= 180
    assert top.seen[-1] == ("write", 0)


@in_worlds()
def test_room_below_is_used_before_the_low_watermark(rig: Rig) -> None:
    """L-3: an output that is stuck between 0 and its high watermark takes what is above."""
    client, _ = rig.pair()
    below = client.bev
    below.setwatermark(EV_WRITE, 0, 200_000)
    top = rig.filter(client, made("copy"))
    top.bev.write(bytes(600_000))
    rig.settle(100 * MS)
    assert top.bev.output_length() > 0
    assert below.output_length() == 200_000


@in_worlds()
def test_back_pressure_upwards(rig: Rig) -> None:
    """A full top suspends all below it, and any way of draining lets them go on."""
    client, server = rig.pair()
    bottom = client.bev
    bottom.setwatermark(EV_READ, 0, 500)
    middle = rig.filter(client, made("copy"))
    middle.bev.setwatermark(EV_READ, 0, 300)
    top = rig.filter(middle, made("copy"))
    top.on_read = Spy.leave
    top.bev.setwatermark(EV_READ, 0, 100)
    top.bev.enable(EV_READ)
    server.bev.write(content(0, 0, 2_000))
    rig.settle()
    lengths = [bev.input_length() for bev in (top.bev, middle.bev, bottom)]
    assert lengths[0] == 100
    assert sum(lengths) <= 900
    taken = bytearray(top.bev.read(40))
    rig.settle()
    assert top.bev.input_length() == 100
    while (size := top.bev.input_length()) > 0:
        taken += top.bev.read(size)
        rig.settle()
    assert bytes(taken) == content(0, 0, 2_000)


@in_worlds()
def test_draining_in_the_callback_continues(rig: Rig) -> None:
    client, server = rig.pair()
    top = rig.filter(client, made("copy"))
    top.on_read = lambda spy: spy.data.extend(spy.bev.read(30))
    top.bev.setwatermark(EV_READ, 0, 100)
    top.bev.enable(EV_READ)
    server.bev.write(content(0, 0, 1_000))
    rig.settle(100 * MS)
    assert bytes(top.data) + top.bev.read(1_000) == content(0, 0, 1_000)


@in_worlds()
def test_disable_read_stops_the_stack(rig: Rig) -> None:
    """C-1: nothing reads on, at any depth."""
    client, server = rig.pair()
    top = stacked(rig, client, ["copy", "copy"])
    top.bev.enable(EV_READ)
    rig.settle()
    top.bev.disable(EV_READ)
    server.bev.write(b"late")
    rig.settle()
    assert top.seen == []
    top.bev.enable(EV_READ)
    rig.settle()
    assert top.data == b"late"


@pytest.mark.parametrize("options", [CLOSE, DEFER])
@pytest.mark.parametrize("high", [0, 100])
@pytest.mark.parametrize("kind", ["epoll", "iocp"])
def test_the_end_stays_behind_the_bytes(kind: str, high: int, options: int) -> None:
    """O-2: EOF waits until all below it was taken, however slowly."""

    def body(rig: Rig) -> None:
        client, server = rig.pair(options)
        top = stacked(rig, client, ["copy", "pieces"], options)
        top.on_read = lambda spy: spy.data.extend(spy.bev.read(70))
        top.bev.setwatermark(EV_READ, 0, high)
        top.bev.enable(EV_READ)
        server.bev.write(content(0, 0, 3_000))
        rig.settle()
        server.free()
        for _ in range(100):
            rig.settle()
            if top.events():
                break
            top.data += top.bev.read(70)
        assert top.events() == ["READING|EOF"]
        assert bytes(top.data) + top.bev.read(5_000) == content(0, 0, 3_000)

    play(kind, body)


@in_worlds()
def test_a_stream_that_ends_inside_a_unit(rig: Rig) -> None:
    """The end is not held for bytes that no function will ever take."""
    client, server = rig.pair()
    top = rig.filter(client, made("double"))
    top.bev.enable(EV_READ)
    server.bev.write(b"xax")
    rig.settle()
    server.free()
    rig.settle()
    assert top.seen == [("read", 1), ("event", "READING|EOF")]


@in_worlds()
def test_connect_through_a_stack(rig: Rig) -> None:
    """The outcome of the bottom is that of the top."""
    fds: list[int] = []
    listener = rig.listen(lambda _listener, fd, _port: fds.append(fd))
    top = stacked(rig, rig.new(), ["copy", "double"])
    assert top.bev.getfd() is None
    top.bev.enable(EV_READ)
    assert top.bev.socket_connect(listener.port) == 0
    rig.settle()
    assert top.events() == ["CONNECTED"]
    assert top.bev.getfd() is not None
    refused = stacked(rig, rig.new(), ["copy"])
    assert refused.bev.socket_connect(rig.world.raw_unused_port()) == 0
    rig.settle(3_000 * MS)
    assert refused.events() == ["ERROR"]
    assert refused.errors[0] is not None
    rig.base.close_fd(fds[0])


@in_worlds()
def test_error_ends_a_round_and_tells_nothing(rig: Rig) -> None:
    client, server = rig.pair()
    top = rig.filter(client, made("error"))
    server.bev.enable(EV_READ)
    for text in (b"one ", b"two ", b"three"):
        top.bev.write(text)
    rig.settle()
    assert server.data == b"one two three"
    assert top.events() == []


@in_worlds()
def test_a_function_that_writes_to_its_own_filter(rig: Rig) -> None:
    """bufferevent_filters_disable: it is not called again inside itself, and nothing is lost."""
    client, server = rig.pair()
    depth = [0, 0]

    def output(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
        depth[0] += 1
        assert depth[0] == 1
        depth[1] += 1
        if depth[1] == 1:
            top.bev.write(b"more")
        result = filters.copy(source, destination, limit, mode)
        depth[0] -= 1
        return result

    top = rig.filter(client, Filters(None, output))
    server.bev.enable(EV_READ)
    top.bev.write(b"some")
    rig.settle()
    assert server.data == b"somemore"
