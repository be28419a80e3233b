"""`duopoll schedules`: how soon each strategy finds each planted bug, and what one looks like."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any

from harness.lanes import MarkedChoices, lanes, which_matter
from harness.schedules import PCT, Exhaustive, RandomWalk, Search, Strategy, search
from harness.shrinking.tapes import smallest_tape
from harness.table import columns
from harness.thread_patterns import PATTERNS
from harness.thread_programs import PLANTED, Planted
from harness.thread_run import player, run_threads
from harness.words import plain
from model.choices import Choices
from model.errors import UsageError

PROGRAMS = PLANTED + PATTERNS

#: the strategies of the table, each for a fresh search with this seed
STRATEGIES: tuple[Callable[[int], Strategy], ...] = (
    RandomWalk,
    lambda seed: PCT(seed, 1),
    lambda seed: PCT(seed, 2),
    lambda seed: PCT(seed, 3),
    lambda seed: Exhaustive(1),
    lambda seed: Exhaustive(2),
)


def find(planted: Planted, seed: int, runs_max: int) -> list[Search]:
    """One search with each strategy for the bug of `planted`."""
    play = player(planted.broken, planted.kind)
    return [search(make(seed), play, runs_max) for make in STRATEGIES]


def twin(planted: Planted, runs_max: int) -> Search:
    """The search through every schedule of the program without the bug."""
    return search(Exhaustive(None), player(planted.fixed, planted.kind), runs_max)


def schedules(options: argparse.Namespace) -> int:
    """The table of all programs, or one failing schedule of one program."""
    if options.program is not None:
        return _one(options)
    board = [
        (each, find(each, options.seed, options.runs), twin(each, options.runs))
        for each in PROGRAMS
    ]
    missed = any(not any(s.failure for s in found) or fixed.failure for _, found, fixed in board)
    if options.json:
        print(json.dumps({"programs": [_as_json(*row) for row in board]}))
    else:
        print("\n".join(_table(board)))
    return int(missed)


def _table(board: list[tuple[Planted, list[Search], Search]]) -> Iterator[str]:
    yield "runs until the bug shows; -: not found; without the bug: schedules, all seen"
    names = [make(0).name for make in STRATEGIES]
    rows = [("program", *names, "without the bug")]
    for planted, found, fixed in board:
        cells = [str(each.runs) if each.failure else "-" for each in found]
        seen = "all" if fixed.unbounded else "not all"
        rows.append((planted.name, *cells, f"{fixed.runs}, {fixed.failure or seen}"))
    yield from columns(rows, right=range(1, len(rows[0]) - 1))


def _as_json(planted: Planted, found: list[Search], fixed: Search) -> dict[str, Any]:
    return {
        "name": planted.name,
        "bug": planted.bug,
        "finds": planted.finds,
        "runs_to_find": {each.strategy: each.runs if each.failure else None for each in found},
        "twin": {"runs": fixed.runs, "failure": fixed.failure, "all_seen": fixed.unbounded},
    }


def _one(options: argparse.Namespace) -> int:
    """The failing schedule of one program with the fewest decisions that are not dull."""
    chosen = [each for each in PROGRAMS if each.name == options.program]
    if not chosen:
        known = ", ".join(each.name for each in PROGRAMS)
        raise UsageError(f"no program {plain(options.program, 40)!r}: choose from {known}")
    play = player(chosen[0].broken, chosen[0].kind)
    found = search(Exhaustive(2), play, options.runs)
    if found.failure is None:
        raise UsageError(f"--runs is {options.runs}: too few to find the bug, give more")
    tape = smallest_tape(found.tape, lambda tried: play(Choices(tried)) == found.failure)
    marked = MarkedChoices(tape)
    run = run_threads(chosen[0].broken, marked, chosen[0].kind)
    marks = which_matter(marked.marks, tape, play)
    if options.json:
        matter = [mark.number for mark in marks if mark.matters]
        print(json.dumps({"failure": run.failure, "tape": tape, "decisions_that_matter": matter}))
        return 1
    print(f"{chosen[0].name}: {chosen[0].bug}")
    print("\n".join(lanes(run.records[:_ROWS_MAX], marks)))
    if len(run.records) > _ROWS_MAX:
        print(f"{len(run.records) - _ROWS_MAX} of {len(run.records)} records not shown")
    for mark in marks:
        print(mark)
    print(f"tape {','.join(map(str, tape)) or '(empty)'}")
    print(plain(run.failure, 1_000))
    return 1


_ROWS_MAX = 60
