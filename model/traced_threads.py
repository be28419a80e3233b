"""The wrappers that write traces where there are threads (see `model.traced`).

A call and its record must be one for everybody else, so the wrapper takes the bufferevent's lock
around both, as an application may (bufferevent_lock): the very lock that the call takes itself. A
bufferevent that is freed is left alone, which only its lock can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from model.errors import Win32Error
from model.kernel import Completion, CompletionKernel
from model.locked import Locked, has_lock
from model.locked_rates import LockedGroup
from model.rate_limit import RateLimitConfig
from model.subject import Bufferevent, DataCallback, EventCallback
from model.threaded_base import ThreadedBase
from model.threaded_timer import ThreadedTimer
from model.threads import NO_LOCK, Lock, Threads
from model.trace import Trace
from model.traced import TracedBase, TracedBufferevent
from model.traced_kernel import TracedCompletion
from model.traced_rates import TracedGroup

if TYPE_CHECKING:
    from model.layer import Filters
    from model.tls import SslState, TlsEngine
    from model.traced_layers import TracedLayer
    from model.traced_tls import TracedEngine, TracedTls, TracedTlsSocket

SUBMISSION_WAIT_NS = 50_000  # for a thread that has submitted and not yet written so

#: calls, and what they answer for a bufferevent that is freed
_CALLS: dict[str, object] = {
    **dict.fromkeys(("enable", "disable", "disable_hard", "priority_set", "set_timeouts"), -1),
    **dict.fromkeys(("setfd", "flush", "socket_connect", "write", "drain_output"), -1),
    **dict.fromkeys(("set_rate_limit", "add_to_rate_limit_group"), -1),
    **dict.fromkeys(("remove_from_rate_limit_group", "set_max_single_read"), -1),
    **dict.fromkeys(("decrement_read_limit", "decrement_write_limit", "set_max_single_write"), -1),
    **dict.fromkeys(("setwatermark", "trigger", "trigger_event", "setcb", "free"), None),
    **dict.fromkeys(("measure", "suspend_read", "unsuspend_read"), None),
    **dict.fromkeys(("tls_shutdown", "set_allow_dirty_shutdown", "set_batch_write"), -1),
    "read": b"",
    "write_input": 0,
}


def _call(name: str, refused: object) -> Any:
    def call(self: TracedLocked, *args: Any) -> Any:
        with self.locked.entry(name):
            if self.freed:
                return refused
            return getattr(super(TracedLocked, self), name)(*args)

    call.__name__ = name
    return call


class TracedLocked(TracedBufferevent):
    """What comes before the class of a wrapper of a bufferevent with a lock. `keep` and `let_go`
    are references of the application's, of which no record tells.
    """

    __slots__ = ()

    locked: Locked
    threads: Threads

    @property
    def lock(self) -> Lock:
        """For a layer above, which shares it."""
        return self.locked.lock

    @property
    def shared(self) -> str:
        """What the lock guards."""
        return self.locked.shared

    def keep(self) -> None:
        self.locked.incref()

    def let_go(self) -> None:
        self.locked.decref()

    def _traced_data(self, which: str, callback: DataCallback) -> DataCallback:
        def traced(_: Bufferevent) -> None:
            self._call_back(which, 0, callback)

        return traced

    def _traced_event(self, callback: EventCallback) -> EventCallback:
        def traced(_: Bufferevent, what: int) -> None:
            self._call_back("event", what, callback, what)

        return traced

    def _call_back(self, which: str, what: int, callback: Any, *args: int) -> None:
        """Its start and its end are switch points."""
        self.threads.point("callback")
        with self.locked.entry("callback"):
            self._begin(which, what, self.socket_error() if which == "event" else None)
        callback(self, *args)
        self.threads.point("callback end")
        with self.locked.entry("callback"):
            self._end(which)


for _name, _refused in _CALLS.items():
    setattr(TracedLocked, _name, _call(_name, _refused))


class TracedLockedSocket(TracedLocked, TracedBufferevent):
    """A socket's bufferevent without layers."""

    __slots__ = ("locked", "threads")

    def __init__(self, inner: Bufferevent, trace: Trace, name: str, threads: Threads) -> None:
        self.locked = cast(Locked, inner)
        self.threads = threads
        super().__init__(inner, trace, name)


class _TracedLockedGroup(TracedGroup):
    """A group with a lock, which holds its calls and their records together."""

    __slots__ = ()

    def _call(self, name: str, call: Any, *args: Any) -> int:
        with cast(LockedGroup, self.inner).lock:
            return super()._call(name, call, *args)

    def bucket(self) -> None:
        with cast(LockedGroup, self.inner).lock:
            super().bucket()


def _submission(name: str, place: int) -> Any:
    """The call of that name, whose argument at `place` is the overlapped."""

    def call(self: TracedSharedPort, *args: Any) -> Any:
        overlapped = args[place]
        self.submitting.add(overlapped)
        try:
            return getattr(super(TracedSharedPort, self), name)(*args)
        finally:
            self.submitting.discard(overlapped)

    call.__name__ = name
    return call


