"""Bugs in rate limits: some that libevent had, and planted ones for R-1 to R-6 and X-3.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent_sock import SocketBufferevent
from model.mutants.mutant import BOTH, Mutant, planted
from model.rate_limit import READ, SUSPEND_BW, SUSPEND_BW_GROUP, WRITE, TokenBucket
from model.rate_limit_group import (
    Limiter,
    RateLimitGroup,
    start_refill,
    suspend,
    suspended,
    unsuspend,
)
from model.subject import EV_READ, EV_WRITE

_update = TokenBucket.update
_level_changed = Limiter._level_changed
_allowance = Limiter.allowance
_on_readable = SocketBufferevent.on_readable


def recovery_stops_refill(self: Limiter, way: int) -> None:
    """LE-168: when one direction recovers, the timer that the other one needs is stopped."""
    bucket = self.bucket
    if bucket is None:
        return
    if bucket.limits[way] <= 0:
        suspend(self.bev, way, SUSPEND_BW)
        start_refill(self.refill, bucket.wait_ns(way, 1))
    elif suspended(self.bev, way) & SUSPEND_BW:
        if suspended(self.bev, 1 - way) & SUSPEND_BW:
            self.refill.stop()
        unsuspend(self.bev, way, SUSPEND_BW)


def allowance_unlimited(self: Limiter, way: int, most: int) -> int:
    """LE-178: less than nothing in the bucket is -1, and that is no limit."""
    bucket = self.bucket
    if bucket is not None:
        bucket.update(self.bev.base.now_ns())
        if bucket.limits[way] < 0:
            return most
    return _allowance(self, way, most)


def below_zero_goes_on(self: Limiter, way: int) -> None:
    """LE-178: and it suspends nobody."""
    if self.bucket is None or self.bucket.limits[way] >= 0:
        _level_changed(self, way)


def suspend_nobody(self: RateLimitGroup, way: int) -> None:
    """LE-189: a lock that is free counts as taken: no member is suspended at once."""
    self.suspended[way] = True
    start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))


def unsuspend_nobody(self: RateLimitGroup, way: int) -> None:
    """LE-189: and none is resumed."""
    self.suspended[way] = False


def update_twice(self: TokenBucket, now_ns: int) -> None:
    """Each tick brings its rate twice."""
    ticks = now_ns // self.cfg.tick_ns - self.last_tick
    _update(self, now_ns)
    if ticks > 0:
        self.last_tick -= ticks
        _update(self, now_ns)


def update_without_burst(self: TokenBucket, now_ns: int) -> None:
    """What is not used is saved up without end."""
    passed = now_ns // self.cfg.tick_ns - self.last_tick
    if passed > 0:
        self.last_tick += passed
        self.limits[READ] += passed * self.cfg.read_rate
        self.limits[WRITE] += passed * self.cfg.write_rate


def settle_nothing(self: Limiter, way: int, nbytes: int) -> None:
    """What an operation was charged and did not move is lost."""
    self.charged[way] = (0, None, None)


def launched_free(self: Limiter, way: int, size: int) -> None:
    """Operations in flight are not charged."""


def charge_group_nothing(self: RateLimitGroup, way: int, size: int) -> None:
    """Members' bytes are counted, and the group's bucket stays as it is."""
    self.totals[way] += size


def charge_no_totals(self: RateLimitGroup, way: int, size: int) -> None:
    """Members' bytes are taken from the bucket, and what is given back is not counted."""
    self.totals[way] += max(size, 0)
    self.bucket.take(way, size, self.base.now_ns())


def resume_never(self: RateLimitGroup) -> None:
    """The group's refill resumes nobody."""
    for way in (READ, WRITE):
        if self.suspended[way]:
            start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))


def refill_gives_up(self: Limiter) -> None:
    """A bucket that the refill did not fill is not looked at again."""
    bucket = self.bucket
    if bucket is not None:
        bucket.update(self.bev.base.now_ns())
        for way in (READ, WRITE):
            if bucket.limits[way] > bucket.cfg.rate(way) // 2:
                unsuspend(self.bev, way, SUSPEND_BW)


