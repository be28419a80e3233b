"""Where bytes pass: every record that moves some, with the places of these bytes in their stream.

A *stage* is one place on the way of what one end sends: into the output of a level (`out`), from
the lowest level to the network (`left`), from there into the lowest level's input (`came`), into
the inputs above it (`in`), to the application (`app`). Each counts its bytes from 0. Between two
levels of a stack stands a *call* (of a filter function, of a TLS engine) that makes other bytes of
what it takes; what comes out of it stands for what went in, and no closer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from harness.words import moved, named, owners
from model.trace import Record

Stage = tuple[str, str]  # kind, and the name of the level


class Moved(NamedTuple):
    """Record `record` moves the bytes `start` to `end` of `stage`."""

    record: int
    stage: Stage
    start: int
    end: int


class Call(NamedTuple):
    """What a layer took of one stage, as bytes of its stream, and gave to another."""

    taken: tuple[int, int]
    given: tuple[int, int]


class Flow:
    """All movements of a run; `layers` is what sits on what."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.moves: list[Moved] = []
        self.calls: dict[Stage, list[Call]] = defaultdict(list)  # by what takes: out or in
        self.below: dict[str, str] = {}  # a level -> the one that it sits on
        self.pairs: set[str] = set()  # lowest levels without a kernel
        self._counts: Counter[Stage] = Counter()
        self._taken: Counter[tuple[str, str]] = Counter()  # by a layer, in a direction
        self._pending: dict[str, tuple[int, int]] = {}  # plaintext whose record is to come
        whose = owners(records)
        for index, record in enumerate(records):
            self._follow(index, record, whose[index])

    def _move(self, index: int, kind: str, level: str, size: int) -> None:
        if size > 0:
            stage = kind, level
            start = self._counts[stage]
            self._counts[stage] = start + size
            self.moves.append(Moved(index, stage, start, start + size))

    def _follow(self, index: int, record: Record, owner: str) -> None:
        kind = record[1]
        if kind == "new" and record[3] == "pair":
            self.pairs.add(record[2])
        elif kind == "layer":
            self.below[record[2]] = record[3]
        elif kind == "buffer":
            self._buffer(index, *record[2:6])
        elif kind == "filter":
            self._filter(*record[2:4], *record[5:7])
        elif kind == "tls":
            self._tls(record)
        else:
            self._end_to_end(index, record, owner)

    def _end_to_end(self, index: int, record: Record, owner: str) -> None:
        """What the application, its peer or the kernel moves."""
        fields = named(record)
        raw = record[1] == "peer"
        for layer, direction, size in moved(record[1], fields):
            if layer == "application" and not raw:
                self._move(index, "out" if direction == "out" else "app", owner, size)
            else:
                self._move(index, "left" if direction == "out" else "in", owner, size)

    def _buffer(self, index: int, level: str, which: str, added: int, deleted: int) -> None:
        if which == "output":
            if level in self.pairs:
                self._move(index, "left", level, deleted)
            self._move(index, "out", level, added)
            for upper in [name for name, lower in self.below.items() if lower == level]:
                taken = self._pending.pop(upper, None)
                if taken is not None and added:
                    self._given(("out", upper), taken, ("out", level), added)
        else:
            self._move(index, "in", level, added)
            self._taken[level, "deleted"] += deleted

    def _given(self, taker: Stage, taken: tuple[int, int], giver: Stage, size: int) -> None:
        """The last `size` bytes of a stage are what a call gave."""
        end = self._counts[giver]
        self.calls[taker].append(Call(taken, (end - size, end)))

    def _filter(self, level: str, direction: str, taken: int, given: int) -> None:
        lower = self.below.get(level)
        if lower is None:
            return
        start = self._taken[level, direction]
        self._taken[level, direction] = start + taken
        if direction == "write":
            self._given(("out", level), (start, start + taken), ("out", lower), given)
        else:
            self._given(("in", lower), (start, start + taken), ("in", level), given)

    def _tls(self, record: Record) -> None:
        """What was taken of the level below since the last result is one result's."""
        _, _, level, operation, _, result = record
        lower = self.below.get(level)
        if lower is None:
            return
        if operation == "write" and isinstance(result, int) and result > 0:
            start = self._taken[level, "write"]
            self._taken[level, "write"] = start + result
            self._pending[level] = (start, start + result)
        elif operation == "handshake":
            self._taken[level, "read"] = self._taken[lower, "deleted"]
        elif operation == "read" and isinstance(result, bytes) and result:
            start = self._taken[level, "read"]
            end = self._taken[level, "read"] = self._taken[lower, "deleted"]
            known = self._counts["in", level]  # its buffer's record comes next
            self.calls["in", lower].append(Call((start, end), (known, known + len(result))))
