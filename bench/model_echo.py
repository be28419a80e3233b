"""The echo of `bench.echo`, played by duopoll's bufferevents in any world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.echo import Count
from model.bases import new_base
from model.errors import Errno, Win32Error
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_OPT_CLOSE_ON_FREE,
    EV_READ,
    EV_WRITE,
    Bufferevent,
    Listener,
)

_BOTH = EV_READ | EV_WRITE
_BACKLOG = 128


class Echo:
    """`connections` clients and their accepted ends on one base."""

    def __init__(
        self,
        world: Any,
        trips: int,
        connections: int,
        size: int,
        make_base: Callable[[Any], Any] = new_base,
    ) -> None:
        self.world = world
        self.make_base = make_base
        self.count = Count(trips)
        self.connections = connections
        self.message = bytes(size)
        self.max_single = 0
        self.clients: list[Bufferevent] = []
        self.connected = 0

    def run(self) -> float:
        """Round trips a second."""
        self.world.run(self._main)
        return self.count.rate()

    def _main(self) -> None:
        self.base = self.make_base(self.world)
        listener = self.base.listener_new(self._accept, 0, _BACKLOG)
        assert not isinstance(listener, Errno | Win32Error), listener
        self.accepted: list[Bufferevent] = []
        for _ in range(self.connections):
            client = self._bufferevent(None)
            client.setcb(self._on_client_read, None, self._on_event)
            client.setwatermark(EV_READ, len(self.message), 0)
            client.enable(_BOTH)
            client.socket_connect(listener.port)
            self.clients.append(client)
        self.base.loop()
        for bufferevent in (*self.clients, *self.accepted):
            bufferevent.free()
        listener.free()
        self.base.free()

    def _bufferevent(self, fd: int | None) -> Bufferevent:
        bufferevent: Bufferevent = self.base.bufferevent_socket_new(fd, BEV_OPT_CLOSE_ON_FREE)
        if self.max_single:
            set_max_single(bufferevent, self.max_single)
        return bufferevent

    def _accept(self, _listener: Listener, fd: int, _port: int) -> None:
        server = self._bufferevent(fd)
        self.accepted.append(server)
        server.setcb(_on_server_read, None, None)
        server.enable(_BOTH)

    def _on_event(self, _client: Bufferevent, what: int) -> None:
        assert what == BEV_EVENT_CONNECTED, what
        self.connected += 1
        if self.connected == self.connections:
            self.count.start()
            for client in self.clients:
                client.write(self.message)

    def _on_client_read(self, client: Bufferevent) -> None:
        client.read(len(self.message))
        if self.count.one():
            self.base.loopbreak()
        elif self.count.left > 0:
            client.write(self.message)


def _on_server_read(server: Bufferevent) -> None:
    server.write_input()


def set_max_single(bufferevent: Bufferevent, size: int) -> None:
    """Raises bufferevent_set_max_single_read and _write from their default of 16 KiB."""
    for name in ("set_max_single_read", "set_max_single_write"):
        setter = getattr(bufferevent, name, None)
        if setter is not None:
            setter(size)
