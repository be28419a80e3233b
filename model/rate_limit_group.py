"""What holds a bufferevent to its buckets: its own limiter, and the group that it may be in.

See `model.rate_limit` for the buckets, and for what differs from libevent (bufferevent_ratelim.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.event_base import EventBase, TimerEvent
from model.rate_limit import (
    MIN_SHARE,
    READ,
    SSIZE_MAX,
    SUSPEND_BW,
    SUSPEND_BW_GROUP,
    WRITE,
    RateLimitConfig,
    TokenBucket,
)

if TYPE_CHECKING:
    from model.bufferevent import Bufferevent


def start_refill(timer: TimerEvent, wait_ns: int) -> None:
    """The timer fires in `wait_ns`, or sooner if it runs already."""
    if timer.added:
        deadline = timer.deadline_ns
        if deadline is None or deadline <= timer.base.now_ns() + wait_ns:
            return
    timer.start(wait_ns)


def suspended(bev: Bufferevent, way: int) -> int:
    """Why a direction is suspended."""
    return bev.write_suspended if way else bev.read_suspended


def suspend(bev: Bufferevent, way: int, why: int) -> None:
    """bufferevent_suspend_read_, _write_."""
    if way:
        bev.suspend_write(why)
    else:
        bev.suspend_read(why)


def unsuspend(bev: Bufferevent, way: int, why: int) -> None:
    """bufferevent_unsuspend_read_, _write_."""
    if way:
        bev.unsuspend_write(why)
    else:
        bev.unsuspend_read(why)


class Limiter:
    """bufferevent_rate_limit: what bounds one bufferevent, a bucket of its own, a group, or both.

    `charged` is what the operations in flight (over completion) have taken, and from where.
    """

    __slots__ = ("bev", "bucket", "charged", "group", "refill")

    def __init__(self, bev: Bufferevent) -> None:
        self.bev = bev
        self.bucket: TokenBucket | None = None
        self.group: RateLimitGroup | None = None
        self.refill = TimerEvent(bev.base, self._refill)
        nothing: tuple[int, TokenBucket | None, RateLimitGroup | None] = (0, None, None)
        self.charged = [nothing, nothing]

    def allowance(self, way: int, most: int) -> int:
        """bufferevent_get_rlim_max_: bytes of one operation, `most` at most, never less than 0.

        0 only when the direction is suspended; the caller looks at that.
        """
        bucket = self.bucket
        if bucket is not None:
            bucket.update(self.bev.base.now_ns())
            most = min(most, bucket.limits[way])
        group = self.group
        if group is not None:
            if group.suspended[way]:
                suspend(self.bev, way, SUSPEND_BW_GROUP)
                return 0
            most = min(most, group.share(way))
        return max(most, 0)

    def charge(self, way: int, size: int) -> None:
        """bufferevent_decrement_read_buckets_, _write_buckets_: bytes have moved."""
        self._charge(way, size, self.bucket, self.group)

    def _charge(
        self, way: int, size: int, bucket: TokenBucket | None, group: RateLimitGroup | None
    ) -> None:
        """Both buckets first: what is resumed then may launch an operation at once."""
        if bucket is not None:
            bucket.take(way, size, self.bev.base.now_ns())
        if group is not None:
            group.charge(way, size)
        if bucket is not None:
            self._level_changed(way)
        if group is not None:
            group.level_changed(way)

    def launched(self, way: int, size: int) -> None:
        """An operation of that size is in flight: it is charged as if it moved everything."""
        self.charged[way] = (size, self.bucket, self.group)
        self.charge(way, size)

    def settle(self, way: int, nbytes: int) -> None:
        """It has moved `nbytes`: the rest is given back to who was charged."""
        size, bucket, group = self.charged[way]
        self.charged[way] = (0, None, None)
        if size > nbytes:
            own = bucket if bucket is self.bucket else None
            self._charge(way, nbytes - size, own, group)

    def decrement(self, way: int, size: int) -> None:
        """bufferevent_decrement_read_limit, _write_limit: of the bufferevent's own bucket."""
        bucket = self.bucket
        if bucket is None:
            raise ValueError("a bufferevent without a rate limit of its own has nothing to take")
        bucket.take(way, size, self.bev.base.now_ns())
        self._level_changed(way)

    def _level_changed(self, way: int) -> None:
        bucket = self.bucket
        if bucket is None:
            return
        if bucket.limits[way] <= 0:
            suspend(self.bev, way, SUSPEND_BW)
            start_refill(self.refill, bucket.wait_ns(way, 1))
        elif suspended(self.bev, way) & SUSPEND_BW:
            if not suspended(self.bev, 1 - way) & SUSPEND_BW:
                self.refill.stop()
            unsuspend(self.bev, way, SUSPEND_BW)

    def set(self, cfg: RateLimitConfig) -> None:
        """bufferevent_set_rate_limit: a bucket that there is already is only ever clipped."""
        now = self.bev.base.now_ns()
        if self.bucket is None:
            self.bucket = TokenBucket(cfg, now)
        elif self.bucket.cfg != cfg:
            self.bucket.change(cfg, now)
            self.refill.stop()
            self._suspend_or_not()

    def clear(self) -> None:
        """bufferevent_set_rate_limit without a configuration."""
        self.bucket = None
        self.refill.stop()
        unsuspend(self.bev, READ, SUSPEND_BW)
        unsuspend(self.bev, WRITE, SUSPEND_BW)

    def _refill(self) -> None:
        """bev_refill_callback_."""
        if self.bucket is not None:
            self.bucket.update(self.bev.base.now_ns())
            self._suspend_or_not()

    def _suspend_or_not(self) -> None:
        for way in (READ, WRITE):
            bucket = self.bucket
            if bucket is not None and bucket.limits[way] > 0:
                unsuspend(self.bev, way, SUSPEND_BW)
            elif bucket is not None:
                suspend(self.bev, way, SUSPEND_BW)
                start_refill(self.refill, bucket.wait_ns(way, 1))

    def join(self, group: RateLimitGroup) -> None:
        """bufferevent_add_to_rate_limit_group. Nothing moves between the old group and the new."""
        self.leave(resume=False)
        self.group = group
        group.add(self.bev)

    def leave(self, resume: bool) -> None:
        """bufferevent_remove_from_rate_limit_group_internal_."""
        group, self.group = self.group, None
        if group is not None:
            group.remove(self.bev)
            if resume:
                unsuspend(self.bev, READ, SUSPEND_BW_GROUP)
                unsuspend(self.bev, WRITE, SUSPEND_BW_GROUP)

    def close(self) -> None:
        """The bufferevent is freed: what is in flight is still given back to its group."""
        self.refill.stop()
        self.bucket = None
        self.leave(resume=False)


