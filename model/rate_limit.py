"""Token buckets: how many bytes may move in a tick (libevent: bufferevent_ratelim.c).

Ticks are numbered by the base's clock, and all buckets of one tick length are refilled at the same
moments. A bucket begins with one tick's rate, not with its burst. A direction whose bucket is
empty, or below, is suspended (SUSPEND_BW; SUSPEND_BW_GROUP for that of its group) until it has
been refilled; a timer that runs only that long sees to it.

Where libevent goes wrong, ours does not:

* A change of the limits that changes the length of a tick starts to count ticks anew. libevent
  goes on from the old tick's number, and then refills nothing for long, or all at once.
* Tokens given back never raise a bucket above its burst, and an operation gives back only what it
  was charged. libevent's grows without bound once it is above, and a limit that is set while a
  read is in flight gains that read's whole rest.
* A second suspension does not put off the refill timer that runs for the first. The timer sleeps
  until the bucket has something, and a group's runs only while the group is suspended: libevent
  wakes up every tick, a group's timer for as long as the group lives.
* A bufferevent leaves its group when it is freed, not when the loop has finalised it: until then
  libevent keeps a share for it, and the group cannot be freed.
* `max_single` binds beside a limit of its own, and no member's share is 0: libevent forgets the
  one, and takes a read of 0 bytes, from a minimal share of 0, for the end of the stream.
"""

from __future__ import annotations

from typing import NamedTuple

SUSPEND_BW = 0x02  # the bufferevent's own bucket is empty (bufferevent-internal.h)
SUSPEND_BW_GROUP = 0x04  # its group's bucket is empty

SSIZE_MAX = (1 << 63) - 1  # EV_RATE_LIMIT_MAX: bytes
INT_MAX = (1 << 31) - 1  # milliseconds of a tick, and ticks of one refill
MIN_SHARE = 64  # bytes that a member of a group may move at least (bufferevent_ratelim.c)
MS = 1_000_000

READ, WRITE = 0, 1  # places in what there is one of for each direction


class RateLimitConfig(NamedTuple):
    """ev_token_bucket_cfg: bytes a tick, bytes saved up at most, nanoseconds of a tick."""

    read_rate: int
    read_burst: int
    write_rate: int
    write_burst: int
    tick_ns: int

    def rate(self, way: int) -> int:
        """Bytes a tick, READ or WRITE."""
        return self.write_rate if way else self.read_rate

    def burst(self, way: int) -> int:
        """Bytes that a bucket holds at most."""
        return self.write_burst if way else self.read_burst


def token_bucket_cfg_new(
    read_rate: int,
    read_burst: int,
    write_rate: int,
    write_burst: int,
    tick_ns: int = 1_000 * MS,
) -> RateLimitConfig | None:
    """ev_token_bucket_cfg_new: None unless 1 <= rate <= burst <= SSIZE_MAX, and a tick is 1 to
    INT_MAX milliseconds; what is finer than a millisecond is cut off."""
    tick_ms = tick_ns // MS
    if not 1 <= tick_ms <= INT_MAX:
        return None
    if not (1 <= read_rate <= read_burst <= SSIZE_MAX):
        return None
    if not (1 <= write_rate <= write_burst <= SSIZE_MAX):
        return None
    return RateLimitConfig(read_rate, read_burst, write_rate, write_burst, tick_ms * MS)


class TokenBucket:
    """ev_token_bucket, for both directions: `limits[READ]`, `limits[WRITE]` bytes may move."""

    __slots__ = ("cfg", "last_tick", "limits")

    def __init__(self, cfg: RateLimitConfig, now_ns: int) -> None:
        self.cfg = cfg
        self.limits = [cfg.read_rate, cfg.write_rate]
        self.last_tick = now_ns // cfg.tick_ns

    def update(self, now_ns: int) -> None:
        """ev_token_bucket_update_: what the ticks since the last time bring."""
        cfg = self.cfg
        passed = now_ns // cfg.tick_ns - self.last_tick
        if 0 < passed <= INT_MAX:
            self.last_tick += passed
            limits = self.limits
            limits[READ] = min(cfg.read_burst, limits[READ] + passed * cfg.read_rate)
            limits[WRITE] = min(cfg.write_burst, limits[WRITE] + passed * cfg.write_rate)

    def take(self, way: int, size: int, now_ns: int) -> int:
        """Takes tokens, or gives some back (a negative size): what is left, which may be less
        than nothing."""
        self.update(now_ns)
        left = self.limits[way] = min(self.cfg.burst(way), self.limits[way] - size)
        return left

    def change(self, cfg: RateLimitConfig, now_ns: int) -> None:
        """ev_token_bucket_init_ of a bucket in use: only ever takes away."""
        self.update(now_ns)
        self.cfg = cfg
        self.last_tick = now_ns // cfg.tick_ns
        self.limits[READ] = min(self.limits[READ], cfg.read_burst)
        self.limits[WRITE] = min(self.limits[WRITE], cfg.write_burst)

    def wait_ns(self, way: int, least: int) -> int:
        """How long until there are `least` tokens, in whole ticks; one tick at least."""
        rate = self.cfg.rate(way)
        return max(1, -((self.limits[way] - least) // rate)) * self.cfg.tick_ns
