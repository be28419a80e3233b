"""The wrapper that writes the trace of a listener (`model.traced`)."""

from __future__ import annotations

from model.subject import AcceptCallback, AcceptErrorCallback, KernelError, Listener
from model.trace import Trace


class TracedListener:
    """A listener that writes its calls and callbacks under a name."""

    __slots__ = ("_inner", "_trace", "name")

    def __init__(self, trace: Trace, name: str) -> None:
        self._inner: Listener | None = None
        self._trace = trace
        self.name = name

    def wrap(self, inner: Listener) -> None:
        """Says whose calls these are; a listener's callbacks are needed before it exists."""
        self._inner = inner

    @property
    def port(self) -> int:
        return self._listener().port

    def _listener(self) -> Listener:
        assert self._inner is not None
        return self._inner

    def enable(self) -> int:
        self._trace.emit("op", self.name, "enable", ())
        result = self._listener().enable()
        if result:
            self._trace.emit("ret", self.name, "enable", result)
        return result

    def disable(self) -> int:
        self._trace.emit("op", self.name, "disable", ())
        return self._listener().disable()

    def set_cb(self, callback: AcceptCallback | None) -> None:
        self._trace.emit("op", self.name, "set_cb", (int(callback is not None),))
        self._listener().set_cb(self.traced_accept(callback))

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None:
        def failed(_: Listener, error: KernelError) -> None:
            assert callback is not None
            self._trace.emit("cb", self.name, "error", 0, error, 0, 0, 0)
            callback(self, error)
            self._trace.emit("cb_end", self.name, "error", 0, 0)

        self._trace.emit("op", self.name, "set_error_cb", (int(callback is not None),))
        self._listener().set_error_cb(None if callback is None else failed)

    def traced_accept(self, callback: AcceptCallback | None) -> AcceptCallback | None:
        """The callback with its records around it."""

        def accepted(_: Listener, fd: int, peer_port: int) -> None:
            assert callback is not None
            self._trace.emit("cb", self.name, "accept", fd, None, 0, 0, 0)
            callback(self, fd, peer_port)
            self._trace.emit("cb_end", self.name, "accept", 0, 0)

        return None if callback is None else accepted

    def free(self) -> None:
        self._trace.emit("op", self.name, "free", ())
        self._listener().free()
