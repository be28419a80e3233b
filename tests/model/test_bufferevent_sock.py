"""Bufferevents over readiness: what is particular to epoll (spec rows "sock")."""

from __future__ import annotations

import pytest

from model.errors import Errno
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS, EV_READ, EV_WRITE
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play


def fd_of(spy: Spy) -> int:
    fd = spy.bev.getfd()
    assert fd is not None
    return fd


@in_worlds("epoll")
def test_enable_write_with_empty_output_gives_one_write_callback(rig: Rig) -> None:
    """Table 1.1: the next pass gives a write callback, each time; never inside the call."""
    client, _ = rig.pair()
    for count in (1, 2):
        client.bev.enable(EV_WRITE)
        assert client.count("write") == count - 1
        rig.settle()
        assert client.seen == [("write", 0)] * count


@in_worlds("epoll")
def test_eof_leaves_writing_alone(rig: Rig) -> None:
    """Table 2.3, peer EOF: 11, READ disabled, WRITE untouched; half-close: writes go on (X-2)."""
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
    """Table 2.3: read error 21, READ disabled, the error readable in the callback (E-2)."""
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
    """Table 2.3: 22, WRITE disabled."""
    client, peer = rig.peer()
    peer.reset()
    client.bev.write(b"x")
    rig.settle()
    assert client.events() == ["WRITING|ERROR"]
    assert client.bev.get_enabled() == 0
    assert client.errors[-1] in (Errno.EPIPE, Errno.ECONNRESET)


@in_worlds("epoll")
def test_disable_write_while_connecting(rig: Rig) -> None:
    """1.1 and section 3: CONNECTED comes even with WRITE disabled; the output then waits."""
    listening = rig.world.raw_listen(1)
    client = rig.new()
    client.bev.write(b"later")
    assert client.bev.socket_connect(listening.port) == 0
    client.bev.disable(EV_WRITE)
    rig.settle()
    assert client.seen == [("event", "CONNECTED")]
    assert client.bev.output_length() == 5
    client.bev.enable(EV_WRITE)
    rig.settle()
    assert client.seen == [("event", "CONNECTED"), ("write", 0)]


@in_worlds("epoll")
def test_connected_is_not_followed_by_a_write_callback(rig: Rig) -> None:
    """2.2: not directly after CONNECTED with empty output; with output it is written at once."""
    listening = rig.world.raw_listen(4)
    client, writing = rig.new(), rig.new()
    writing.bev.write(b"abc")
    for spy in (client, writing):
        assert spy.bev.socket_connect(listening.port) == 0
        assert spy.seen == [], "no callback inside socket_connect (LE-182)"
    rig.settle()
    assert client.seen == [("event", "CONNECTED")]
    assert writing.seen == [("event", "CONNECTED"), ("write", 0)]


@in_worlds("epoll")
def test_connect_refused_keeps_the_mask_and_the_descriptor(rig: Rig) -> None:
    """Section 3: ERROR without direction, enabled unchanged, fd attached."""
    client = rig.new()
    client.bev.enable(RW)
    assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
    rig.settle()
    assert client.seen == [("event", "ERROR")]
    assert client.errors == [Errno.ECONNREFUSED]
    assert client.bev.get_enabled() == RW
    assert client.bev.getfd() is not None


@in_worlds("epoll")
def test_enabled_before_connect_with_a_descriptor_of_its_own(rig: Rig) -> None:
    """A write that was put off before the connect is no proof that the connect ended (E-1)."""
    assert rig.world.readiness is not None
    fd = rig.world.readiness.socket()
    assert isinstance(fd, int)
    client = rig.new(fd)
    client.bev.enable(EV_WRITE)
    assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
    rig.settle()
    assert client.seen == [("event", "ERROR")]


