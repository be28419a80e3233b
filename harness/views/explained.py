"""The explanation that a page shows: `harness.explain`'s, where there is one.

Without it, the least that a replay can tell: of each decision that was not dull, whether the run
fails without it.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from harness.failure import FailureFile
from harness.run import run
from harness.story import story
from harness.views.explanation import check_explanation
from harness.worlds import is_simulated
from model.errors import UsageError

FLIPS_MAX = 200


def explanation_of(failure: FailureFile, seconds: float = 20.0) -> dict[str, Any]:
    """Why it fails, as plain data. At most about `seconds`. Raises `UsageError` for a clean run."""
    if failure.violation is None:
        raise UsageError("no property broke in this run: there is nothing to explain")
    if importlib.util.find_spec("harness.explain") is not None:
        explain = importlib.import_module("harness.explain").explain
        return check_explanation(explain(failure, seconds=seconds).to_json())
    return check_explanation(_by_flips(failure))


def _by_flips(failure: FailureFile) -> dict[str, Any]:
    violation = failure.violation
    assert violation is not None
    return {
        "story": story(failure),
        "verdict": f"{violation.property}: {violation.message}",
        "first_difference": None,
        "decisions": _flips(failure, violation.record),
        "curve": [],
        "certain_at": None,
        "bytes": [],
    }


def _flips(failure: FailureFile, record: int) -> list[dict[str, Any]]:
    """Each decision that was not dull, made dull; `record` is the verdict's, not its own."""
    if not is_simulated(failure.world) or failure.others:
        return []
    values = [decision.value for decision in failure.decisions]
    sharp = [index for index, value in enumerate(values) if value][:FLIPS_MAX]
    told = []
    for index in sharp:
        tape = [*values[:index], 0, *values[index + 1 :]]
        subject, mutant = failure.subject, failure.mutant
        again = run(failure.scenario, failure.world, tape=tape, subject=subject, mutant=mutant)
        broken = [each.property for each in again.verdicts.violations]
        name, _, value = failure.decisions[index]
        told.append(
            {
                "index": index,
                "name": name,
                "value": value,
                "instead": 0,
                "still_fails": failure.broken in broken,
                "record": max(0, record),
            }
        )
    return told
