"""X-3: a limit binds in every world alike.

Compared are bufferevents with one limit of their own, set once before anything moved. Each world's
bytes are held to that limit at the times at which they moved, and the worlds must agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from model.properties.catalogue import Property, Violation
from model.properties.meters import READ, SINGLE, WRITE, Meter, meters_of
from model.trace import Record

PROPERTIES = (
    Property(
        "X-3",
        "A rate limit that one world keeps, every world keeps.",
        "libevent: bufferevent_sock.c against bufferevent_async.c, above bufferevent_ratelim.c",
        "pairs of runs: bytes moved by each bufferevent with one limit of its own, in every"
        " stretch of time, one operation allowed for; a real clock may be off by 60 ms",
        checked_by="runs",
    ),
)

REAL_NS = 60_000_000  # what a real clock and scheduler may be off
_OTHER_LIMITS = (
    "add_to_rate_limit_group",
    "decrement_read_limit",
    "decrement_write_limit",
)


class _Limit:
    """One bufferevent's limit in one run, and by how much it was overdrawn."""

    __slots__ = ("judged", "launched", "meters", "single", "surplus")

    def __init__(self) -> None:
        self.meters: list[Meter] = []
        self.single = [SINGLE, SINGLE]
        self.surplus = [0, 0]
        self.judged = True
        self.launched = [False, False]  # completion: what is in flight is charged to the limit

    def op(self, time: int, name: str, args: tuple[Any, ...]) -> None:
        """A call of the application."""
        if name == "set_rate_limit":
            self.judged &= args[0] is not None and not self.meters
            if self.judged:
                self.meters = meters_of(args, time)
        elif name in ("set_max_single_read", "set_max_single_write"):
            self.single[WRITE if name.endswith("write") else READ] = args[0] or SINGLE
        elif name in _OTHER_LIMITS:
            self.judged = False

    def moved(self, time: int, way: int, size: int, real_ns: int) -> None:
        """Bytes moved."""
        if not self.meters:
            self.judged = False  # before there was a limit
            return
        meter = self.meters[way]
        meter.update(time)
        meter.take(size)
        slack = min(self.single[way], meter.burst) + meter.lateness(real_ns)
        self.surplus[way] = max(self.surplus[way], -meter.free - slack)


def compare_rates(
    pairs: Sequence[tuple[str, Sequence[Record]]],
    checked: dict[str, int],
    violations: list[Violation],
) -> None:
    """Holds each run against the first one."""
    checked["X-3"] = 0
    told = [(world, _limits(world, records)) for world, records in pairs]
    world, first = told[0]
    for other_world, others in told[1:]:
        for name in sorted(first.keys() & others.keys()):
            one, two = first[name], others[name]
            if not (one.judged and two.judged and one.meters and two.meters):
                continue
            checked["X-3"] += 1
            for way in (READ, WRITE):
                if (one.surplus[way] > 0) is not (two.surplus[way] > 0):
                    message = f"{name} {_tell(one, way)} in {world}, but {_tell(two, way)}"
                    violations.append(Violation("X-3", -1, f"{message} in {other_world}"))


def _tell(limit: _Limit, way: int) -> str:
    surplus, word = limit.surplus[way], ("read", "wrote")[way]
    return f"{word} {surplus} bytes too many" if surplus > 0 else f"{word} what its limit lets"


def _limits(world: str, records: Iterable[Record]) -> dict[str, _Limit]:
    limits: dict[str, _Limit] = {}
    owner: dict[Any, str] = {}
    real_ns = 0 if world.startswith("sim-") else REAL_NS
    for record in records:
        time, kind = record[:2]
        if kind in ("teardown", "crash", "budget"):
            break
        if kind == "attach" or (kind == "new" and record[3] == "socket"):
            owner[record[-1]] = record[2]
            limits.setdefault(record[2], _Limit())
        elif kind == "op" and record[2] in limits:
            limits[record[2]].op(time, record[3], record[4])
        elif record[2:] and record[2] in owner:
            _operation(limits[owner[record[2]]], record, real_ns)
    return {name: limit for name, limit in limits.items() if limit.meters}


def _operation(limit: _Limit, record: Record, real_ns: int) -> None:
    """A record of the kernel."""
    time, kind = record[:2]
    if kind in ("wsa_recv", "wsa_send"):
        limit.launched[WRITE if kind == "wsa_send" else READ] = bool(limit.meters)
    elif kind == "completion" and record[4] in ("recv", "send"):
        way = WRITE if record[4] == "send" else READ
        if record[6] and (limit.launched[way] or not limit.meters):
            limit.moved(time, way, len(record[6]), real_ns)
    elif kind in ("recv", "send") and record[4].__class__ is bytes and record[4]:
        limit.moved(time, WRITE if kind == "send" else READ, len(record[4]), real_ns)
