"""A sample of a campaign's runs, as observations: what the campaign notebook reads.

A line a run would be a megabyte for a second of searching. So batches are observed that lie ever
further apart, some 256 of them until the campaign is twice as long, each with its first runs; and
besides every run that was kept for something new, and the first of each failure. How a line came
to be there is its `how_generated`.
"""

from __future__ import annotations

from typing import Any

from harness.observe import observation
from harness.run import Outcome

SAMPLED, NEW, BROKEN = "bulk search: sampled", "bulk search: new", "bulk search: broken"
RUNS = 4  # of a batch that is observed
_DENSE = 8  # 1 << 8 batches are observed for each doubling


def is_observed(batch: int) -> bool:
    """Whether the first runs of a batch are in the sample."""
    return batch % (1 << max(0, batch.bit_length() - _DENSE - 1)) == 0


def how_observed(batch: int, runs: int, kept: bool, broken: bool) -> str | None:
    """Why a run is in the sample, if it is: `runs` of its batch came before it."""
    if broken:
        return BROKEN
    if kept:
        return NEW
    return SAMPLED if runs < RUNS and is_observed(batch) else None


def observed(outcome: Outcome, seconds: float, how: str) -> dict[str, Any]:
    """The line of a run, as data; the campaign says when it took it."""
    return observation(outcome, seconds, how, 0.0)
