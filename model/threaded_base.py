"""The event base where there are threads (libevent: event.c with evthread, evthread_notify_base).

One recursive lock, `base`, guards the queues, the timers and what the poller watches. The loop's
thread has it all the time but while it waits for the kernel and while it runs something from the
active queue; what it runs, and with what result, is taken down before the lock is given back. Lock
order: a bufferevent's, a rate limit group's, the base's.

Who changes what the loop waits for, from another thread, wakes it: an eventfd that the poller
watches over readiness, a packet without an overlapped over completion. One that is on its way is
enough (`notify_pending`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from model.completion import PACKETS_MAX, CompletionPoller
from model.errors import Errno, SimulatorError
from model.event import Event, Runnable
from model.event_base import EventBase
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLLIN,
    Completion,
    CompletionKernel,
    ReadinessKernel,
)
from model.locked import LockedAsync, LockedSocket, has_lock
from model.readiness import MAX_EVENTS, ReadinessPoller
from model.subject import BEV_OPT_THREADSAFE
from model.threaded_timer import ThreadedTimer
from model.threads import BASE_ACTIVE, Threads

if TYPE_CHECKING:
    from model.bufferevent import Bufferevent
    from model.bufferevent_ssl import SslBufferevent
    from model.errors import Win32Error
    from model.layer import Filters, Underlying
    from model.rate_limit import RateLimitConfig
    from model.rate_limit_group import RateLimitGroup
    from model.tls import SslState, TlsEngine
    from model.workers import WorkedCompletion


class Wakeup(Protocol):
    """What a poller needs to be woken."""

    def wake(self) -> None:
        """Ends the wait that is on, or the next one."""


class ThreadedBase(EventBase):
    """The loop, which other threads may act on."""

    def __init__(
        self,
        now_ns: Callable[[], int],
        pick: Callable[[str, int], int] | None,
        threads: Threads,
    ) -> None:
        super().__init__(now_ns, pick)
        self.threads = threads
        # Most calls of the base take it again; nothing is judged by that, so no record tells it.
        self.guard = threads.lock("base", nested=False)
        self.lock = self.guard
        self.wakeup: Wakeup
        self.loop_thread: str | None = None  # whose loop runs
        self.notify_pending = False
        self.runs: object = None  # whose callback the loop's thread is in, or about to be in
        self.current: Runnable | None = None  # event_base: current_event
        self.current_over = threads.condition(self.guard, "current event")
        self.current_waiters = 0
        self.next_name = ""  # what the next bufferevent is called in records
        self.pool: WorkedCompletion | None = None  # completion workers, if there are any

    def name(self, fallback: str) -> str:
        """What a new bufferevent's lock is called."""
        given, self.next_name = self.next_name, ""
        return given or f"{fallback}{self.bufferevents}"

    def notify(self) -> None:
        """evthread_notify_base, unless this is the loop's thread. The lock is held."""
        if self.loop_thread is None or self.notify_pending:
            return
        if self.threads.current() != self.loop_thread:
            self.notify_pending = True
            self.wakeup.wake()

    def touch(self) -> None:
        """There is something for the loop to do."""
        self.threads.touch(BASE_ACTIVE, write=True)

    # What other threads may call.

    def count_events(self, change: int) -> None:
        with self.guard:
            self.event_count += change

    def count_virtual(self, change: int) -> None:
        """The loop may be over without the last one: it is woken to see that."""
        with self.guard:
            self.virtual_events += change
            if not self.virtual_events:
                self.touch()
                self.notify()

    def activate(self, event: Event, result: int) -> None:
        with self.guard:
            self.touch()
            super().activate(event, result)
            self.notify()

    def activate_soon(self, event: Event, result: int) -> None:
        with self.guard:
            self.touch()
            super().activate_soon(event, result)
            self.notify()

    def schedule_deferred(self, deferred: Runnable) -> None:
        with self.guard:
            self.touch()
            super().schedule_deferred(deferred)
            self.notify()

    def schedule_finalizer(self, callback: Callable[[], None], priority: int) -> None:
        with self.guard:
            self.touch()
            super().schedule_finalizer(callback, priority)
            self.notify()

    def start_timer(self, event: Event, timeout_ns: int) -> None:
        with self.guard:
            before = self._nearest_timer()
            super().start_timer(event, timeout_ns)
            deadline = event.deadline_ns
            if before is None or (deadline is not None and deadline < before):
                self.touch()
                self.notify()

    def evtimer_new(self, callback: Callable[[], None]) -> ThreadedTimer:
        """A timer that any thread may start and stop."""
        return ThreadedTimer(self, callback)

    def wait_until_over(self, event: Event) -> None:
        """If the loop is in this event's callback, another thread waits. The lock is held, once."""
        while self.current is event and self.threads.current() != self.loop_thread:
            self.current_waiters += 1
            self.current_over.wait()

    def loopbreak(self) -> None:
        with self.guard:
            super().loopbreak()
            self.touch()
            self.notify()

    def loopcontinue(self) -> None:
        with self.guard:
            super().loopcontinue()
            self.notify()

    # The loop.

    def loop(self, flags: int = 0) -> int:
        with self.guard:
            self.loop_thread = self.threads.current()
            try:
                return super().loop(flags)
            finally:
                self.loop_thread = None

    def free(self) -> int:
        with self.guard:
            return super().free()

    def outside(self, action: Callable[[], object]) -> None:
        """Does what must not be done with the lock."""
        self.guard.release()
        try:
            action()
        finally:
            self.guard.acquire()

    def _run_active(self) -> bool:
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
                self.touch()
                item = active.pop(position)
                work = _claim(item)
                if work is None:
                    continue
                ran = True
                self._run_one(item, work)
                if self._break or self._continue:
                    break
                if any(each.priority < level for each in active):
                    break
        finally:
            self.running = False
        return ran

    def _run_one(self, item: Runnable, work: Callable[[], object]) -> None:
        """What it calls back runs without the lock; who waits for its end is told."""
        self.runs = getattr(item, "bev", item)
        self.current = item
        try:
            self.outside(work)
        finally:
            self.runs = self.current = None
            if self.current_waiters:
                self.current_waiters = 0
                self.current_over.notify_all()

    def _run_highest(self) -> bool:
        return self._run_active()

    def bufferevent_pair_new(self, options: int) -> tuple[Bufferevent, Bufferevent]:
        from model.locked_layers import pair_new

        if options & BEV_OPT_THREADSAFE:
            return pair_new(self, options)
        return super().bufferevent_pair_new(options)

    def bufferevent_filter_new(
        self, underlying: Underlying, filters: Filters, options: int
    ) -> Bufferevent:
        """Over one that has a lock a filter has that one's."""
        from model.locked_layers import LockedFilter

        if options & BEV_OPT_THREADSAFE or has_lock(underlying):
            return LockedFilter(self, underlying, filters, options)
        return super().bufferevent_filter_new(underlying, filters, options)

    def bufferevent_ssl_filter_new(
        self, underlying: Underlying, engine: TlsEngine, state: SslState, options: int
    ) -> SslBufferevent:
        """Over one that has a lock TLS has that one's."""
        from model.locked_layers import LockedSsl

        if options & BEV_OPT_THREADSAFE or has_lock(underlying):
            return LockedSsl(self, underlying, engine, state, options)
        return super().bufferevent_ssl_filter_new(underlying, engine, state, options)

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: TlsEngine, state: SslState, options: int
    ) -> SslBufferevent:
        from model.locked_layers import ssl_socket_new

        return ssl_socket_new(self, fd, engine, state, options)

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> RateLimitGroup:
        from model.locked_rates import LockedGroup  # which needs our timers

        return LockedGroup(self, cfg)


