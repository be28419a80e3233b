"""event_base: one loop over either kernel port (libevent: event.c).

A pass, in this order: leave if asked to; compute how long to wait (not at all if something is
active, else until the nearest timer); leave if there is nothing to wait for; what was put off
becomes active; poll; update the cached time; due timers become active; run the active queue,
first in first out, with what is added meanwhile. With several priorities (0 is the highest) a pass
runs the highest that has something, and is over when something higher becomes active.

Three things differ from libevent, on purpose:

* A write that the application has just made possible is tried in the same pass, without asking the
  poller whether the socket is writable: it usually is, and two epoll_ctl calls a message are saved.
  Only a write that would block is armed in the poller. The same holds for completions that
  succeeded at once. An event runs so at most once a pass, so that a pass always ends.
* A timer that falls due in the pass in which its descriptor became ready does not win: the
  readiness is served and the timer starts again (libevent issue 1530 is the other way round).
* Timers start from the clock and not from the pass's cached time, so that a slow callback does not
  shorten the timeouts that are armed after it.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

from model.asked import AskedClock, Clock
from model.event import Event, Finalizer, Runnable, TimerEvent
from model.subject import (
    EV_TIMEOUT,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    LEV_OPT_CLOSE_ON_FREE,
    AcceptCallback,
    KernelError,
)

if TYPE_CHECKING:
    from model.bufferevent import Bufferevent
    from model.bufferevent_ssl import SslBufferevent
    from model.layer import Filters, Underlying
    from model.listener import Listener
    from model.rate_limit import RateLimitConfig
    from model.rate_limit_group import RateLimitGroup
    from model.threads import Lock
    from model.tls import SslState, TlsEngine

__all__ = ["MAX_DEFERREDS_QUEUED", "Event", "EventBase", "Poller", "Runnable", "TimerEvent"]

MAX_DEFERREDS_QUEUED = 32  # event.c: deferreds beyond these wait for the next pass
PRIORITIES_MAX = 256  # event_struct.h: EVENT_MAX_PRIORITIES


class Poller(Protocol):
    """What asks the kernel: `model.readiness` and `model.completion` have one each."""

    def poll(self, timeout_ns: int | None) -> None:
        """Waits for at most `timeout_ns` (None: no end) and activates what the kernel told."""

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent: ...

    def listener(
        self, callback: AcceptCallback | None, port: int, backlog: int, flags: int
    ) -> Listener | KernelError: ...

    def close_fd(self, fd: int) -> None: ...

    def close(self) -> None:
        """Takes what the kernel still owes and closes the poller."""


class EventBase:
    """The loop. Implements `model.subject.Base`."""

    def __init__(
        self, now_ns: Callable[[], int], pick: Callable[[str, int], int] | None = None
    ) -> None:
        self.now_ns = now_ns
        self.clock: Clock = AskedClock(now_ns)
        self.npriorities = 1
        self.active: list[Runnable] = []  # of all priorities, in the order of activation
        self.pick = pick  # the world's choices: a name and a bound; None in a real world
        self.later: list[Runnable] = []
        self.event_count = 0  # events added, timers included
        self.virtual_events = 0  # what keeps the loop alive without an event (event.c)
        self.bufferevents = 0  # made and not yet finalised
        self.pass_number = 0
        self.running = False  # the active queue is being run
        self.poller: Poller
        self.lock: Lock | None = None  # `model.threaded_base` has one
        self._timers: list[tuple[int, int, Event]] = []  # deadline, insertion number
        self._timer_number = 0
        self._deferreds_queued = 0
        self._break = False  # leave after the callback that runs
        self._exit = False  # leave after the pass that runs
        self._continue = False  # scan again after the callback that runs

    def priority_init(self, npriorities: int) -> int:
        """event_base_priority_init: 0, or -1 when something is active or the number is not 1 to
        255. What is made from now on gets the middle one, `npriorities` // 2."""
        if self.active or self.later or not 1 <= npriorities < PRIORITIES_MAX:
            return -1
        self.npriorities = npriorities
        return 0

    # What keeps the loop alive.

    def count_events(self, change: int) -> None:
        """Events were added, or taken away."""
        self.event_count += change

    def count_virtual(self, change: int) -> None:
        """event_base_add_virtual_, event_base_del_virtual_."""
        self.virtual_events += change

    # The active queue.

    def activate(self, event: Event, result: int) -> None:
        """event_active: runs `event` in this pass, once, with the bits OR-ed."""
        if event.result:
            event.result |= result
        else:
            event.result = result
            self.active.append(event)

    def activate_soon(self, event: Event, result: int) -> None:
        """Runs `event` in this pass if it has not run in it, else in the next one."""
        if event.result:
            event.result |= result
        else:
            event.result = result
            once = self.running and event.last_pass != self.pass_number
            (self.active if once else self.later).append(event)

    def schedule_deferred(self, deferred: Runnable) -> None:
        """event_deferred_cb_schedule_: in this pass, or in the next when too many are queued."""
        if self._deferreds_queued < MAX_DEFERREDS_QUEUED:
            self._deferreds_queued += 1
            self.active.append(deferred)
        else:
            self.later.append(deferred)

    def schedule_finalizer(self, callback: Callable[[], None], priority: int) -> None:
        """event_callback_finalize_: finalisers run from the active queue."""
        self.active.append(Finalizer(callback, priority))

    def finalize(self, timer: TimerEvent, callback: Callable[[], None]) -> None:
        """event_finalize: the timer calls back no more; `callback` runs once, from the loop, when
        its last callback is over. Legal inside that callback."""
        timer.stop()
        self.schedule_finalizer(callback, timer.priority)

    def _run_active(self) -> bool:
        """Runs all that is active: whether that was anything at all."""
        active = self.active
        count = 0
        ran = False
        self.running = True
        try:
            for item in active:  # also what is added behind meanwhile
                count += 1
                if item.run() is not False:
                    ran = True
                    if self._break or self._continue:
                        break
        finally:
            self.running = False
            del active[:count]
        return ran

    def _run_highest(self) -> bool:
        """event_process_active: the highest priority only; over when a higher one is active."""
        active = self.active
        level = min((item.priority for item in active), default=0)
        position = 0
        ran = False
        self.running = True
        try:
            while position < len(active):
                if active[position].priority > level:
                    position += 1
                    continue
                item = active.pop(position)
                known = len(active)
                ran |= item.run() is not False
                if self._break or self._continue:
                    break
                if any(each.priority < level for each in active[known:]):
                    break
        finally:
            self.running = False
        return ran

    # Timers.

    def start_timer(self, event: Event, timeout_ns: int) -> None:
        """The event's deadline is `timeout_ns` from now.

        A deadline that moves away leaves the heap alone: the entry is renewed when it comes up.
        """
        deadline = self.now_ns() + timeout_ns
        event.deadline_ns = deadline
        if event.heap_ns is None or deadline < event.heap_ns:
            self._push_timer(event, deadline)

    def _push_timer(self, event: Event, deadline: int) -> None:
        event.heap_ns = deadline
        self._timer_number += 1
        heappush(self._timers, (deadline, self._timer_number, event))

    def _nearest_timer(self) -> int | None:
        """The nearest deadline; renews entries whose timer moved or stopped."""
        timers = self._timers
        while timers:
            deadline, _, event = timers[0]
            if event.heap_ns == deadline and event.deadline_ns == deadline:
                return deadline
            heappop(timers)
            if event.heap_ns == deadline:
                event.heap_ns = None
                if event.deadline_ns is not None:
                    self._push_timer(event, event.deadline_ns)
        return None

    def _run_timers(self) -> None:
        timers = self._timers
        now = self.now_ns()
        while timers and timers[0][0] <= now:
            deadline = self._nearest_timer()
            if deadline is None or deadline > now:
                return
            event = heappop(timers)[2]
            event.heap_ns = None
            event.deadline_ns = None
            self.timer_due(event)

    def timer_due(self, event: Event) -> None:
        """A due timer activates its event, unless the event is ready anyway."""
        if not event.result:
            self.activate(event, EV_TIMEOUT)

    # The loop.

    def loop(self, flags: int = 0) -> int:
        """event_base_loop: 1 when no events are left, else 0.

        0 after a break or an exit; with ONCE after a pass that ran something and left nothing
        active; with NONBLOCK, which never waits, after one in which nothing was active.
        """
        self._break = self._exit = False
        while not (self._break or self._exit):
            if self.active or self.later:
                ran = self._pass(0)
            elif self.event_count or self.virtual_events or flags & EVLOOP_NO_EXIT_ON_EMPTY:
                ran = self._pass(0 if flags & EVLOOP_NONBLOCK else self._wait_ns())
            else:
                return 1
            if flags and self._is_done(flags, ran):
                return 0
        return 0

    def _is_done(self, flags: int, ran: bool) -> bool:
        """Whether a pass ends a loop with these flags."""
        if self.active or self.later:
            return False
        return bool(flags & EVLOOP_ONCE if ran else flags & EVLOOP_NONBLOCK)

    def _wait_ns(self) -> int | None:
        if not self._timers:
            return None
        deadline, _, event = self._timers[0]
        if not event.heap_ns == deadline == event.deadline_ns:
            nearest = self._nearest_timer()
            if nearest is None:
                return None
            deadline = nearest
        wait_ns = deadline - self.clock.now
        return wait_ns if wait_ns > 0 else 0

    def _pass(self, timeout_ns: int | None) -> bool:
        self.pass_number += 1
        self._deferreds_queued = 0
        self._continue = False
        if self.later:
            self.active += self.later
            self.later.clear()
        self.poller.poll(timeout_ns)
        timers = self._timers
        if timers and timers[0][0] <= self.clock.now:
            self._run_timers()
        return self._run_active() if self.npriorities == 1 else self._run_highest()

    def loopbreak(self) -> None:
        """event_base_loopbreak: leaves after the callback that runs."""
        self._break = True

    def loopexit(self, timeout_ns: int = 0) -> None:
        """event_base_loopexit: leaves `timeout_ns` from now, when that pass is over."""

        def leave() -> None:
            self._exit = True

        self.once(timeout_ns, leave)

    def loopcontinue(self) -> None:
        """event_base_loopcontinue: after the callback that runs, a new pass begins."""
        self._continue = True

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        """event_base_once with a timeout."""
        TimerEvent(self, callback).start(timeout_ns)

    # What it makes.

    def bufferevent_socket_new(self, fd: int | None, options: int) -> Bufferevent:
        """A bufferevent over this base's kernel; `fd` None until it connects or is given one."""
        return self.poller.bufferevent(fd, options)

    def bufferevent_pair_new(self, options: int) -> tuple[Bufferevent, Bufferevent]:
        """Two bufferevents joined in this process."""
        from model.bufferevent_pair import pair_new

        return pair_new(self, options)

    def bufferevent_filter_new(
        self, underlying: Underlying, filters: Filters, options: int
    ) -> Bufferevent:
        """A bufferevent over another one."""
        from model.bufferevent_filter import FilterBufferevent

        return FilterBufferevent(self, underlying, filters, options)

    def bufferevent_ssl_filter_new(
        self, underlying: Underlying, engine: TlsEngine, state: SslState, options: int
    ) -> SslBufferevent:
        """TLS over another bufferevent."""
        from model.bufferevent_ssl import SslBufferevent

        return SslBufferevent(self, underlying, engine, state, options)

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: TlsEngine, state: SslState, options: int
    ) -> SslBufferevent:
        """TLS over this base's kernel."""
        from model.bufferevent_ssl import ssl_socket_new

        return ssl_socket_new(self, fd, engine, state, options)

    def listener_new(
        self,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
    ) -> Listener | KernelError:
        """A listener on 127.0.0.1:`port` (0: any), enabled unless LEV_OPT_DISABLED."""
        return self.poller.listener(callback, port, backlog, flags)

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> RateLimitGroup:
        """bufferevent_rate_limit_group_new."""
        from model.rate_limit_group import RateLimitGroup  # which needs our timers

        return RateLimitGroup(self, cfg)

    def close_fd(self, fd: int) -> None:
        """evutil_closesocket."""
        self.poller.close_fd(fd)

    def free(self) -> int:
        """event_base_free: takes outstanding packets, runs finalisers; bufferevents left alive."""
        self._break = False
        self.run_outstanding()
        self.poller.close()
        self.run_outstanding()
        return self.bufferevents

    def run_outstanding(self) -> None:
        """Runs what is active and what was put off, without polling."""
        while self.active or self.later:
            self._continue = False
            self.active += self.later
            self.later.clear()
            self._run_active()
