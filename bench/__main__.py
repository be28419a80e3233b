"""`python -m bench`: plays the contests and prints each figure beside its peer's.

    python -m bench [--turns N] [--json] [CONTEST ...]

Exit code 0 when all was measured, reached or not; 1 when a contender failed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from typing import Any

from bench.contest import FAILED, Contest, Result, Wanted, play
from bench.contests import CONTESTS


def verdict(result: Result, wanted: Wanted) -> dict[str, Any] | None:
    """The ratio (or figure), the bound and whether it was reached; None without figures."""
    ours = result.median(wanted.ours)
    peer = result.median(wanted.peer) if wanted.peer else 1.0
    if ours is None or peer is None:
        return None
    figure = ours / peer
    return {
        "ours": wanted.ours,
        "peer": wanted.peer,
        "figure": figure,
        "at_most" if wanted.at_most else "at_least": wanted.bound,
        "reached": wanted.reached(figure),
    }


def lines(result: Result) -> list[str]:
    """One contest as a table; ratios are to the first peer that something is wanted of, or
    to the contest's yardstick."""
    contest = result.contest
    peer = next((wanted.peer for wanted in contest.wanted if wanted.peer), contest.yardstick)
    yardstick = result.median(peer) if peer else None
    table = [f"{contest.title} ({contest.unit})"]
    for contender in contest.contenders:
        median = result.median(contender.label)
        if median is None:
            table.append(f"  {contender.label:<22} {'-':>12}  {result.missing[contender.label]}")
            continue
        turns = result.figures[contender.label]
        ratio = f"{median / yardstick:8.2f}x" if yardstick else " " * 9
        spread = f"{min(turns):,.0f} to {max(turns):,.0f}"
        table.append(f"  {contender.label:<22} {median:>12,.0f} {ratio}   {spread}")
    table += (_wanted_line(result, wanted) for wanted in contest.wanted)
    table += (f"  ({note})" for note in contest.notes)
    return [*table, ""]


def _wanted_line(result: Result, wanted: Wanted) -> str:
    judged = verdict(result, wanted)
    bound = f"{'<=' if wanted.at_most else '>='} {wanted.bound:,g}"
    what = f"{wanted.ours} / {wanted.peer}" if wanted.peer else wanted.ours
    if judged is None:
        return f"  wanted {what} {bound}: not measured"
    word = "reached" if judged["reached"] else "NOT REACHED"
    figure = judged["figure"]
    return (
        f"  wanted {what} {bound}: {figure:,.2f}, {word}"
        if wanted.peer
        else (f"  wanted {what} {bound}: {figure:,.0f}, {word}")
    )


def as_json(result: Result) -> dict[str, Any]:
    """One contest as plain data."""
    contest = result.contest
    return {
        "title": contest.title,
        "unit": contest.unit,
        "turns": result.figures,
        "median": {label: result.median(label) for label in result.figures},
        "missing": result.missing,
        "wanted": [verdict(result, wanted) for wanted in contest.wanted],
        "notes": contest.notes,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays what was asked for. Gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "contest", nargs="*", help="which ones; default all: " + ", ".join(CONTESTS)
    )
    parser.add_argument("--turns", type=int, default=3, help="turns of each contender")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.contest if name not in CONTESTS]
    if unknown:
        parser.error(f"no contest {unknown[0]!r}: choose from {', '.join(CONTESTS)}")
    chosen: list[tuple[str, Contest]] = [
        (name, CONTESTS[name]) for name in (options.contest or CONTESTS)
    ]
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    report: dict[str, Any] = {"machine": machine, "contests": {}}
    if not options.json:
        print(f"{machine}; median of {options.turns} turns, each in a fresh process\n", flush=True)
    failed = False
    for name, contest in chosen:
        result = play(contest, options.turns)
        failed |= any(reason.startswith(FAILED) for reason in result.missing.values())
        report["contests"][name] = as_json(result)
        if not options.json:
            print("\n".join(lines(result)), flush=True)
    if options.json:
        print(json.dumps(report, indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
