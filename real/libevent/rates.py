"""Rate limits: libevent's token buckets and groups (event2/bufferevent.h).

libevent keeps no copy of a bufferevent's limits, so they live as long as the base; equal limits
are one object, as in an application that keeps the ones it uses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from model.errors import SimulatorError
from model.rate_limit import RateLimitConfig
from model.subject import NotMade, SuspendObserver
from real.libevent.library import timeval

if TYPE_CHECKING:
    from real.libevent.subject import LibeventBase

SUSPEND_WM = 0x01  # bufferevent-internal.h: BEV_SUSPEND_WM
_WAYS = ("read", "write")


class Limits:
    """The ev_token_bucket_cfgs of one base."""

    def __init__(self, base: LibeventBase) -> None:
        self._base = base
        self._made: dict[RateLimitConfig, int] = {}

    def of(self, cfg: RateLimitConfig) -> int:
        """The address of libevent's limits. Raises `NotMade`."""
        pointer = self._made.get(cfg)
        if pointer is None:
            tick = timeval(cfg.tick_ns)
            pointer = self._base.library.ev_token_bucket_cfg_new(*cfg[:4], ctypes.byref(tick))
            if not pointer:
                raise NotMade
            self._made[cfg] = pointer
        return pointer

    def free(self) -> None:
        """Behind the base: nobody refers to them any more."""
        for pointer in self._made.values():
            self._base.library.ev_token_bucket_cfg_free(pointer)
        self._made.clear()


class LibeventGroup:
    """A bufferevent_rate_limit_group."""

    def __init__(self, base: LibeventBase, cfg: RateLimitConfig) -> None:
        self.base = base
        limits = base.limits.of(cfg)
        pointer = base.library.bufferevent_rate_limit_group_new(base.pointer, limits)
        base.raise_failure()
        if not pointer:
            raise NotMade
        self._pointer: int | None = pointer

    @property
    def pointer(self) -> int:
        if self._pointer is None:
            raise SimulatorError("a call on a rate limit group that was freed")
        return self._pointer

    def _call(self, name: str, *args: Any) -> int:
        function = getattr(self.base.library, f"bufferevent_rate_limit_group_{name}")
        result = function(self.pointer, *args)
        self.base.raise_failure()
        return int(result or 0)

    def set_cfg(self, cfg: RateLimitConfig) -> int:
        """-1 without memory for it."""
        try:
            limits = self.base.limits.of(cfg)
        except NotMade:
            return -1
        return self._call("set_cfg", limits)

    def set_min_share(self, share: int) -> int:
        return self._call("set_min_share", share)

    def get_read_limit(self) -> int:
        return self._call("get_read_limit")

    def get_write_limit(self) -> int:
        return self._call("get_write_limit")

    def decrement_read(self, size: int) -> int:
        return self._call("decrement_read", size)

    def decrement_write(self, size: int) -> int:
        return self._call("decrement_write", size)

    def get_totals(self) -> tuple[int, int]:
        read, written = ctypes.c_uint64(), ctypes.c_uint64()
        self._call("get_totals", ctypes.byref(read), ctypes.byref(written))
        return read.value, written.value

    def reset_totals(self) -> None:
        self._call("reset_totals")

    def free(self) -> None:
        self._call("free")
        self._pointer = None


class LibeventRates:
    """The part of a bufferevent that is about rates, and about why a direction is suspended."""

    base: LibeventBase
    _call: Callable[..., int]

    def _init_rates(self) -> None:
        self._suspended = [0, 0]  # BEV_SUSPEND_* bits, as far as libevent's own calls tell
        self._observer: SuspendObserver | None = None

    def set_max_single_read(self, size: int) -> int:
        return self._call("bufferevent_set_max_single_read", size)

    def set_max_single_write(self, size: int) -> int:
        return self._call("bufferevent_set_max_single_write", size)

    def set_rate_limit(self, cfg: RateLimitConfig | None) -> int:
        """-1 without memory for it."""
        try:
            limits = None if cfg is None else self.base.limits.of(cfg)
        except NotMade:
            return -1
        return self._call("bufferevent_set_rate_limit", limits)

    def add_to_rate_limit_group(self, group: LibeventGroup) -> int:
        return self._call("bufferevent_add_to_rate_limit_group", group.pointer)

    def remove_from_rate_limit_group(self) -> int:
        return self._call("bufferevent_remove_from_rate_limit_group")

    def get_read_limit(self) -> int:
        return self._call("bufferevent_get_read_limit")

    def get_write_limit(self) -> int:
        return self._call("bufferevent_get_write_limit")

    def decrement_read_limit(self, size: int) -> int:
        return self._call("bufferevent_decrement_read_limit", size)

    def decrement_write_limit(self, size: int) -> int:
        return self._call("bufferevent_decrement_write_limit", size)

    def observe_suspension(self, observer: SuspendObserver | None) -> None:
        self._observer = observer

    def suspend(self, way: int, why: int) -> None:
        """libevent suspends a direction, 0 or 1."""
        was = self._suspended[way]
        self._suspended[way] = was | why
        if self._observer is not None and why & ~was & ~SUSPEND_WM:
            self._observer(_WAYS[way], self._suspended[way] & ~SUSPEND_WM)

    def unsuspend(self, way: int, why: int) -> None:
        was = self._suspended[way]
        self._suspended[way] = was & ~why
        if self._observer is not None and why & was & ~SUSPEND_WM:
            self._observer(_WAYS[way], self._suspended[way] & ~SUSPEND_WM)
