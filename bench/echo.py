"""The echo that all contenders play: both ends of every connection on one loop.

The client end of each connection sends one message and waits until it came back whole, over and
over, until all connections together made a given number of round trips.
"""

from __future__ import annotations

import asyncio
from time import perf_counter


class Count:
    """Round trips so far over all connections; says when to stop, and how fast it went."""

    __slots__ = ("_started", "_stopped", "left", "trips")

    def __init__(self, trips: int) -> None:
        self.trips = self.left = trips
        self._started = self._stopped = 0.0

    def start(self) -> None:
        """The clock starts when all connections stand."""
        self._started = perf_counter()

    def one(self) -> bool:
        """Counts a round trip; true exactly once, when it was the last one."""
        self.left -= 1
        if self.left == 0:
            self._stopped = perf_counter()
            return True
        return False

    def rate(self) -> float:
        """Round trips a second."""
        return self.trips / (self._stopped - self._started)


class EchoServer(asyncio.Protocol):
    """Sends back whatever comes in, as it comes in."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class EchoClient(asyncio.Protocol):
    """Sends the message again whenever it came back whole."""

    transport: asyncio.Transport

    def __init__(self, message: bytes, count: Count, done: asyncio.Future[None]) -> None:
        self.message = message
        self.count = count
        self.done = done
        self.missing = len(message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing == 0:
            self.missing = len(self.message)
            if self.count.one():
                self.done.set_result(None)
            elif self.count.left > 0:
                self.transport.write(self.message)


async def asyncio_echo(trips: int, connections: int, size: int) -> float:
    """Round trips a second of asyncio Protocols on the running loop."""
    loop = asyncio.get_running_loop()
    count, done = Count(trips), loop.create_future()
    server = await loop.create_server(EchoServer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: EchoClient(bytes(size), count, done), "127.0.0.1", port
        )
        clients.append(client)
    count.start()
    for client in clients:
        client.transport.write(client.message)
    await done
    for client in clients:
        client.transport.abort()
    server.close()
    return count.rate()
