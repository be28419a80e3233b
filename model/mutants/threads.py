"""Bugs of threads: those that libevent had (`LE-...`), and others put in.

As in `historical`: each function is the model's own method of that name with the bug. All need
application threads, and most of them a schedule that few runs have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.async_operations import _AsyncOperation
from model.bufferevent import Bufferevent
from model.event import Event, Runnable
from model.event_base import EventBase
from model.locked import (
    Locked,
    LockedSocket,
    LockedWriteEvent,
    base_lock,
    has_lock,
)
from model.locked_layers import LockedLayer, LockedPair
from model.locked_rates import LockedGroup
from model.mutants.mutant import BOTH, Mutant, Patch
from model.rate_limit import SUSPEND_BW_GROUP
from model.rate_limit_group import start_refill, suspend, unsuspend
from model.subject import BEV_OPT_DEFER_CALLBACKS, EV_READ, EV_WRITE
from model.threaded_base import ThreadedBase
from model.threads import NO_LOCK, Lock
from model.workers import WorkedCompletion, _Turn

_original_free = Bufferevent.free
_original_entry = Locked.entry
_original_share = Locked._share


def free_that_waits(self: Locked, *args: Any) -> Any:
    """LE-136: free waits, with the lock, for the callback that the loop has begun to call."""
    with self.lock:
        base = self.base
        assert isinstance(base, ThreadedBase)
        while base.runs is self and self.threads.current() != base.loop_thread:
            self.threads.point("event_del")
        super(Locked, self).free()


def on_readable_unchecked(self: LockedSocket, result: int) -> None:
    """LE-137: what the loop had picked runs although it was freed, or stopped, before the lock."""
    with self.entry("on_readable"):
        self.touch(write=True)
        super(LockedSocket, self).on_readable(result)


def on_writable_unchecked(self: LockedSocket, result: int) -> None:
    """LE-137: the same for writing."""
    with self.entry("on_writable"):
        self.touch(write=True)
        super(LockedSocket, self).on_writable(result)


def getter_locks_twice(self: Locked, *args: Any) -> Any:
    """LE-138: takes the lock where it should give it back."""
    self.lock.acquire()
    self.touch(write=False)
    return super(Locked, self).input_length()


def count_virtual_silent(self: ThreadedBase, change: int) -> None:
    """LE-193: the loop is not woken when the last virtual event goes."""
    with self.guard:
        self.virtual_events += change
        if not self.virtual_events:
            self.touch()


def add_unlocked(self: LockedWriteEvent) -> None:
    """LE-200: the fields of an event change without the base's lock."""
    super(LockedWriteEvent, self).add()


def activate_soon_unlocked(self: ThreadedBase, event: Event, result: int) -> None:
    """LE-200: and so does the queue in which it stands."""
    self.touch()
    EventBase.activate_soon(self, event, result)
    self.notify()


def entry_without(*names: str) -> Callable[[Locked, str], Lock]:
    """Entry points that take no lock."""

    def entry(self: Locked, name: str) -> Lock:
        """These entry points take no lock."""
        return NO_LOCK if name in names else _original_entry(self, name)

    return entry


def on_readable_base_first(self: LockedSocket, result: int) -> None:
    """The base's lock first, then the bufferevent's."""
    with base_lock(self), self.entry("on_readable"):
        self.touch(write=True)
        if self.ev_read.added:
            super(LockedSocket, self).on_readable(result)


def finish_base_first(self: _AsyncOperation) -> None:
    """The base's lock first, then the bufferevent's."""
    with base_lock(self.bev), self.bev.lock:
        super(_AsyncOperation, self).finish()


def call_locked(self: Locked, callback: Callable[..., None], *args: int) -> None:
    """UNLOCK_CALLBACKS, and yet the lock is kept."""
    callback(self, *args)


def notify_lost(self: ThreadedBase) -> None:
    """The loop sleeps on."""


def decref_twice(self: Locked, *args: Any) -> Any:
    """A reference is given up twice."""
    with self.lock:
        self.touch(write=True)
        if self.refcnt > 1:
            self.refcnt -= 1
        super(Locked, self).decref()


