"""Where an event base and its poller come together."""

from __future__ import annotations

from typing import Protocol

from model.choices import Choices
from model.completion import CompletionPoller
from model.errors import SimulatorError
from model.event_base import EventBase
from model.kernel import CompletionKernel, ReadinessKernel
from model.readiness import ReadinessPoller


class _HasKernel(Protocol):
    """The part of `model.world.World` that a base needs."""

    @property
    def readiness(self) -> ReadinessKernel | None: ...

    @property
    def completion(self) -> CompletionKernel | None: ...

    def now_ns(self) -> int: ...


def new_base(world: _HasKernel) -> EventBase:
    """An event base on the world's kernel, readiness or completion.

    A simulated world brings its `choices`, and the base's free decisions come from there.
    """
    choices = getattr(world, "choices", None)
    base = EventBase(world.now_ns, choices.draw if isinstance(choices, Choices) else None)
    if world.readiness is not None:
        base.poller = ReadinessPoller(base, world.readiness)
    elif world.completion is not None:
        base.poller = CompletionPoller(base, world.completion)
    else:
        raise SimulatorError("a world needs a readiness or a completion kernel, and has neither")
    return base
