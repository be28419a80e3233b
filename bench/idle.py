"""Contenders for the memory of idle connections: many accepted ends that nobody uses.

The other ends are plain sockets made beforehand, so that what is counted is the accepted end alone:
one bufferevent with its callbacks set and reading enabled, or one asyncio transport with its
protocol. `traced` counts what Python allocated (tracemalloc: object sizes, without the allocator's
own overhead); `resident` counts the growth of the process (VmRSS, which has all of it).
The kernel's own memory for sockets is in neither.
"""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from bench.missing import Missing

_BATCH = 100  # connections begun before the loop accepts them; below the listener's backlog
_SPARE_FILES = 64


def model_traced(connections: int) -> float:
    """Bytes a bufferevent, by tracemalloc."""
    return _model(connections, _traced)


def model_resident(connections: int) -> float:
    """Bytes a bufferevent, by VmRSS."""
    return _model(connections, _resident)


def asyncio_traced(connections: int) -> float:
    """Bytes a transport with its protocol, by tracemalloc."""
    return asyncio.run(_asyncio(connections, _traced))


def asyncio_resident(connections: int) -> float:
    """Bytes a transport with its protocol, by VmRSS."""
    return asyncio.run(_asyncio(connections, _resident))


def _traced() -> int:
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


def _resident() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


def _clients(connections: int) -> list[socket.socket]:
    """Unconnected sockets, after making room for both ends of every connection."""
    if sys.platform == "win32":
        raise Missing("the real epoll needs Linux")
    import resource

    needed = 2 * connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != hard < needed:
        raise Missing(f"{connections} connections need {needed} descriptors: ulimit -Hn is {hard}")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(connections)]


def _model(connections: int, measure: Callable[[], int]) -> float:
    from model.bases import new_base
    from model.errors import Errno, Win32Error
    from model.subject import (
        BEV_OPT_CLOSE_ON_FREE,
        EV_READ,
        EVLOOP_NONBLOCK,
        Base,
        Bufferevent,
        Listener,
    )
    from real.world import RealWorld

    accepted: list[Bufferevent | None] = [None] * connections
    figures: list[float] = []

    def on_read(_bufferevent: Bufferevent) -> None:
        raise AssertionError("an idle connection has nothing to read")

    def on_accept(_listener: Listener, fd: int, _port: int) -> None:
        bufferevent = base.bufferevent_socket_new(fd, BEV_OPT_CLOSE_ON_FREE)
        bufferevent.setcb(on_read, None, None)
        bufferevent.enable(EV_READ)
        accepted[progress[0]] = bufferevent
        progress[0] += 1

    def main() -> None:
        listener = base.listener_new(on_accept, 0, 2 * _BATCH)
        assert not isinstance(listener, Errno | Win32Error), listener
        before = measure()
        for start in range(0, connections, _BATCH):
            for client in clients[start : start + _BATCH]:
                client.connect(("127.0.0.1", listener.port))
            while progress[0] < min(start + _BATCH, connections):
                base.loop(EVLOOP_NONBLOCK)
        figures.append((measure() - before) / connections)
        for bufferevent in accepted:
            assert bufferevent is not None
            bufferevent.free()
        listener.free()
        base.free()

    clients, progress = _clients(connections), [0]
    world = RealWorld("epoll")
    base: Base = new_base(world)
    world.run(main)
    _close(clients)
    return figures[0]


class _Idle(asyncio.Protocol):
    """A protocol that keeps its transport, as one that answers has to."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


async def _asyncio(connections: int, measure: Callable[[], int]) -> float:
    loop = asyncio.get_running_loop()
    protocols: list[_Idle | None] = [None] * connections
    made = 0

    def new_protocol() -> _Idle:
        nonlocal made
        protocol = protocols[made] = _Idle()
        made += 1
        return protocol

    clients = _clients(connections)
    server = await loop.create_server(new_protocol, "127.0.0.1", 0, backlog=2 * _BATCH)
    port = server.sockets[0].getsockname()[1]
    before = measure()
    for start in range(0, connections, _BATCH):
        for client in clients[start : start + _BATCH]:
            client.connect(("127.0.0.1", port))
        while made < min(start + _BATCH, connections):
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)  # the transports register with the selector in callbacks of theirs
    figure = (measure() - before) / connections
    for protocol in protocols:
        assert protocol is not None
        assert isinstance(protocol.transport, asyncio.Transport)
        protocol.transport.abort()
    server.close()
    _close(clients)
    return figure


def _close(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()
