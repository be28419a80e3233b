"""`duopoll mutants --find --search schedules`: how soon each strategy finds the bugs of threads.

Each mutant is hunted with each strategy from the same seed, in runs of whole scenarios
(`harness.thread_hunt`). Random walk and PCT meet the same scenarios; the exhaustive search goes
through all small ones in rounds, and tells with how many preemptions it has seen every schedule of
all. Seconds are of processor time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from harness.commands import BROKEN, CLEAN, print_json
from harness.progress import Interrupt, StatusLine
from harness.thread_hunt import STRATEGIES, Found, find
from model.errors import UsageError
from model.mutants import MUTANTS, Mutant
from model.mutants import find as mutant_named

_EVERY = 20  # runs between two looks at the line of progress


@dataclass(frozen=True)
class Row:
    """One mutant, by strategy."""

    mutant: Mutant
    found: dict[str, Found]

    @property
    def lives(self) -> bool:
        """No strategy has found it."""
        return all(each.outcome is None for each in self.found.values())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.mutant.name,
            "breaks": self.mutant.breaks,
            "searches": {name: _as_json(each) for name, each in self.found.items()},
        }


def _as_json(each: Found) -> dict[str, Any]:
    told = {"found": each.outcome is not None, "runs": each.runs, "seconds": each.seconds}
    return {**told, **asdict(each.counts)}


def board(options: argparse.Namespace) -> int:
    """The table, a line as soon as it is known. 1 if a mutant is found by no strategy."""
    chosen = [mutant_named(name) for name in options.names] or MUTANTS.values()
    mutants = [each for each in chosen if each.threads]
    if not mutants:
        raise UsageError(f"{options.names[0]}: not a mutant of threads; name others, or --search")
    rows = []
    with Interrupt() as interrupt:
        if not options.json:
            print(_line("mutant", "", list(STRATEGIES)))
        try:
            for row in play(mutants, options, interrupt.check):
                rows.append(row)
                if not options.json:
                    cells = [_cell(row.found[name]) for name in STRATEGIES]
                    print(_line(row.mutant.name, row.mutant.breaks, cells), flush=True)
        finally:
            if rows and not options.json:
                print("\n".join(_summary(rows)), flush=True)
    if options.json:
        print_json({"seed": options.seed, "mutants": [row.to_json() for row in rows]})
    return BROKEN if any(row.lives for row in rows) else CLEAN


def play(
    mutants: list[Mutant], options: argparse.Namespace, check: Callable[[], None]
) -> Iterator[Row]:
    """A row for each mutant. `check` is called before every run."""
    status = StatusLine(sys.stderr)
    for number, mutant in enumerate(mutants, 1):
        found = {}
        for name in STRATEGIES:
            told = f"{number} of {len(mutants)}: {mutant.name}, {name}"

            def between(runs: int, told: str = told) -> None:
                check()
                if runs % _EVERY == 0:
                    status.write(f"{told}, {runs} runs")

            bounds = {"seed": options.seed, "runs": options.runs, "seconds": options.seconds}
            try:
                found[name] = find(mutant, name, between=between, **bounds)
            finally:
                status.clear()
        yield Row(mutant, found)


def _line(name: str, breaks: str, cells: list[str]) -> str:
    return "  ".join([f"{name:<24} {breaks:<3}", *(f"{cell:<22}" for cell in cells)]).rstrip()


def _cell(each: Found) -> str:
    told = f"{each.runs:>5} runs {each.seconds:>5.1f} s"
    if each.outcome is None:
        told = f"not in {each.runs} runs, {each.seconds:.0f} s"
    counts = each.counts
    if counts.seen >= 0:
        told += f"  {counts.scope} scenarios seen whole with {counts.seen} preemptions"
    elif counts.scope:
        told += f"  {counts.scenarios} of {counts.scope} scenarios"
    return told


def _summary(rows: list[Row]) -> Iterator[str]:
    for name in STRATEGIES:
        hits = [row.found[name] for row in rows if row.found[name].outcome is not None]
        told = f"{name}: {len(hits)} of {len(rows)} found"
        if hits:
            runs = median(each.runs for each in hits)
            told += f", median {runs:g} runs, {median(each.seconds for each in hits):.1f} s"
            told += f", slowest {max(each.seconds for each in hits):.1f} s"
        yield told
