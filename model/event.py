"""Events: what the loop's active queue runs (libevent: event_struct.h, event.c).

An event is a descriptor's direction or a bare timer; a deferred callback and a finaliser are run
from the same queue. The queue itself, and the timers' heap, are `model.event_base`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from model.errors import SimulatorError
from model.subject import EV_TIMEOUT

if TYPE_CHECKING:
    from model.event_base import EventBase


class Runnable(Protocol):
    """Something the active queue can run: an event, a deferred callback, a finaliser."""

    priority: int

    def run(self) -> bool | None:
        """Runs it. False: there was nothing to run, it was taken back meanwhile."""


class Event:
    """A descriptor's direction, or a bare timer, with an optional timeout (libevent: struct event).

    Subclasses say what happens in `fire`. `result` holds the EV_* bits of an activation that has
    not run yet; clearing it takes the event out of the active queue.
    """

    __slots__ = (
        *("added", "base", "deadline_ns", "heap_ns"),
        *("last_pass", "priority", "result", "timeout_ns"),
    )

    def __init__(self, base: EventBase) -> None:
        self.base = base
        self.priority = base.npriorities // 2  # event.c:event_assign
        self.added = False
        self.result = 0
        self.timeout_ns: int | None = None  # restarts at every activation for I/O
        self.deadline_ns: int | None = None
        self.heap_ns: int | None = None  # the deadline under which the timer heap holds us
        self.last_pass = -1  # the pass in which it last ran

    def run(self) -> bool | None:
        result = self.result
        if not result:
            return False
        self.result = 0
        self.last_pass = self.base.pass_number
        if self.timeout_ns is not None and self.added and result != EV_TIMEOUT:
            self.base.start_timer(self, self.timeout_ns)
        self.fire(result)
        return None

    def claim(self) -> Callable[[], object] | None:
        """`run` in two parts, where there are threads: this under the base's lock, and what it
        gives without. None: there is nothing to run."""
        result = self.result
        if not result:
            return None
        self.result = 0
        self.last_pass = self.base.pass_number
        if self.timeout_ns is not None and self.added and result != EV_TIMEOUT:
            self.base.start_timer(self, self.timeout_ns)
        return partial(self.fire, result)

    def priority_set(self, priority: int) -> int:
        """event_priority_set: 0, or -1 when it is active or there is no such priority."""
        if self.result or not 0 <= priority < self.base.npriorities:
            return -1
        self.priority = priority
        return 0

    def fire(self, result: int) -> None:
        raise SimulatorError(f"{type(self).__name__} does not say what it fires")


class TimerEvent(Event):
    """A one-shot timer that calls a function."""

    __slots__ = ("callback",)

    def __init__(self, base: EventBase, callback: Callable[[], None]) -> None:
        super().__init__(base)
        self.callback = callback

    def start(self, timeout_ns: int) -> None:
        """evtimer_add: (re)starts it; one that is due and has not run yet is taken back."""
        lock = self.base.lock
        if lock is None:
            self._start(timeout_ns)
        else:
            with lock:
                self._start(timeout_ns)

    def _start(self, timeout_ns: int) -> None:
        if not self.added:
            self.added = True
            self.base.count_events(1)
        self.result = 0
        self.base.start_timer(self, timeout_ns)

    def stop(self) -> None:
        """evtimer_del."""
        lock = self.base.lock
        if lock is None:
            self._stop()
        else:
            with lock:
                self._stop()

    def _stop(self) -> None:
        if self.added:
            self.added = False
            self.base.count_events(-1)
        self.deadline_ns = None
        self.result = 0

    def claim(self) -> Callable[[], None] | None:
        """It is over under the lock: whoever starts it again meanwhile does so for good."""
        if not self.result:
            return None
        self.last_pass = self.base.pass_number
        self._stop()
        return self.callback

    def fire(self, result: int) -> None:
        self.stop()
        self.callback()


class Finalizer:
    """Runs what is left to do for something, once, from the active queue, behind its callbacks
    (event_callback_finalize_)."""

    __slots__ = ("callback", "priority")

    def __init__(self, callback: Callable[[], None], priority: int) -> None:
        self.callback = callback
        self.priority = priority

    def run(self) -> None:
        self.callback()
