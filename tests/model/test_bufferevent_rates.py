"""Bufferevents with limits, over both simulated kernels: what moves when, tick by tick."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

from model.bufferevent import SUSPEND_BW, SUSPEND_BW_GROUP, Bufferevent
from model.rate_limit import SSIZE_MAX, RateLimitConfig, token_bucket_cfg_new
from model.subject import EV_READ, EV_WRITE, EVLOOP_NONBLOCK
from tests.model.rig import MS, Rig, Spy, in_worlds


def limits(rate: int, burst: int | None = None, tick_ms: int = 1) -> RateLimitConfig:
    burst = rate if burst is None else burst
    cfg = token_bucket_cfg_new(rate, burst, rate, burst, tick_ms * MS)
    assert cfg is not None
    return cfg


def inner(spy: Spy) -> Bufferevent:
    """The model's own object behind the protocol."""
    return cast("Bufferevent", spy.bev)


def received(rig: Rig, spy: Spy, ticks: int) -> list[int]:
    """How much there was after each tick."""
    seen = [len(spy.data)]
    for _ in range(ticks):
        rig.settle()
        seen.append(len(spy.data))
    return seen


@in_worlds()
def test_reading_goes_on_tick_by_tick(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.set_rate_limit(limits(100))
    server.bev.enable(EV_READ)
    client.bev.write(bytes(1_000))
    steps = received(rig, server, 12)
    assert steps[-1] == 1_000
    gained = [later - earlier for earlier, later in pairwise(steps)]
    assert max(gained) <= 200, "a tick's rate, and what was left of the tick before"


@in_worlds()
def test_writing_goes_on_tick_by_tick(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(100))
    client.bev.write(bytes(1_000))
    steps = received(rig, server, 12)
    assert steps[-1] == 1_000
    assert steps[5] <= 600
    assert client.bev.get_write_limit() == 100


@in_worlds()
def test_a_burst_is_saved_up(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(100, 500))
    rig.settle(10 * MS)
    assert client.bev.get_write_limit() == 500
    client.bev.write(bytes(1_000))
    rig.settle()
    assert 500 <= len(server.data) <= 600


@in_worlds()
def test_without_a_limit(rig: Rig) -> None:
    client, _ = rig.pair()
    assert client.bev.get_read_limit() == client.bev.get_write_limit() == SSIZE_MAX
    assert inner(client).get_max_to_read() == inner(client).get_max_to_write() == 16_384
    assert client.bev.set_rate_limit(None) == 0
    assert client.bev.remove_from_rate_limit_group() == 0


@in_worlds()
def test_max_single_is_a_bound_of_one_operation(rig: Rig) -> None:
    client, server = rig.pair()
    assert server.bev.set_max_single_read(10) == 0
    server.bev.enable(EV_READ)
    assert server.bev.set_max_single_write(0) == 0
    client.bev.write(bytes(95))
    rig.settle()
    lengths = [what for which, what in server.seen if which == "read"]
    assert len(server.data) == 95
    assert all(isinstance(length, int) and length <= 20 for length in lengths)
    assert inner(server).max_single_write == 16_384


@in_worlds()
def test_removing_the_limit_under_load_lets_everything_through(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(10, tick_ms=1_000))
    client.bev.write(bytes(1_000))
    rig.settle()
    assert len(server.data) == 10
    assert inner(client).write_suspended == SUSPEND_BW
    client.bev.set_rate_limit(None)
    rig.settle()
    assert len(server.data) == 1_000
    assert client.bev.get_write_limit() == SSIZE_MAX


@in_worlds()
def test_a_longer_tick_set_under_load_still_refills(rig: Rig) -> None:
    """libevent goes on from the old tick's number, which the new ticks reach only much later."""
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(10, tick_ms=1))
    rig.settle(50 * MS)
    client.bev.write(bytes(100))
    client.bev.set_rate_limit(limits(50, tick_ms=20))
    rig.settle(60 * MS)
    assert len(server.data) == 100


