"""The part of a bufferevent's API that is about rates (libevent: bufferevent_ratelim.c).

What it does stands in `model.rate_limit`; a bufferevent that was never limited has no limiter, and
asks for no more than `max_single_*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from model.rate_limit import READ, SSIZE_MAX, WRITE, RateLimitConfig
from model.rate_limit_group import Limiter, RateLimitGroup

if TYPE_CHECKING:
    from model.bufferevent import Bufferevent
    from model.subject import SuspendObserver

MAX_SINGLE_DEFAULT = 16_384  # bytes of one kernel operation (bufferevent-internal.h)


class RateLimited:
    """What `model.bufferevent.Bufferevent` inherits."""

    __slots__ = ("limiter", "max_single_read", "max_single_write", "on_suspend")

    limiter: Limiter | None
    max_single_read: int
    max_single_write: int
    on_suspend: SuspendObserver | None

    def set_max_single_read(self, size: int) -> int:
        """bufferevent_set_max_single_read: bytes of one operation at most; 0: the default."""
        too_large = size <= 0 or size > SSIZE_MAX
        self.max_single_read = MAX_SINGLE_DEFAULT if too_large else size
        return 0

    def set_max_single_write(self, size: int) -> int:
        """bufferevent_set_max_single_write."""
        too_large = size <= 0 or size > SSIZE_MAX
        self.max_single_write = MAX_SINGLE_DEFAULT if too_large else size
        return 0

    def set_rate_limit(self, cfg: RateLimitConfig | None) -> int:
        """bufferevent_set_rate_limit: a bucket of its own; None takes it away."""
        if cfg is not None:
            self._limiter().set(cfg)
        elif self.limiter is not None:
            self.limiter.clear()
        return 0

    def add_to_rate_limit_group(self, group: RateLimitGroup) -> int:
        """bufferevent_add_to_rate_limit_group: leaves the group that it is in."""
        limiter = self._limiter()
        if limiter.group is not group:
            limiter.join(group)
        return 0

    def remove_from_rate_limit_group(self) -> int:
        """bufferevent_remove_from_rate_limit_group."""
        if self.limiter is not None:
            self.limiter.leave(resume=True)
        return 0

    def get_read_limit(self) -> int:
        """bufferevent_get_read_limit: bytes in its own bucket; SSIZE_MAX without one."""
        return self._limit(READ)

    def get_write_limit(self) -> int:
        """bufferevent_get_write_limit."""
        return self._limit(WRITE)

    def get_max_to_read(self) -> int:
        """bufferevent_get_max_to_read: bytes that one read may ask for now; 0: none."""
        limiter, most = self.limiter, self.max_single_read
        return most if limiter is None else limiter.allowance(READ, most)

    def get_max_to_write(self) -> int:
        """bufferevent_get_max_to_write."""
        limiter, most = self.limiter, self.max_single_write
        return most if limiter is None else limiter.allowance(WRITE, most)

    def decrement_read_limit(self, size: int) -> int:
        """bufferevent_decrement_read_limit: bytes that were read by other means; fewer than 0
        gives tokens back. Raises ValueError without a limit of its own."""
        self._limiter().decrement(READ, size)
        return 0

    def decrement_write_limit(self, size: int) -> int:
        """bufferevent_decrement_write_limit."""
        self._limiter().decrement(WRITE, size)
        return 0

    def observe_suspension(self, observer: SuspendObserver | None) -> None:
        """Tells of every change of why a direction is suspended, its high watermark aside."""
        self.on_suspend = observer

    def _limit(self, way: int) -> int:
        limiter = self.limiter
        if limiter is None or limiter.bucket is None:
            return SSIZE_MAX
        limiter.bucket.update(limiter.bev.base.now_ns())
        return limiter.bucket.limits[way]

    def _limiter(self) -> Limiter:
        if self.limiter is None:
            self.limiter = Limiter(cast("Bufferevent", self))
        return self.limiter
