"""The subject under test, behind a protocol that mirrors libevent's bufferevent API.

Names drop the `bufferevent_` prefix; constants have libevent's values (event2/event.h,
event2/bufferevent.h, event2/listener.h). Sizes are bytes, durations nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from model.errors import Errno, Win32Error
from model.tls import SslState, TlsEngine, TlsResult

if TYPE_CHECKING:
    from model.layer import Callbacks, Filters, Underlying

if TYPE_CHECKING:
    from model.rate_limit import RateLimitConfig

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

# How far a flush goes (enum bufferevent_flush_mode).
BEV_NORMAL = 0
BEV_FLUSH = 1
BEV_FINISHED = 2

# Flags of a loop.
EVLOOP_ONCE = 0x01
EVLOOP_NONBLOCK = 0x02
EVLOOP_NO_EXIT_ON_EMPTY = 0x04

# Flags of a listener (event2/listener.h). THREADSAFE, CLOSE_ON_EXEC and LEAVE_SOCKETS_BLOCKING
# change nothing here; neither does DEFERRED_ACCEPT, as where a kernel has no TCP_DEFER_ACCEPT, nor
# REUSEABLE, since ports are never given out twice.
LEV_OPT_LEAVE_SOCKETS_BLOCKING = 0x01
LEV_OPT_CLOSE_ON_FREE = 0x02
LEV_OPT_CLOSE_ON_EXEC = 0x04
LEV_OPT_REUSEABLE = 0x08
LEV_OPT_THREADSAFE = 0x10
LEV_OPT_DISABLED = 0x20
LEV_OPT_DEFERRED_ACCEPT = 0x40

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
Failure: TypeAlias = KernelError | TlsResult  # what an event callback may be told


def event_name(what: int) -> str:
    """`BEV_EVENT_READING | BEV_EVENT_EOF` as `"READING|EOF"`."""
    return "|".join(name for bit, name in EVENT_NAMES.items() if what & bit) or "0"


DataCallback: TypeAlias = Callable[["Bufferevent"], None]
EventCallback: TypeAlias = Callable[["Bufferevent", int], None]
AcceptCallback: TypeAlias = Callable[["Listener", int, int], None]  # listener, fd, peer port
AcceptErrorCallback: TypeAlias = Callable[["Listener", KernelError], None]
#: "read" or "write", and why it is suspended now, its own high watermark aside (SUSPEND_* bits)
SuspendObserver: TypeAlias = Callable[[str, int], None]


class Bufferevent(Protocol):
    """One bufferevent. Methods that return int give 0, or -1 where libevent gives -1."""

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None: ...

    def getcb(self) -> Callbacks: ...

    def enable(self, mask: int) -> int: ...

    def disable(self, mask: int) -> int: ...

    def disable_hard(self, mask: int) -> int:
        """bufferevent_disable_hard_: no longer connecting either; before the descriptor goes."""

    def get_enabled(self) -> int: ...

    def write(self, data: bytes) -> int: ...

    def read(self, size: int) -> bytes:
        """Removes at most `size` bytes from the input."""

    def write_input(self) -> int:
        """bufferevent_write_buffer(bev, its own input): the number of bytes moved."""

    def input_length(self) -> int: ...

    def output_length(self) -> int: ...

    def drain_output(self) -> int:
        """evbuffer_drain(bufferevent_get_output): all of it; -1 while the library owns its head."""

    def setwatermark(self, mask: int, low: int, high: int) -> None: ...

    def getwatermark(self, direction: int) -> tuple[int, int] | int:
        """(low, high) of one direction; -1 for both at once, or none."""

    def priority_set(self, priority: int) -> int: ...

    def set_timeouts(self, read_ns: int | None, write_ns: int | None) -> int: ...

    def flush(self, iotype: int, mode: int) -> int:
        """bufferevent_flush: 1 if anything was produced, 0 if not, -1 for a failure. On a socket
        it does nothing."""

    def get_underlying(self) -> Underlying | None:
        """The bufferevent that a filter or TLS sits on."""

    def get_partner(self) -> Bufferevent | None:
        """bufferevent_pair_get_partner: None once the other end is freed."""

    def trigger(self, iotype: int, options: int) -> None: ...

    def trigger_event(self, what: int, options: int) -> None: ...

    def socket_connect(self, port: int) -> int: ...

    def getfd(self) -> int | None: ...

    def setfd(self, fd: int | None) -> int: ...

    def socket_error(self) -> Failure | None:
        """The error behind the event callback that is running: evutil_socket_geterror."""

    def incref(self) -> None: ...

    def decref(self) -> None:
        """The last reference finalises: nobody may use it any more."""

    def free(self) -> None: ...

    # Rates: bytes of an operation, and tokens in bytes. A negative decrement gives tokens.

    def set_max_single_read(self, size: int) -> int: ...

    def set_max_single_write(self, size: int) -> int: ...

    def set_rate_limit(self, cfg: RateLimitConfig | None) -> int: ...

    def add_to_rate_limit_group(self, group: Any) -> int:
        """`group` is one that the same base made."""

    def remove_from_rate_limit_group(self) -> int: ...

    def get_read_limit(self) -> int: ...

    def get_write_limit(self) -> int: ...

    def decrement_read_limit(self, size: int) -> int: ...

    def decrement_write_limit(self, size: int) -> int: ...

    def observe_suspension(self, observer: SuspendObserver | None) -> None:
        """Tells of every change of why a direction is suspended; for whoever writes a trace."""


class RateLimitGroup(Protocol):
    """A bufferevent_rate_limit_group."""

    def set_cfg(self, cfg: RateLimitConfig) -> int: ...

    def set_min_share(self, share: int) -> int: ...

    def get_read_limit(self) -> int: ...

    def get_write_limit(self) -> int: ...

    def decrement_read(self, size: int) -> int: ...

    def decrement_write(self, size: int) -> int: ...

    def get_totals(self) -> tuple[int, int]: ...

    def reset_totals(self) -> None: ...

    def free(self) -> None:
        """Raises ValueError while it has members."""


class TlsBufferevent(Bufferevent, Protocol):
    """What TLS adds."""

    def tls_shutdown(self) -> int:
        """SSL_shutdown, of the application: close_notify; -1 before the handshake is done."""

    def set_allow_dirty_shutdown(self, allow: int) -> int:
        """Not 0: an end of the transport without close_notify is EOF, not ERROR."""

    def set_batch_write(self, batch: int) -> int:
        """Not 0: small chains of the output share a record."""


class Listener(Protocol):
    """An evconnlistener."""

    @property
    def port(self) -> int: ...

    def enable(self) -> int: ...

    def disable(self) -> int: ...

    def set_cb(self, callback: AcceptCallback | None) -> None:
        """evconnlistener_set_cb: None closes what is accepted."""

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None:
        """evconnlistener_set_error_cb: told of an accept that failed for a lasting reason."""

    def free(self) -> None: ...


class Base(Protocol):
    """An event_base and what it makes."""

    def bufferevent_socket_new(self, fd: int | None, options: int) -> Bufferevent: ...

    def bufferevent_pair_new(self, options: int) -> tuple[Bufferevent, Bufferevent]:
        """Two ends that are joined in this process. Their callbacks are always deferred."""

    def bufferevent_filter_new(
        self, underlying: Underlying, filters: Filters, options: int
    ) -> Bufferevent:
        """A bufferevent over `underlying`, whose callbacks it takes; CLOSE_ON_FREE: also its
        life."""

    def bufferevent_ssl_filter_new(
        self, underlying: Underlying, engine: TlsEngine, state: SslState, options: int
    ) -> TlsBufferevent:
        """TLS over `underlying`, whose callbacks it takes; CLOSE_ON_FREE: also its life."""

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: TlsEngine, state: SslState, options: int
    ) -> TlsBufferevent:
        """TLS over a socket; `fd` None until it connects or is given one."""

    def listener_new(
        self,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
    ) -> Listener | KernelError:
        """evconnlistener_new_bind: enabled unless LEV_OPT_DISABLED. `port` 0 is any."""

    def priority_init(self, npriorities: int) -> int:
        """event_base_priority_init: 0, or -1. Priority 0 is the most urgent."""

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> RateLimitGroup:
        """bufferevent_rate_limit_group_new."""

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        """event_base_once(EV_TIMEOUT)."""

    def loop(self, flags: int = 0) -> int:
        """event_base_loop: 0 after an exit or break, 1 when no events were left."""

    def loopbreak(self) -> None: ...

    def loopexit(self, timeout_ns: int = 0) -> None: ...

    def loopcontinue(self) -> None: ...

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
