"""Contenders on the real IOCP, in one Windows interpreter: our bufferevents, asyncio's Proactor."""

from __future__ import annotations

import asyncio
import sys

from bench.echo import asyncio_echo
from bench.missing import Missing
from bench.model_echo import Echo


def model(trips: int, connections: int, size: int) -> float:
    """Echo round trips a second of our bufferevents over the real completion port."""
    from real.world import RealWorld, why_not

    if reason := why_not("iocp"):
        raise Missing(reason)
    return Echo(RealWorld("iocp"), trips, connections, size).run()


def proactor(trips: int, connections: int, size: int) -> float:
    """Echo round trips a second of asyncio protocols on the ProactorEventLoop."""
    if sys.platform != "win32":
        raise Missing("the ProactorEventLoop needs Windows")
    else:
        loop = asyncio.ProactorEventLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(asyncio_echo(trips, connections, size))
