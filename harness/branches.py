"""Branches of a C library that programs have taken, as gcov(1) counts them, in one table.

What gcov calls a branch is one of the ways out of a place that has more than one; it is *reached*
when it was taken once. A branch is known by its file, function, line and number on that line, which
are the same in all counts of one build.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, NamedTuple

from model.errors import UsageError


class Branch(NamedTuple):
    """One way out of a place in the source. `number` counts from 0 on its line."""

    file: str
    function: str
    line: int
    number: int


Counts = Mapping[Branch, int]  # how often each was taken


def counts(reports: Iterable[str]) -> dict[Branch, int]:
    """The branches in gcov's JSON, one report an object file, added up.

    Raises `UsageError` for what is not such a report.
    """
    taken: dict[Branch, int] = {}
    for text in reports:
        try:
            _add(taken, json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"not a report of gcov: {text[:40]!r} ({type(error).__name__}): make it with"
                " gcov --json-format --branch-probabilities"
            ) from None
    return taken


def _add(taken: dict[Branch, int], report: Any) -> None:
    for source in report["files"]:
        for line in source["lines"]:
            for number, branch in enumerate(line["branches"]):
                where = (source["file"], line.get("function_name", ""), line["line_number"])
                key = Branch(*where, number)
                taken[key] = taken.get(key, 0) + branch["count"]


class Row(NamedTuple):
    """A file's branches: how many there are, and how many each program, any of them, and the last
    one alone have reached."""

    file: str
    branches: int
    reached: tuple[int, ...]
    together: int
    only_last: int


def rows(patterns: Sequence[str], programs: Sequence[Counts]) -> list[Row]:
    """A row for each file that matches one of the patterns (as in shells), in their order."""
    files = sorted({each.file for program in programs for each in program})
    found = [name for pattern in patterns for name in files if fnmatch(name, pattern)]
    return [_row(name, programs) for name in dict.fromkeys(found)]


def in_functions_of(program: Counts, others: Sequence[Counts]) -> list[dict[Branch, int]]:
    """What `others` took of the branches in functions of which `program` took any."""
    entered = {(each.file, each.function) for each, count in program.items() if count}
    return [
        {each: count for each, count in taken.items() if (each.file, each.function) in entered}
        for taken in others
    ]


def _row(file: str, programs: Sequence[Counts]) -> Row:
    known = {each for program in programs for each in program if each.file == file}
    reached = [{each for each in known if program.get(each, 0) > 0} for program in programs]
    before: set[Branch] = set().union(*reached[:-1])
    together, only_last = len(before | reached[-1]), len(reached[-1] - before)
    return Row(file, len(known), tuple(map(len, reached)), together, only_last)


def total(listed: Sequence[Row]) -> Row:
    """The sum of the rows."""
    return Row(
        "together",
        sum(each.branches for each in listed),
        tuple(map(sum, zip(*(each.reached for each in listed), strict=True))),
        sum(each.together for each in listed),
        sum(each.only_last for each in listed),
    )


def markdown(names: Sequence[str], listed: Sequence[Row]) -> list[str]:
    """The lines of a table; shares in percent of the file's branches."""
    last = names[-1]
    lines = [
        f"| file | branches | {' | '.join(names)} | both together | only {last} |",
        "|---|" + "---:|" * (len(names) + 3),
    ]
    for each in listed:
        cells = [_share(each, count) for count in (*each.reached, each.together)]
        lines.append(f"| {each.file} | {each.branches} | {' | '.join(cells)} | {each.only_last} |")
    return lines


def _share(of: Row, count: int) -> str:
    return f"{100 * count / of.branches:.1f} %" if of.branches else "-"


def missed(by: Counts, but_in: Counts, patterns: Sequence[str]) -> list[Branch]:
    """Branches that `but_in` reached and `by` did not, in the order of the source."""
    return sorted(
        each
        for each, count in but_in.items()
        if count and not by.get(each, 0) and any(fnmatch(each.file, one) for one in patterns)
    )
