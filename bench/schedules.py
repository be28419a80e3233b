"""Contenders for schedules: three threads and what they share, and three tasks.

A schedule is a complete run: a world, three threads, nine changes of what they share (a buffer that
a lock guards, or a bufferevent), the end. Every contender draws each of its switches at random from
a seed of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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


def _bufferevent_program(world: Any, connected: bool) -> None:
    """Three threads call one bufferevent, three times each; with `connected` the loop of a fourth
    connects it meanwhile, and sends what there is to send.
    """
    from model.bases import new_base
    from model.subject import BEV_OPT_THREADSAFE, EV_READ, EV_WRITE
    from model.threads import switching

    threads = world.threads
    world.readiness = switching(world.readiness, threads)
    base = new_base(world, threads)
    bev = base.bufferevent_socket_new(None, BEV_OPT_THREADSAFE)
    if connected:
        bev.setcb(None, None, lambda _bev, _what: base.loopbreak())
        bev.socket_connect(world.raw_listen(1).port)
    data = bytes(_SIZE)

    def write() -> None:
        for _ in range(_CHANGES):
            assert bev.write(data) == 0

    def drain() -> None:
        for _ in range(_CHANGES):
            bev.drain_output()

    def set_up() -> None:
        bev.disable(EV_WRITE)
        bev.setwatermark(EV_READ, 0, _SIZE)
        bev.enable(EV_READ | EV_WRITE)

    threads.spawn("a", write)
    threads.spawn("b", drain)
    threads.spawn("c", set_up)
    if connected:
        base.loop()
    threads.join()
    assert bev.output_length() in range(0, _CHANGES * _SIZE + 1, _SIZE)
    assert bev.get_enabled() == EV_READ | EV_WRITE


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
        world.run(lambda world=world: _buffer_program(world))  # type: ignore[misc]  # inference of a default
    return schedules / (perf_counter() - started)


def judged(schedules: int) -> float:
    """Schedules a second, recorded, and held to the properties of threads."""
    return _judged(schedules, _buffer_program)


def bufferevent(schedules: int) -> float:
    """The same of three threads that share a bufferevent, which has no connection yet."""
    return _judged(schedules, lambda world: _bufferevent_program(world, connected=False))


def connected(schedules: int) -> float:
    """The same of one that connects meanwhile, in the loop of a fourth thread."""
    return _judged(schedules, lambda world: _bufferevent_program(world, connected=True))


def _judged(schedules: int, program: Callable[[Any], None]) -> float:
    from harness.schedules import RandomWalk, search
    from harness.thread_run import player

    found = search(RandomWalk(1), player(program), schedules)
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
