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
    Failure,
    Listener,
    event_name,
)
from model.world import RawListener, RawSocket
from sim.world import SimWorld

KINDS = ("epoll", "iocp")
MS = 1_000_000
RW = EV_READ | EV_WRITE

Seen = tuple[str, int | str]
Hook = Callable[["Spy"], None]


class Spy:
    """One end: its bufferevent, and in `seen` its callbacks in order.

    ("read", input length), ("write", output length), ("event", "READING|EOF"). The read callback
    takes everything into `data` unless `on_read` says otherwise.
    """

    def __init__(self, bev: Bufferevent) -> None:
        self.bev = bev
        self.seen: list[Seen] = []
        self.data = bytearray()
        self.errors: list[Failure | None] = []
        self.on_read: Hook = Spy.take
        self.on_write: Hook | None = None
        self.on_event: Hook | None = None
        self.freed = False
        bev.setcb(self._read, self._write, self._event)

    def take(self) -> None:
        """Reads the whole input."""
        self.data += self.bev.read(1 << 30)

    def leave(self) -> None:
        """Reads nothing."""

    def free(self) -> None:
        """Frees the bufferevent, as the application would."""
        self.freed = True
        self.bev.free()

    def events(self) -> list[str]:
        """The event callbacks only."""
        return [str(what) for which, what in self.seen if which == "event"]

    def count(self, which: str) -> int:
        """How many callbacks of a kind there were."""
        return sum(seen[0] == which for seen in self.seen)

    def _read(self, bev: Bufferevent) -> None:
        self._note("read", bev.input_length())
        self.on_read(self)

    def _write(self, bev: Bufferevent) -> None:
        self._note("write", bev.output_length())
        if self.on_write is not None:
            self.on_write(self)

    def _event(self, bev: Bufferevent, what: int) -> None:
        self._note("event", event_name(what))
        self.errors.append(bev.socket_error())
        if self.on_event is not None:
            self.on_event(self)

    def _note(self, which: str, what: int | str) -> None:
        assert not self.freed, f"{which} callback after free"
        self.seen.append((which, what))


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
