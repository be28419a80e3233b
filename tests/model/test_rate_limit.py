"""Token buckets against a simple account of what they may give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.rate_limit import (
    INT_MAX,
    MS,
    READ,
    SSIZE_MAX,
    WRITE,
    RateLimitConfig,
    TokenBucket,
    token_bucket_cfg_new,
)

rates = st.integers(1, 200)
sizes = st.integers(-300, 300)
times = st.integers(0, 40)


@st.composite
def configs(draw: st.DrawFn) -> RateLimitConfig:
    read, write = draw(rates), draw(rates)
    tick_ns = draw(st.sampled_from((1, 2, 5))) * MS
    cfg = token_bucket_cfg_new(
        read, read + draw(st.integers(0, 300)), write, write + draw(st.integers(0, 300)), tick_ns
    )
    assert cfg is not None
    return cfg


# The configuration.


@pytest.mark.parametrize(
    ("arguments", "good"),
    [
        ((1, 1, 1, 1), True),
        ((5, 5, 7, 9, 3 * MS), True),
        ((SSIZE_MAX, SSIZE_MAX, SSIZE_MAX, SSIZE_MAX), True),
        ((0, 1, 1, 1), False),
        ((1, 1, 0, 1), False),
        ((2, 1, 1, 1), False),
        ((1, 1, 2, 1), False),
        ((1, SSIZE_MAX + 1, 1, 1), False),
        ((1, 1, 1, SSIZE_MAX + 1), False),
        ((1, 1, 1, 1, 0), False),
        ((1, 1, 1, 1, MS - 1), False),
        ((1, 1, 1, 1, -MS), False),
        ((1, 1, 1, 1, INT_MAX * MS), True),
        ((1, 1, 1, 1, ((1 << 31) - 1) * MS), True),
        ((1, 1, 1, 1, (1 << 31) * MS), False),
        ((1, 1, 1, 1, (INT_MAX + 1) * MS), False),
    ],
)
def test_what_a_configuration_may_be(arguments: tuple[int, ...], good: bool) -> None:
    assert (token_bucket_cfg_new(*arguments) is not None) is good


def test_a_tick_counts_milliseconds_and_is_a_second_unless_told() -> None:
    default = token_bucket_cfg_new(1, 1, 1, 1)
    odd = token_bucket_cfg_new(1, 1, 1, 1, 3 * MS + 999_999)
    assert default is not None and default.tick_ns == 1_000 * MS
    assert odd is not None and odd.tick_ns == 3 * MS


# One bucket.


def test_a_bucket_begins_with_its_rate_and_counts_ticks_of_the_clock() -> None:
    cfg = token_bucket_cfg_new(10, 25, 3, 3, 5 * MS)
    assert cfg is not None
    bucket = TokenBucket(cfg, 4 * MS)
    assert bucket.limits == [10, 3]
    levels = []
    for now in (4, 5, 9, 10, 15, 90, 20):
        bucket.update(now * MS)
        levels.append(bucket.limits[READ])
    assert levels == [10, 20, 20, 25, 25, 25, 25]


@given(configs(), st.lists(st.tuples(times, st.sampled_from((READ, WRITE)), sizes)))
def test_a_bucket_keeps_its_account(
    cfg: RateLimitConfig, moves: list[tuple[int, int, int]]
) -> None:
    """Tick by tick: a rate more, never above the burst; what is taken is taken."""
    bucket = TokenBucket(cfg, 0)
    levels = [cfg.read_rate, cfg.write_rate]
    now = 0
    for wait, way, size in moves:
        for ms in range(now + 1, now + wait + 1):
            if ms * MS % cfg.tick_ns == 0:
                levels = [min(cfg.burst(each), levels[each] + cfg.rate(each)) for each in (0, 1)]
        now += wait
        levels[way] = min(cfg.burst(way), levels[way] - size)
        assert bucket.take(way, size, now * MS) == levels[way]
        assert bucket.limits == levels


@given(configs(), st.lists(st.tuples(times, st.integers(1, 400)), min_size=1))
def test_no_window_gives_more_than_its_bound(
    cfg: RateLimitConfig, wishes: list[tuple[int, int]]
) -> None:
    """Whoever takes what there is, and no more: burst and a rate for every tick that it touches."""
    bucket = TokenBucket(cfg, 0)
    now, taken = 0, []
    for wait, wish in wishes:
        now += wait * MS
        bucket.update(now)
        size = min(wish, bucket.limits[READ])
        bucket.take(READ, size, now)
        taken.append((now // cfg.tick_ns, size))
    for index, (first, _) in enumerate(taken):
        total = 0
        for last, size in taken[index:]:
            total += size
            assert total <= cfg.read_burst + cfg.read_rate * (last - first)


@given(configs(), configs(), times, times, times)
def test_a_change_only_takes_away(
    old: RateLimitConfig, new: RateLimitConfig, start: int, change: int, later: int
) -> None:
    """And ticks of the new length count from the change on."""
    bucket = TokenBucket(old, start * MS)
    now = (start + change) * MS
    bucket.update(now)
    before = list(bucket.limits)
    bucket.change(new, now)
    assert bucket.limits == [min(before[way], new.burst(way)) for way in (READ, WRITE)]
    kept = list(bucket.limits)
    end = now + later * MS
    bucket.update(end)
    ticks = end // new.tick_ns - now // new.tick_ns
    expected = [min(new.burst(way), kept[way] + ticks * new.rate(way)) for way in (READ, WRITE)]
    assert bucket.limits == expected


@given(configs(), st.integers(-2_000, 0), st.integers(1, 60), st.integers(0, 9))
def test_the_wait_is_long_enough_and_no_tick_longer(
    cfg: RateLimitConfig, level: int, least: int, phase: int
) -> None:
    least = min(least, cfg.read_rate)
    now = phase * MS
    bucket = TokenBucket(cfg, now)
    bucket.limits[READ] = level
    wait_ns = bucket.wait_ns(READ, least)
    assert wait_ns % cfg.tick_ns == 0
    if wait_ns > cfg.tick_ns:
        bucket.update(now + wait_ns - cfg.tick_ns)
        assert bucket.limits[READ] < least
    bucket.update(now + wait_ns)
    assert bucket.limits[READ] >= least
