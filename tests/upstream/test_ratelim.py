"""test-ratelim.c and the cases of regress_bufferevent.c about rate limits.

Upstream runs five seconds of real time, thirty clients, ticks of 100 ms; here that is virtual time,
on both simulated kernels, and the numbers are exact where nothing is random. The real kernel gets
short runs: never more than the bucket lets in the time that passed, and not less than half.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from harness.worlds import why_not
from model.rate_limit import INT_MAX, MIN_SHARE, token_bucket_cfg_new
from model.rate_limit_group import RateLimitGroup
from tests.upstream.ratelim import MS, Result, Setup, play

SECOND = 1_000 * MS
LONG_MAX, UINT_MAX = (1 << 63) - 1, (1 << 32) - 1
simulated = pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])


def test_bufferevent_ratelimit_div_by_zero() -> None:
    assert token_bucket_cfg_new(1, 1, 1, 1, 0) is None


@pytest.mark.parametrize(
    ("seconds", "good"),
    [
        (LONG_MAX, False),
        (UINT_MAX - 1, False),
        (INT_MAX, False),
        (INT_MAX // 1000 + 1, False),
        (INT_MAX // 1000, True),
        (INT_MAX // 1000 - 1, True),
    ],
)
def test_bufferevent_ratelimit_overflow(seconds: int, good: bool) -> None:
    assert (token_bucket_cfg_new(1, 1, 1, 1, seconds * SECOND) is not None) is good


def check_levels(result: Result, setup: Setup) -> None:
    """No bucket above four ticks' rate; none below 0 by more than a share and the drain."""
    assert all(0 <= level <= 4 * setup.connlimit for level in result.conn_levels)
    lowest = -MIN_SHARE - setup.drain
    assert all(lowest < level <= 4 * setup.grouplimit for level in result.group_levels)


@simulated
def test_connection_limit_no_group_limit(world: str) -> None:
    setup = Setup(connlimit=1_000)
    result = play(world, setup)
    assert abs(result.average - 1_000) <= 20, "one tick more or less, of fifty"
    assert result.deviation <= 20
    assert len(result.conn_levels) >= 30 * 49
    check_levels(result, setup)


@simulated
def test_group_limit_no_connection_limit(world: str) -> None:
    setup = Setup(grouplimit=30_000)
    result = play(world, setup)
    assert abs(result.total - 30_000) <= 1_000
    assert result.deviation <= 100
    assert len(result.group_levels) >= 49
    check_levels(result, setup)


@simulated
def test_connection_limit_and_group_limit(world: str) -> None:
    setup = Setup(connlimit=1_000, grouplimit=30_000)
    result = play(world, setup)
    assert abs(result.average - 1_000) <= 20
    assert abs(result.total - 30_000) <= 1_000
    assert result.deviation <= 20
    check_levels(result, setup)


@simulated
@pytest.mark.parametrize(
    ("grouplimit", "drain", "total"), [(35_000, 500, 30_000), (30_000, 5_000, 25_000)]
)
def test_both_limits_with_an_independent_drain(
    world: str, grouplimit: int, drain: int, total: int
) -> None:
    """Somebody else uses a part of the group's limit; what is left is the members'."""
    setup = Setup(connlimit=1_000, grouplimit=grouplimit, drain=drain)
    result = play(world, setup)
    assert abs(result.total - total) <= 1_000
    assert result.deviation <= 50
    check_levels(result, setup)


@simulated
def test_a_minimal_share_of_a_tick_s_limit_serves_few_members_at_a_time(world: str) -> None:
    """--min-share: larger pieces, the same total."""
    setup = Setup(clients=10, grouplimit=1_000, min_share=500, tick_ms=1, ticks=500)
    result = play(world, setup)
    assert abs(result.total - 1_000) <= 20
    assert all(level > -500 for level in result.group_levels)


@pytest.mark.parametrize(
    "setup",
    [
        Setup(connlimit=1_000, tick_ms=10, ticks=20),
        Setup(grouplimit=30_000, tick_ms=10, ticks=20),
        Setup(connlimit=1_000, grouplimit=20_000, drain=500, tick_ms=10, ticks=20),
    ],
    ids=("connections", "group", "both"),
)
def test_on_the_real_kernel(setup: Setup) -> None:
    reason = why_not("epoll")
    if reason is not None:
        pytest.skip(reason)
    result = play("epoll", setup)
    limits = [each for each in (setup.connlimit * setup.clients, setup.grouplimit) if each]
    limit = min(limits)
    burst = 4 * limit
    assert sum(result.received) <= burst + limit * (result.ticks + 1)
    assert sum(result.received) >= (limit - setup.drain) * setup.ticks // 2
    check_levels(result, setup)


# fairness, on a fixed tape. Two of ten members have their share in a tick.

MEMBERS, TICKS = 10, 2_000
FEW = Setup(clients=MEMBERS, grouplimit=2 * MIN_SHARE, tick_ms=1, ticks=TICKS)
FAIR = 2 * MIN_SHARE * TICKS // MEMBERS  # bytes of each member


class FixedTape:
    """The world's choices: a fixed sequence (the multiplier of C's rand)."""

    def __init__(self) -> None:
        self.state = 1

    def __call__(self, name: str, bound: int) -> int:
        self.state = (self.state * 1_103_515_245 + 12_345) % (1 << 31)
        return (self.state >> 8) % bound


def longest_wait(result: Result) -> int:
    """Ticks that a member waited for its share, at most."""
    return max(later - earlier for ticks in result.served for earlier, later in pairwise(ticks))


@simulated
def test_every_member_has_its_share_in_turn(world: str) -> None:
    """Undisturbed, the rotation begins one member further each time."""
    result = play(world, FEW)
    assert all(abs(received - FAIR) <= FAIR // 50 for received in result.received)
    assert longest_wait(result) <= MEMBERS * MEMBERS // 2


@simulated
def test_a_rotation_by_the_world_s_choice_is_fair_in_the_long_run(world: str) -> None:
    result = play(world, replace(FEW, pick=FixedTape()))
    assert abs(result.total - 2 * MIN_SHARE) <= 2
    assert all(abs(received - FAIR) <= FAIR // 5 for received in result.received)
    assert longest_wait(result) <= 100


@simulated
def test_without_a_rotation_the_last_member_starves(
    world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the two tests before this one can fail."""
    monkeypatch.setattr(RateLimitGroup, "_first", lambda self, count: 0)
    result = play(world, FEW)
    assert min(result.received) < FAIR // 5
