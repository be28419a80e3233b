"""Shrinking: the same failure with as little in it as can be, and a certificate that says so.

`shrink_failure` takes any failure and gives one of a simulated world; failures of real worlds are
looked for in the simulator first. One search does scenario, network, faults and tape
(`search`), by one list of removals (`removals`).

Hypothesis's shrinker starts from what Hypothesis drew, which a failure file has not, and is private
to it. The library `shrinkray` (MIT) reduces bytes, needs Python 3.12 and an event loop of its own.
So the generic part, over the tape, is `tapes`.
"""

from __future__ import annotations

from harness.shrinking.failures import Shrunk, check_certificate, shrink_failure, shrink_here
from harness.shrinking.search import Progress, Shrinking

__all__ = [
    "Progress",
    "Shrinking",
    "Shrunk",
    "check_certificate",
    "shrink_failure",
    "shrink_here",
]
