"""The wrappers that write traces where there are threads (see `model.traced`).

A call and its record must be one for everybody else, so the wrapper takes the bufferevent's lock
around both, as an application may (bufferevent_lock): the very lock that the call takes itself. A
bufferevent that is freed is left alone, which only its lock can tell.
"""

from __future__ import annotations

from typing import Any, cast

from model.locked import Locked
from model.locked_rates import LockedGroup
from model.rate_limit import RateLimitConfig
from model.subject import Bufferevent, DataCallback, EventCallback
from model.threaded_base import ThreadedBase
from model.threads import Threads
from model.trace import Trace
from model.traced import TracedBase, TracedBufferevent
from model.traced_rates import TracedGroup

#: calls, and what they answer for a bufferevent that is freed
_CALLS: dict[str, object] = {
    **dict.fromkeys(("enable", "disable", "disable_hard", "priority_set", "set_timeouts"), -1),
    **dict.fromkeys(("setfd", "flush", "socket_connect", "write", "drain_output"), -1),
    **dict.fromkeys(("set_rate_limit", "add_to_rate_limit_group"), -1),
    **dict.fromkeys(("remove_from_rate_limit_group", "set_max_single_read"), -1),
    **dict.fromkeys(("decrement_read_limit", "decrement_write_limit", "set_max_single_write"), -1),
    **dict.fromkeys(("setwatermark", "trigger", "trigger_event", "setcb", "free"), None),
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
    """A bufferevent with a lock. `keep` and `let_go` are references of the application's, of which
    no record tells.
    """

    __slots__ = ("keep", "let_go", "locked", "threads")

    def __init__(self, inner: Bufferevent, trace: Trace, name: str, threads: Threads) -> None:
        super().__init__(inner, trace, name)
        self.locked = cast(Locked, inner)
        self.threads = threads
        self.keep = inner.incref
        self.let_go = inner.decref

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


class _TracedLockedGroup(TracedGroup):
    """A group with a lock, which holds its calls and their records together."""

    __slots__ = ()

    def _call(self, name: str, call: Any, *args: Any) -> int:
        with cast(LockedGroup, self.inner).lock:
            return super()._call(name, call, *args)

    def bucket(self) -> None:
        with cast(LockedGroup, self.inner).lock:
            super().bucket()


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
            return TracedLocked(inner, self._trace, name, self._threaded.threads)
        return TracedBufferevent(inner, self._trace, name)

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> TracedGroup:
        number, self._groups = self._groups, self._groups + 1
        self._threaded.next_name = f"g{number}"
        inner = self._threaded.rate_limit_group_new(cfg)
        return _TracedLockedGroup(inner, self._trace, number, cfg)
