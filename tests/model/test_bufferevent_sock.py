"""Bufferevents over readiness: what is particular to epoll (the "sock" columns of the contract)."""

from __future__ import annotations

import pytest

from model.errors import Errno
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS, EV_READ, EV_WRITE
from tests.model.rig import KINDS, MS, RW, Rig, Spy, in_worlds, play


def fd_of(spy: Spy) -> int:
    fd = spy.bev.getfd()
    assert fd is not None
    return fd


@in_worlds("epoll")
def test_enable_write_with_empty_output_gives_one_write_callback(rig: Rig) -> None:
    """The next pass gives a write callback, each time; never inside the call."""
    client, _ = rig.pair()
    for count in (1, 2):
        client.bev.enable(EV_WRITE)
        assert client.count("write") == count - 1
        rig.settle()
        assert client.seen == [("write", 0)] * count


@in_worlds("epoll")
def test_eof_leaves_writing_alone(rig: Rig) -> None:
    """11, READ disabled, WRITE untouched; half-close: writes go on (X-2)."""
    client, peer = rig.peer()
    client.bev.enable(RW)
    peer.shutdown()
    rig.settle()
    assert client.events() == ["READING|EOF"]
    assert client.bev.get_enabled() == EV_WRITE
    client.bev.write(b"still here")
    rig.settle()
    assert peer.recv(100) == b"still here"


@in_worlds("epoll")
def test_reset(rig: Rig) -> None:
    """Read error 21, READ disabled, the error readable in the callback (E-2)."""
    client, peer = rig.peer()
    client.bev.enable(EV_READ)
    rig.settle()
    client.seen.clear()
    peer.reset()
    rig.settle()
    assert client.events() == ["READING|ERROR"]
    assert client.errors[-1] is Errno.ECONNRESET
    assert client.bev.get_enabled() == EV_WRITE


@in_worlds("epoll")
def test_write_error(rig: Rig) -> None:
    """22, WRITE disabled."""
    client, peer = rig.peer()
    peer.reset()
    client.bev.write(b"x")
    rig.settle()
    assert client.events() == ["WRITING|ERROR"]
    assert client.bev.get_enabled() == 0
    assert client.errors[-1] in (Errno.EPIPE, Errno.ECONNRESET)


@pytest.mark.parametrize("options", [0, BEV_OPT_DEFER_CALLBACKS])
@pytest.mark.parametrize("where", ["read", "write", "event"])
@pytest.mark.parametrize("kind", KINDS)
def test_free_then_close_inside_the_callback(kind: str, where: str, options: int) -> None:
    """Without CLOSE_ON_FREE the owner may close the descriptor as soon as free has returned."""

    def body(rig: Rig) -> None:
        client, peer = rig.peer(options)
        fd = fd_of(client)

        def gone(spy: Spy) -> None:
            spy.free()
            rig.base.close_fd(fd)

        if where == "read":
            client.on_read = gone
        elif where == "write":
            client.on_write = gone
        else:
            client.on_event = gone
        client.bev.enable(EV_READ)
        if where == "write":
            client.bev.write(b"x")
        else:
            peer.send(b"x")
            peer.close()
        rig.settle()
        assert client.freed
        assert client.seen[-1][0] == where
        assert rig.base.loop() == 1

    play(kind, body)


@in_worlds("epoll")
def test_free_close_and_reuse_of_the_number(rig: Rig) -> None:
    """The next socket gets the same number; the old bufferevent must not touch it any more."""
    assert rig.world.readiness is not None
    listening = rig.world.raw_listen(4)
    client, peer = rig.peer(options=BEV_OPT_DEFER_CALLBACKS)
    fd = fd_of(client)
    second = rig.new()

    def gone(spy: Spy) -> None:
        spy.free()
        rig.base.close_fd(fd)
        second.bev.enable(EV_READ)
        assert second.bev.socket_connect(listening.port) == 0

    client.on_read = gone
    client.bev.enable(EV_READ)
    peer.send(b"go")
    rig.settle()
    other = listening.accept()
    assert not isinstance(other, Errno)
    other.send(b"hello")
    rig.settle()
    assert second.events() == ["CONNECTED"]
    assert second.data == b"hello"


