"""Whose call a record of a trace with threads is, and what a wait of the loop may have missed.

A call of another thread is recorded when it has returned, and so is the loop's wait, which both
happen without a lock in common. So of the calls of other threads that are recorded between the
loop's call before a wait and the one behind it, each may have come before or behind what the wait
saw. Among themselves they are in order, since what a wait sees changes under the base's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from model.errors import Win32Error
from model.threads import MAIN
from model.trace import Record


class Turns:
    """The calls of other threads than the loop's: `foreign`, by record."""

    def __init__(self, records: Sequence[Record], calls: Collection[str]) -> None:
        self.threaded = False
        self.writers: list[str] = []  # of each record
        self.foreign: set[int] = set()
        self.others: set[int] = set()  # all records of other threads
        self.around: dict[int, list[int]] = {}  # a wait: the calls before and behind it
        self.awaited: set[int] = set()  # calls recorded before the wait that they may follow
        writer = MAIN
        since: list[int] = []  # calls of others since the loop's last one
        last: int | None = None  # the loop's last call, if it was a wait
        for number, record in enumerate(records):
            if writer != MAIN or record[1] == "on":
                self.others.add(number)
            if record[1] == "on":
                writer = str(record[2])
            self.writers.append(writer)
            if record[1] == "thread":
                self.threaded = True
            if record[1] not in calls:
                continue
            if writer != MAIN:
                self.foreign.add(number)
                since.append(number)
            else:
                if last is not None:
                    self.around[last] += since
                last = None
                if record[1] == "epoll_wait":
                    last = number
                    self.around[number] = list(since)
                    self.awaited.update(since)
                since = []
        if last is not None:
            self.around[last] += since


_SUBMITTED = {"wsa_recv": 3, "wsa_send": 3, "accept_ex": 4, "connect_ex": 4}  # their overlapped


class _Item(NamedTuple):
    number: int  # in the trace
    writer: str
    record: Record


def gathered(records: Sequence[Record]) -> tuple[Sequence[Record], Sequence[int]]:
    """A trace of completion with threads, in an order that it could have been written in: the
    packets of a dequeue directly behind it, a submission before the dequeue of its packet. And the
    number that each record had. Without threads, the trace itself.
    """
    if not any(record[1] == "thread" for record in records):
        return records, range(len(records))
    items = _submissions_first(_packets_together(records))
    writer = MAIN
    made: list[Record] = []
    numbers: list[int] = []
    for item in items:
        if item.writer != writer:
            writer = item.writer
            made.append((item.record[0], "on", writer))
            numbers.append(item.number)
        made.append(item.record)
        numbers.append(item.number)
    return made, numbers


def _packets_together(records: Sequence[Record]) -> list[list[_Item]]:
    """Each record with the packets that belong to it; without `on`."""
    writer = MAIN
    groups: list[list[_Item]] = []
    open_groups: dict[str, tuple[list[_Item], int]] = {}
    for number, record in enumerate(records):
        kind = record[1]
        if kind == "on":
            writer = str(record[2])
            continue
        item = _Item(number, writer, record)
        group, left = open_groups.get(writer, ([], 0))
        if kind == "completion" and left:
            group.append(item)
            open_groups[writer] = group, left - 1
            continue
        groups.append([item])
        if kind == "gqcs" and isinstance(record[4], int):
            packets = 0 if isinstance(record[4], Win32Error) else record[4]
            open_groups[writer] = groups[-1], packets
    return groups


def _submissions_first(groups: list[list[_Item]]) -> list[_Item]:
    """A thread may take a packet before another has recorded the submission."""
    items: list[_Item] = []
    flying: set[int] = set()
    moved: set[int] = set()
    for place, group in enumerate(groups):
        if group[0].number in moved:
            continue
        for packet in group[1:]:
            if packet.record[4] != "post" and packet.record[3] not in flying:
                late = _submission(groups, place, packet.record[3])
                if late is not None:
                    moved.add(late.number)
                    items.append(late)
                    flying.add(packet.record[3])
        kind = group[0].record[1]
        if kind in _SUBMITTED:
            flying.add(group[0].record[_SUBMITTED[kind]])
        for item in group:
            if item.record[1] == "completion":
                flying.discard(item.record[3])
        items += group
    return items


def _submission(groups: list[list[_Item]], place: int, overlapped: int) -> _Item | None:
    for group in groups[place:]:
        kind, record = group[0].record[1], group[0].record
        if kind in _SUBMITTED and record[_SUBMITTED[kind]] == overlapped:
            return group[0]
    return None
