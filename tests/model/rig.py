"""A base on a simulated world with an empty tape, and bufferevents with written-down callbacks.

Everything happens at time 0 unless a test waits, so the lists that tests compare are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from model.bases import new_base
from model.choices import Choices
from model.errors import Errno, Win32Error
from model.event_base import EventBase
from model.layer import Filters, Underlying
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    EV_READ,
    EV_WRITE,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    Bufferevent,
    Listener,
)
from model.world import RawListener, RawSocket
from sim.world import SimWorld
from tests.model.spy import Hook, Seen, Spy

__all__ = ["KINDS", "MS", "RW", "Hook", "Rig", "Seen", "Spy", "in_worlds", "play"]

KINDS = ("epoll", "iocp")
MS = 1_000_000
RW = EV_READ | EV_WRITE


class Rig:
    """A world in which the loop's thread is the test."""

    def __init__(self, kind: str, tape: tuple[int, ...], buffers: int) -> None:
        self.kind = kind
        assert kind in ("epoll", "iocp")
        self.world = SimWorld(
            "epoll" if kind == "epoll" else "iocp", Choices(tape), buffers, buffers
        )
        self.base: EventBase = new_base(self.world)
        self.spies: list[Spy] = []
        self.listeners: list[Listener] = []

    @property
    def is_epoll(self) -> bool:
        return self.kind == "epoll"

    def new(self, fd: int | None = None, options: int = BEV_OPT_CLOSE_ON_FREE) -> Spy:
        """A bufferevent with its spy."""
        spy = Spy(self.base.bufferevent_socket_new(fd, options))
        self.spies.append(spy)
        return spy

    def listen(self, accepted: Callable[[Listener, int, int], None] | None) -> Listener:
        """A listener on a free port."""
        listener = self.base.listener_new(accepted, 0, 16)
        assert not isinstance(listener, (Errno, Win32Error))
        self.listeners.append(listener)
        return listener

    def pair(
        self, options: int = BEV_OPT_CLOSE_ON_FREE, server_options: int | None = None
    ) -> tuple[Spy, Spy]:
        """Two connected bufferevents, client and server; CONNECTED is over and forgotten."""
        fds: list[int] = []
        listener = self.listen(lambda _listener, fd, _port: fds.append(fd))
        client = self.new(None, options)
        assert client.bev.socket_connect(listener.port) == 0
        self.settle()
        server = self.new(fds[0], options if server_options is None else server_options)
        listener.free()
        self.settle()
        assert client.events() == ["CONNECTED"]
        client.seen.clear()
        return client, server

    def watch(self, bev: Bufferevent) -> Spy:
        """A spy on a bufferevent that was made otherwise; it is freed at the end."""
        spy = Spy(bev)
        self.spies.append(spy)
        return spy

    def inner_pair(self, options: int = BEV_OPT_CLOSE_ON_FREE) -> tuple[Spy, Spy]:
        """Both ends of a bufferevent pair."""
        first, second = self.base.bufferevent_pair_new(options)
        return self.watch(first), self.watch(second)

    def filter(self, below: Spy, filters: Filters, options: int = BEV_OPT_CLOSE_ON_FREE) -> Spy:
        """A filter on the bufferevent of `below`, which is no end of its own any more."""
        if options & BEV_OPT_CLOSE_ON_FREE:
            self.spies.remove(below)
        underlying = cast(Underlying, below.bev)
        return self.watch(self.base.bufferevent_filter_new(underlying, filters, options))

    def peer(self, options: int = BEV_OPT_CLOSE_ON_FREE) -> tuple[Spy, RawSocket]:
        """A connected bufferevent and the raw socket at the other end."""
        listening: RawListener = self.world.raw_listen(4)
        client = self.new(None, options)
        assert client.bev.socket_connect(listening.port) == 0
        peer = listening.accept()
        assert not isinstance(peer, Errno)
        self.settle()
        assert client.events() == ["CONNECTED"]
        client.seen.clear()
        listening.close()
        return client, peer

    def settle(self, duration_ns: int = MS) -> None:
        """Runs the loop for that long in virtual time."""
        self.base.once(duration_ns, self.base.loopbreak)
        self.base.loop(EVLOOP_NO_EXIT_ON_EMPTY)

    def close(self) -> None:
        """Frees what is left: nothing may stay alive."""
        for spy in self.spies:
            if not spy.freed:
                spy.free()
        for listener in self.listeners:
            listener.free()
        self.base.loop(EVLOOP_NONBLOCK)
        assert self.base.free() == 0, "bufferevents alive after base_free"


def play(
    kind: str, body: Callable[[Rig], None], tape: tuple[int, ...] = (), buffers: int = 131_072
) -> None:
    """Runs `body` on the loop's thread of a fresh world, then checks that nothing is left."""
    rig = Rig(kind, tape, buffers)

    def main() -> None:
        body(rig)
        rig.close()

    rig.world.run(main)


def in_worlds(
    *kinds: str, buffers: int = 131_072
) -> Callable[[Callable[[Rig], None]], Callable[[str], None]]:
    """Makes a test of a function over a rig: one for each simulated kernel (default: both)."""

    def decorate(body: Callable[[Rig], None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("kind", kinds or KINDS)
        def test(kind: str) -> None:
            play(kind, body, buffers=buffers)

        test.__doc__ = body.__doc__
        return test

    return decorate
