"""Pairs, filters and TLS that are THREADSAFE (libevent: bufferevent_enable_locking_).

Both ends of a pair share one lock, and so does a stack of layers: a layer takes the lock of the
bufferevent below it. What the one below calls runs under that lock, unless it has UNLOCK_CALLBACKS:
then the layer takes it again, and may have been freed in between. The same goes for what the loop
has picked: a continuation, the work of TLS, a timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.bufferevent_filter import FilterBufferevent
from model.bufferevent_pair import PairBufferevent
from model.bufferevent_ssl import SslBufferevent
from model.layer import Filters, Underlying
from model.locked import LockedGeneric, has_lock, under_lock
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_THREADSAFE

if TYPE_CHECKING:
    from model.threaded_base import ThreadedBase
    from model.tls import SslState, TlsEngine


class LockedPair(LockedGeneric, PairBufferevent):
    """One end of a pair; the second shares the lock of the first."""

    __slots__ = ("lock", "shared", "threads")

    def __init__(self, base: ThreadedBase, options: int, first: LockedPair | None = None) -> None:
        self._share(base, first)
        super().__init__(base, options)

    get_partner = under_lock("get_partner", write=False)


def pair_new(base: ThreadedBase, options: int) -> tuple[LockedPair, LockedPair]:
    """bufferevent_pair_new."""
    first = LockedPair(base, options)
    second = LockedPair(base, options, first)
    first.partner, second.partner = second, first
    return first, second


def _told(name: str) -> Any:
    """A callback of the one below: nothing for a layer that was freed before the lock."""

    def call(self: LockedLayer, *args: Any) -> None:
        with self.entry(name):
            self.touch(write=True)
            if self.refcnt:
                getattr(super(LockedLayer, self), name)(*args)

    call.__name__ = name
    return call


class LockedLayer(LockedGeneric):
    """What filters and TLS have in common."""

    __slots__ = ()

    _lower_read = _told("_lower_read")
    _lower_write = _told("_lower_write")
    _lower_event = _told("_lower_event")


class LockedFilter(LockedLayer, FilterBufferevent):
    """A filter."""

    __slots__ = ("lock", "shared", "threads")

    def __init__(
        self, base: ThreadedBase, underlying: Underlying, filters: Filters, options: int
    ) -> None:
        self._share(base, underlying)
        with self.lock:
            super().__init__(base, underlying, filters, options)

    go_on = under_lock("go_on")


class LockedSsl(LockedLayer, SslBufferevent):
    """TLS."""

    __slots__ = ("lock", "shared", "threads")

    def __init__(
        self,
        base: ThreadedBase,
        underlying: Underlying,
        engine: TlsEngine,
        state: SslState,
        options: int,
        *,
        owns: bool = False,
    ) -> None:
        self._share(base, underlying)
        with self.lock:
            super().__init__(base, underlying, engine, state, options, owns=owns)

    tls_shutdown = under_lock("tls_shutdown")
    set_allow_dirty_shutdown = under_lock("set_allow_dirty_shutdown")
    set_batch_write = under_lock("set_batch_write")
    get_openssl_error = under_lock("get_openssl_error", write=False)

    def on_work(self) -> None:
        with self.entry("on_work"):
            self.touch(write=True)
            if not self.work.stopped:
                super().on_work()


def ssl_socket_new(
    base: ThreadedBase, fd: int | None, engine: TlsEngine, state: SslState, options: int
) -> SslBufferevent:
    """bufferevent_openssl_socket_new: TLS over a socket bufferevent of its own. Over completion
    that one has a lock whether it was asked for or not, and so has what is on it."""
    lower = base.poller.bufferevent(fd, options & (BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE))
    made = LockedSsl if has_lock(lower) else SslBufferevent
    return made(base, lower, engine, state, options, owns=True)
