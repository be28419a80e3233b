"""Bulk search beside Hypothesis's own generation: how soon each finds the same mutants.

For every mutant and seed the two take turns, who begins changes, and what counts is the processor
time that this process took until the property broke: on a machine that does other things as well
that says more than a clock does. Each begins anew: an empty corpus, no database. What runs once in
a process (imports, caches) is run before.

Mutants of threads are left out, since both would search for them in the same way.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from time import process_time

from harness.bulk.hunt import hunt as bulk_hunt
from harness.commands import BROKEN, CLEAN, print_json
from harness.mutation import Hunt
from harness.mutation import hunt as drawn_hunt
from model.errors import UsageError
from model.mutants import MUTANTS, Mutant, find

_WARM_UP = 20  # runs


@dataclass(frozen=True)
class Row:
    """One mutant: medians over the seeds, in milliseconds of processor time and in runs."""

    mutant: str
    bulk_ms: float
    hypothesis_ms: float
    bulk_runs: float
    hypothesis_runs: float
    bulk_found: int
    hypothesis_found: int

    @property
    def ratio(self) -> float:
        """Bulk's time in units of Hypothesis's."""
        return self.bulk_ms / self.hypothesis_ms


def contest(options: argparse.Namespace) -> int:
    """`duopoll mutants --find --search both`: 1 if bulk search misses what Hypothesis finds."""
    rows = []
    mutants = [find(name) for name in options.names or MUTANTS]
    for row in play(mutants, options.runs, options.seconds, options.seed, options.seeds):
        rows.append(row)
        if not options.json:
            print(_line(row, options.seeds), flush=True)
    missed = [row.mutant for row in rows if row.hypothesis_found and not row.bulk_found]
    if not rows:
        raise UsageError("mutants of threads are searched alike: name others")
    total = summary(rows)
    if options.json:
        listed = [asdict(row) | {"ratio": row.ratio} for row in rows]
        print_json({"mutants": listed, **total, "missed": missed})
    else:
        print(_verdict(total, missed))
    return BROKEN if missed else CLEAN


def play(
    mutants: Iterable[Mutant], runs: int, seconds: float, seed: int, seeds: int
) -> Iterator[Row]:
    """A row for each of them that is without threads."""
    for mutant in mutants:
        if not mutant.threads:
            yield _row(mutant, runs, seconds, range(seed, seed + seeds))


def _row(mutant: Mutant, runs: int, seconds: float, seeds: range) -> Row:
    hunts: dict[str, Callable[[int, int], Hunt]] = {
        "bulk": lambda most, number: bulk_hunt(mutant, runs=most, number=number, seconds=seconds),
        "hypothesis": lambda most, number: drawn_hunt(
            mutant, runs=most, number=number, seconds=seconds
        ),
    }
    found: dict[str, list[Hunt]] = {name: [] for name in hunts}
    for warm_up in hunts.values():
        warm_up(_WARM_UP, ~seeds.start & 0xFFFF)
    for turn, number in enumerate(seeds):
        for name in list(hunts)[:: 1 if turn % 2 else -1]:
            gc.collect()
            started = process_time()
            one = hunts[name](runs, number)
            found[name].append(replace(one, seconds=process_time() - started))
    bulk, drawn = found["bulk"], found["hypothesis"]
    return Row(
        mutant.name,
        statistics.median(each.seconds for each in bulk) * 1000,
        statistics.median(each.seconds for each in drawn) * 1000,
        statistics.median(each.runs for each in bulk),
        statistics.median(each.runs for each in drawn),
        sum(each.found for each in bulk),
        sum(each.found for each in drawn),
    )


def summary(rows: list[Row]) -> dict[str, float]:
    """What all rows say together."""
    return {
        "bulk_median_ms": statistics.median(row.bulk_ms for row in rows),
        "hypothesis_median_ms": statistics.median(row.hypothesis_ms for row in rows),
        "median_ratio": statistics.median(row.ratio for row in rows),
        "slower": sum(row.ratio > 1 for row in rows),
        "compared": len(rows),
    }


def _line(row: Row, seeds: int) -> str:
    lost = ""
    if row.bulk_found < seeds or row.hypothesis_found < seeds:
        lost = f"  found {row.bulk_found} and {row.hypothesis_found} of {seeds} times"
    return (
        f"{row.mutant:<26} bulk {row.bulk_ms:>8.0f} ms {row.bulk_runs:>6.0f} runs"
        f"   Hypothesis {row.hypothesis_ms:>8.0f} ms {row.hypothesis_runs:>6.0f} runs"
        f"   ratio {row.ratio:>5.2f}{lost}"
    )


def _verdict(total: dict[str, float], missed: list[str]) -> str:
    ratio = total["bulk_median_ms"] / total["hypothesis_median_ms"]
    return (
        f"\nmedian time to find: bulk {total['bulk_median_ms']:.0f} ms, Hypothesis"
        f" {total['hypothesis_median_ms']:.0f} ms, ratio {ratio:.2f}; median of the ratios"
        f" {total['median_ratio']:.2f}; slower in {total['slower']:.0f} of"
        f" {total['compared']:.0f}; missed by bulk alone: {', '.join(missed) or 'none'}"
    )
