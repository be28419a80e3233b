"""Bufferevents over completion: operations in flight, late completions, life and death."""

from __future__ import annotations

import pytest

from model.bufferevent_async import AsyncBufferevent
from model.completion import CompletionPoller
from model.errors import Win32Error
from model.kernel import CompletionKernel
from model.subject import BEV_OPT_CLOSE_ON_FREE, EV_READ, EV_WRITE
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play


def inner(spy: Spy) -> AsyncBufferevent:
    assert isinstance(spy.bev, AsyncBufferevent)
    return spy.bev


def kernel_of(rig: Rig) -> CompletionKernel:
    assert rig.world.completion is not None
    return rig.world.completion


def in_flight(rig: Rig) -> int:
    assert isinstance(rig.base.poller, CompletionPoller)
    return rig.base.poller.in_flight


@in_worlds("iocp")
def test_enable_before_connected(rig: Rig) -> None:
    """-1 without a usable socket, but the mask is kept and honoured after the connect."""
    listening = rig.world.raw_listen(1)
    client = rig.new()
    assert client.bev.enable(EV_READ) == -1
    assert client.bev.get_enabled() == RW
    assert client.bev.socket_connect(listening.port) == 0
    peer = listening.accept()
    assert not isinstance(peer, int)
    rig.settle()
    peer.send(b"hello")  # type: ignore[union-attr]  # an errno would have no send
    rig.settle()
    assert client.data == b"hello"


@in_worlds("iocp")
def test_eof_kills_both_directions_and_keeps_the_mask(rig: Rig) -> None:
    """11, ok=0, enabled unchanged; no write moves any more, enable gives -1."""
    client, peer = rig.peer()
    client.bev.enable(RW)
    rig.settle()
    client.seen.clear()
    peer.shutdown()
    rig.settle()
    assert client.events() == ["READING|EOF"]
    assert client.bev.get_enabled() == RW
    assert client.bev.enable(RW) == -1
    client.bev.write(b"x")
    rig.settle(10 * MS)
    assert client.seen == [("event", "READING|EOF")]
    assert client.bev.output_length() == 1


@in_worlds("iocp")
def test_reset(rig: Rig) -> None:
    """21, with the operation's error."""
    client, peer = rig.peer()
    client.bev.enable(EV_READ)
    rig.settle()
    peer.reset()
    rig.settle()
    assert client.events() == ["READING|ERROR"]
    assert client.errors[-1] in (Win32Error.WSAECONNRESET, Win32Error.WSAECONNABORTED)


@in_worlds("iocp")
def test_buffers_are_frozen_while_an_operation_is_pending(rig: Rig) -> None:
    """B-3."""
    client, _ = rig.peer()
    bev = inner(client)
    assert not bev.input.end_frozen
    bev.enable(EV_READ)
    assert bev.read_op.pending
    assert bev.input.add(b"x") == -1
    bev.write(b"abc")
    assert bev.write_op.pending
    assert bev.output.drain(1) == -1
    assert bev.output.add(b"more") == 0
    rig.settle()
    assert not bev.output.start_frozen
    assert bev.output_length() == 0


@in_worlds("iocp")
def test_callbacks_are_deferred_always(rig: Rig) -> None:
    """User callbacks run from the loop."""
    client, _ = rig.peer()
    client.bev.trigger(RW, 0)
    client.bev.trigger_event(0x11, 0)
    assert client.seen == []
    rig.settle()
    assert client.seen == [("read", 0), ("write", 0), ("event", "READING|EOF")]


@in_worlds("iocp")
def test_late_bytes_after_disable_wait(rig: Rig) -> None:
    """Disabling does not cancel: what the pending read brings is kept and told when enabled."""
    client, peer = rig.peer()
    client.bev.enable(EV_READ)
    rig.settle()
    client.bev.disable(EV_READ)
    assert inner(client).read_op.pending
    peer.send(b"late")
    rig.settle()
    assert client.seen == []
    assert client.bev.input_length() == 4
    client.bev.enable(EV_READ)
    rig.settle()
    assert client.data == b"late"
    assert client.seen == [("read", 4)]


