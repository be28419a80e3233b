"""The contract that both transports keep, row by row, and the upstream cases of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.content import content
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_THREADSAFE,
    BEV_OPT_UNLOCK_CALLBACKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import KINDS, MS, RW, Rig, Spy, in_worlds, play

CLOSE = BEV_OPT_CLOSE_ON_FREE
DEFER = CLOSE | BEV_OPT_DEFER_CALLBACKS


@in_worlds()
def test_initial_state(rig: Rig) -> None:
    """Enabled is WRITE, nothing suspended, no timeouts, watermarks 0."""
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
