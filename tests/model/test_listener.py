"""Listeners over both kernels: the upstream cases, and disable, enable, free anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from model.errors import Errno, Win32Error
from model.kernel import EPOLLIN
from model.subject import EV_READ, LEV_OPT_CLOSE_ON_FREE, LEV_OPT_DISABLED, Listener
from tests.model.rig import KINDS, MS, Rig, Spy, in_worlds, play


def clients(rig: Rig, listener: Listener, count: int) -> list[Spy]:
    """That many bufferevents which connect there."""
    made = [rig.new() for _ in range(count)]
    for client in made:
        client.bev.enable(EV_READ)
        assert client.bev.socket_connect(listener.port) == 0
    return made


@in_worlds()
def test_randport(rig: Rig) -> None:
    """regress_listener.c: randport. Ports differ; disabled in its callback the loop ends."""
    accepted: list[int] = []

    def once(listener: Listener, fd: int, peer_port: int) -> None:
        assert peer_port > 0
        accepted.append(fd)
        assert listener.disable() == 0
        rig.base.close_fd(fd)

    first, second = rig.listen(once), rig.listen(once)
    assert first.port != second.port
    for listener in (first, second):
        clients(rig, listener, 1)
    assert rig.base.loop() == 1
    assert len(accepted) == 2


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("kind", KINDS)
def test_immediate_close(kind: str, count: int) -> None:
    """regress_listener.c: immediate_close (LE-106, LE-171): none after disable; all in the end."""

    def body(rig: Rig) -> None:
        accepted: list[int] = []

        def stop(listener: Listener, fd: int, _: int) -> None:
            accepted.append(fd)
            rig.new(fd)
            listener.disable()

        listener = rig.listen(stop)
        connected = clients(rig, listener, count)
        rig.settle()
        for expected in range(1, count + 1):
            assert len(accepted) == expected
            rig.settle()
            assert len(accepted) == expected, "an accept callback although disabled"
            listener.enable()
            rig.settle()
        assert len(accepted) == count == len(set(accepted))
        assert all(client.events() == ["CONNECTED"] for client in connected)

    play(kind, body)


@pytest.mark.parametrize("queued", [1, 2, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_free_in_the_callback(kind: str, queued: int) -> None:
    """regress_listener.c: close_accepted_fd. The accepted descriptor stays open, the rest ends."""

    def body(rig: Rig) -> None:
        servers: list[Spy] = []

        def gone(listener: Listener, fd: int, _: int) -> None:
            servers.append(rig.new(fd))
            servers[-1].bev.write(b"hello")
            listener.free()

        listener = rig.listen(gone)
        made = clients(rig, listener, queued)
        rig.settle(10 * MS)
        assert len(servers) == 1
        assert [bytes(client.data) for client in made].count(b"hello") == 1
        listener.free()

    play(kind, body)


@in_worlds()
def test_free_while_disabled_with_connections_waiting(rig: Rig) -> None:
    listener = rig.listen(lambda *_: pytest.fail("disabled"))
    listener.disable()
    made = clients(rig, listener, 3)
    rig.settle()
    listener.free()
    rig.settle(10 * MS)
    assert all(client.events()[-1] != "CONNECTED" for client in made)
    assert rig.base.loop() == 1


@in_worlds()
def test_a_freed_listener_does_nothing(rig: Rig) -> None:
    listener = rig.listen(None)
    listener.free()
    listener.free()
    assert listener.enable() == -1
    assert listener.disable() == 0
    assert rig.base.loop() == 1


@in_worlds()
def test_without_a_callback_connections_are_closed(rig: Rig) -> None:
    """LE-139: nobody would close what nobody gets."""
    listener = rig.listen(None)
    made = clients(rig, listener, 6)
    rig.settle(10 * MS)
    assert all(client.events() == ["CONNECTED", "READING|EOF"] for client in made)


@in_worlds()
def test_disable_and_enable_keep_the_loop_count(rig: Rig) -> None:
    """Idempotent both ways (L-6)."""
    listener = rig.listen(None)
    for _ in range(2):
        listener.disable()
    assert rig.base.loop() == 1
    for _ in range(2):
        listener.enable()
    assert rig.base.event_count + rig.base.virtual_events == 1
    listener.free()
    assert rig.base.loop() == 1


@in_worlds()
def test_enable_inside_the_callback(rig: Rig) -> None:
    """disable, then enable again, in the callback: nothing is lost, nothing accepted twice."""
    accepted: list[int] = []

    def toggling(listener: Listener, fd: int, _: int) -> None:
        accepted.append(fd)
        listener.disable()
        listener.enable()
        rig.new(fd)

    listener = rig.listen(toggling)
    clients(rig, listener, 10)
    rig.settle(10 * MS)
    assert len(accepted) == len(set(accepted)) == 10


@pytest.mark.parametrize("call", ["socket", "listen"])
@pytest.mark.parametrize("kind", KINDS)
def test_listen_fails(kind: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's error is the result, and the socket is closed again."""

    def body(rig: Rig) -> None:
        kernel = rig.world.readiness or rig.world.completion
        error = Errno.EADDRINUSE if rig.is_epoll else Win32Error.WSAEADDRINUSE
        with monkeypatch.context() as patch:
            patch.setattr(type(kernel), call, lambda *_: error)
            assert rig.base.listener_new(None, 1_234, 8) is error
        assert rig.base.loop() == 1

    play(kind, body)


