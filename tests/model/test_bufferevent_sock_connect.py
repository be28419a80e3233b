"""Connecting over readiness: exactly one of CONNECTED and ERROR, always from the loop (E-1)."""

from __future__ import annotations

import pytest

from model.errors import Errno
from model.subject import EV_WRITE
from tests.model.rig import MS, RW, Rig, in_worlds, play


@in_worlds("epoll")
def test_disable_write_while_connecting(rig: Rig) -> None:
    """CONNECTED comes even with WRITE disabled; the output then waits."""
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
    """Not directly after CONNECTED with empty output; with output it is written at once."""
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
    """ERROR without direction, enabled unchanged, fd attached."""
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
def test_connect_timeout_then_answer(rig: Rig) -> None:
    """TIMEOUTs may come first; then still exactly one of CONNECTED and ERROR."""
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
    """LE-033: refused at once is an event; the rest is -1 and our socket closed."""

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
