"""Whose call a record of a trace with threads is, and what a wait of the loop may have missed.

A call of another thread is recorded when it has returned, and so is the loop's wait, which both
happen without a lock in common. So of the calls of other threads that are recorded between the
loop's call before a wait and the one behind it, each may have come before or behind what the wait
saw. Among themselves they are in order, since what a wait sees changes under the base's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from model.threads import MAIN
from model.trace import Record


class Turns:
    """The calls of other threads than the loop's: `foreign`, by record."""

    def __init__(self, records: Sequence[Record], calls: Collection[str], wait: str) -> None:
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
            elif record[1] not in calls:
                continue
            elif writer != MAIN:
                self.foreign.add(number)
                since.append(number)
            else:
                if last is not None:
                    self.around[last] += since
                last = None
                if record[1] == wait:
                    last = number
                    self.around[number] = list(since)
                    self.awaited.update(since)
                since = []
        if last is not None:
            self.around[last] += since
