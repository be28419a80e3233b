"""Where an event base and its poller come together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from model.choices import Choices
from model.completion import CompletionPoller
from model.errors import SimulatorError
from model.event_base import EventBase
from model.kernel import CompletionKernel, ReadinessKernel
from model.readiness import ReadinessPoller
from model.threaded_base import ThreadedBase, ThreadedCompletion, ThreadedReadiness
from model.threads import NO_THREADS, Threads
from model.workers import WorkedBase, WorkedCompletion, Workers


class _HasKernel(Protocol):
    """The part of `model.world.World` that a base needs."""

    @property
    def readiness(self) -> ReadinessKernel | None: ...

    @property
    def completion(self) -> CompletionKernel | None: ...

    def now_ns(self) -> int: ...


def new_base(
    world: _HasKernel, threads: Threads = NO_THREADS, workers: Workers | None = None
) -> EventBase:
    """An event base on the world's kernel, readiness or completion; for `threads`, if active, and
    over completion with a pool of `workers`.

    A simulated world brings its `choices`, and the base's free decisions come from there; what
    records a run brings its `clock`.
    """
    choices = getattr(world, "choices", None)
    pick = choices.draw if isinstance(choices, Choices) else None
    if threads.active:
        return _threaded_base(world, pick, threads, workers)
    base = EventBase(world.now_ns, pick)
    base.clock = getattr(world, "clock", base.clock)
    if world.readiness is not None:
        base.poller = ReadinessPoller(base, world.readiness)
    elif world.completion is not None:
        base.poller = CompletionPoller(base, world.completion)
    else:
        raise SimulatorError("a world needs a readiness or a completion kernel, and has neither")
    return base


def _threaded_base(
    world: _HasKernel,
    pick: Callable[[str, int], int] | None,
    threads: Threads,
    workers: Workers | None,
) -> EventBase:
    if world.completion is not None and workers is not None:
        worked = WorkedBase(world.now_ns, pick, threads)
        worked.poller = worked.wakeup = WorkedCompletion(worked, world.completion, workers)
        return worked
    base = ThreadedBase(world.now_ns, pick, threads)
    poller: ThreadedReadiness | ThreadedCompletion
    if world.readiness is not None:
        poller = ThreadedReadiness(base, world.readiness)
    elif world.completion is not None:
        poller = ThreadedCompletion(base, world.completion)
    else:
        raise SimulatorError("a world needs a readiness or a completion kernel, and has neither")
    base.poller = base.wakeup = poller
    return base
