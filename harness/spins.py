"""A trace that ends a spin early: of a foreign subject, which may spin at full speed.

The record budget of a run must be large, since thousands of small reads are legal; a spin would
use all of it. So every `STRIDE` records it is asked whether any of the last `STRIDE` tells of
progress: a byte that moved, a connection, a call. If none does, the run is cut there.
"""

from __future__ import annotations

from collections.abc import Callable

from model.properties.harness_records import STRIDE  # L-5 looks back as far
from model.trace import Record, Trace

_PROGRESS = frozenset({"op", "peer", "socket", "step", "write", "read", "echo", "quiet"})


class SpinTrace(Trace):
    """A trace of at most `most` records, and of fewer where nothing happens."""

    __slots__ = ("most",)

    def __init__(self, now_ns: Callable[[], int], most: int) -> None:
        super().__init__(now_ns, min(most, STRIDE))
        self.most = most

    def check_budget(self) -> None:
        """Raises `BudgetExceeded` at the end of the budget, or in a spin."""
        count = len(self.records)
        if self.budget < count <= self.most and any(map(_tells, self.records[-STRIDE:])):
            self.budget = min(count + STRIDE, self.most)
            return
        super().check_budget()


def _tells(record: Record) -> bool:
    """Whether a record tells of progress."""
    kind = record[1]
    if kind in ("recv", "send"):
        return isinstance(record[4], bytes) and len(record[4]) > 0
    if kind == "accept":
        return isinstance(record[3], int)
    return kind in _PROGRESS