def _claim(item: Runnable) -> Callable[[], object] | None:
    """What there is to run of an item of the active queue; a bufferevent's own is locked later."""
    claim: Callable[[], Callable[[], object] | None] | None = getattr(item, "claim", None)
    return item.run if claim is None else claim()


class ThreadedReadiness(ReadinessPoller):
    """The poller over readiness, with an eventfd to wake it."""

    def __init__(self, base: ThreadedBase, kernel: ReadinessKernel) -> None:
        super().__init__(base, kernel)
        self.threaded = base
        wake_fd = kernel.eventfd()
        if isinstance(wake_fd, Errno):
            raise SimulatorError(f"eventfd gave {wake_fd.name}: raise the descriptor limit")
        self.wake_fd: int = wake_fd
        kernel.epoll_ctl(self.epfd, EPOLL_CTL_ADD, wake_fd, EPOLLIN)

    def wake(self) -> None:
        self.kernel.eventfd_write(self.wake_fd)

    def poll(self, timeout_ns: int | None) -> None:
        ready: list[tuple[int, int]] | Errno = []

        def wait() -> None:
            nonlocal ready
            ready = self.kernel.epoll_wait(self.epfd, MAX_EVENTS, timeout_ns)

        self.threaded.outside(wait)
        if not isinstance(ready, Errno) and any(fd == self.wake_fd for fd, _ in ready):
            self.kernel.eventfd_read(self.wake_fd)
            self.threaded.notify_pending = False
        self.dispatch(ready)

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent:
        if options & BEV_OPT_THREADSAFE:
            return LockedSocket(self, fd, options)
        return super().bufferevent(fd, options)

    def close(self) -> None:
        self.kernel.close(self.wake_fd)
        super().close()


class ThreadedCompletion(CompletionPoller):
    """The poller over completion, woken by a packet that is nobody's."""

    def __init__(self, base: ThreadedBase, kernel: CompletionKernel) -> None:
        super().__init__(base, kernel)
        self.threaded = base

    def wake(self) -> None:
        self.kernel.post_queued_completion_status(self.port, 0, 0, None)

    def count_in_flight(self, change: int) -> None:
        with self.threaded.guard:
            self.in_flight += change

    def number(self) -> int:
        """Two threads must not be given the same one: each would take the other's packet."""
        with self.threaded.guard:
            return super().number()

    def poll(self, timeout_ns: int | None) -> None:
        packets: list[Completion] | Win32Error = []

        def wait() -> None:
            nonlocal packets
            kernel = self.kernel
            packets = kernel.get_queued_completion_status(self.port, PACKETS_MAX, timeout_ns)

        self.threaded.outside(wait)
        if isinstance(packets, list) and any(each.overlapped is None for each in packets):
            self.threaded.notify_pending = False
            packets = [each for each in packets if each.overlapped is not None]
        self.dispatch(packets)

    def in_the_air(self, pending: bool) -> bool:
        """A packet may be here before its submission has returned."""
        return True

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent:
        return LockedAsync(self, fd, options)
