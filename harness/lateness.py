"""How late a real machine was in a run, as its records prove it.

A wait says by when its thread goes on, at the latest. What came later is the machine's, which had
other things to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.threads import MAIN
from model.trace import Record


def lateness_ns(records: Sequence[Record]) -> int:
    """The longest time by which a wait ended after its timeout."""
    thread = MAIN
    before: dict[str, int] = {}  # thread -> when it wrote its last record
    longest = 0
    for record in records:
        kind = record[1]
        if kind == "on":
            thread = record[2]
            continue
        if kind in {"gqcs", "epoll_wait"} and record[3] is not None and thread in before:
            longest = max(longest, record[0] - before[thread] - record[3])
        before[thread] = record[0]
    return longest