def finish_after_all(self: _AsyncOperation) -> None:
    """The completion looks at its bufferevent when the reference that it held is gone."""
    with self.bev.lock:
        if not self.bev.enabled and self.bev.refcnt > 1:
            self.bev.decref()
        super(_AsyncOperation, self).finish()


def on_readable_checked_before(self: LockedSocket, result: int) -> None:
    """Looks whether it still reads before it has the lock, and not again."""
    if self.ev_read.added:
        with self.entry("on_readable"):
            self.touch(write=True)
            super(LockedSocket, self).on_readable(result)


def _elsewhere(bev: Bufferevent) -> bool:
    """Whether a thread that is not the loop's is running."""
    if not isinstance(bev, Locked):
        return False
    base = bev.base
    return isinstance(base, ThreadedBase) and bev.threads.current() != base.loop_thread


def run_anywhere(self: Bufferevent, options: int) -> None:
    """A thread that triggers a callback serves it at once, though the loop may serve another."""
    if self.readcb is None:
        return
    if _elsewhere(self):
        self._call_readcb()
    elif (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
        self.pending |= EV_READ
        self._schedule_deferred()
    else:
        self._call_readcb()


def run_write_anywhere(self: Bufferevent, options: int) -> None:
    """The same for write callbacks."""
    if self.writecb is None:
        return
    if _elsewhere(self):
        self.writecb(self)
    elif (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
        self.pending |= EV_WRITE
        self._schedule_deferred()
    else:
        self.writecb(self)


def schedule_deferred_unlocked(self: ThreadedBase, deferred: Runnable) -> None:
    """The queue changes without the base's lock."""
    self.touch()
    EventBase.schedule_deferred(self, deferred)
    self.notify()


def serve_early(self: WorkedCompletion, turn: _Turn) -> None:
    """Queued again while a worker serves it: another worker serves it too."""
    with turn.lock:
        deferred = turn.waiting.pop(0)
        turn.busy = False
        if turn.waiting:
            self._post(turn)
    deferred.run()
    self.base.count_virtual(-1)


def group_blocks(self: LockedGroup, way: int) -> None:
    """The group waits for its members' locks, which stand before its own."""
    self.suspended[way] = True
    start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))
    for member in tuple(self.members):
        with member.lock:
            suspend(member, way, SUSPEND_BW_GROUP)


def group_blocks_resuming(self: LockedGroup, way: int) -> None:
    """And when it resumes them."""
    self.suspended[way] = self.missed[way] = False
    if not any(self.suspended):
        self.refill.stop()
    for member in tuple(self.members):
        with member.lock:
            unsuspend(member, way, SUSPEND_BW_GROUP)


def _of_threads(
    name: str, title: str, breaks: str, kernels: tuple[str, ...], *patches: Patch, focus: str = ""
) -> Mutant:
    return Mutant(name, title, breaks, kernels, patches, threads=True, focus=focus)


def share_nothing(kind: type[Locked]) -> Callable[..., None]:
    """What is shared is guarded by a lock of one's own."""

    def share(self: Locked, base: ThreadedBase, other: object = None) -> None:
        """Those of that kind do not share."""
        _original_share(self, base, None if isinstance(self, kind) else other)
        if has_lock(other):
            self.shared = other.shared

    return share


HISTORICAL_THREADS: tuple[Mutant, ...] = (
    _of_threads(
        "LE-136",
        "free in a thread waits, with the lock, for its own callback",
        "K-3",
        ("readiness",),
        (Locked, "free", free_that_waits),
    ),
    _of_threads(
        "LE-137",
        "what was freed or stopped before the lock runs",
        "C-1",
        ("readiness",),
        (LockedSocket, "on_readable", on_readable_unchecked),
        (LockedSocket, "on_writable", on_writable_unchecked),
    ),
    _of_threads(
        "LE-138",
        "a getter locks instead of unlocking",
        "K-5",
        BOTH,
        (Locked, "input_length", getter_locks_twice),
    ),
    _of_threads(
        "LE-193",
        "removing the last virtual event does not wake the loop",
        "K-4",
        ("completion",),
        (ThreadedBase, "count_virtual", count_virtual_silent),
    ),
    _of_threads(
        "LE-200",
        "an event's fields are used without the base's lock",
        "K-2",
        ("readiness",),
        (LockedWriteEvent, "add", add_unlocked),
        (ThreadedBase, "activate_soon", activate_soon_unlocked),
    ),
)

