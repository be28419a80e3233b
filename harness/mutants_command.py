"""`duopoll mutants`: the planted bugs, and with --find how soon a search finds each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.commands import BROKEN, CLEAN, print_json
from harness.options import add_command, json_option, natural, positive
from harness.table import columns
from model.mutants import MUTANTS, find

if TYPE_CHECKING:
    from harness.mutation import Hunt


def add(subparsers: Any) -> None:
    """Adds the command."""
    parser = add_command(subparsers, "mutants", mutants, help="list the bugs of --mutant")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--find", action="store_true", help="hunt each of them; 1 if one lives")
    parser.add_argument(
        "--runs", type=positive, default=20_000, metavar="N", help="for each (20000)"
    )
    parser.add_argument(
        "--seconds", type=positive, default=60, metavar="S", help="for each at most (60)"
    )
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="of the hunt (1)")
    parser.add_argument(
        "--search",
        choices=("hypothesis", "bulk", "both", "schedules"),
        default="hypothesis",
        help="who hunts; both: a table of how soon each finds them; schedules: those of threads, "
        "a table of how soon each strategy does (hypothesis)",
    )
    parser.add_argument(
        "--seeds", type=positive, default=3, metavar="N", help="of each, for --search both (3)"
    )
    json_option(parser)


def mutants(options: argparse.Namespace) -> int:
    """The list, or with --find how soon each is found."""
    chosen = [find(name) for name in options.names or MUTANTS]
    if options.find:
        return _board(options)
    if options.json:
        listed = [
            {"name": m.name, "title": m.title, "breaks": m.breaks, "kernels": list(m.kernels)}
            for m in chosen
        ]
        print_json({"mutants": listed})
        return CLEAN
    rows = [(m.name, m.breaks, "+".join(m.kernels), m.title) for m in chosen]
    for line in columns([("mutant", "breaks", "kernels", "what is wrong"), *rows]):
        print(line)
    return CLEAN


def _board(options: argparse.Namespace) -> int:
    """Hunts every mutant: one that lives is a property that cannot fail."""
    from harness import thread_board  # Hypothesis: not for a worker
    from harness.bulk.contest import contest
    from harness.bulk.hunt import hunt as bulk_hunt
    from harness.mutation import hunt

    if options.search == "both":
        return contest(options)
    if options.search == "schedules":
        return thread_board.board(options)
    search = bulk_hunt if options.search == "bulk" else partial(hunt, shrinking=True)
    bounds = {"runs": options.runs, "number": options.seed, "seconds": options.seconds}
    hunts = []
    for name in options.names or MUTANTS:
        hunts.append(search(find(name), **bounds))
        if not options.json:
            print(_board_line(hunts[-1]), flush=True)
    if options.json:
        print_json({"mutants": [each.to_json() for each in hunts], "medians": _medians(hunts)})
    elif any(each.shrunk for each in hunts):
        told = ", ".join(f"{value:g} {name}" for name, value in _medians(hunts).items())
        print(f"median of those found: {told}")
    return CLEAN if all(each.found for each in hunts) else BROKEN


def _board_line(each: Hunt) -> str:
    how = "found" if each.found else "NOT FOUND"
    breaks = MUTANTS[each.mutant].breaks
    line = f"{each.mutant:<26} {breaks:<4} {how:<9} {each.runs:>6} runs {each.seconds:>6.1f} s"
    shrunk = each.shrunk
    if shrunk is None:
        return line
    line += f"  {shrunk.steps:>3} steps {shrunk.decisions:>3} decisions"
    line += f" after {shrunk.tries:>4} tries in {shrunk.seconds:>4.1f} s"
    return line if shrunk.complete else f"{line}, not finished"


def _medians(hunts: Sequence[Hunt]) -> dict[str, float]:
    """Of the shrunk failures: scenario steps, decisions that are not dull, seconds of shrinking."""
    shrunk = [each.shrunk for each in hunts if each.shrunk is not None]
    names = ("steps", "decisions", "seconds") if shrunk else ()
    return {name: float(median(getattr(each, name) for each in shrunk)) for name in names}
