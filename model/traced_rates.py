"""The rate limits of the wrappers that write traces: see `model.traced`.

A bufferevent writes `suspend` records from its first limit on, and a `bucket` record when it is
limited and whenever one of its callbacks begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.rate_limit import SSIZE_MAX, RateLimitConfig
from model.subject import Bufferevent, RateLimitGroup
from model.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class TracedGroup:
    """A group that writes its calls under a name. See `model.subject.RateLimitGroup`."""

    __slots__ = ("_trace", "get_read_limit", "get_write_limit", "inner", "name", "number")

    def __init__(
        self, inner: RateLimitGroup, trace: Trace, number: int, cfg: RateLimitConfig
    ) -> None:
        self.inner = inner
        self.number = number
        self.name = f"g{number}"
        self._trace = trace
        self.get_read_limit = inner.get_read_limit
        self.get_write_limit = inner.get_write_limit
        trace.emit("op", self.name, "rate_limit_group_new", tuple(cfg))
        self.bucket()

    def bucket(self) -> None:
        """Writes how much it may move now."""
        self._trace.emit("bucket", self.name, self.get_read_limit(), self.get_write_limit())

    def _call(self, name: str, call: Callable[..., int], *args: Any) -> int:
        self._trace.emit("op", self.name, name, args)
        result = call(*args)
        if result:
            self._trace.emit("ret", self.name, name, result)
        self.bucket()
        return result

    def set_cfg(self, cfg: RateLimitConfig) -> int:
        def call(*_: int) -> int:
            return self.inner.set_cfg(cfg)

        return self._call("rate_limit_group_set_cfg", call, *cfg)

    def set_min_share(self, share: int) -> int:
        return self._call("rate_limit_group_set_min_share", self.inner.set_min_share, share)

    def decrement_read(self, size: int) -> int:
        return self._call("rate_limit_group_decrement_read", self.inner.decrement_read, size)

    def decrement_write(self, size: int) -> int:
        return self._call("rate_limit_group_decrement_write", self.inner.decrement_write, size)

    def get_totals(self) -> tuple[int, int]:
        """They are written, for whoever adds up what the members moved."""
        totals = self.inner.get_totals()
        self._trace.emit("ret", self.name, "rate_limit_group_get_totals", list(totals))
        return totals

    def reset_totals(self) -> None:
        self._trace.emit("op", self.name, "rate_limit_group_reset_totals", ())
        self.inner.reset_totals()

    def free(self) -> None:
        self._trace.emit("op", self.name, "rate_limit_group_free", ())
        self.inner.free()


class TracedRates:
    """What `model.traced.TracedBufferevent` inherits."""

    __slots__ = (
        "_inner",
        "_trace",
        "get_read_limit",
        "get_write_limit",
        "group",
        "limited",
        "name",
    )

    _inner: Bufferevent
    _trace: Trace
    name: str

    def _init_rates(self, inner: Bufferevent) -> None:
        self.limited = False  # by a bucket of its own or a group's, now or once
        self.group: TracedGroup | None = None
        self.get_read_limit = inner.get_read_limit
        self.get_write_limit = inner.get_write_limit

    def observe_suspension(self, observer: object) -> None:
        """Whoever writes the trace observes already."""

    def _suspended(self, direction: str, reasons: int) -> None:
        self._trace.emit("suspend", self.name, direction, reasons)

    def _buckets(self) -> None:
        """Writes how much its own bucket, and its group's, let move now."""
        read, write = self.get_read_limit(), self.get_write_limit()
        if read != SSIZE_MAX:
            self._trace.emit("bucket", self.name, read, write)
        if self.group is not None:
            self.group.bucket()

    def _rate(self, name: str, call: Callable[..., int], *args: Any) -> int:
        if not self.limited:
            self.limited = True
            self._inner.observe_suspension(self._suspended)
        self._trace.emit("op", self.name, name, args)
        result = call()
        if result:
            self._trace.emit("ret", self.name, name, result)
        self._buckets()
        return result

    def set_rate_limit(self, cfg: RateLimitConfig | None) -> int:
        args = (None,) if cfg is None else tuple(cfg)
        return self._rate("set_rate_limit", lambda: self._inner.set_rate_limit(cfg), *args)

    def add_to_rate_limit_group(self, group: TracedGroup) -> int:
        before, self.group = self.group, group

        def join() -> int:
            result = self._inner.add_to_rate_limit_group(group.inner)
            if result:
                self.group = before
            return result

        return self._rate("add_to_rate_limit_group", join, group.number)

    def remove_from_rate_limit_group(self) -> int:
        self.group = None
        return self._rate("remove_from_rate_limit_group", self._inner.remove_from_rate_limit_group)

    def decrement_read_limit(self, size: int) -> int:
        return self._rate(
            "decrement_read_limit", lambda: self._inner.decrement_read_limit(size), size
        )

    def decrement_write_limit(self, size: int) -> int:
        return self._rate(
            "decrement_write_limit", lambda: self._inner.decrement_write_limit(size), size
        )

    def set_max_single_read(self, size: int) -> int:
        self._trace.emit("op", self.name, "set_max_single_read", (size,))
        return self._inner.set_max_single_read(size)

    def set_max_single_write(self, size: int) -> int:
        self._trace.emit("op", self.name, "set_max_single_write", (size,))
        return self._inner.set_max_single_write(size)
