"""Limiters and groups: a machine of members, and single facts."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model.bufferevent import SUSPEND_BW, SUSPEND_BW_GROUP
from model.event_base import EventBase
from model.rate_limit import (
    MIN_SHARE,
    MS,
    READ,
    SSIZE_MAX,
    WRITE,
    RateLimitConfig,
    token_bucket_cfg_new,
)
from model.rate_limit_group import Limiter, RateLimitGroup
from tests.model.fake_poller import FakePoller
from tests.model.test_rate_limit import configs

sizes = st.integers(-300, 300)

# A group, in a base whose clock the machine moves.


class Member:
    """What a group and a limiter need of a bufferevent."""

    def __init__(self, base: EventBase) -> None:
        self.base = base
        self.read_suspended = self.write_suspended = 0
        self.limiter = Limiter(self)  # type: ignore[arg-type]  # it needs no more of one

    def suspend_read(self, why: int) -> None:
        self.read_suspended |= why

    def suspend_write(self, why: int) -> None:
        self.write_suspended |= why

    def unsuspend_read(self, why: int) -> None:
        self.read_suspended &= ~why

    def unsuspend_write(self, why: int) -> None:
        self.write_suspended &= ~why

    def suspended(self, way: int) -> int:
        return self.write_suspended if way else self.read_suspended


ways = st.sampled_from((READ, WRITE))
which = st.integers(0, 3)


class LimitedMembers(RuleBasedStateMachine):
    """Four bufferevents with and without limits of their own, in a group and out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.poller = FakePoller()
        self.members = [Member(self.poller.base) for _ in range(4)]
        cfg = token_bucket_cfg_new(100, 300, 50, 50, 2 * MS)
        assert cfg is not None
        self.group = RateLimitGroup(self.poller.base, cfg)
        self.moved = [0, 0]

    def leave(self, member: Member) -> None:
        member.limiter.leave(resume=True)

    @rule(number=which)
    def join(self, number: int) -> None:
        member = self.members[number]
        if member.limiter.group is None:
            member.limiter.join(self.group)

    @rule(number=which)
    def part(self, number: int) -> None:
        self.leave(self.members[number])
        for way in (READ, WRITE):
            assert not self.members[number].suspended(way) & SUSPEND_BW_GROUP

    @rule(number=which, cfg=configs())
    def limit(self, number: int, cfg: RateLimitConfig) -> None:
        self.members[number].limiter.set(cfg)

    @rule(number=which)
    def unlimit(self, number: int) -> None:
        self.members[number].limiter.clear()
        for way in (READ, WRITE):
            assert not self.members[number].suspended(way) & SUSPEND_BW

    @rule(cfg=configs())
    def limit_group(self, cfg: RateLimitConfig) -> None:
        self.group.set_cfg(cfg)

    @rule(share=st.integers(0, 500))
    def share(self, share: int) -> None:
        self.group.set_min_share(share)

    @rule(number=which, way=ways, wish=st.integers(1, 400))
    def operate(self, number: int, way: int, wish: int) -> None:
        """As the readiness side does: ask, move, be charged."""
        member = self.members[number]
        allowed = member.limiter.allowance(way, wish)
        suspended = member.suspended(way)
        if not allowed or suspended & SUSPEND_BW_GROUP:
            assert not allowed
            assert suspended
        elif suspended:
            # A tick has brought tokens before the timer, which counts whole ticks from its start.
            bucket, refill = member.limiter.bucket, member.limiter.refill
            assert bucket is not None
            assert refill.deadline_ns is not None
            assert refill.deadline_ns < self.poller.now + bucket.cfg.tick_ns
        else:
            member.limiter.charge(way, allowed)
            if member.limiter.group is not None:
                self.moved[way] += allowed

    @rule(number=which, way=ways, wish=st.integers(1, 400), part=st.fractions(0, 1))
    def launch(self, number: int, way: int, wish: int, part: Fraction) -> None:
        """As the completion side does: be charged, move some, get the rest back."""
        member = self.members[number]
        allowed = member.limiter.allowance(way, wish)
        if allowed:
            grouped = member.limiter.group is not None
            member.limiter.launched(way, allowed)
            moved = int(allowed * part)
            member.limiter.settle(way, moved)
            if grouped:
                self.moved[way] += moved

    @precondition(lambda self: any(each.limiter.bucket for each in self.members))
    @rule(data=st.data(), way=ways, size=sizes)
    def decrement(self, data: Any, way: int, size: int) -> None:
        limited = [each for each in self.members if each.limiter.bucket is not None]
        data.draw(st.sampled_from(limited)).limiter.decrement(way, size)

    @rule(way=ways, size=sizes)
    def decrement_group(self, way: int, size: int) -> None:
        (self.group.decrement_write if way else self.group.decrement_read)(size)

    @rule(ms=st.integers(1, 9))
    def wait(self, ms: int) -> None:
        """The loop runs that long."""
        base = self.poller.base
        base.loopexit(ms * MS)  # behind what else is due then
        base.loop()

    @invariant()
    def buckets_are_below_their_bursts(self) -> None:
        buckets = [each.limiter.bucket for each in self.members]
        for bucket in [*buckets, self.group.bucket]:
            if bucket is not None:
                assert bucket.limits[READ] <= bucket.cfg.read_burst
                assert bucket.limits[WRITE] <= bucket.cfg.write_burst

    @invariant()
    def an_empty_bucket_suspends_and_a_timer_ends_that(self) -> None:
        for member in self.members:
            bucket, timer = member.limiter.bucket, member.limiter.refill
            for way in (READ, WRITE):
                mine = bool(member.suspended(way) & SUSPEND_BW)
                if bucket is None:
                    assert not mine
                    continue
                assert bucket.limits[way] > 0 or mine
                assert not mine or timer.added
                if mine:
                    due = timer.deadline_ns
                    assert due is not None
                    # One tick more: it was started for whole ticks, between two of them.
                    wait_ns = bucket.wait_ns(way, 1) + bucket.cfg.tick_ns
                    assert due < self.poller.now + wait_ns

    @invariant()
    def a_group_suspends_all_or_none(self) -> None:
        group = self.group
        for way in (READ, WRITE):
            for member in self.members:
                theirs = bool(member.suspended(way) & SUSPEND_BW_GROUP)
                assert theirs is (group.suspended[way] and member.limiter.group is group)
            assert group.bucket.limits[way] > 0 or group.suspended[way]
            assert not group.suspended[way] or group.refill.added

    @invariant()
    def totals_are_what_moved(self) -> None:
        assert list(self.group.get_totals()) == self.moved

    @invariant()
    def shares_are_bytes(self) -> None:
        cfg = self.group.bucket.cfg
        assert 1 <= self.group.min_share <= min(cfg.read_rate, cfg.write_rate)

    def teardown(self) -> None:
        if any(each.limiter.group for each in self.members):
            with pytest.raises(ValueError, match="members cannot be freed"):
                self.group.free()
        for member in self.members:
            member.limiter.close()
        self.group.free()
        assert self.poller.base.event_count == 0


