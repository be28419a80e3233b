"""Explaining: why a run fails, found out by running what is almost the same.

`explain` takes any failure (one of a real world is simulated first) and gives an `Explanation`,
which is data: `to_json` is what views show.
"""

from __future__ import annotations

from harness.explain.explained import explain
from harness.explain.explanation import Bytes, Explanation

__all__ = ["Bytes", "Explanation", "explain"]
