"""`duopoll conform --trace FILE`: is each real trace one that the simulated kernel could have made?

Then what the simulated kernels may do and no trace has shown (`harness.inclusion.tightness`). The
files are those of `duopoll fuzz` and `duopoll run --out DIR`, which keeps clean runs too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.conform.rules import watching
from harness.failure import FailureFile
from harness.inclusion.search import Explanation, explain
from harness.inclusion.tightness import Tightness
from harness.show import load_any
from harness.words import count, plain
from harness.worlds import is_simulated
from model.errors import UsageError
from model.trace import encode_trace

CLEAN, UNEXPLAINED = 0, 1


@dataclass
class Traced:
    """One file; `explanation` is None for a run of a simulated world, whose tape explains it."""

    file: str
    run: FailureFile
    explanation: Explanation | None

    @property
    def clean(self) -> bool:
        return self.explanation is None or self.explanation.explained

    def told(self) -> list[str]:
        where = f"{plain(self.file, 120)}: {self.run.world} ({plain(self.run.kernel_version, 40)})"
        size = count(len(self.run.records), "record")
        explanation = self.explanation
        if explanation is None:
            return [f"{where}, {size}: simulated, so its tape explains it: duopoll replay"]
        if explanation.explained:
            return [f"{where}, {size}: explained"]
        assert explanation.record is not None
        record = encode_trace([self.run.records[explanation.record]])[0]
        return [
            f"{where}, {size}: NOT EXPLAINED at record {explanation.record}",
            f"  record    {plain(record, 400)}",
            f"  found     {explanation.found}",
            f"  possible  {explanation.possible}",
        ]

    def to_json(self) -> dict[str, Any]:
        explanation = self.explanation
        told: dict[str, Any] = {
            "file": self.file,
            "world": self.run.world,
            "kernel_version": self.run.kernel_version,
            "records": len(self.run.records),
            "explained": self.clean,
            "simulated": explanation is None,
        }
        if explanation is not None and explanation.record is not None:
            record = encode_trace([self.run.records[explanation.record]])[0]
            told |= {
                "record": explanation.record,
                "at": json.loads(record),
                "found": explanation.found,
                "possible": explanation.possible,
            }
        return told


def conform_traces(files: Sequence[str], as_json: bool) -> int:
    """Explains each file. Raises `UsageError` for one that is not a run."""
    traced = []
    tightness: dict[str, Tightness] = {}
    for file in files:
        each = explain_file(file, tightness)
        traced.append(each)
        if not as_json:
            print("\n".join(each.told()))
    code = CLEAN if all(each.clean for each in traced) else UNEXPLAINED
    if as_json:
        kernels = {kernel: each.to_json() for kernel, each in tightness.items()}
        told = {"traces": [each.to_json() for each in traced], "kernels": kernels}
        print(json.dumps(told | {"exit_code": code}))
        return code
    for kernel in tightness.values():
        print("\n" + "\n".join(kernel.told()))
    return code


def explain_file(file: str, tightness: dict[str, Tightness]) -> Traced:
    """Explains the run of one file; adds what the explanation used."""
    run, _ = load_any(file)
    if run is None:
        raise UsageError(
            f"{plain(file, 120)}: a bare trace does not say what the peers do: name a file that"
            " `duopoll run --out DIR` or `duopoll fuzz` wrote"
        )
    if is_simulated(run.world):
        return Traced(file, run, None)
    with watching() as watch:
        explanation = explain(run.world, run.scenario, run.records, profile_of(run))
        hits = set(watch.hits)
    if explanation.explained:
        kernel = tightness.setdefault(run.world, Tightness(run.world))
        kernel.add(explanation.decisions, hits, explanation.loose)
    return Traced(file, run, explanation)


def profile_of(run: FailureFile) -> str:
    """The profile of the completion kernel that the run was recorded on."""
    return "wine-8" if run.kernel_version.startswith("Wine") else "nt"
