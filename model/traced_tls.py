"""The wrappers of TLS: of the bufferevent, and of the engine under it (see `model.traced`)."""

from __future__ import annotations

from typing import Any

from model.kernel import Buffer
from model.tls import TlsEngine, TlsOutcome, TlsResult
from model.trace import Trace
from model.traced import TracedBufferevent
from model.traced_layers import TracedLayer


class TracedTls(TracedLayer):
    """A TLS bufferevent that writes its calls and callbacks under a name."""

    __slots__ = ("engine",)

    def __init__(
        self, inner: Any, trace: Trace, name: str, below: TracedLayer | None, engine: TracedEngine
    ) -> None:
        super().__init__(inner, trace, name, below, socket=False)
        self.engine = engine

    def conceal(self) -> None:
        """TLS in TLS: what is read here is random, too."""
        super().conceal()
        self.engine.opaque = True

    def tls_shutdown(self) -> int:
        return self._call("tls_shutdown", self._inner_any.tls_shutdown)

    def set_allow_dirty_shutdown(self, allow: int) -> int:
        return self._call("allow_dirty_shutdown", self._inner_any.set_allow_dirty_shutdown, allow)

    def set_batch_write(self, batch: int) -> int:
        return self._call("batch_write", self._inner_any.set_batch_write, batch)


class TracedTlsSocket(TracedTls):
    """One that has a descriptor of its own, and nothing below it."""

    __slots__ = ()

    def socket_connect(self, port: int) -> int:
        return TracedBufferevent.socket_connect(self, port)

    def _attached(self, fd: int) -> None:
        self._trace.opaque.add(fd)


class TracedEngine:
    """A TLS engine that writes what is asked of it, as a kernel's wrapper does."""

    __slots__ = (
        "_append", "_check_budget", "_clock", "_engine", "_name", "clear", "errors", "feed",
        "feed_eof", "opaque", "pending", "take", "wanted",
    )  # fmt: skip

    def __init__(self, engine: TlsEngine, trace: Trace, name: str) -> None:
        self._engine = engine
        self._append = trace.append
        self._clock = trace.clock
        self._check_budget = trace.check_budget
        self._name = name
        self.opaque = False
        self.pending, self.wanted = engine.pending, engine.wanted
        self.feed, self.feed_eof, self.take = engine.feed, engine.feed_eof, engine.take
        self.errors, self.clear = engine.errors, engine.clear

    @property
    def room(self) -> int | None:
        return self._engine.room

    @room.setter
    def room(self, room: int | None) -> None:
        self._engine.room = room

    def do_handshake(self) -> TlsOutcome:
        self._check_budget()
        result = self._engine.do_handshake()
        self._append((self._clock.now, "tls", self._name, "handshake", 0, result or 0))
        return result

    def read(self, size: int) -> bytes | TlsResult:
        self._check_budget()
        result = self._engine.read(size)
        told = bytes(len(result)) if self.opaque and isinstance(result, bytes) else result
        self._append((self._clock.now, "tls", self._name, "read", size, told))
        return result

    def write(self, data: Buffer) -> int | TlsResult:
        self._check_budget()
        result = self._engine.write(data)
        self._append((self._clock.now, "tls", self._name, "write", len(data), result))
        return result

    def shutdown(self) -> TlsOutcome:
        result = self._engine.shutdown()
        self._append((self._clock.now, "tls", self._name, "shutdown", 0, result or 0))
        return result