def test_epoll_accept_error_ends_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """error_unlock: a failing accept calls nobody; the connection is taken when it can be."""

    def body(rig: Rig) -> None:
        kernel = rig.world.readiness
        assert kernel is not None
        accepted: list[int] = []
        listener = rig.listen(lambda _, fd, __: accepted.append(fd))
        clients(rig, listener, 1)
        accept = kernel.accept
        answers: list[Errno] = [Errno.ECONNABORTED]
        with monkeypatch.context() as patch:
            patch.setattr(
                type(kernel), "accept", lambda _, fd: answers.pop() if answers else accept(fd)
            )
            rig.settle()
        assert len(accepted) == 1
        assert EPOLLIN == 1

    play("epoll", body)


@in_worlds()
def test_made_disabled(rig: Rig) -> None:
    """LEV_OPT_DISABLED: what connects waits until it is enabled."""
    accepted: list[int] = []
    listener = rig.base.listener_new(
        lambda _listener, fd, _port: accepted.append(fd),
        0,
        4,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED,
    )
    assert not isinstance(listener, (Errno, Win32Error))
    rig.listeners.append(listener)
    clients(rig, listener, 1)
    rig.settle()
    assert accepted == []
    assert listener.enable() == 0
    rig.settle()
    assert len(accepted) == 1
    rig.new(accepted[0])


@in_worlds()
def test_without_close_on_free(rig: Rig) -> None:
    """Its descriptor is the owner's."""
    listener: Any = rig.base.listener_new(None, 0, 4, 0)  # its fd: no part of the protocol
    assert not isinstance(listener, (Errno, Win32Error))
    fd = listener.fd
    listener.free()
    rig.settle()
    kernel = rig.world.readiness or rig.world.completion
    assert kernel is not None
    assert kernel.getsockname(fd) == listener.port, "still open"
    rig.base.close_fd(fd)


@in_worlds()
def test_its_callback_can_be_taken_away_and_given_back(rig: Rig) -> None:
    """LE-139: meanwhile connections are closed."""
    accepted: list[int] = []
    listener = rig.listen(None)
    (refused,) = clients(rig, listener, 1)
    rig.settle()
    assert refused.events()[0] == "CONNECTED"
    assert len(refused.events()) == 2, "and its end"
    listener.set_cb(lambda _listener, fd, _port: accepted.append(fd))
    clients(rig, listener, 1)
    rig.settle()
    assert len(accepted) == 1
    rig.new(accepted[0])