@in_worlds("epoll")
def test_setfd(rig: Rig) -> None:
    """setfd(None) forgets the descriptor; a new one is used at once. LE-195: nothing stays odd."""
    client, peer = rig.peer(options=0)
    old = fd_of(client)
    client.bev.enable(EV_READ)
    assert client.bev.setfd(None) == 0
    peer.send(b"lost to us")
    client.bev.write(b"kept")
    rig.settle()
    assert client.seen == []
    assert client.bev.setfd(old) == 0
    rig.settle()
    assert client.data == b"lost to us"
    assert peer.recv(10) == b"kept"
    client.bev.setfd(None)
    rig.base.close_fd(old)
    assert rig.base.loop() == 1, "without a descriptor nothing keeps the loop"


@in_worlds("epoll")
def test_descriptor_stays_open_until_the_finaliser_ran(rig: Rig) -> None:
    """CLOSE_ON_FREE closes from the loop, not inside free."""
    client, peer = rig.peer(options=BEV_OPT_CLOSE_ON_FREE)
    client.free()
    assert rig.base.bufferevents == 1
    rig.settle()
    assert rig.base.bufferevents == 0
    assert peer.recv(10) == b""


@pytest.mark.parametrize(("options", "closes"), [(0, 0), (BEV_OPT_CLOSE_ON_FREE, 1)])
def test_the_descriptor_is_closed_once(
    options: int, closes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-2: once with CLOSE_ON_FREE, never without."""

    def body(rig: Rig) -> None:
        kernel = rig.world.readiness
        assert kernel is not None
        client, _ = rig.peer(options)
        fd, close = fd_of(client), kernel.close
        closed: list[int] = []

        def closing(_: object, which: int) -> Errno | None:
            closed.append(which)
            return close(which)

        with monkeypatch.context() as patch:
            patch.setattr(type(kernel), "close", closing)
            client.free()
            rig.settle()
        assert closed == [fd] * closes

    play("epoll", body)


@in_worlds("epoll")
def test_users_cannot_move_data_past_the_freeze(rig: Rig) -> None:
    """B-3: nobody appends to the input or drains or prepends to the output."""
    client, _ = rig.pair()
    bev = rig.base.bufferevent_socket_new(None, 0)
    assert bev.input.add(b"x") == -1
    assert bev.output.drain(1) == -1
    assert bev.output.prepend(b"x") == -1
    assert bev.output.remove(1) is None
    assert bev.output.add(b"x") == 0
    bev.free()
    assert client.seen == []


@in_worlds("epoll")
def test_write_timeout(rig: Rig) -> None:
    """The write timer runs while the socket takes nothing, and is renewed by progress (T-3)."""
    client, peer = rig.peer()
    client.bev.set_timeouts(None, 10 * MS)
    client.bev.write(b"w" * 3_000_000)
    times: list[int] = []
    start = rig.world.now_ns()
    client.on_event = lambda _: times.append(rig.world.now_ns() - start)
    rig.settle(8 * MS)
    moved = 0
    while moved < 200_000:  # opens the window: the sender makes progress
        data = peer.recv(1 << 16)
        assert isinstance(data, bytes)
        moved += len(data)
    rig.settle(100 * MS)
    assert client.events() == ["WRITING|TIMEOUT"]
    assert times[0] == 18 * MS
    assert client.bev.get_enabled() == 0


@in_worlds("epoll")
def test_no_write_timeout_with_nothing_to_write(rig: Rig) -> None:
    """T-3."""
    client, _ = rig.pair()
    client.bev.set_timeouts(None, 5 * MS)
    client.bev.enable(EV_WRITE)
    client.bev.write(b"x")
    rig.settle(100 * MS)
    assert client.events() == []


@in_worlds("epoll")
def test_upstream_bufferevent_timeout(rig: Rig) -> None:
    """regress_bufferevent.c: bufferevent_timeout, the read side: once, and the mask says so."""
    client, _ = rig.pair()
    client.bev.set_timeouts(150 * MS, 100 * MS)
    times: list[int] = []
    start = rig.world.now_ns()
    client.on_event = lambda _: times.append(rig.world.now_ns() - start)
    client.bev.enable(EV_READ)
    client.bev.write(b"1234567")
    rig.settle(1_000 * MS)
    assert client.events() == ["READING|TIMEOUT"]
    assert times == [150 * MS]
    assert client.bev.get_enabled() == EV_WRITE
