"""Bufferevents that are THREADSAFE (libevent: bufferevent.c with BEV_LOCK).

One recursive lock, shared by a whole stack and by both ends of a pair. Every entry point takes it:
the calls of the API, and what the loop calls. What the loop has picked to run may be out of date
when it has the lock: a direction stopped, a timer that was started again, a bufferevent that was
freed; all of that is looked at again under the lock.

Callbacks run under the lock. With UNLOCK_CALLBACKS the function is copied, the lock is given back
once, the function called and the lock taken again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from model.bufferevent import Bufferevent
from model.bufferevent_async import AsyncBufferevent
from model.bufferevent_sock import SocketBufferevent, _ReadEvent, _WriteEvent
from model.event import TimerEvent
from model.event_base import EventBase
from model.generic_timeouts import GenericBufferevent
from model.locked_rates import LockedLimiter
from model.rate_limit_group import Limiter
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_OPT_UNLOCK_CALLBACKS,
    EV_READ,
    EV_TIMEOUT,
    EV_WRITE,
)
from model.threads import NO_LOCK, Lock, Threads

if TYPE_CHECKING:
    from model.threaded_base import ThreadedBase, ThreadedCompletion, ThreadedReadiness


class Guarded(Protocol):
    """A bufferevent that has a lock, or its wrapper."""

    @property
    def lock(self) -> Lock: ...

    @property
    def shared(self) -> str:
        """The name of what the lock guards."""


def has_lock(other: object) -> TypeGuard[Guarded]:
    """Whether `other` is a bufferevent, or the wrapper of one, that has a lock."""
    return getattr(other, "lock", NO_LOCK) is not NO_LOCK


def under_lock(name: str, write: bool = True) -> Any:
    """The method of that name, under the lock."""

    def call(self: Locked, *args: Any) -> Any:
        with self.entry(name):
            self.touch(write)
            return getattr(super(Locked, self), name)(*args)

    call.__name__ = name
    return call


class Locked(Bufferevent):
    """What comes before the class of a bufferevent that has a lock."""

    __slots__ = ()

    threads: Threads
    shared: str  # the name of what the lock guards
    lock: Lock

    def _share(self, base: ThreadedBase, other: object = None) -> None:
        """Takes a lock of its own, or that of `other`: of its partner, or of what is below it."""
        name = base.name("bev")
        self.threads = base.threads
        if has_lock(other):
            self.lock = other.lock
            self.shared = other.shared
        else:
            self.lock = base.threads.lock(name)
            self.shared = f"{self.lock.name}.state"

    def entry(self, name: str) -> Lock:
        """The lock that the entry point of that name takes."""
        return self.lock

    def touch(self, write: bool) -> None:
        """What the lock guards is used."""
        self.threads.touch(self.shared, write)

    setcb = under_lock("setcb")
    enable = under_lock("enable")
    disable = under_lock("disable")
    disable_hard = under_lock("disable_hard")
    flush = under_lock("flush")
    write = under_lock("write")
    read = under_lock("read")
    write_input = under_lock("write_input")
    drain_output = under_lock("drain_output")
    setwatermark = under_lock("setwatermark")
    priority_set = under_lock("priority_set")
    set_timeouts = under_lock("set_timeouts")
    trigger = under_lock("trigger")
    trigger_event = under_lock("trigger_event")
    socket_connect = under_lock("socket_connect")
    setfd = under_lock("setfd")
    free = under_lock("free")
    incref = under_lock("incref")
    decref = under_lock("decref")
    set_max_single_read = under_lock("set_max_single_read")
    set_max_single_write = under_lock("set_max_single_write")
    set_rate_limit = under_lock("set_rate_limit")
    add_to_rate_limit_group = under_lock("add_to_rate_limit_group")
    remove_from_rate_limit_group = under_lock("remove_from_rate_limit_group")
    get_read_limit = under_lock("get_read_limit")
    get_write_limit = under_lock("get_write_limit")
    decrement_read_limit = under_lock("decrement_read_limit")
    decrement_write_limit = under_lock("decrement_write_limit")
    get_enabled = under_lock("get_enabled", write=False)
    getcb = under_lock("getcb", write=False)
    input_length = under_lock("input_length", write=False)
    output_length = under_lock("output_length", write=False)
    getwatermark = under_lock("getwatermark", write=False)
    getfd = under_lock("getfd", write=False)
    socket_error = under_lock("socket_error", write=False)

    def _limiter(self) -> Limiter:
        if self.limiter is None:
            self.limiter = LockedLimiter(self)
        return self.limiter

    def _finalize(self) -> None:
        """bufferevent_finalize_cb_: nobody has a reference, but others may share the lock."""
        with self.entry("_finalize"):
            self.touch(write=True)
            super()._finalize()

    # Deferred callbacks.

    def run(self) -> None:
        with self.entry("run"):
            self.touch(write=True)
            if self.options & BEV_OPT_UNLOCK_CALLBACKS:
                self._run_unlocked()
            else:
                super().run()

    def _run_unlocked(self) -> None:
        """bufferevent_run_deferred_callbacks_unlocked.

        Something may be added while the lock is given back. CONNECTED then still comes first and
        alone, and an event does not overtake a read callback that became due before it: both wait
        for another turn. (A choice of ours: libevent tells the event, with CONNECTED in its mask.)
        """
        self.deferred_queued = False
        self._tell_connected()
        readcb = self.readcb
        if self.pending & EV_READ and readcb is not None:
            self.pending &= ~EV_READ
            before = self.input.length
            self.call_unlocked(readcb)
            if self.wm_read_high:
                self._after_readcb(before)
        self._tell_connected()
        writecb = self.writecb
        if self.pending & EV_WRITE and writecb is not None:
            self.pending &= ~EV_WRITE
            self.call_unlocked(writecb)
        self._tell_connected()
        eventcb = self.eventcb
        if self.pending & EV_READ and self.readcb is not None:
            self._schedule_deferred()
        elif self.pending_events and eventcb is not None:
            what, self.error = self.pending_events, self.pending_error
            self.pending_events, self.pending_error = 0, None
            self.call_unlocked(eventcb, what)
        self.decref()

    def _tell_connected(self) -> None:
        """Also that of another connection, which the callback may begin."""
        while self.pending_events & BEV_EVENT_CONNECTED and self.eventcb is not None:
            self.pending_events &= ~BEV_EVENT_CONNECTED
            self.error = None
            self.call_unlocked(self.eventcb, BEV_EVENT_CONNECTED)

    def call_unlocked(self, callback: Callable[..., None], *args: int) -> None:
        """Calls with the lock given back once."""
        self.lock.release()
        try:
            callback(self, *args)
        finally:
            self.lock.acquire()


# Over readiness.


class LockedReadEvent(_ReadEvent):
    """ev_read: what the base knows of it changes under the base's lock."""

    __slots__ = ()

    def add(self) -> None:
        with base_lock(self.bev):
            super().add()

    def remove(self) -> None:
        with base_lock(self.bev):
            super().remove()

    def time(self, timeout_ns: int | None) -> None:
        with base_lock(self.bev):
            super().time(timeout_ns)


