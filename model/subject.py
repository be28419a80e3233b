"""The subject under test, behind a protocol that mirrors libevent's bufferevent API.

Names drop the `bufferevent_` prefix; constants have libevent's values (event2/event.h,
event2/bufferevent.h, event2/listener.h). Sizes are bytes, durations nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from model.errors import Errno, Win32Error

# Directions (event2/event.h).
EV_TIMEOUT = 0x01
EV_READ = 0x02
EV_WRITE = 0x04

# Causes and directions of an event callback (event2/bufferevent.h).
BEV_EVENT_READING = 0x01
BEV_EVENT_WRITING = 0x02
BEV_EVENT_EOF = 0x10
BEV_EVENT_ERROR = 0x20
BEV_EVENT_TIMEOUT = 0x40
BEV_EVENT_CONNECTED = 0x80

# Options of a bufferevent, and of one trigger.
BEV_OPT_CLOSE_ON_FREE = 0x01
BEV_OPT_THREADSAFE = 0x02
BEV_OPT_DEFER_CALLBACKS = 0x04
BEV_OPT_UNLOCK_CALLBACKS = 0x08
BEV_TRIG_DEFER_CALLBACKS = BEV_OPT_DEFER_CALLBACKS
BEV_TRIG_IGNORE_WATERMARKS = 0x10000

# Flags of a loop.
EVLOOP_ONCE = 0x01
EVLOOP_NONBLOCK = 0x02
EVLOOP_NO_EXIT_ON_EMPTY = 0x04

EVENT_NAMES = {
    BEV_EVENT_READING: "READING",
    BEV_EVENT_WRITING: "WRITING",
    BEV_EVENT_EOF: "EOF",
    BEV_EVENT_ERROR: "ERROR",
    BEV_EVENT_TIMEOUT: "TIMEOUT",
    BEV_EVENT_CONNECTED: "CONNECTED",
}
OPTION_BITS = {
    "CLOSE_ON_FREE": BEV_OPT_CLOSE_ON_FREE,
    "THREADSAFE": BEV_OPT_THREADSAFE,
    "DEFER_CALLBACKS": BEV_OPT_DEFER_CALLBACKS,
    "UNLOCK_CALLBACKS": BEV_OPT_UNLOCK_CALLBACKS,
}

KernelError: TypeAlias = Errno | Win32Error


def event_name(what: int) -> str:
    """`BEV_EVENT_READING | BEV_EVENT_EOF` as `"READING|EOF"`."""
    return "|".join(name for bit, name in EVENT_NAMES.items() if what & bit) or "0"


class NotMade(Exception):
    """The subject has no memory for what it is to make: libevent's constructors give NULL."""


DataCallback: TypeAlias = Callable[["Bufferevent"], None]
EventCallback: TypeAlias = Callable[["Bufferevent", int], None]
AcceptCallback: TypeAlias = Callable[["Listener", int, int], None]  # listener, fd, peer port


class Bufferevent(Protocol):
    """One bufferevent. Methods that return int give 0, or -1 where libevent gives -1."""

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None: ...

    def enable(self, mask: int) -> int: ...

    def disable(self, mask: int) -> int: ...

    def get_enabled(self) -> int: ...

    def write(self, data: bytes) -> int: ...

    def read(self, size: int) -> bytes:
        """Removes at most `size` bytes from the input."""

    def write_input(self) -> int:
        """bufferevent_write_buffer(bev, its own input): the number of bytes moved."""

    def input_length(self) -> int: ...

    def output_length(self) -> int: ...

    def setwatermark(self, mask: int, low: int, high: int) -> None: ...

    def set_timeouts(self, read_ns: int | None, write_ns: int | None) -> int: ...

    def trigger(self, iotype: int, options: int) -> None: ...

    def trigger_event(self, what: int, options: int) -> None: ...

    def socket_connect(self, port: int) -> int: ...

    def getfd(self) -> int | None: ...

    def setfd(self, fd: int | None) -> int: ...

    def socket_error(self) -> KernelError | None:
        """The error behind the event callback that is running: evutil_socket_geterror."""

    def free(self) -> None: ...


class Listener(Protocol):
    """An evconnlistener."""

    @property
    def port(self) -> int: ...

    def enable(self) -> int: ...

    def disable(self) -> int: ...

    def free(self) -> None: ...


class Base(Protocol):
    """An event_base and what it makes."""

    def bufferevent_socket_new(self, fd: int | None, options: int) -> Bufferevent: ...

    def listener_new(
        self, callback: AcceptCallback | None, port: int, backlog: int
    ) -> Listener | KernelError:
        """evconnlistener_new_bind, enabled, LEV_OPT_CLOSE_ON_FREE. `port` 0 is any."""

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        """event_base_once(EV_TIMEOUT)."""

    def loop(self, flags: int = 0) -> int:
        """event_base_loop: 0 after an exit or break, 1 when no events were left."""

    def loopbreak(self) -> None: ...

    def close_fd(self, fd: int) -> None:
        """evutil_closesocket: for a descriptor that no bufferevent owns."""

    def free(self) -> int:
        """event_base_free; runs outstanding finalisers. Bufferevents still alive afterwards."""


class Subject(Protocol):
    """A bufferevent implementation, and how it gets an event base in a world."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...
