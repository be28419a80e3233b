"""Contenders for schedules: three threads and one buffer that a lock guards, and three tasks.

A schedule is a complete run: a world, three threads, nine locked changes of the buffer, the end.
Every contender draws each of its switches at random from a seed of its own.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from bench.missing import Missing

_CHANGES = 3  # by each of the three
_SIZE = 10


def _buffer_program(world: Any) -> None:
    """Two threads append, one drains."""
    from model.evbuffer import Evbuffer

    threads = world.threads
    lock = threads.lock("buffer")
    buffer = Evbuffer()
    data = bytes(_SIZE)
    drained = []

    def append() -> None:
        for _ in range(_CHANGES):
            with lock:
                threads.touch("buffer", write=True)
                buffer.add(data)

    def drain() -> None:
        for _ in range(_CHANGES):
            with lock:
                threads.touch("buffer", write=True)
                drained.append(min(_SIZE, buffer.length))
                buffer.drain(_SIZE)

    threads.spawn("a", append)
    threads.spawn("b", append)
    threads.spawn("c", drain)
    threads.join()
    assert buffer.length + sum(drained) == 2 * _CHANGES * _SIZE


def bare(schedules: int) -> float:
    """Schedules a second, no records."""
    from harness.schedules import RandomWalk
    from sim.task import Pool
    from sim.world import SimWorld

    walk = RandomWalk(1)
    pool = Pool()
    started = perf_counter()
    for _ in range(schedules):
        world = SimWorld("epoll", walk.source(), pool=pool)
        world.run(lambda world=world: _buffer_program(world))  # type: ignore[misc]
    return schedules / (perf_counter() - started)


def judged(schedules: int) -> float:
    """Schedules a second, recorded, and held to the properties of threads."""
    from harness.schedules import RandomWalk, search
    from harness.thread_run import player

    found = search(RandomWalk(1), player(_buffer_program), schedules)
    assert found.failure is None and found.runs == schedules, found
    return schedules / found.seconds


def scenarios_epoll(schedules: int) -> float:
    """Schedules a second of a whole scenario over readiness."""
    return _scenarios(schedules, "sim-epoll")


def scenarios_iocp(schedules: int) -> float:
    """The same over completion."""
    return _scenarios(schedules, "sim-iocp")


def _scenarios(schedules: int, world: str) -> float:
    """Three threads with nine calls on one bufferevent whose partner echoes, recorded, and held to
    every property."""
    from harness.run import run
    from harness.scenario import AppStep, BuffereventEnd, Connection, Scenario
    from harness.schedules import RandomWalk

    safe = ("CLOSE_ON_FREE", "THREADSAFE")
    ends = BuffereventEnd(options=safe), BuffereventEnd(options=safe, after_reads="echo")
    writes = (AppStep("write", "c0", (_SIZE,)),) * _CHANGES
    stops = AppStep("disable", "c0", ("R",)), AppStep("enable", "c0", ("RW",)), writes[0]
    scenario = Scenario((Connection(*ends),), threads=(writes, writes, stops))
    walk = RandomWalk(1)
    started = perf_counter()
    for _ in range(schedules):
        assert not run(scenario, world, choices=walk.source()).verdicts.violations
    return schedules / (perf_counter() - started)


def detangle_tasks(schedules: int) -> float:
    """Schedules a second of detangle: three tasks and an asyncio.Lock, a switch at each step."""
    try:
        import detangle
    except ImportError:
        raise Missing("detangle is not installed: pip install detangle==0.1.0") from None

    async def scenario() -> None:
        lock = asyncio.Lock()
        buffer = bytearray()
        drained = []

        async def append() -> None:
            for _ in range(_CHANGES):
                async with lock:
                    await asyncio.sleep(0)
                    buffer.extend(bytes(_SIZE))

        async def drain() -> None:
            for _ in range(_CHANGES):
                async with lock:
                    await asyncio.sleep(0)
                    drained.append(min(_SIZE, len(buffer)))
                    del buffer[:_SIZE]

        await asyncio.gather(append(), append(), drain())
        assert len(buffer) + sum(drained) == 2 * _CHANGES * _SIZE

    started = perf_counter()
    stats = detangle.explore(
        scenario, runs=schedules, strategy="random", seed=1, shrink=False, database=False
    )
    assert stats.runs == schedules, stats
    return schedules / (perf_counter() - started)


def switch_ns(switches: int) -> float:
    """Nanoseconds of one switch between two threads, the draw included."""
    from model.choices import Choices
    from sim.scheduler import Scheduler
    from sim.threads import SimThreads

    class Always(Choices):
        """The other one, each time."""

        __slots__ = ()

        def draw(self, name: str, bound: int) -> int:
            return 1

    scheduler = Scheduler(Always())
    threads = SimThreads(scheduler, points_max=switches + 10)

    def run() -> None:
        for _ in range(switches // 2):
            threads.point("")

    def main() -> None:
        threads.spawn("a", run)
        threads.spawn("b", run)
        started.append(perf_counter())
        threads.join()
        started.append(perf_counter())

    started: list[float] = []
    scheduler.run(main)
    return (started[1] - started[0]) / switches * 1e9