class RateLimitGroup:
    """bufferevent_rate_limit_group: bufferevents of one base that share a bucket.

    While the bucket has something, each member may move an equal share of it, `min_share` at
    least; when it is empty all are suspended. They are resumed in a rotation whose first member is
    the world's choice, so that none is always the last.
    """

    __slots__ = (
        "base",
        "bucket",
        "configured_min_share",
        "members",
        "min_share",
        "refill",
        "suspended",
        "totals",
        "turn",
    )

    def __init__(self, base: EventBase, cfg: RateLimitConfig) -> None:
        self.base = base
        self.bucket = TokenBucket(cfg, base.now_ns())
        self.members: list[Bufferevent] = []
        self.suspended = [False, False]
        self.totals = [0, 0]
        self.turn = 0
        self.refill = TimerEvent(base, self._refill)
        self.configured_min_share = self.min_share = 1
        self.set_min_share(MIN_SHARE)

    def set_cfg(self, cfg: RateLimitConfig) -> int:
        """bufferevent_rate_limit_group_set_cfg: for all members, from now on."""
        self.bucket.change(cfg, self.base.now_ns())
        self.set_min_share(self.configured_min_share)
        self.refill.stop()
        self._resume_or_wait()
        return 0

    def set_min_share(self, share: int) -> int:
        """bufferevent_rate_limit_group_set_min_share: never more than a tick's rate, or 0."""
        if share > SSIZE_MAX:
            return -1
        self.configured_min_share = share
        cfg = self.bucket.cfg
        self.min_share = max(1, min(share, cfg.read_rate, cfg.write_rate))
        return 0

    def get_read_limit(self) -> int:
        """bufferevent_rate_limit_group_get_read_limit: bytes; below 0 after an overdraft."""
        self.bucket.update(self.base.now_ns())
        return self.bucket.limits[READ]

    def get_write_limit(self) -> int:
        """bufferevent_rate_limit_group_get_write_limit."""
        self.bucket.update(self.base.now_ns())
        return self.bucket.limits[WRITE]

    def decrement_read(self, size: int) -> int:
        """bufferevent_rate_limit_group_decrement_read: bytes that moved elsewhere."""
        self.bucket.take(READ, size, self.base.now_ns())
        self.level_changed(READ)
        return 0

    def decrement_write(self, size: int) -> int:
        """bufferevent_rate_limit_group_decrement_write."""
        self.bucket.take(WRITE, size, self.base.now_ns())
        self.level_changed(WRITE)
        return 0

    def get_totals(self) -> tuple[int, int]:
        """bufferevent_rate_limit_group_get_totals: bytes read and written by members, ever.

        What is in flight counts as moved.
        """
        return self.totals[READ], self.totals[WRITE]

    def reset_totals(self) -> None:
        """bufferevent_rate_limit_group_reset_totals."""
        self.totals = [0, 0]

    def free(self) -> None:
        """bufferevent_rate_limit_group_free. Raises ValueError while it has members."""
        if self.members:
            raise ValueError(f"a group with {len(self.members)} members cannot be freed")
        self.refill.stop()

    # For members.

    def add(self, bev: Bufferevent) -> None:
        """bufferevent_add_to_rate_limit_group: the newest member stands first."""
        self.members.insert(0, bev)
        for way in (READ, WRITE):
            if self.suspended[way]:
                suspend(bev, way, SUSPEND_BW_GROUP)
            else:
                unsuspend(bev, way, SUSPEND_BW_GROUP)

    def remove(self, bev: Bufferevent) -> None:
        """bufferevent_remove_from_rate_limit_group."""
        self.members.remove(bev)

    def share(self, way: int) -> int:
        """Bytes that one member may move now, unless the group is suspended."""
        self.bucket.update(self.base.now_ns())
        return max(self.bucket.limits[way] // len(self.members), self.min_share)

    def charge(self, way: int, size: int) -> None:
        """Bytes of a member have moved, or have not after all (a negative size)."""
        self.totals[way] += size
        self.bucket.take(way, size, self.base.now_ns())

    def level_changed(self, way: int) -> None:
        """Suspends or resumes the members."""
        if self.bucket.limits[way] <= 0:
            self._suspend(way)
        elif self.suspended[way]:
            self._unsuspend(way)

    def _suspend(self, way: int) -> None:
        """bev_group_suspend_reading_, _writing_."""
        self.suspended[way] = True
        start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))
        for member in tuple(self.members):
            suspend(member, way, SUSPEND_BW_GROUP)

    def _unsuspend(self, way: int) -> None:
        """bev_group_unsuspend_reading_, _writing_: one that takes the last of it ends the round."""
        self.suspended[way] = False
        if not self.suspended[1 - way]:
            self.refill.stop()
        members = tuple(self.members)
        first = self._first(len(members))
        for member in members[first:] + members[:first]:
            if self.suspended[way]:
                return
            unsuspend(member, way, SUSPEND_BW_GROUP)

    def _first(self, count: int) -> int:
        """Where the rotation begins: one further each time, and further still as the world
        likes."""
        if count < 2:
            return 0
        self.turn += 1
        pick = self.base.pick
        return (self.turn + (0 if pick is None else pick("ratelim.rotate", count))) % count

    def _refill(self) -> None:
        """bev_group_refill_callback_."""
        self.bucket.update(self.base.now_ns())
        self._resume_or_wait()

    def _resume_or_wait(self) -> None:
        for way in (READ, WRITE):
            if self.suspended[way] and self.bucket.limits[way] >= self.min_share:
                self._unsuspend(way)
        for way in (READ, WRITE):
            if self.suspended[way]:
                start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))