@pytest.mark.parametrize("end", ["shutdown", "reset"])
def test_late_end_after_disable_waits(end: str) -> None:
    """The same for an EOF or an error (E-3, E-4): told once, after the data, when enabled."""

    def body(rig: Rig) -> None:
        client, peer = rig.peer()
        client.bev.enable(EV_READ)
        rig.settle()
        client.bev.disable(EV_READ)
        peer.send(b"last words")
        rig.settle()
        (peer.shutdown if end == "shutdown" else peer.reset)()
        rig.settle()
        assert client.seen == []
        client.bev.enable(EV_READ)
        rig.settle()
        what = "READING|EOF" if end == "shutdown" else "READING|ERROR"
        assert client.seen == [("read", 10), ("event", what)]
        assert client.data == b"last words"

    play("iocp", body)


@in_worlds("iocp")
def test_late_end_while_suspended_waits(rig: Rig) -> None:
    client, peer = rig.peer()
    client.bev.enable(EV_READ)
    rig.settle()
    inner(client).suspend_read(0x02)
    peer.shutdown()
    rig.settle()
    assert client.seen == []
    inner(client).unsuspend_read(0x02)
    rig.settle()
    assert client.events() == ["READING|EOF"]


@in_worlds("iocp")
def test_disabled_bufferevent_lets_the_loop_end(rig: Rig) -> None:
    """iocp/bufferevent_async: the callback disables READ, the loop ends by itself (L-6)."""
    client, server = rig.pair()

    def reading(spy: Spy) -> None:
        spy.take()
        spy.bev.disable(EV_READ)

    server.on_read = reading
    server.bev.enable(EV_READ)
    client.bev.write(b"a string")
    assert rig.base.loop() == 1
    assert server.data == b"a string"


@in_worlds("iocp")
def test_pending_operations_keep_the_loop(rig: Rig) -> None:
    """+1 while a read is added; L-6."""
    client, peer = rig.peer()
    client.bev.enable(EV_READ)

    def late() -> None:
        rig.world.sleep(30 * MS)
        peer.shutdown()

    rig.world.spawn("peer", late)
    assert rig.base.loop() == 1
    assert client.events() == ["READING|EOF"]
    assert rig.base.virtual_events == 0


@pytest.mark.parametrize("options", [0, BEV_OPT_CLOSE_ON_FREE])
@pytest.mark.parametrize("busy", ["read", "write", "both", "connect"])
def test_free_with_operations_in_flight(options: int, busy: str) -> None:
    """S-3 (LE-153, LE-175): cancelled, silent, every packet taken, then nothing is left."""

    def body(rig: Rig) -> None:
        if busy == "connect":
            listening = rig.world.raw_listen(1)
            client = rig.new(None, options)
            client.bev.socket_connect(listening.port)
        else:
            client, _ = rig.peer(options)
        if busy in ("read", "both"):
            client.bev.enable(EV_READ)
        if busy in ("write", "both"):
            client.bev.write(b"w" * 2_000_000)
            rig.settle()
            client.seen.clear()
        assert in_flight(rig)
        fd = client.bev.getfd()
        client.free()
        rig.settle(10 * MS)
        assert client.seen == []
        assert in_flight(rig) == 0
        assert rig.base.bufferevents == 0
        assert rig.base.virtual_events == 0
        assert isinstance(rig.base.poller, CompletionPoller)
        assert not rig.base.poller.operations, "every OVERLAPPED was forgotten"
        assert fd is not None
        closed = kernel_of(rig).closesocket(fd) is not None
        assert closed is bool(options)

    play("iocp", body)


@in_worlds("iocp")
def test_base_free_takes_what_is_owed(rig: Rig) -> None:
    """event_base_free with a bufferevent freed just before: its packets are still taken."""
    client, _ = rig.peer()
    client.bev.enable(EV_READ)
    client.free()
    assert rig.base.bufferevents == 1


