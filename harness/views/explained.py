"""The explanation that a page shows: `harness.explain`'s, as plain data."""

from __future__ import annotations

from typing import Any

from harness.explain import explain
from harness.failure import FailureFile
from harness.views.explanation import check_explanation
from model.errors import UsageError

SECONDS = 20.0


def explanation_of(failure: FailureFile, seconds: float = SECONDS) -> dict[str, Any]:
    """Why it fails, found out within about `seconds`.

    Raises `UsageError` for a clean run, for one that does not break in a simulated world, and for
    one of a real world: its records are not those that the explanation is about.
    """
    told = explain(failure, seconds=seconds)
    if told.failing != failure.records:
        raise UsageError(
            f"the run in {failure.world} is explained by a simulated one, whose records are others:"
            " make that one with `duopoll shrink`, and show it"
        )
    return check_explanation(told.to_json())
