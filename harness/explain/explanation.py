"""What an explanation is, as data. Times are integer nanoseconds, records are counted from 0."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from model.trace import Record


class Bytes(NamedTuple):
    """Bytes `start` to `end` (not included) of what the end `sender` sends: `c0`, `s1`."""

    sender: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Side:
    """A record of one of two runs, in words."""

    record: int
    text: str


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where the nearest run that passes goes another way; `change` is what was changed for it."""

    change: str
    failing: Side
    passing: Side


@dataclass(frozen=True, slots=True)
class Flip:
    """Decision `index` of the run, answered with `instead`: does it still fail?

    `record` is the first that was made after it.
    """

    index: int
    name: str
    value: int
    instead: int
    still_fails: bool
    record: int


@dataclass(frozen=True, slots=True)
class Point:
    """Of `of` runs that have the decisions before `decision` in common with the failure, and all
    others drawn anew, `failed` fail as it does."""

    decision: int
    record: int
    failed: int
    of: int


@dataclass(frozen=True, slots=True)
class Certain:
    """From this decision on failing was near certain."""

    decision: int
    record: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Bytes at one place of their way."""

    record: int
    time_ns: int
    what: str


@dataclass(frozen=True, slots=True)
class Way:
    """The way of some bytes of `connection`, in one `direction`, as `c0 to s0`."""

    connection: str
    direction: str
    start: int
    end: int
    way: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found out. `finished` is false where a bound or an interrupt left something out.

    `failing` and `passing` are the records of the two runs of `first_difference`, for views that
    show more of them.
    """

    story: tuple[str, ...]
    verdict: str
    first_difference: FirstDifference | None = None
    decisions: tuple[Flip, ...] = ()
    curve: tuple[Point, ...] = ()
    certain_at: Certain | None = None
    bytes: tuple[Way, ...] = ()
    finished: bool = True
    failing: tuple[Record, ...] = ()
    passing: tuple[Record, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data: the fields up to `bytes`."""
        told = {name: _plain(getattr(self, name)) for name in _TOLD}
        return {"story": list(self.story), "verdict": self.verdict, **told}


_TOLD = ("first_difference", "decisions", "curve", "certain_at", "bytes")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
