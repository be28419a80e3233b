"""Contenders of the simulated worlds: our echoes and short runs, detangle's streams, bare SimPy."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from bench.echo import Count, EchoClient, EchoServer
from bench.missing import Missing
from bench.model_echo import Echo

_SIZE = 64


def model_epoll(trips: int) -> float:
    """Echo round trips a second of two bufferevents on `sim-epoll`."""
    return _model("epoll", trips)


def model_iocp(trips: int) -> float:
    """Echo round trips a second of two bufferevents on `sim-iocp`."""
    return _model("iocp", trips)


def _model(kind: Literal["epoll", "iocp"], trips: int) -> float:
    from model.choices import Choices
    from sim.world import SimWorld

    return Echo(SimWorld(kind, Choices()), trips, 1, _SIZE).run()


async def _stream_echo(count: Count) -> None:
    """One client and one server over asyncio's streams."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 7000)
    reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
    message = bytes(_SIZE)
    count.start()
    while True:
        writer.write(message)
        await reader.readexactly(_SIZE)
        if count.one():
            break
    writer.close()
    await served.wait()
    server.close()


async def _protocol_echo(count: Count) -> None:
    """The same over asyncio's transports and protocols."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    server = await loop.create_server(EchoServer, "127.0.0.1", 7000)
    _, client = await loop.create_connection(
        lambda: EchoClient(bytes(_SIZE), count, done), "127.0.0.1", 7000
    )
    count.start()
    client.transport.write(client.message)
    await done
    client.transport.abort()
    server.close()


def detangle_streams(trips: int) -> float:
    """Echo round trips a second over detangle's simulated TCP, through asyncio streams."""
    detangle = _detangle()
    count = Count(trips)
    detangle.run(lambda: _stream_echo(count), max_steps=trips * 1_000)
    return count.rate()


def detangle_protocols(trips: int) -> float:
    """The same through asyncio protocols: less of asyncio in the way."""
    detangle = _detangle()
    count = Count(trips)
    detangle.run(lambda: _protocol_echo(count), max_steps=trips * 1_000)
    return count.rate()


def _detangle() -> Any:
    try:
        import detangle
    except ImportError:
        raise Missing("detangle is not installed: pip install detangle==0.1.0") from None
    return detangle
