"""A campaign on the screen: the line that lives, and the table at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import IO, Any

from harness.bulk.campaign import Report
from harness.bulk.novelty import never_exercised
from harness.bulk.search import Found
from harness.bulk.state import Known
from harness.progress import StatusLine
from harness.show import columns
from harness.words import count, plain

PLAIN_S = 10.0  # between two lines where there is no terminal
MESSAGE_MAX = 160


class LiveLine(StatusLine):
    """One line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._next = monotonic() + PLAIN_S

    def show(self, report: Report) -> None:
        """The report so far."""
        if self.shown:
            self.write(progress_text(report))
        elif monotonic() >= self._next:
            self._next = monotonic() + PLAIN_S
            print(progress_text(report), file=self._stream, flush=True)


def progress_text(report: Report) -> str:
    """A campaign so far, in one line."""
    state = report.state
    speed = report.session_runs / report.session_s if report.session_s else 0.0
    silent = len(never_exercised(state.checked, state.worlds))
    shrinking = f", shrinking {report.shrinking}" if report.shrinking else ""
    canary = "" if report.canary.found else ", canary not yet found"
    return (
        f"{report.session_s:.0f} s, {state.runs.total()} runs, {speed:.0f}/s,"
        f" {len(state.keys)} keys in {count(report.entries, 'case')},"
        f" {count(len(state.failures), 'failure')}{shrinking},"
        f" {silent} properties never exercised{canary}"
    )


def failure_lines(found: Found, path: Path) -> list[str]:
    """What is told at once of a failure; its file is there by then."""
    where = "+".join(found.worlds)
    return [
        f"{found.property} in {where}: {plain(found.message, MESSAGE_MAX)}",
        f"    swarm: {found.swarm}",
        f"    kept in {plain(str(path))}",
    ]


def final_lines(report: Report, folder: Path) -> list[str]:
    """The verdict."""
    state = report.state
    lines: list[str] = []
    if state.failures:
        rows = [
            (
                each.property,
                str(each.times),
                "+".join(each.worlds),
                _size(each),
                _path(folder, each),
            )
            for each in state.failures.values()
        ]
        lines += columns([("property", "runs", "world", "", "file"), *rows], right=(1,))
        lines.append("")
    lines += columns([("world", "runs"), *((w, str(state.runs[w])) for w in state.worlds)], (1,))
    silent = never_exercised(state.checked, state.worlds)
    subject = state.subject + (f" with mutant {state.mutant}" if state.mutant else "")
    how = "interrupted after" if report.interrupted else "in"
    speed = report.session_runs / report.session_s if report.session_s else 0.0
    lines += [
        "",
        f"{len(state.keys)} keys in {count(report.entries, 'case')} of the corpus",
        f"never exercised: {', '.join(silent) or 'none'}",
        report.canary.told(),
        f"{subject}: {count(len(state.failures), 'failure')} by signature, --seed {state.seed}",
        f"{report.session_runs} runs {how} {report.session_s:.1f} s ({speed:.0f}/s)",
    ]
    return lines


def _size(each: Known) -> str:
    return "shrunk" if each.shrunk else "as found"


def _path(folder: Path, each: Known) -> str:
    return plain(str(folder / "failures" / each.file))


def as_json(report: Report, folder: Path, code: int) -> dict[str, Any]:
    """The verdict for machines."""
    state, canary = report.state, report.canary
    return {
        "subject": state.subject,
        "mutant": state.mutant,
        "seed": state.seed,
        "worlds": list(state.worlds),
        "runs": dict(state.runs),
        "session_runs": report.session_runs,
        "session_s": round(report.session_s, 3),
        "elapsed_s": state.elapsed_ms / 1000,
        "interrupted": report.interrupted,
        "keys": len(state.keys),
        "corpus": report.entries,
        "checked": dict(sorted(state.checked.items())),
        "never_exercised": never_exercised(state.checked, state.worlds),
        "canary": {
            "mutant": canary.mutant.name,
            "runs": canary.runs,
            "found": canary.found is not None,
        },
        "failures": [
            {
                "property": each.property,
                "signature": each.signature,
                "worlds": list(each.worlds),
                "runs": each.times,
                "shrunk": each.shrunk,
                "file": str(folder / "failures" / each.file),
            }
            for each in state.failures.values()
        ],
        "exit_code": code,
    }


def to_stream(lines: list[str], stream: IO[str] | None = None) -> None:
    """Lines that are there at once, also for a pipe."""
    print("\n".join(lines), file=stream or sys.stdout, flush=True)