TestLimitedMembers = LimitedMembers.TestCase


# Single facts.


def group_of(count: int, **more: int) -> tuple[FakePoller, RateLimitGroup, list[Member]]:
    poller = FakePoller()
    limits = {"read_rate": 100, "read_burst": 300, "write_rate": 100, "write_burst": 300, **more}
    cfg = token_bucket_cfg_new(**limits, tick_ns=MS)
    assert cfg is not None
    group = RateLimitGroup(poller.base, cfg)
    members = [Member(poller.base) for _ in range(count)]
    for member in members:
        member.limiter.join(group)
    return poller, group, members


def test_the_minimal_share() -> None:
    _, group, _ = group_of(4)
    assert group.min_share == MIN_SHARE
    assert group.share(READ) == MIN_SHARE
    group.set_min_share(5)
    assert group.share(READ) == 25
    assert group.set_min_share(SSIZE_MAX + 1) == -1
    group.set_min_share(1_000)
    assert group.min_share == 100, "at steady state one member can move in each tick"
    group.set_min_share(0)
    assert group.min_share == 1, "a share of nothing would stand still for ever"


def test_a_newcomer_inherits_the_suspension_and_leaving_ends_it() -> None:
    poller, group, members = group_of(1)
    group.decrement_read(500)
    newcomer = Member(poller.base)
    newcomer.limiter.join(group)
    assert newcomer.read_suspended == SUSPEND_BW_GROUP
    assert newcomer.write_suspended == 0
    newcomer.limiter.leave(resume=True)
    assert newcomer.read_suspended == 0
    members[0].limiter.close()
    assert members[0].read_suspended == SUSPEND_BW_GROUP, "its end resumes nothing"


def test_a_refund_goes_to_the_bucket_that_was_charged() -> None:
    """A limit set while a read is in flight gains nothing from that read's rest."""
    poller, group, (member,) = group_of(1)
    member.limiter.launched(READ, 100)
    cfg = token_bucket_cfg_new(10, 50, 10, 50, MS)
    assert cfg is not None
    member.limiter.set(cfg)
    member.limiter.leave(resume=True)
    member.limiter.settle(READ, 1)
    assert member.limiter.bucket is not None
    assert member.limiter.bucket.limits[READ] == 10
    assert group.get_totals() == (1, 0)
    assert poller.now == 0


def test_without_a_limit_there_is_nothing_to_take() -> None:
    _, _, (member,) = group_of(1)
    with pytest.raises(ValueError, match="without a rate limit"):
        member.limiter.decrement(READ, 1)


def test_the_rotation_begins_one_further_each_time_and_where_the_world_likes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poller, group, members = group_of(3)
    order: list[int] = []

    def note(number: int, why: int) -> None:
        order.append(number)

    for number, member in enumerate(members):
        monkeypatch.setattr(member, "unsuspend_read", partial(note, number))
    for _ in range(4):
        group.decrement_read(10_000)
        group.decrement_read(-10_000)
    firsts = order[::3]
    assert firsts == [1, 0, 2, 1], "the newest member stands first"
    poller.base.pick = lambda name, bound: len(name) % bound
    order.clear()
    group.decrement_read(10_000)
    group.decrement_read(-10_000)
    assert order[0] == [2, 1, 0][(5 + len("ratelim.rotate")) % 3]
