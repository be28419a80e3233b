"""What the checker knows of rate limits: buckets kept from the records alone.

A meter is one direction of one bucket. What its owner does is charged by the sizes in the records
of kernel calls: over readiness what moved, over completion what was asked for, and the rest is
given back when the operation has ended. A completion is recorded before the bufferevent has
processed it, and with a full bucket it matters what came first; so there are two levels: `high`
takes tokens back as late as may be, `low` at once. The true level is between them, and they are
equal where there is no doubt. `free` is `high` without the tokens that the application took itself.
"""

from __future__ import annotations

from model.rate_limit import MIN_SHARE

SINGLE = 16_384  # bufferevent-internal.h: MAX_SINGLE_READ_DEFAULT, bytes of one operation
READ, WRITE = 0, 1
WAYS = {"read": READ, "write": WRITE}


class Meter:
    """One direction of one bucket."""

    __slots__ = ("burst", "doubt", "free", "high", "last", "low", "rate", "tick_ns")

    def __init__(self, rate: int, burst: int, tick_ns: int, time: int) -> None:
        self.rate, self.burst, self.tick_ns = rate, burst, tick_ns
        self.high = self.low = self.free = rate
        self.last = time // tick_ns
        self.doubt = 0  # tokens that may have come late, by a clock that stands still in a pass

    def update(self, time: int) -> None:
        """The ticks up to `time` bring their rate."""
        passed = time // self.tick_ns - self.last
        if passed > 0:
            self.last += passed
            self.give(passed * self.rate)

    def give(self, size: int) -> None:
        """Tokens for all levels; none rises above the burst."""
        self.low = min(self.burst, self.low + size)
        self.give_late(size)

    def give_late(self, size: int) -> None:
        """For the level that gets them late."""
        self.high = min(self.burst, self.high + size)
        self.free = min(self.burst, self.free + size)

    def take(self, size: int) -> None:
        """Bytes moved, or were asked for."""
        self.high -= size
        self.low -= size
        self.free -= size

    def decrement(self, size: int) -> None:
        """The application took tokens, or gave some."""
        if size < 0:
            self.give(-size)
        else:
            self.high -= size
            self.low -= size

    def change(self, rate: int, burst: int, tick_ns: int, time: int) -> None:
        """The limits changed: the level is clipped, and ticks are counted anew."""
        self.update(time)
        self.rate, self.burst, self.tick_ns = rate, burst, tick_ns
        self.last = time // tick_ns
        self.give(0)

    def ready_at(self, least: int, pending: int) -> int:
        """When the level is certainly `least`; 0 if it is."""
        missing = least - (self.low - pending)
        if missing <= 0:
            return 0
        return (self.last - (-missing // self.rate)) * self.tick_ns

    def lateness(self, tolerance_ns: int) -> int:
        """Tokens by which a record and the bufferevent may differ: each looked at the clock."""
        return self.rate * (tolerance_ns // self.tick_ns + 1) if tolerance_ns else 0


class Group:
    """A group: its meters, who is in it, and what its members moved."""

    __slots__ = (
        *("acts", "before", "configured_share", "fewer", "members", "meters", "more", "owing"),
        *("share", "totals"),
    )

    def __init__(self, limits: tuple[int, int, int, int, int], time: int) -> None:
        self.meters = self.before = meters_of(limits, time)  # before: should a change be refused
        self.members: dict[str, Limited] = {}
        self.owing: dict[str, Limited] = {}  # who may have to give tokens back: once members
        self.totals = [0, 0]
        self.fewer, self.more = [0, 0], [0, 0]  # bytes by which they may differ (`rates.doubt`)
        #: by thread, what it did last to the group: record, way, bytes charged
        self.acts: dict[str, tuple[int, int, int]] = {}
        self.configured_share = MIN_SHARE
        self.share = 1
        self.set_share(MIN_SHARE)

    def set_share(self, share: int) -> None:
        """bufferevent_rate_limit_group_set_min_share."""
        self.configured_share = share
        self.share = max(1, min(share, self.meters[READ].rate, self.meters[WRITE].rate))

    def alive(self) -> int:
        """Members that may move; one at least."""
        return max(1, sum(not each.freed for each in self.members.values()))

    def pending(self, way: int) -> int:
        """Tokens that members may or may not have given back yet."""
        return sum(each.owes(self, way) for each in self.owing.values())


#: what was charged for an operation: bytes, the meter and the group that were
Charge = tuple[int, "Meter | None", "Group | None"]
NOTHING: Charge = (0, None, None)


class Limited:
    """One bufferevent of a run with limits; most of them may have none themselves."""

    __slots__ = (
        "before", "flight", "freed", "group", "group_name", "largest", "name", "operations", "own",
        "pending", "pending_pass", "ready_at", "reasons", "single", "strikes", "suspended_pass",
        "turns",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.own: list[Meter | None] = [None, None]
        self.group: Group | None = None
        self.group_name = ""
        #: limits and group before a call that may have failed
        self.before: tuple[Meter | None, Meter | None, str] = (None, None, "")
        self.freed = False
        self.single = [SINGLE, SINGLE]
        self.flight: list[Charge] = [NOTHING, NOTHING]  # completion: what is in flight
        self.pending: list[Charge] = [NOTHING, NOTHING]  # ended, and perhaps not given back yet
        self.pending_pass = [-9, -9]
        self.largest = [0, 0]  # bytes of one operation, ever
        self.turns: dict[str, int] = {}  # thread -> the pass in which it asked last (Run.turn)
        self.operations: dict[str, list[int]] = {}  # thread -> how often it asked in that
        self.reasons = [0, 0]  # SUSPEND_* bits
        self.suspended_pass = [-9, -9]
        self.ready_at = [0, 0]  # when a suspended direction has tokens again
        self.strikes = [0, 0]  # passes that found it suspended long after

    def owes(self, group: Group, way: int) -> int:
        """What is pending of the group's."""
        rest, _, owed = self.pending[way]
        return rest if owed is group else 0

    def settle(self, way: int) -> None:
        """What was pending has been given back by now."""
        rest, own, group = self.pending[way]
        if rest:
            self.pending[way] = NOTHING
            if own is not None:
                own.give_late(rest)
            if group is not None:
                group.meters[way].give_late(rest)

    def own_pending(self, way: int) -> int:
        """Tokens of its own bucket that may not have been given back yet."""
        rest, own, _ = self.pending[way]
        return rest if own is not None and own is self.own[way] else 0


class Rates:
    """All of a run that has limits."""

    __slots__ = ("groups", "limited", "suspended")

    def __init__(self) -> None:
        self.limited: dict[str, Limited] = {}
        self.groups: dict[str, Group] = {}
        self.suspended: dict[str, Limited] = {}  # in some direction

    def of(self, name: str) -> Limited:
        """The bufferevent of that name."""
        limited = self.limited.get(name)
        if limited is None:
            limited = self.limited[name] = Limited(name)
        return limited


def meters_of(limits: tuple[int, int, int, int, int], time: int) -> list[Meter]:
    """The two directions of a bucket that is new."""
    read_rate, read_burst, write_rate, write_burst, tick_ns = limits
    return [
        Meter(read_rate, read_burst, tick_ns, time),
        Meter(write_rate, write_burst, tick_ns, time),
    ]


def change_all(meters: list[Meter], limits: tuple[int, int, int, int, int], time: int) -> None:
    """The limits of both directions changed."""
    read_rate, read_burst, write_rate, write_burst, tick_ns = limits
    meters[READ].change(read_rate, read_burst, tick_ns, time)
    meters[WRITE].change(write_rate, write_burst, tick_ns, time)