class LockedWriteEvent(_WriteEvent):
    """ev_write."""

    __slots__ = ()

    def add(self) -> None:
        with base_lock(self.bev):
            super().add()

    def arm(self) -> None:
        with base_lock(self.bev):
            super().arm()

    def remove(self) -> None:
        with base_lock(self.bev):
            super().remove()

    def time(self, timeout_ns: int | None) -> None:
        with base_lock(self.bev):
            super().time(timeout_ns)


def base_lock(bev: Bufferevent) -> Lock:
    """The lock of the base that a bufferevent is of."""
    lock = bev.base.lock
    assert lock is not None
    return lock


class LockedSocket(Locked, SocketBufferevent):
    """A socket's, over readiness."""

    __slots__ = ("lock", "shared", "threads")

    def __init__(self, poller: ThreadedReadiness, fd: int | None, options: int) -> None:
        self._share(poller.threaded)
        super().__init__(poller, fd, options)
        self.ev_read = LockedReadEvent(self)
        self.ev_write = LockedWriteEvent(self)

    def on_readable(self, result: int) -> None:
        with self.entry("on_readable"):
            self.touch(write=True)
            event = self.ev_read
            if self.connecting and event.added and result != EV_TIMEOUT:
                # Reading was added before writing, and the loop asked in between: nothing may be
                # told before the outcome of the connect.
                super().on_writable(EV_WRITE)
            if event.added and (result != EV_TIMEOUT or event.deadline_ns is None):
                super().on_readable(result)

    def on_writable(self, result: int) -> None:
        with self.entry("on_writable"):
            self.touch(write=True)
            event = self.ev_write
            if event.added and (result != EV_TIMEOUT or event.deadline_ns is None):
                super().on_writable(result)


# Over completion, and others with timers of their own.


class LockedTimer(TimerEvent):
    """A timer that knows whether it was stopped, or started again, since it was picked to run."""

    __slots__ = ("due",)

    def __init__(self, base: EventBase, callback: Callable[[], None]) -> None:
        super().__init__(base, callback)
        self.due = False

    def claim(self) -> Callable[[], None] | None:
        callback = super().claim()
        self.due = callback is not None
        return callback

    def _start(self, timeout_ns: int) -> None:
        self.due = False
        super()._start(timeout_ns)

    def _stop(self) -> None:
        self.due = False
        super()._stop()


class LockedGeneric(Locked, GenericBufferevent):
    """One whose timers may be started again, or stopped, between their end and the lock."""

    __slots__ = ()

    timer = LockedTimer
    read_timer: LockedTimer
    write_timer: LockedTimer

    def _read_timeout(self) -> None:
        with self.entry("_read_timeout"):
            self.touch(write=True)
            if self.read_timer.due:
                super()._read_timeout()

    def _write_timeout(self) -> None:
        with self.entry("_write_timeout"):
            self.touch(write=True)
            if self.write_timer.due:
                super()._write_timeout()


class LockedAsync(LockedGeneric, AsyncBufferevent):
    """A socket's, over completion. Its operations' ends take the lock in `finish`."""

    __slots__ = ("lock", "shared", "threads")

    def __init__(self, poller: ThreadedCompletion, fd: int | None, options: int) -> None:
        self._share(poller.threaded)
        super().__init__(poller, fd, options)