@in_worlds()
def test_the_loop_waits_for_a_refill(rig: Rig) -> None:
    """L-6: a suspended bufferevent is no reason to leave the loop."""
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(10, tick_ms=5))
    client.bev.write(bytes(30))
    assert rig.base.loop(EVLOOP_NONBLOCK) == 0
    rig.settle(30 * MS)
    assert len(server.data) == 30


@in_worlds()
def test_no_timeout_while_the_bucket_is_empty(rig: Rig) -> None:
    """And the whole timeout runs again from the refill on."""
    client, server = rig.pair()
    server.bev.set_rate_limit(limits(10, tick_ms=40))
    server.bev.set_timeouts(30 * MS, None)
    server.bev.enable(EV_READ)
    client.bev.write(bytes(10))
    rig.settle(39 * MS - rig.base.now_ns() % (40 * MS))
    server.bev.decrement_read_limit(1)
    rig.settle(25 * MS)
    assert server.events() == []
    rig.settle((40 if rig.is_epoll else 80) * MS)  # a read in flight holds a tick's tokens
    assert server.events() == ["READING|TIMEOUT"]


@in_worlds()
def test_freeing_while_suspended_leaves_no_timer(rig: Rig) -> None:
    client, server = rig.pair()
    client.bev.set_rate_limit(limits(10, tick_ms=1_000))
    client.bev.write(bytes(100))
    rig.settle()
    events = rig.base.event_count
    client.free()
    server.free()
    assert rig.base.event_count < events
    rig.base.loop(EVLOOP_NONBLOCK)  # finalisers
    assert rig.base.loop(EVLOOP_NONBLOCK) == 1


@in_worlds()
def test_tokens_taken_and_given(rig: Rig) -> None:
    client, server = rig.pair()
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(100, tick_ms=1_000))
    client.bev.decrement_write_limit(150)
    assert client.bev.get_write_limit() == -50
    assert inner(client).get_max_to_write() == 0
    client.bev.write(bytes(60))
    rig.settle()
    assert len(server.data) == 0
    client.bev.decrement_write_limit(-80)
    rig.settle()
    assert len(server.data) == 30
    client.bev.decrement_write_limit(-1_000)
    assert client.bev.get_write_limit() == 100 - (0 if rig.is_epoll else 30), (
        "never above its burst"
    )


@in_worlds()
def test_a_group_shares_and_one_that_leaves_goes_on(rig: Rig) -> None:
    group = rig.base.rate_limit_group_new(limits(200, tick_ms=1_000))
    pairs = [rig.pair() for _ in range(2)]
    for client, server in pairs:
        server.bev.enable(EV_READ)
        client.bev.add_to_rate_limit_group(group)
    for client, _ in pairs:
        client.bev.write(bytes(1_000))
    rig.settle()
    assert 200 <= sum(len(server.data) for _, server in pairs) < 264
    assert all(inner(client).write_suspended == SUSPEND_BW_GROUP for client, _ in pairs)
    client, server = pairs[0]
    client.bev.remove_from_rate_limit_group()
    rig.settle()
    assert len(server.data) == 1_000
    assert len(pairs[1][1].data) < 1_000
    pairs[1][0].free()
    group.free()


@in_worlds()
def test_whoever_looks_is_told_of_every_suspension(rig: Rig) -> None:
    client, server = rig.pair()
    told: list[Any] = []
    client.bev.observe_suspension(lambda direction, reasons: told.append((direction, reasons)))
    server.bev.enable(EV_READ)
    client.bev.set_rate_limit(limits(10, tick_ms=5))
    client.bev.setwatermark(EV_READ, 0, 1)
    client.bev.write(bytes(10))
    rig.settle(20 * MS)
    assert told == [("write", SUSPEND_BW), ("write", 0)]
    client.bev.disable(EV_WRITE)
    client.bev.decrement_write_limit(100)
    assert told[2:] == [("write", SUSPEND_BW)]
