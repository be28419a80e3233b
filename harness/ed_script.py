"""ed scripts, as `diff -e` writes them: what a mend of a source file is kept as.

They hold only the lines that are put in, and say by their numbers where they go and which lines
they take the place of: 2,4c, 7a, 9,12d, each with its text up to a line of a single dot. Several
scripts for one file are applied together, so all their numbers are of the file as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.errors import UsageError

_COMMAND = re.compile(r"(\d+)(?:,(\d+))?([acd])")
#: `diff -e` writes a line of a single dot as two, and mends it by a command of its own
_DOTS = re.compile(r"s/\.//|\d*s/\.\./\./")


class Edit(NamedTuple):
    """`lines` take the place of lines `first` to `last`, from 1; they are put in before `first` if
    that is behind `last`."""

    first: int
    last: int
    lines: tuple[str, ...]
    script: str


def parse(text: str, script: str) -> list[Edit]:
    """The edits of a script named `script`. Raises `UsageError`, which names script and line."""
    lines = text.splitlines()
    edits = []
    at = 0
    while at < len(lines):
        command = _COMMAND.fullmatch(lines[at])
        if command is None:
            why = "a line of one dot is not supported" if _DOTS.fullmatch(lines[at]) else ""
            why = why or "name lines and one of a, c, d, as diff -e does"
            raise UsageError(f"{script}, line {at + 1}: {lines[at][:40]!r}: {why}")
        first = int(command[1])
        last = int(command[2] or first)
        begin = at = at + 1
        if command[3] != "d":
            while at < len(lines) and lines[at] != ".":
                at += 1
            if at == len(lines):
                raise UsageError(f"{script}, line {begin}: no line of one dot ends its text")
        if command[3] == "a":
            first, last = first + 1, first
        elif last < first or first < 1:
            raise UsageError(f"{script}, line {begin}: {command[0]!r} is no range of lines")
        edits.append(Edit(first, last, tuple(lines[begin:at]), script))
        at += command[3] != "d"
    return edits


def apply(source: str, scripts: Mapping[str, str]) -> str:
    """The text with all scripts, by name, applied; what several put in at one place stands in the
    order of their names. Raises `UsageError` for two that change the same lines, or a script of a
    longer file."""
    lines = source.splitlines(keepends=True)
    edits = [edit for name in scripts for edit in parse(scripts[name], name)]
    edits.sort(key=lambda edit: (edit.first, edit.last, edit.script))
    _check(edits, len(lines))
    for edit in reversed(edits):
        lines[edit.first - 1 : edit.last] = [line + "\n" for line in edit.lines]
    return "".join(lines)


def _check(edits: Sequence[Edit], length: int) -> None:
    end = Edit(0, 0, (), "")  # of those so far, the one that reaches farthest
    for edit in edits:
        if edit.last > length:
            raise UsageError(f"{edit.script} is of a longer file: it has no line {edit.last}")
        if edit.first <= end.last:
            raise UsageError(
                f"{edit.script} and {end.script} both change line {edit.first}: put lines in"
                " before it, or behind it, in one of them"
            )
        if edit.last >= end.last:
            end = edit
