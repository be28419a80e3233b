"""Rate limits where there are threads (libevent: bufferevent_ratelim.c).

A group's lock comes behind those of its members: who has a member's lock may take the group's. The
group itself, which may be at work without any member's lock, only tries theirs. A member that could
not be suspended finds out when it asks what it may move; one that could not be resumed is tried
again soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from model.event_base import EventBase
from model.rate_limit import SUSPEND_BW_GROUP, RateLimitConfig
from model.rate_limit_group import (
    Limiter,
    RateLimitGroup,
    start_refill,
    suspend,
    suspended,
    unsuspend,
)
from model.threads import NO_LOCK

if TYPE_CHECKING:
    from model.bufferevent import Bufferevent
    from model.locked import Locked
    from model.threaded_base import ThreadedBase

RETRY_NS = 1_000_000  # until those whose lock was not to be had are tried again


class LockedLimiter(Limiter):
    """The limiter of a bufferevent that has a lock."""

    __slots__ = ()

    def _refill(self) -> None:
        with self.bev.lock:
            cast("Locked", self.bev).touch(write=True)
            super()._refill()

    def allowance(self, way: int, most: int) -> int:
        group = self.group
        if group is None:
            return super().allowance(way, most)
        with cast(LockedGroup, group).lock:
            return super().allowance(way, most)


class LockedGroup(RateLimitGroup):
    """A group with a lock. `missed`: ways in which somebody is still to be resumed."""

    __slots__ = ("lock", "missed", "shared", "threads")

    def __init__(self, base: EventBase, cfg: RateLimitConfig) -> None:
        threads = cast("ThreadedBase", base).threads
        self.threads = threads
        self.lock = threads.lock(cast("ThreadedBase", base).name("group"))
        self.shared = f"{self.lock.name}.state"
        self.missed = [False, False]
        super().__init__(base, cfg)

    def touch(self) -> None:
        self.threads.touch(self.shared, write=True)

    @staticmethod
    def touch_member(member: Bufferevent) -> None:
        """The state of a member is used."""
        if member.lock is not NO_LOCK:
            cast("Locked", member).touch(write=True)

    def set_cfg(self, cfg: RateLimitConfig) -> int:
        with self.lock:
            self.touch()
            result = super().set_cfg(cfg)
            if any(self.missed):
                start_refill(self.refill, RETRY_NS)
            return result

    def get_read_limit(self) -> int:
        with self.lock:
            self.touch()
            return super().get_read_limit()

    def get_write_limit(self) -> int:
        with self.lock:
            self.touch()
            return super().get_write_limit()

    def decrement_read(self, size: int) -> int:
        with self.lock:
            self.touch()
            return super().decrement_read(size)

    def decrement_write(self, size: int) -> int:
        with self.lock:
            self.touch()
            return super().decrement_write(size)

    def add(self, bev: Bufferevent) -> None:
        with self.lock:
            self.touch()
            super().add(bev)

    def remove(self, bev: Bufferevent) -> None:
        with self.lock:
            self.touch()
            super().remove(bev)

    def charge(self, way: int, size: int) -> None:
        with self.lock:
            self.touch()
            super().charge(way, size)

    def level_changed(self, way: int) -> None:
        with self.lock:
            super().level_changed(way)

    def _refill(self) -> None:
        with self.lock:
            self.touch()
            for way in (0, 1):
                if self.missed[way] and not self.suspended[way]:
                    self._unsuspend(way)
            super()._refill()

    def _suspend(self, way: int) -> None:
        """bev_group_suspend_reading_: who is not to be had will see it."""
        self.suspended[way] = True
        start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))
        for member in tuple(self.members):
            if member.lock.try_acquire():
                self.touch_member(member)
                suspend(member, way, SUSPEND_BW_GROUP)
                member.lock.release()

    def _unsuspend(self, way: int) -> None:
        """bev_group_unsuspend_reading_: who is not to be had is tried again."""
        self.suspended[way] = self.missed[way] = False
        if not any(self.suspended) and not any(self.missed):
            self.refill.stop()
        members = tuple(self.members)
        first = self._first(len(members))
        for member in members[first:] + members[:first]:
            if self.suspended[way]:
                return
            if member.lock.try_acquire():
                self.touch_member(member)
                unsuspend(member, way, SUSPEND_BW_GROUP)
                member.lock.release()
            elif suspended(member, way) & SUSPEND_BW_GROUP:
                self.missed[way] = True
        if self.missed[way]:
            start_refill(self.refill, RETRY_NS)
