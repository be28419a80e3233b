"""Runs as observations: one JSON object a line, in the form that Hypothesis publishes.

Source: Hypothesis's documentation, "Observability": the schema of a test case has the fields type,
status, status_reason, representation, arguments, how_generated, features, coverage, timing,
metadata, property and run_start. Tools that read Hypothesis's observations read these.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from harness.features import events_seen, features
from harness.run import Outcome
from harness.scenario_json import to_json
from harness.words import plain
from model.errors import UsageError

ENVIRONMENT = "DUOPOLL_OBSERVE"
OBSERVATIONS = "observations.jsonl"  # in the folder of a campaign
_PIECE = 1 << 16


class Observer:
    """Writes an observation for every run, below those that the file already has."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.run_start = time.time()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _drop_torn_line(self.path)
            self._file = self.path.open("a", encoding="ascii", newline="\n")
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be written ({error.strerror}): name another with --observe"
            ) from None

    def __call__(self, outcome: Outcome, seconds: float, how: str) -> None:
        """One run, which took so many seconds."""
        self.write(observation(outcome, seconds, how, self.run_start))

    def write(self, told: dict[str, Any]) -> None:
        """One line."""
        self._file.write(json.dumps(told, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """What was written so far survives the end of this process."""
        self._file.flush()

    def close(self) -> None:
        """Everything is in the file."""
        self._file.close()


def _drop_torn_line(path: Path) -> None:
    """A last line without an end is of a process that was killed while it wrote."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = whole = file.seek(0, 2)
        while whole:
            start = max(0, whole - _PIECE)
            file.seek(start)
            place = file.read(whole - start).rfind(b"\n")
            if place >= 0:
                whole = start + place + 1
                break
            whole = start
        if whole < end:
            file.truncate(whole)


def observation(outcome: Outcome, seconds: float, how: str, run_start: float) -> dict[str, Any]:
    """One run as a test case."""
    violations = outcome.verdicts.violations
    scenario = to_json(outcome.scenario)
    reason = ""
    if violations:
        first = violations[0]
        reason = f"{first.property} at record {first.record}: {plain(first.message, 500)}"
    judged = [name for name, times in outcome.verdicts.checked.items() if times]
    seen = sorted(features(outcome.scenario) | events_seen(outcome.records))
    return {
        "type": "test_case",
        "property": f"{outcome.subject} in {outcome.world}",
        "run_start": run_start,
        "status": "failed" if violations else "passed",
        "status_reason": reason,
        "representation": json.dumps({"scenario": scenario, "tape": list(outcome.tape)}),
        "arguments": {"scenario": scenario, "tape": list(outcome.tape)},
        "how_generated": how,
        "features": {
            **dict.fromkeys(seen, True),
            "target: properties judged": len(judged),
            "target: records": len(outcome.records),
        },
        "coverage": None,
        "timing": {"execute:test": seconds},
        "metadata": {
            "traceback": None,
            "world": outcome.world,
            "kernel_version": outcome.kernel_version,
            "subject_version": outcome.subject_version,
            "mutant": outcome.mutant,
            "decisions": len(outcome.decisions),
            "duration_ns": outcome.records[-1][0] if outcome.records else 0,
            "properties_judged": judged,
            "violations": [violation._asdict() for violation in violations],
        },
    }
