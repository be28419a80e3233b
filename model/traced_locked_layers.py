"""The wrappers of stacks, pairs and TLS where there are threads (see `model.traced_threads`)."""

from __future__ import annotations

from typing import Any

from model.trace import Trace
from model.traced_layers import TracedLayer
from model.traced_threads import TracedLocked
from model.traced_tls import TracedEngine, TracedTls, TracedTlsSocket


class TracedLockedLayer(TracedLocked, TracedLayer):
    """One in a stack or a pair."""

    __slots__ = ("locked", "threads")

    def __init__(
        self, inner: Any, trace: Trace, name: str, below: TracedLayer | None, socket: bool
    ) -> None:
        self.locked = inner
        self.threads = inner.threads
        super().__init__(inner, trace, name, below, socket)


class TracedLockedTls(TracedLocked, TracedTls):
    """TLS."""

    __slots__ = ("locked", "threads")

    def __init__(
        self, inner: Any, trace: Trace, name: str, below: TracedLayer | None, engine: TracedEngine
    ) -> None:
        self.locked = inner
        self.threads = inner.threads
        super().__init__(inner, trace, name, below, engine)


class TracedLockedTlsSocket(TracedLockedTls, TracedTlsSocket):
    """TLS on a descriptor of its own."""

    __slots__ = ()
