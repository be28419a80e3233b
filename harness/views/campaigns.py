"""Campaigns as rows: observed runs (`harness.observe`) and folders of failure files.

A campaign leaves a folder; what notebooks want of it is `observations.jsonl` and the files in
`failures`. Whatever is wrong with a file is one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.failure import load, save_in
from harness.observe import OBSERVATIONS, Observer
from harness.reading import parse, read_file
from harness.signature import signature
from harness.worlds import SIMULATED
from model.errors import UsageError

FAILURES = "failures"  # in the folder of a campaign
ENVIRONMENT = "DUOPOLL_CAMPAIGN"
FILE_BYTES_MAX = 1 << 30


def observations(path: str | Path) -> Iterator[dict[str, Any]]:
    """The observed runs of a file, in their order, but for a last line that is still being written
    or was torn. Raises `UsageError`."""
    whole = read_file(path, FILE_BYTES_MAX).split(b"\n")[:-1]
    for number, line in enumerate(whole, 1):
        try:
            told = parse(line)
        except UsageError as error:
            raise UsageError(f"{path} line {number}: {error}") from None
        if not isinstance(told, dict) or not isinstance(told.get("metadata"), dict):
            raise UsageError(f"{path} line {number}: no observation: use what --observe wrote")
        if told.get("type") == "test_case":
            yield told


def observation_rows(path: str | Path) -> Iterator[tuple[Any, ...]]:
    """(run, elapsed_s, seconds, world, mutant, how, records, decisions, judged, property).

    A run is a line of the file. Where the line does not say how long its campaign had been going
    on, that is the time that the runs before it took.
    """
    elapsed = 0.0
    for run, told in enumerate(observations(path), 1):
        about = told["metadata"]
        seconds = sum(told["timing"].values())
        elapsed += seconds
        broken = about["violations"]
        yield (
            run,
            about.get("elapsed_s", elapsed),
            seconds,
            about["world"],
            about["mutant"],
            told["how_generated"],
            told["features"]["target: records"],
            about["decisions"],
            len(about["properties_judged"]),
            broken[0]["property"] if broken else None,
        )


def seen_rows(path: str | Path) -> Iterator[tuple[Any, ...]]:
    """(run, feature or property, name)."""
    for run, told in enumerate(observations(path), 1):
        for name, value in told["features"].items():
            if value is True:
                yield run, "feature", name
        for name in told["metadata"]["properties_judged"]:
            yield run, "property", name


def failure_rows(folder: str | Path) -> Iterator[tuple[Any, ...]]:
    """(file, property, world, subject, mutant, signature, records, decisions), by file name."""
    for path in sorted(Path(folder).glob("*.jsonl")):
        failure = load(path)
        violation = failure.violation
        yield (
            path.name,
            failure.broken,
            "+".join((failure.world, *failure.others)),
            failure.subject,
            failure.mutant,
            None if violation is None else signature(violation, failure.records),
            len(failure.records),
            sum(1 for decision in failure.decisions if decision.value),
        )


def campaign_folder(into: str | Path) -> Path:
    """The campaign to look at: the one that DUOPOLL_CAMPAIGN names, or a small one made in `into`.

    The small one is the model as it is, in both simulated worlds, and two mutants, each until it
    is found.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    from harness.fuzz import fuzz  # Hypothesis: not for who only reads

    folder = Path(into)
    observer = Observer(folder / OBSERVATIONS)
    try:
        fuzz(SIMULATED, runs=150, seed=5, observe=observer)
        for mutant, world in (("LE-174", "sim-iocp"), ("short-write-lost", "sim-epoll")):
            report = fuzz(
                (world,), runs=2_000, seed=5, mutant=mutant, observe=observer, stop_at_first=True
            )
            for failure in report.failures:
                save_in(folder / FAILURES, failure.as_file())
    finally:
        observer.close()
    return folder
