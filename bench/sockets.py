"""Contenders on the real epoll: our bufferevents, asyncio's protocols, libevent's C."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from bench.echo import asyncio_echo
from bench.missing import Missing
from bench.model_echo import Echo

_HERE = Path(__file__).parent
_CACHE = _HERE.parent / ".cache" / "bench"
_ABOVE_MMAP_THRESHOLD = 1 << 20


def model(trips: int, connections: int, size: int, max_single: int) -> float:
    """Round trips a second of our bufferevents; `max_single` 0 keeps the default of 16 KiB."""
    from real.world import RealWorld, why_not

    if reason := why_not("epoll"):
        raise Missing(reason)
    echo = Echo(RealWorld("epoll"), trips, connections, size)
    echo.max_single = max_single
    return echo.run()


def asyncio_protocol(trips: int, connections: int, size: int) -> float:
    """Round trips a second of asyncio protocols in a fresh process.

    asyncio receives into a new bytes object of 256 KiB each time, which is above malloc's mmap
    threshold (mallopt(3), M_MMAP_THRESHOLD): every receive maps and unmaps memory.
    """
    return asyncio.run(asyncio_echo(trips, connections, size))


def asyncio_protocol_warm(trips: int, connections: int, size: int) -> float:
    """The same in a process that has already freed a larger block, which raised the threshold."""
    block = bytearray(_ABOVE_MMAP_THRESHOLD)
    del block
    return asyncio_protocol(trips, connections, size)


def libevent_c(trips: int, connections: int, size: int, max_single: int, no_delay: int) -> float:
    """Round trips a second of libevent's bufferevents in a C program."""
    binary = _CACHE / "libevent_echo"
    arguments = [str(number) for number in (trips, connections, size, max_single, no_delay)]
    done = subprocess.run(
        [binary, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    return float(done.stdout)


def libevent_missing() -> str | None:
    """Compiles the C program when needed; why it cannot be compiled here."""
    source, binary = _HERE / "libevent_echo.c", _CACHE / "libevent_echo"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return None
    _CACHE.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC", "cc")
    command = [compiler, "-O2", "-o", str(binary), str(source), "-levent_core"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        return f"no C compiler {compiler!r}: install gcc"
    if done.returncode == 0:
        return None
    if "event2/" in done.stderr or "-levent_core" in done.stderr:
        return "libevent's headers are not installed (Debian: libevent-dev)"
    return f"libevent_echo.c does not compile: {done.stderr.splitlines()[0]}"