THREADS: tuple[Mutant, ...] = (
    _of_threads(
        "write-without-lock",
        "write takes no lock",
        "K-2",
        BOTH,
        (Locked, "entry", entry_without("write")),
    ),
    _of_threads(
        "two-orders",
        "the base's lock is taken before the bufferevent's",
        "K-1",
        BOTH,
        (LockedSocket, "on_readable", on_readable_base_first),
        (_AsyncOperation, "finish", finish_base_first),
    ),
    _of_threads(
        "two-orders-hang",
        "two threads wait for each other's lock for ever",
        "K-3",
        BOTH,
        (LockedSocket, "on_readable", on_readable_base_first),
        (_AsyncOperation, "finish", finish_base_first),
    ),
    _of_threads(
        "callback-under-lock",
        "UNLOCK_CALLBACKS keeps the lock",
        "K-6",
        BOTH,
        (Locked, "call_unlocked", call_locked),
    ),
    _of_threads(
        "lost-notify",
        "no thread wakes the loop",
        "K-4",
        BOTH,
        (ThreadedBase, "notify", notify_lost),
    ),
    _of_threads(
        "reference-dropped-twice",
        "a thread gives its reference up twice",
        "S-3",
        BOTH,
        (Locked, "decref", decref_twice),
    ),
    _of_threads(
        "completion-outlives",
        "a completion outlives its bufferevent",
        "S-3",
        ("completion",),
        (_AsyncOperation, "finish", finish_after_all),
    ),
    _of_threads(
        "check-before-lock",
        "the state is checked before the lock is taken",
        "C-1",
        ("readiness",),
        (LockedSocket, "on_readable", on_readable_checked_before),
    ),
    _of_threads(
        "two-servers",
        "two threads serve callbacks of one bufferevent",
        "C-3",
        BOTH,
        (Bufferevent, "run_readcb", run_anywhere),
        (Bufferevent, "run_writecb", run_write_anywhere),
    ),
    _of_threads(
        "queue-without-lock",
        "deferred callbacks are queued without the base's lock",
        "K-2",
        BOTH,
        (ThreadedBase, "schedule_deferred", schedule_deferred_unlocked),
    ),
    Mutant(
        "worker-serves-twice",
        "two workers serve callbacks of one bufferevent",
        "C-3",
        ("completion",),
        ((WorkedCompletion, "serve_turn", serve_early),),
        threads=True,
        pool=True,
    ),
    _of_threads(
        "pair-of-two-locks",
        "each end of a pair has a lock of its own",
        "K-2",
        BOTH,
        (Locked, "_share", share_nothing(LockedPair)),
        focus="pair",
    ),
    _of_threads(
        "layer-of-its-own-lock",
        "a layer has another lock than the bufferevent below it",
        "K-1",
        BOTH,
        (Locked, "_share", share_nothing(LockedLayer)),
        focus="layers",
    ),
    _of_threads(
        "layer-told-unlocked",
        "a layer takes no lock in the callbacks of the bufferevent below it",
        "K-2",
        BOTH,
        (Locked, "entry", entry_without("_lower_read", "_lower_write", "_lower_event")),
        focus="layers",
    ),
    _of_threads(
        "work-without-lock",
        "what a layer has put off takes no lock",
        "K-2",
        BOTH,
        (Locked, "entry", entry_without("go_on", "on_work")),
        focus="tls",
    ),
    _of_threads(
        "group-blocks",
        "a group waits for its members' locks",
        "K-1",
        BOTH,
        (LockedGroup, "_suspend", group_blocks),
        (LockedGroup, "_unsuspend", group_blocks_resuming),
    ),
)
