"""`duopoll fuzz`: a campaign with its progress line, its failures as files, and its table.

The table is the verdict, a line a world: how many runs and how fast, how many properties the runs
said something about and about how many nothing, and what broke. It is printed after an interrupt
too. The seed is part of it: the same seed draws the same scenarios.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from harness.commands import BROKEN, CLEAN, choose_worlds, print_json, to_errors
from harness.failure import FailureFile, save_in
from harness.fuzz import Failure, FuzzReport, WorldReport
from harness.fuzz import fuzz as search
from harness.observe import ENVIRONMENT, Observer
from harness.progress import Interrupt, StatusLine
from harness.story import replay_command, story, three_blocks
from harness.table import columns
from harness.words import count, plain
from model.errors import UsageError
from model.properties import PROPERTIES

INTERRUPTED = 130
SECONDS = 30


class ProgressLine(StatusLine):
    """The campaign so far, in one line."""

    def __call__(self, report: FuzzReport) -> None:
        if self.shown:
            self.write(progress_text(report))


def progress_text(report: FuzzReport) -> str:
    """A campaign so far, in one line."""
    runs = ", ".join(f"{each.world} {each.runs}" for each in report.worlds.values())
    found = count(len(report.failures), "failure")
    doing = f", shrinking {report.shrinking}" if report.shrinking else ""
    return f"{report.elapsed_s:.0f} s, runs: {runs}, {found}{doing}"


def fuzz(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    not_run: list[str] = []
    worlds = choose_worlds(options.world, not_run.append, options.subject)
    for message in not_run:
        to_errors(message)
    seed = int.from_bytes(os.urandom(4), "big") if options.seed is None else options.seed
    limited = options.runs is not None or options.seconds is not None
    report = _search(worlds, options, seed, SECONDS if not limited else options.seconds)
    kept = [_keep(failure, options.out) for failure in report.failures]
    code = _exit_code(report)
    if options.json:
        print_json(_json(report, kept, not_run, code))
    else:
        _tell(report, kept)
    _check_ran(report)
    return code


def _search(
    worlds: list[str], options: argparse.Namespace, seed: int, seconds: float | None
) -> FuzzReport:
    """The campaign, with its progress line; an interrupt ends it and keeps what it has."""
    line = ProgressLine(sys.stderr)
    latest: list[FuzzReport] = []
    path = options.observe or os.environ.get(ENVIRONMENT)
    observer = Observer(path) if path else None
    with Interrupt() as interrupt:

        def progress(report: FuzzReport) -> None:
            latest[:] = [report]
            line(report)
            interrupt.check()

        try:
            return search(
                worlds,
                options.subject,
                runs=options.runs,
                seconds=seconds,
                seed=seed,
                mutant=options.mutant,
                progress=progress,
                observe=observer,
            )
        except KeyboardInterrupt:
            if not latest:
                raise
            latest[0].interrupted = True
            return latest[0]
        finally:
            line.clear()
            if observer is not None:
                observer.close()


def _keep(failure: Failure, folder: str) -> tuple[FailureFile, str]:
    """The failure as a file: what is in it, and where it is."""
    kept = failure.as_file()
    return kept, str(save_in(folder, kept))


def _exit_code(report: FuzzReport) -> int:
    if report.failures:
        return BROKEN
    return INTERRUPTED if report.interrupted else CLEAN


def _check_ran(report: FuzzReport) -> None:
    """A world without a run is no clean one. Raises `UsageError`."""
    idle = [each.world for each in report.worlds.values() if not each.runs]
    if idle and not report.interrupted and not report.failures:
        raise UsageError(f"no run was made in {', '.join(idle)}: give more --seconds, or --runs")


def _tell(report: FuzzReport, kept: list[tuple[FailureFile, str]]) -> None:
    for failure, path in kept:
        print(three_blocks(failure, path))
    for line in columns(table(report), right=(2, 3, 4, 5)):
        print(line)
    subject = report.subject + (f" with mutant {report.mutant}" if report.mutant else "")
    how = "interrupted after" if report.interrupted else "in"
    print(f"\n{subject}, {how} {report.elapsed_s:.1f} s; --seed {report.seed} repeats it")


def table(report: FuzzReport) -> list[tuple[str, ...]]:
    """The verdict: a heading and a row for each world."""
    rows = [
        (
            each.world,
            each.kernel_version or "not run",
            str(each.runs),
            f"{each.runs_per_s:.0f}",
            str(len(each.checked)),
            str(len(PROPERTIES) - len(each.checked)),
            _broken(report, each.world) or "none",
        )
        for each in report.worlds.values()
    ]
    heading = ("world", "kernel", "runs", "runs/s", "checked", "not applicable", "violations")
    return [heading, *rows]


def _broken(report: FuzzReport, world: str) -> str:
    """The ids of the properties that broke in a world."""
    found = [f.property for f in report.failures if world in f.world.split("+")]
    return ", ".join(dict.fromkeys(found))


def _json(
    report: FuzzReport, kept: list[tuple[FailureFile, str]], not_run: list[str], code: int
) -> dict[str, Any]:
    return {
        "subject": report.subject,
        "mutant": report.mutant,
        "seed": report.seed,
        "elapsed_s": round(report.elapsed_s, 3),
        "interrupted": report.interrupted,
        "worlds": [_world_json(report, each) for each in report.worlds.values()],
        "not_run": not_run,
        "failures": [
            {
                "property": failure.broken,
                "worlds": [failure.world, *failure.others],
                "message": "" if failure.violation is None else plain(failure.violation.message),
                "file": path,
                "story": story(failure),
                "replay": replay_command(path),
            }
            for failure, path in kept
        ],
        "exit_code": code,
    }


def _world_json(report: FuzzReport, each: WorldReport) -> dict[str, Any]:
    return {
        "world": each.world,
        "kernel_version": each.kernel_version,
        "runs": each.runs,
        "shrink_runs": each.shrink_runs,
        "runs_per_s": round(each.runs_per_s, 1),
        "checked": dict(sorted(each.checked.items())),
        "not_applicable": [p.id for p in PROPERTIES if p.id not in each.checked],
        "violations": _broken(report, each.world).split(", ") if report.failures else [],
    }
