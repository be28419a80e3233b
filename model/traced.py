"""The wrappers that write traces: around a kernel port, and around a base and what it makes.

They forward every call unchanged and write a record of it (`model.trace.FIELDS`). No backend and
no subject writes records of its own, so all worlds and subjects speak one vocabulary. A call is
written when it begins, so that what the kernel is asked within it follows it in the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.errors import Errno, Win32Error
from model.subject import (
    AcceptCallback,
    Base,
    Bufferevent,
    DataCallback,
    EventCallback,
    KernelError,
    Listener,
)
from model.trace import Trace
from model.traced_kernel import TracedCompletion, TracedReadiness

__all__ = ["TracedBase", "TracedBufferevent", "TracedCompletion", "TracedReadiness"]


class TracedBufferevent:
    """A bufferevent that writes its calls and callbacks under a name. See `model.subject`."""

    __slots__ = (
        "_append",
        "_inner",
        "_now",
        "_trace",
        "freed",
        "get_enabled",
        "getfd",
        "input_length",
        "name",
        "output_length",
        "socket_error",
    )

    def __init__(self, inner: Bufferevent, trace: Trace, name: str) -> None:
        self._inner = inner
        self._append = trace.append
        self._now = trace.now_ns
        self._trace = trace
        self.name = name
        self.freed = False
        self.input_length = inner.input_length
        self.output_length = inner.output_length
        self.getfd = inner.getfd
        self.get_enabled = inner.get_enabled
        self.socket_error = inner.socket_error

    def _call(self, name: str, call: Callable[..., int | None], *args: Any) -> int:
        self._append((self._now(), "op", self.name, name, args))
        result = call(*args)
        if result:
            self._append((self._now(), "ret", self.name, name, result))
        return result or 0

    def enable(self, mask: int) -> int:
        return self._call("enable", self._inner.enable, mask)

    def disable(self, mask: int) -> int:
        return self._call("disable", self._inner.disable, mask)

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

    def free(self) -> None:
        self.freed = True
        self._call("free", self._inner.free)

    def socket_connect(self, port: int) -> int:
        """Its result is always written, and the descriptor that it made."""
        self._append((self._now(), "op", self.name, "connect", (port,)))
        result = self._inner.socket_connect(port)
        now = self._now()
        self._append((now, "ret", self.name, "connect", result))
        fd = self._inner.getfd()
        if fd is not None:
            self._append((now, "attach", self.name, fd))
        return result

    def write(self, data: bytes) -> int:
        result = self._inner.write(data)
        self._append((self._now(), "write", self.name, data, result))
        return result

    def read(self, size: int) -> bytes:
        result = self._inner.read(size)
        self._append((self._now(), "read", self.name, size, result))
        return result

    def write_input(self) -> int:
        result = self._inner.write_input()
        self._append((self._now(), "echo", self.name, result))
        return result

    # Callbacks.

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None:
        given = tuple(int(callback is not None) for callback in (readcb, writecb, eventcb))
        self._append((self._now(), "op", self.name, "setcb", given))
        self._inner.setcb(
            None if readcb is None else self._traced_data("read", readcb),
            None if writecb is None else self._traced_data("write", writecb),
            None if eventcb is None else self._traced_event(eventcb),
        )

    def _begin(self, which: str, what: int, error: KernelError | None) -> None:
        self._trace.check_budget()
        inside, outside = self.input_length(), self.output_length()
        enabled = self.get_enabled()
        self._append((self._now(), "cb", self.name, which, what, error, inside, outside, enabled))

    def _end(self, which: str) -> None:
        if self.freed:  # its lengths are nobody's business any more
            self._append((self._now(), "cb_end", self.name, which, None, None))
        else:
            inside, outside = self.input_length(), self.output_length()
            self._append((self._now(), "cb_end", self.name, which, inside, outside))

    def _traced_data(self, which: str, callback: DataCallback) -> DataCallback:
        append, now, name, trace = self._append, self._now, self.name, self._trace
        get_enabled, inside, outside = self.get_enabled, self.input_length, self.output_length

        def traced(_: Bufferevent) -> None:  # the hot one: what _begin and _end do, in one place
            if len(trace.records) > trace.budget:
                trace.check_budget()
            append((now(), "cb", name, which, 0, None, inside(), outside(), get_enabled()))
            callback(self)
            if self.freed:
                self._end(which)
            else:
                append((now(), "cb_end", name, which, inside(), outside()))

        return traced

    def _traced_event(self, callback: EventCallback) -> EventCallback:
        def traced(_: Bufferevent, what: int) -> None:
            self._begin("event", what, self.socket_error())
            callback(self, what)
            self._end("event")

        return traced


class TracedListener:
    """A listener that writes its calls under a name."""

    __slots__ = ("_inner", "_trace", "name")

    def __init__(self, inner: Listener, trace: Trace, name: str) -> None:
        self._inner = inner
        self._trace = trace
        self.name = name

    @property
    def port(self) -> int:
        return self._inner.port

    def enable(self) -> int:
        self._trace.emit("op", self.name, "enable", ())
        result = self._inner.enable()
        if result:
            self._trace.emit("ret", self.name, "enable", result)
        return result

    def disable(self) -> int:
        self._trace.emit("op", self.name, "disable", ())
        return self._inner.disable()

    def free(self) -> None:
        self._trace.emit("op", self.name, "free", ())
        self._inner.free()


class TracedBase:
    """A base that names what it makes and writes its loops."""

    def __init__(self, inner: Base, trace: Trace) -> None:
        self._inner = inner
        self._trace = trace
        self.once = inner.once
        self.loopbreak = inner.loopbreak
        self.close_fd = inner.close_fd

    def bufferevent_socket_new(
        self, fd: int | None, options: int, name: str = "?"
    ) -> TracedBufferevent:
        self._trace.emit("new", name, "socket", options, fd)
        return TracedBufferevent(self._inner.bufferevent_socket_new(fd, options), self._trace, name)

    def listener_new(
        self, callback: AcceptCallback | None, port: int, backlog: int, name: str = "?"
    ) -> TracedListener | KernelError:
        self._trace.emit("new", name, "listener", 0, None)
        traced: TracedListener | None = None

        def accepted(_: Listener, fd: int, peer_port: int) -> None:
            assert traced is not None
            assert callback is not None
            self._trace.emit("cb", name, "accept", fd, None, 0, 0, 0)
            callback(traced, fd, peer_port)
            self._trace.emit("cb_end", name, "accept", 0, 0)

        inner = self._inner.listener_new(None if callback is None else accepted, port, backlog)
        if isinstance(inner, (Errno, Win32Error)):
            self._trace.emit("ret", name, "listen", inner)
            return inner
        traced = TracedListener(inner, self._trace, name)
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