class TracedSharedPort(TracedCompletion):
    """Where several real threads take packets: one may be here before the thread that submitted its
    operation has come back to write so. Then its own record waits for that.
    """

    def __init__(
        self, kernel: CompletionKernel, trace: Trace, pause: Callable[[int], None]
    ) -> None:
        super().__init__(kernel, trace)
        self.submitting: set[int] = set()
        self._pause = pause
        self._take = self._take_submitted

    wsa_recv = _submission("wsa_recv", 1)
    wsa_send = _submission("wsa_send", 1)
    accept_ex = _submission("accept_ex", 2)
    connect_ex = _submission("connect_ex", 2)

    def _take_submitted(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        result = self._kernel.get_queued_completion_status(port, max_entries, timeout_ns)
        if not isinstance(result, Win32Error):
            for packet in result:
                while packet.overlapped in self.submitting:
                    self._pause(SUBMISSION_WAIT_NS)
        return result


class TracedThreadedBase(TracedBase):
    """A base whose bufferevents have locks, where they are THREADSAFE."""

    def __init__(self, inner: ThreadedBase, trace: Trace) -> None:
        super().__init__(inner, trace)
        self._threaded = inner

    def bufferevent_socket_new(
        self, fd: int | None, options: int, name: str = "?"
    ) -> TracedBufferevent:
        self._threaded.next_name = name
        self._trace.emit("new", name, "socket", options, fd)
        inner = self._threaded.bufferevent_socket_new(fd, options)
        if isinstance(inner, Locked):
            return TracedLockedSocket(inner, self._trace, name, self._threaded.threads)
        return TracedBufferevent(inner, self._trace, name)

    def evtimer_new(self, callback: Callable[[], None]) -> ThreadedTimer:
        """A timer that any thread may start and stop."""
        return self._threaded.evtimer_new(callback)

    def has_work(self) -> bool:
        """Whether something is to run that is not running yet."""
        return bool(self._threaded.active or self._threaded.later)

    def workers_busy(self) -> bool:
        """Whether a completion worker has taken a packet and is not done with it."""
        pool = self._threaded.pool
        if pool is None:
            return False
        taken = 0
        for record in tuple(self._trace.records):
            if record[1] == "gqcs" and record[2] == pool.work_port and isinstance(record[4], int):
                taken += record[4]
        return taken > sum(pool.served.values())

    def bufferevent_bottom_new(self, fd: int | None, options: int, name: str) -> TracedLayer:
        self._threaded.next_name = name
        return super().bufferevent_bottom_new(fd, options, name)

    def bufferevent_pair_new(
        self, options: int, names: tuple[str, str] = ("?", "?")
    ) -> tuple[TracedLayer, TracedLayer]:
        self._threaded.next_name = names[0]
        return super().bufferevent_pair_new(options, names)

    def bufferevent_filter_new(
        self, underlying: TracedLayer, filters: Filters, options: int, name: str = "?"
    ) -> TracedLayer:
        with underlying.lock if has_lock(underlying) else NO_LOCK:
            self._threaded.next_name = name
            return super().bufferevent_filter_new(underlying, filters, options, name)

    def bufferevent_ssl_filter_new(
        self,
        underlying: TracedLayer,
        engine: TlsEngine,
        state: SslState,
        options: int,
        name: str = "?",
    ) -> TracedTls:
        with underlying.lock if has_lock(underlying) else NO_LOCK:
            self._threaded.next_name = name
            return super().bufferevent_ssl_filter_new(underlying, engine, state, options, name)

    def _layer(
        self, inner: Bufferevent, name: str, below: TracedLayer | None, socket: bool
    ) -> TracedLayer:
        if not isinstance(inner, Locked):
            return super()._layer(inner, name, below, socket)
        from model.traced_locked_layers import TracedLockedLayer

        return TracedLockedLayer(inner, self._trace, name, below, socket)

    def _tls(
        self, inner: Bufferevent, name: str, below: TracedLayer, engine: TracedEngine
    ) -> TracedTls:
        if not isinstance(inner, Locked):
            return super()._tls(inner, name, below, engine)
        from model.traced_locked_layers import TracedLockedTls

        return TracedLockedTls(inner, self._trace, name, below, engine)

    def bufferevent_ssl_socket_new(
        self,
        fd: int | None,
        engine: TlsEngine,
        state: SslState,
        options: int,
        name: str = "?",
    ) -> TracedTlsSocket:
        self._threaded.next_name = name
        return super().bufferevent_ssl_socket_new(fd, engine, state, options, name)

    def _tls_socket(self, inner: Bufferevent, name: str, engine: TracedEngine) -> TracedTlsSocket:
        if not isinstance(inner, Locked):
            return super()._tls_socket(inner, name, engine)
        from model.traced_locked_layers import TracedLockedTlsSocket

        return TracedLockedTlsSocket(inner, self._trace, name, None, engine)

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> TracedGroup:
        number, self._groups = self._groups, self._groups + 1
        self._threaded.next_name = f"g{number}"
        inner = self._threaded.rate_limit_group_new(cfg)
        return _TracedLockedGroup(inner, self._trace, number, cfg)


class TracedGuardedBase(TracedBase):
    """A foreign base whose THREADSAFE bufferevents bring their locks (`entry`), on sockets."""

    def __init__(self, inner: Any, trace: Trace) -> None:
        super().__init__(inner, trace)
        self._threads: Threads = inner.threads

    def bufferevent_socket_new(
        self, fd: int | None, options: int, name: str = "?"
    ) -> TracedBufferevent:
        self._trace.emit("new", name, "socket", options, fd)
        inner = self._inner.bufferevent_socket_new(fd, options)
        if hasattr(inner, "entry"):
            return TracedLockedSocket(inner, self._trace, name, self._threads)
        return TracedBufferevent(inner, self._trace, name)
