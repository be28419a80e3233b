"""Which rules of a simulated kernel a run exercises: the marks behind its lines, and a tracer.

The rules are in `sim.rules`, and so is what a mark looks like. While `watching` is active, the
marked lines of the simulator's modules are traced; lines that nobody marked cost little, and
outside of `watching` nothing costs anything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import sim
from sim.rules import rules

FOLDER = Path(sim.__file__).resolve().parent
_MARK = re.compile(r"#.*\brule ((?:[A-Z]+\d+ ?)+)$")

Hits = set[str]


@cache
def marks() -> dict[str, dict[int, tuple[str, ...]]]:
    """File name -> line number -> ids of the rules that the line applies."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        marked = {
            number: tuple(match[1].split())
            for number, line in enumerate(lines, 1)
            if (match := _MARK.search(line))
        }
        if marked:
            found[str(path)] = marked
    return found


def unmarked(kernel: str) -> list[str]:
    """Rules that no line applies."""
    marked = {each for lines in marks().values() for ids in lines.values() for each in ids}
    return [rule.id for rule in rules(kernel) if rule.id not in marked]


class Watch:
    """The tracer: `hits` are the ids of the rules applied since it was last cleared."""

    def __init__(self) -> None:
        self.hits: Hits = set()
        self._codes: dict[CodeType, dict[int, tuple[str, ...]]] = {}

    def _marked(self, code: CodeType) -> dict[int, tuple[str, ...]]:
        """The marked lines of a function."""
        marked = self._codes.get(code)
        if marked is None:
            lines = marks().get(code.co_filename, {})
            own = {line for _, _, line in code.co_lines() if line is not None}
            marked = self._codes[code] = {line: lines[line] for line in lines if line in own}
        return marked

    def call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """What `sys.settrace` calls for every function."""
        return self.line if self._marked(frame.f_code) else None

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        """What it calls for every line of a function that has marks."""
        if event == "line":
            self.hits.update(self._codes[frame.f_code].get(frame.f_lineno, ()))
        return self.line


@contextmanager
def watching() -> Iterator[Watch]:
    """Counts rules within the block. Another tracer (a debugger's) is put aside meanwhile."""
    watch = Watch()
    before = sys.gettrace()
    sys.settrace(watch.call)
    try:
        yield watch
    finally:
        sys.settrace(before)