def share_of_little(self: RateLimitGroup, way: int) -> int:
    """The bucket is divided however little that is."""
    self.bucket.update(self.base.now_ns())
    return max(1, self.bucket.limits[way] // len(self.members))


def share_of_nothing(self: RateLimitGroup, way: int) -> int:
    """A bucket with less than one byte a member gives each of them none."""
    self.bucket.update(self.base.now_ns())
    return self.bucket.limits[way] // (len(self.members) * 64)


def allowance_without_single(self: Limiter, way: int, most: int) -> int:
    """max_single is forgotten beside a limit of its own, as libevent forgets it."""
    bucket = self.bucket
    return _allowance(self, way, most if bucket is None else bucket.cfg.burst(way))


def allowance_while_suspended(self: Limiter, way: int, most: int) -> int:
    """A member that asks is told nothing of its group's suspension."""
    group = self.group
    if group is not None and group.suspended[way]:
        return most
    return _allowance(self, way, most)


def suspend_others(self: RateLimitGroup, way: int) -> None:
    """The member that emptied the group's bucket goes on; the others are suspended."""
    self.suspended[way] = True
    start_refill(self.refill, self.bucket.wait_ns(way, self.min_share))
    for member in tuple(self.members)[1:]:
        suspend(member, way, SUSPEND_BW_GROUP)


def read_all_there_is(self: SocketBufferevent, result: int) -> None:
    """One readiness, and reading goes on until nothing is left."""
    self.refcnt += 1
    before = -1
    while result & EV_READ and self.reads and self.input.length != before:
        before = self.input.length
        self._read_once()
    if not result & EV_READ:
        _on_readable(self, result)
    self.decref()


def write_once_short_is_free(self: SocketBufferevent, just_connected: bool) -> None:
    """A short write is not charged."""
    output, limiter, sent = self.output, self.limiter, 0
    if output.length:
        size = (
            self.max_single_write
            if limiter is None
            else limiter.allowance(WRITE, self.max_single_write)
        )
        if self.fd is None or self.write_suspended:
            return
        offered = output.peek(size)
        answer = self.poller.kernel.send(self.fd, offered)
        if not isinstance(answer, int):
            self._send_failed(answer)
            return
        sent = answer
        output.drain_frozen(sent)
        if limiter is not None and sent == sum(map(len, offered)):
            limiter.charge(WRITE, sent)
    if output.length and not self.write_suspended:
        self.ev_write.arm()
    else:
        self.ev_write.remove()
    if sent or not just_connected:
        self.trigger_nolock(EV_WRITE, 0)


_READY = ("readiness",)
_COMPLETE = ("completion",)

HISTORICAL_RATES: tuple[Mutant, ...] = (
    Mutant(
        "LE-168",
        "a direction that recovers stops the other one's refill timer",
        "R-3",
        BOTH,
        ((Limiter, "_level_changed", recovery_stops_refill),),
    ),
    Mutant(
        "LE-178",
        "a bucket below zero is no limit",
        "R-1",
        BOTH,
        (
            (Limiter, "allowance", allowance_unlimited),
            (Limiter, "_level_changed", below_zero_goes_on),
        ),
    ),
    Mutant(
        "LE-189",
        "a member whose lock is free is taken for locked, and never resumed",
        "R-3",
        _COMPLETE,
        (
            (RateLimitGroup, "_suspend", suspend_nobody),
            (RateLimitGroup, "_unsuspend", unsuspend_nobody),
        ),
    ),
)

RATES: tuple[Mutant, ...] = (
    planted(
        "refill-twice",
        "each tick refills a bucket twice",
        "R-1",
        BOTH,
        (TokenBucket, "update", update_twice),
    ),
    planted(
        "burst-ignored",
        "a bucket saves up more than its burst",
        "R-1",
        BOTH,
        (TokenBucket, "update", update_without_burst),
    ),
    planted(
        "short-write-free",
        "a short write is not charged",
        "R-1",
        _READY,
        (SocketBufferevent, "_write_once", write_once_short_is_free),
    ),
    planted(
        "refund-forgotten",
        "an operation gives back nothing of what it did not move",
        "R-1",
        _COMPLETE,
        (Limiter, "settle", settle_nothing),
    ),
    planted(
        "group-free",
        "members' bytes are not taken from the group's bucket",
        "R-2",
        BOTH,
        (RateLimitGroup, "charge", charge_group_nothing),
    ),
    planted(
        "totals-overcount",
        "a group's totals count what was asked for and did not move",
        "R-2",
        _COMPLETE,
        (RateLimitGroup, "charge", charge_no_totals),
    ),
    planted(
        "group-never-resumed",
        "a suspended group stays suspended",
        "R-3",
        BOTH,
        (RateLimitGroup, "_resume_or_wait", resume_never),
    ),
    planted(
        "refill-gives-up",
        "a bucket that one refill did not fill stays empty",
        "R-3",
        BOTH,
        (Limiter, "_refill", refill_gives_up),
    ),
    planted(
        "single-forgotten",
        "max_single does not bind beside a limit of its own",
        "R-4",
        BOTH,
        (Limiter, "allowance", allowance_without_single),
    ),
    planted(
        "zero-share",
        "a member's share is no byte at all",
        "R-4",
        _READY,
        (RateLimitGroup, "share", share_of_nothing),
    ),
    planted(
        "suspends-others",
        "the newest member is not suspended with its group",
        "R-4",
        BOTH,
        (RateLimitGroup, "_suspend", suspend_others),
        (Limiter, "allowance", allowance_while_suspended),
    ),
    planted(
        "small-share",
        "a share is smaller than the minimal share",
        "R-5",
        BOTH,
        (RateLimitGroup, "share", share_of_little),
    ),
    planted(
        "reads-all",
        "one readiness reads until nothing is left",
        "R-6",
        _READY,
        (SocketBufferevent, "on_readable", read_all_there_is),
    ),
    planted(
        "async-unlimited",
        "over completion nothing is charged",
        "X-3",
        _COMPLETE,
        (Limiter, "launched", launched_free),
    ),
)
