"""What the driver asks of an event base: `model.subject.Base`, with names for the trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from model.layer import Filters
from model.rate_limit import RateLimitConfig
from model.subject import (
    LEV_OPT_CLOSE_ON_FREE,
    AcceptCallback,
    Bufferevent,
    KernelError,
    Listener,
    RateLimitGroup,
    TlsBufferevent,
)
from model.tls import SslState, TlsEngine


class NamedBase(Protocol):
    """`model.subject.Base` as `model.traced.TracedBase` offers it: with names for the trace."""

    def bufferevent_socket_new(self, fd: int | None, options: int, *, name: str) -> Bufferevent: ...

    def bufferevent_bottom_new(self, fd: int | None, options: int, *, name: str) -> Bufferevent: ...

    def bufferevent_pair_new(
        self, options: int, *, names: tuple[str, str]
    ) -> tuple[Bufferevent, Bufferevent]: ...

    def listener_new(
        self,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
        *,
        name: str,
    ) -> Listener | KernelError: ...

    def priority_init(self, npriorities: int) -> int: ...

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> RateLimitGroup: ...

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None: ...

    def loop(self, flags: int = 0) -> int: ...

    def loopbreak(self) -> None: ...

    def close_fd(self, fd: int) -> None: ...

    def free(self) -> int: ...


class Stack(Protocol):
    """The top of a stack, as it is traced."""

    def measure(self) -> None: ...


class LayeringBase(Protocol):
    """What `model.traced.TracedBase` offers for stacks."""

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: TlsEngine, state: SslState, options: int, *, name: str
    ) -> TlsBufferevent: ...

    def bufferevent_filter_new(
        self, underlying: Bufferevent, filters: Filters, options: int, *, name: str
    ) -> Bufferevent: ...

    def bufferevent_ssl_filter_new(
        self,
        underlying: Bufferevent,
        engine: TlsEngine,
        state: SslState,
        options: int,
        *,
        name: str,
    ) -> TlsBufferevent: ...