@in_worlds("iocp")
def test_setfd_none_releases_the_loop(rig: Rig) -> None:
    """Without a socket nothing can move: no timer, no virtual event (L-6)."""
    client, peer = rig.peer(options=0)
    client.bev.set_timeouts(10 * MS, 10 * MS)
    client.bev.enable(EV_READ)
    fd = client.bev.getfd()
    assert fd is not None
    client.bev.setfd(None)
    rig.base.close_fd(fd)
    rig.settle(50 * MS)
    assert client.seen == []
    assert rig.base.virtual_events == 0
    assert rig.base.loop() == 1
    peer.close()


@in_worlds("iocp")
def test_setfd_makes_it_usable(rig: Rig) -> None:
    """LE-113, LE-114: also a socket that is tied to the port already."""
    fds: list[int] = []
    listener = rig.listen(lambda _, fd, __: fds.append(fd))
    client, server = rig.new(), rig.new()
    client.bev.socket_connect(listener.port)
    rig.settle()
    server.bev.enable(EV_READ)
    poller = rig.base.poller
    assert isinstance(poller, CompletionPoller)
    assert poller.adopt(fds[0]) is None
    assert server.bev.setfd(fds[0]) == 0
    client.bev.write(b"hello")
    rig.settle()
    assert server.data == b"hello"


@in_worlds("iocp")
def test_no_write_timeout_when_idle(rig: Rig) -> None:
    """The write timer runs while there is output that may be written (T-3)."""
    client, _ = rig.peer()
    client.bev.set_timeouts(None, 5 * MS)
    client.bev.enable(EV_WRITE)
    client.bev.write(b"x")
    rig.settle(100 * MS)
    assert client.events() == []


@in_worlds("iocp")
def test_write_timeout(rig: Rig) -> None:
    client, _ = rig.peer()
    client.bev.set_timeouts(None, 5 * MS)
    client.bev.write(b"w" * 3_000_000)
    rig.settle(100 * MS)
    assert client.events() == ["WRITING|TIMEOUT"]
    assert client.bev.get_enabled() == 0


@in_worlds("iocp")
def test_one_operation_of_each_kind(rig: Rig) -> None:
    """At most one read and one write outstanding, however often one enables."""
    client, _ = rig.peer()
    for _ in range(3):
        client.bev.enable(RW)
        client.bev.write(b"w" * 1_000_000)
        assert in_flight(rig) == 2


@pytest.mark.parametrize("call", ["socket", "bind", "connect_ex"])
def test_connect_that_cannot_begin(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-1: -1 means that no event will come; our own socket is closed again."""

    def body(rig: Rig) -> None:
        client = rig.new()
        kernel = kernel_of(rig)
        closed: list[int] = []
        close = kernel.closesocket

        def closing(_: object, handle: int) -> Win32Error | None:
            closed.append(handle)
            return close(handle)

        with monkeypatch.context() as patch:
            patch.setattr(type(kernel), call, lambda *_: Win32Error.WSAENOBUFS)
            patch.setattr(type(kernel), "closesocket", closing)
            assert client.bev.socket_connect(1_234) == -1
            assert client.bev.socket_error() is Win32Error.WSAENOBUFS
        rig.settle()
        assert client.seen == []
        assert client.bev.getfd() is None
        assert len(closed) == (call != "socket")
        assert rig.base.virtual_events == 0

    play("iocp", body)


@pytest.mark.parametrize("call", ["wsa_recv", "wsa_send"])
def test_launch_failure(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ok=0 and one ERROR event with the launch's error."""

    def body(rig: Rig) -> None:
        client, _ = rig.peer()
        with monkeypatch.context() as patch:
            patch.setattr(type(kernel_of(rig)), call, lambda *_: Win32Error.WSAENOBUFS)
            if call == "wsa_recv":
                client.bev.enable(EV_READ)
            else:
                client.bev.write(b"x")
            rig.settle()
        side = "READING" if call == "wsa_recv" else "WRITING"
        assert client.seen == [("event", f"{side}|ERROR")]
        assert client.errors[-1] is Win32Error.WSAENOBUFS
        assert inner(client).refcnt == 1
        assert rig.base.virtual_events == 0

    play("iocp", body)
