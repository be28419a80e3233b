"""Contender: the unmodified libevent on the simulated kernel, in this process, nothing recorded."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from bench.model_echo import Echo

_SIZE = 64


class _World:
    """What an event base of libevent needs of a world."""

    def __init__(self, world: Any) -> None:
        self.readiness = world.readiness
        self.now_ns = world.now_ns
        self.run: Callable[[Callable[[], None]], None] = world.run

    def log(self, severity: int, message: str) -> None:
        raise AssertionError(message)

    def allocation_fails(self) -> bool:
        return False


def calls(trips: int) -> float:
    """System calls a second that libevent makes in an echo over one connection."""
    from model.choices import Choices
    from real.libevent.subject import new_base
    from sim.world import SimWorld

    world = _World(SimWorld("epoll", Choices()))
    echo = Echo(world, trips, 1, _SIZE, lambda _: new_base(world))
    started = perf_counter()
    echo.run()
    seconds = perf_counter() - started
    made: int = echo.base.calls.made
    return made / seconds