def test_slow_connect_with_write_enabled_before() -> None:
    """The same with latency: CONNECTED must not come before the network said so."""

    def body(rig: Rig) -> None:
        assert rig.world.readiness is not None
        listening = rig.world.raw_listen(1)
        fd = rig.world.readiness.socket()
        assert isinstance(fd, int)
        client = rig.new(fd)
        client.bev.enable(EV_WRITE)
        started = rig.world.now_ns()
        when: list[int] = []
        client.on_event = lambda _: when.append(rig.world.now_ns() - started)
        assert client.bev.socket_connect(listening.port) == 0
        rig.settle(100 * MS)
        assert client.events() == ["CONNECTED"]
        assert when[0] >= 1_000_000

    play("epoll", body, tape=(3, 3, 3, 3))


@in_worlds("epoll")
def test_free_then_close_inside_the_callback(rig: Rig) -> None:
    """Without CLOSE_ON_FREE the owner may close the descriptor as soon as free has returned."""
    client, peer = rig.peer(options=0)
    fd = fd_of(client)

    def gone(spy: Spy) -> None:
        spy.free()
        rig.base.close_fd(fd)

    client.on_event = gone
    client.bev.enable(EV_READ)
    peer.close()
    rig.settle()
    assert client.events() == ["READING|EOF"]
    assert rig.base.loop() == 1


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
    """Section 6: CLOSE_ON_FREE closes from the loop, not inside free."""
    client, peer = rig.peer(options=BEV_OPT_CLOSE_ON_FREE)
    client.free()
    assert rig.base.bufferevents == 1
    rig.settle()
    assert rig.base.bufferevents == 0
    assert peer.recv(10) == b""


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


@in_worlds("epoll")
def test_connect_timeout_then_answer(rig: Rig) -> None:
    """Section 3: TIMEOUTs may come first; then still exactly one of CONNECTED and ERROR."""
    client = rig.new()
    client.bev.set_timeouts(None, 5 * MS)
    assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
    rig.settle(50 * MS)
    assert client.events()[-1] == "ERROR"
    assert client.events().count("ERROR") == 1


@pytest.mark.parametrize("errno", [Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS])
def test_connect_without_a_socket(errno: Errno, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-1: -1 means that no event will come; the error is there to read (LE-110)."""

    def body(rig: Rig) -> None:
        assert rig.world.readiness is not None
        with monkeypatch.context() as patch:
            patch.setattr(type(rig.world.readiness), "socket", lambda _: errno)
            client = rig.new()
            assert client.bev.socket_connect(1_234) == -1
            assert client.bev.socket_error() is errno
        rig.settle()
        assert client.seen == []
        assert client.bev.getfd() is None

    play("epoll", body)


@pytest.mark.parametrize(
    ("answer", "result", "events", "enabled"),
    [
        (Errno.ECONNREFUSED, 0, ["ERROR"], 0),
        (Errno.ENETUNREACH, -1, [], RW),
        (Errno.EADDRNOTAVAIL, -1, [], RW),
    ],
)
def test_connect_fails_at_once(
    answer: Errno,
    result: int,
    events: list[str],
    enabled: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Section 3 and LE-033: refused at once is an event; the rest is -1 and our socket closed."""

    def body(rig: Rig) -> None:
        assert rig.world.readiness is not None
        client = rig.new()
        client.bev.enable(RW)
        with monkeypatch.context() as patch:
            patch.setattr(type(rig.world.readiness), "connect", lambda *_: answer)
            assert client.bev.socket_connect(1_234) == result
        assert client.seen == []
        rig.settle()
        assert client.events() == events
        assert client.bev.get_enabled() == enabled
        assert (client.bev.getfd() is None) is (result == -1)

    play("epoll", body)


def test_connect_succeeds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """LE-182: CONNECTED comes from the loop, not from inside the call."""

    def body(rig: Rig) -> None:
        kernel = rig.world.readiness
        assert kernel is not None
        listening = rig.world.raw_listen(1)
        client = rig.new()
        connect = kernel.connect

        def at_once(_: object, fd: int, port: int) -> Errno | None:
            connect(fd, port)
            return None

        with monkeypatch.context() as patch:
            patch.setattr(type(kernel), "connect", at_once)
            assert client.bev.socket_connect(listening.port) == 0
        assert client.seen == []
        rig.settle()
        assert client.seen == [("event", "CONNECTED")]

    play("epoll", body)
