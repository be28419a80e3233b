"""Two TLS ends over one TCP connection, in a simulated world or over the real epoll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.scenario import Network
from harness.tls import SslEngine
from harness.worlds import make_world
from model.bases import new_base
from model.bufferevent_ssl import SslBufferevent
from model.choices import Choices
from model.errors import Errno, Win32Error
from model.event_base import EventBase
from model.faults import NONE
from model.listener import Listener
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    Bufferevent,
    event_name,
)
from model.tls import SslState
from model.world import World

MS = 1_000_000
RW = EV_READ | EV_WRITE
OPTIONS = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS
ROUNDS = 1_000  # of waiting for a condition, a millisecond each


class End:
    """One end: a bufferevent that counts its events."""

    def __init__(self, bev: SslBufferevent) -> None:
        self.bev = bev
        self.events: list[str] = []
        self.on_read: Callable[[End], None] = lambda end: None
        self.on_event: Callable[[End], None] = lambda end: None
        bev.setcb(self._read, None, self._event)

    def _read(self, bev: Bufferevent) -> None:
        self.on_read(self)

    def _event(self, bev: Bufferevent, what: int) -> None:
        self.events.append(event_name(what))
        self.on_event(self)


class SslRig:
    """A world with a base. `filtered`: TLS over socket bufferevents that are made beforehand."""

    def __init__(self, world: World, filtered: bool) -> None:
        self.world = world
        self.base: EventBase = new_base(world)
        self.filtered = filtered
        self.real = world.name == "epoll"
        self.engines = SslEngine(False), SslEngine(True)
        self.accepted: list[int] = []

    def fds(self) -> tuple[int, int]:
        """Two connected descriptors that nobody owns."""
        listener = self.listen()
        client = self.base.bufferevent_socket_new(None, 0)
        assert client.socket_connect(listener.port) == 0
        assert self.until(lambda: bool(self.accepted))
        self.run(2 * MS)
        fd = client.getfd()
        assert fd is not None
        client.free()
        listener.free()
        self.run(2 * MS)
        return fd, self.accepted.pop()

    def listen(self) -> Listener:
        """A listener on a free port; what it accepts is in `accepted`."""
        made = self.base.listener_new(lambda _, fd, port: self.accepted.append(fd), 0, 16)
        assert not isinstance(made, (Errno, Win32Error))
        return made

    def end(self, side: int, fd: int | None, state: SslState | None = None) -> End:
        """One end with CLOSE_ON_FREE and deferred callbacks; side 0 is the client."""
        if state is None:
            state = SslState.ACCEPTING if side else SslState.CONNECTING
        return self.with_options(side, fd, state, OPTIONS)

    def with_options(self, side: int, fd: int | None, state: SslState, options: int) -> End:
        if not self.filtered:
            made = self.base.bufferevent_ssl_socket_new(fd, self.engines[side], state, options)
            return End(made)
        below = self.base.bufferevent_socket_new(fd, options)
        return End(self.base.bufferevent_ssl_filter_new(below, self.engines[side], state, options))

    def run(self, duration_ns: int) -> None:
        """Runs the loop that long."""
        self.base.once(duration_ns, self.base.loopbreak)
        self.base.loop(EVLOOP_NO_EXIT_ON_EMPTY)

    def until(self, condition: Callable[[], bool]) -> bool:
        """Runs the loop until that holds: whether it does."""
        for _ in range(ROUNDS):
            if condition():
                return True
            self.run(MS)
        return condition()

    def is_closed(self, fd: int) -> bool:
        """Whether the descriptor is: closing it fails."""
        poller = self.base.poller
        kernel: Any = self.world.readiness or self.world.completion
        assert kernel is not None and poller is not None
        close = getattr(kernel, "close", None) or kernel.closesocket
        return close(fd) in (Errno.EBADF, Win32Error.WSAENOTSOCK)

    def close(self) -> None:
        self.base.loop(EVLOOP_NONBLOCK)
        assert self.base.free() == 0, "bufferevents alive after base_free"


Body = Callable[[SslRig], None]


def row(filtered: bool = False) -> Callable[[Body], Callable[[str], None]]:
    """A test of a row, for each world."""

    def decorate(body: Body) -> Callable[[str], None]:
        @pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp", "epoll"])
        def test(world: str) -> None:
            made = make_world(world, Choices(()), Network(), NONE)

            def main() -> None:
                rig = SslRig(made, filtered)
                body(rig)
                rig.close()

            made.run(main)

        test.__doc__ = body.__doc__
        return test

    return decorate
