"""The wrappers that write traces: around a kernel port, and around a base and what it makes.

They forward every call unchanged and write a record of it (`model.trace.FIELDS`). No backend and
no subject writes records of its own, so all worlds and subjects speak one vocabulary. A call is
written when it begins, so that what the kernel is asked within it follows it in the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from model.asked import AskedBufferevent
from model.bufferevent import Bufferevent as ModelBufferevent
from model.errors import Errno, Win32Error
from model.rate_limit import RateLimitConfig
from model.subject import (
    LEV_OPT_CLOSE_ON_FREE,
    AcceptCallback,
    Base,
    Bufferevent,
    DataCallback,
    EventCallback,
    Failure,
    KernelError,
)
from model.tls import SslState
from model.trace import Trace
from model.traced_kernel import TracedCompletion, TracedReadiness
from model.traced_listener import TracedListener
from model.traced_rates import TracedGroup, TracedRates

if TYPE_CHECKING:
    from model.layer import Callbacks, Filters, Underlying
    from model.tls import TlsEngine
    from model.traced_layers import TracedLayer
    from model.traced_tls import TracedEngine, TracedTls, TracedTlsSocket

__all__ = [
    "TracedBase",
    "TracedBufferevent",
    "TracedCompletion",
    "TracedGroup",
    "TracedListener",
    "TracedReadiness",
]


class TracedBufferevent(TracedRates):
    """A bufferevent that writes its calls and callbacks under a name. See `model.subject`."""

    __slots__ = (
        "_append",
        "_callbacks",
        "_clock",
        "freed",
        "get_enabled",
        "getfd",
        "getwatermark",
        "input_length",
        "output_length",
        "socket_error",
    )

    def __init__(self, inner: Bufferevent, trace: Trace, name: str) -> None:
        self._inner = inner
        self._callbacks: Callbacks = (None, None, None)
        self._append = trace.append
        self._clock = trace.clock
        self._trace = trace
        self.name = name
        self.freed = False
        self.getwatermark = inner.getwatermark
        self.input_length = inner.input_length
        self.output_length = inner.output_length
        self.getfd = inner.getfd
        self.get_enabled = inner.get_enabled
        self.socket_error = inner.socket_error
        self._init_rates(inner)

    def _call(self, name: str, call: Callable[..., int | None], *args: Any) -> int:
        self._append((self._clock.now, "op", self.name, name, args))
        result = call(*args)
        if result:
            self._append((self._clock.now, "ret", self.name, name, result))
        return result or 0

    def enable(self, mask: int) -> int:
        return self._call("enable", self._inner.enable, mask)

    def disable(self, mask: int) -> int:
        return self._call("disable", self._inner.disable, mask)

    def disable_hard(self, mask: int) -> int:
        return self._call("disable_hard", self._inner.disable_hard, mask)

    def priority_set(self, priority: int) -> int:
        return self._call("priority_set", self._inner.priority_set, priority)

    def setwatermark(self, mask: int, low: int, high: int) -> None:
        self._call("setwatermark", self._inner.setwatermark, mask, low, high)

    def set_timeouts(self, read_ns: int | None, write_ns: int | None) -> int:
        return self._call("set_timeouts", self._inner.set_timeouts, read_ns, write_ns)

    def trigger(self, iotype: int, options: int) -> None:
        self._call("trigger", self._inner.trigger, iotype, options)

    def trigger_event(self, what: int, options: int) -> None:
        self._call("trigger_event", self._inner.trigger_event, what, options)

    def setfd(self, fd: int | None) -> int:
        return self._call("setfd", self._inner.setfd, fd)

    def flush(self, iotype: int, mode: int) -> int:
        return self._call("flush", self._inner.flush, iotype, mode)

    def get_underlying(self) -> Underlying | None:
        return self._inner.get_underlying()

    def get_partner(self) -> Bufferevent | None:
        return self._inner.get_partner()

    def free(self) -> None:
        self.freed = True
        self._call("free", self._inner.free)

    def incref(self) -> None:
        self._call("incref", self._inner.incref)

    def decref(self) -> None:
        self._call("decref", self._inner.decref)

    def socket_connect(self, port: int) -> int:
        """Its result is always written, and the descriptor that it made."""
        self._append((self._clock.now, "op", self.name, "connect", (port,)))
        result = self._inner.socket_connect(port)
        now = self._clock.now
        self._append((now, "ret", self.name, "connect", result))
        fd = self._inner.getfd()
        if fd is not None:
            self._append((now, "attach", self.name, fd))
            self._attached(fd)
        return result

    def _attached(self, fd: int) -> None:
        """Its descriptor is known."""

    def write(self, data: bytes) -> int:
        result = self._inner.write(data)
        self._append((self._clock.now, "write", self.name, data, result))
        return result

    def read(self, size: int) -> bytes:
        result = self._inner.read(size)
        self._append((self._clock.now, "read", self.name, size, result))
        return result

    def drain_output(self) -> int:
        result = self._inner.drain_output()
        self._append((self._clock.now, "drain", self.name, result))
        return result

    def write_input(self) -> int:
        result = self._inner.write_input()
        self._append((self._clock.now, "echo", self.name, result))
        return result

    # Callbacks.

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None:
        given = (int(readcb is not None), int(writecb is not None), int(eventcb is not None))
        self._append((self._clock.now, "op", self.name, "setcb", given))
        self._callbacks = readcb, writecb, eventcb
        self._inner.setcb(
            None if readcb is None else self._traced_data("read", readcb),
            None if writecb is None else self._traced_data("write", writecb),
            None if eventcb is None else self._traced_event(eventcb),
        )

    def getcb(self) -> Callbacks:
        return self._callbacks

    def _begin(self, which: str, what: int, error: Failure | None) -> None:
        self._trace.check_budget()
        if self.limited:
            self._buckets()
        inside, outside = self.input_length(), self.output_length()
        enabled = self.get_enabled()
        self._append(
            (self._clock.now, "cb", self.name, which, what, error, inside, outside, enabled)
        )

    def _end(self, which: str) -> None:
        if self.freed:  # its lengths are nobody's business any more
            self._append((self._clock.now, "cb_end", self.name, which, None, None))
        else:
            inside, outside = self.input_length(), self.output_length()
            self._append((self._clock.now, "cb_end", self.name, which, inside, outside))

    def _traced_data(self, which: str, callback: DataCallback) -> DataCallback:
        append, clock, name, trace = self._append, self._clock, self.name, self._trace
        inner = self._inner
        seen = inner if isinstance(inner, ModelBufferevent) else AskedBufferevent(inner)

        def traced(_: Bufferevent) -> None:  # the hot one: what _begin and _end do, in one place
            if len(trace.records) > trace.budget:
                trace.check_budget()
            if self.limited:
                self._buckets()
            inside, outside = seen.input.length, seen.output.length
            append((clock.now, "cb", name, which, 0, None, inside, outside, seen.enabled))
            callback(self)
            if self.freed:
                self._end(which)
            else:
                inside, outside = seen.input.length, seen.output.length
                append((clock.now, "cb_end", name, which, inside, outside))

        return traced

    def _traced_event(self, callback: EventCallback) -> EventCallback:
        def traced(_: Bufferevent, what: int) -> None:
            self._begin("event", what, self.socket_error())
            callback(self, what)
            self._end("event")

        return traced


class TracedBase:
    """A base that names what it makes and writes its loops."""

    def __init__(self, inner: Base, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace
        self.once = inner.once
        self.loopbreak = inner.loopbreak
        self.loopexit = inner.loopexit
        self.loopcontinue = inner.loopcontinue
        self.priority_init = inner.priority_init
        self.close_fd = inner.close_fd
        self._groups = 0

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> TracedGroup:
        """Groups are named in the order in which they are made: g0, g1, ..."""
        number, self._groups = self._groups, self._groups + 1
        return TracedGroup(self._inner.rate_limit_group_new(cfg), self._trace, number, cfg)

    def bufferevent_socket_new(
        self, fd: int | None, options: int, name: str = "?"
    ) -> TracedBufferevent:
        self._trace.emit("new", name, "socket", options, fd)
        return TracedBufferevent(self._inner.bufferevent_socket_new(fd, options), self._trace, name)

    def bufferevent_bottom_new(self, fd: int | None, options: int, name: str) -> TracedLayer:
        """A socket bufferevent that a layer is going to sit on."""
        self._trace.emit("new", name, "socket", options, fd)
        inner = self._inner.bufferevent_socket_new(fd, options)
        return self._layer(inner, name, None, socket=True)

    def bufferevent_pair_new(
        self, options: int, names: tuple[str, str] = ("?", "?")
    ) -> tuple[TracedLayer, TracedLayer]:
        for name in names:
            self._trace.emit("new", name, "pair", options, None)
        first, second = [
            self._layer(inner, name, None, socket=False)
            for inner, name in zip(self._inner.bufferevent_pair_new(options), names, strict=True)
        ]
        return first, second

    def bufferevent_filter_new(
        self, underlying: TracedLayer, filters: Filters, options: int, name: str = "?"
    ) -> TracedLayer:
        self._trace.emit("new", name, "filter", options, None)
        self._trace.emit("layer", name, underlying.name)
        from model.traced_layers import traced_filters

        underlying.above = True
        functions = traced_filters(filters, self._trace, name)
        inner = self._inner.bufferevent_filter_new(underlying, functions, options)
        return self._layer(inner, name, underlying, socket=False)

    def bufferevent_ssl_filter_new(
        self,
        underlying: TracedLayer,
        engine: TlsEngine,
        state: SslState,
        options: int,
        name: str = "?",
    ) -> TracedTls:
        self._trace.emit("new", name, "ssl", options, None)
        self._trace.emit("layer", name, underlying.name)
        underlying.above = True
        underlying.conceal()
        traced = self._engine(engine, state, name)
        inner = self._inner.bufferevent_ssl_filter_new(underlying, traced, state, options)
        return self._tls(inner, name, underlying, traced)

    def bufferevent_ssl_socket_new(
        self,
        fd: int | None,
        engine: TlsEngine,
        state: SslState,
        options: int,
        name: str = "?",
    ) -> TracedTlsSocket:
        self._trace.emit("new", name, "ssl-socket", options, fd)
        if fd is not None:
            self._trace.opaque.add(fd)
        traced = self._engine(engine, state, name)
        inner = self._inner.bufferevent_ssl_socket_new(fd, traced, state, options)
        return self._tls_socket(inner, name, traced)

    def _engine(self, engine: TlsEngine, state: SslState, name: str) -> TracedEngine:
        from model.traced_tls import TracedEngine

        own = getattr(self._inner, "tls_engine", None)  # of a subject that brings its own OpenSSL
        if own is not None:
            engine = own(engine)
        if state is SslState.OPEN:
            self._trace.emit("tls", name, "open", 0, 0)
        return TracedEngine(engine, self._trace, name)

    def _layer(
        self, inner: Bufferevent, name: str, below: TracedLayer | None, socket: bool
    ) -> TracedLayer:
        """The wrapper of one in a stack or a pair."""
        from model.traced_layers import TracedLayer

        return TracedLayer(inner, self._trace, name, below, socket)

    def _tls(
        self, inner: Bufferevent, name: str, below: TracedLayer, engine: TracedEngine
    ) -> TracedTls:
        """The wrapper of TLS."""
        from model.traced_tls import TracedTls

        return TracedTls(inner, self._trace, name, below, engine)

    def _tls_socket(self, inner: Bufferevent, name: str, engine: TracedEngine) -> TracedTlsSocket:
        """The wrapper of TLS on a descriptor of its own."""
        from model.traced_tls import TracedTlsSocket

        return TracedTlsSocket(inner, self._trace, name, None, engine)

    def listener_new(
        self,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
        name: str = "?",
    ) -> TracedListener | KernelError:
        self._trace.emit("new", name, "listener", 0, None)
        traced = TracedListener(self._trace, name)
        inner = self._inner.listener_new(traced.traced_accept(callback), port, backlog, flags)
        if isinstance(inner, (Errno, Win32Error)):
            self._trace.emit("ret", name, "listen", inner)
            return inner
        traced.wrap(inner)
        return traced

    def loop(self, flags: int = 0) -> int:
        self._trace.emit("loop", flags)
        result = self._inner.loop(flags)
        self._trace.emit("loop_end", result)
        return result

    def free(self) -> int:
        alive = self._inner.free()
        self._trace.emit("base_free", alive)
        return alive
