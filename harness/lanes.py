"""An interleaving as a table: a column a thread, a row a record, marks where it was not dull.

The dull order lets a thread go on until it blocks. Where a decision of the tape left it, the row of
the first record after it has the decision's number and `*`. A decision matters when the run
without it does not fail as the run with it does; those have `!`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.table import columns
from harness.words import count, describe, plain
from model.choices import Choices, Decision
from model.threads import MAIN
from model.trace import Record

if TYPE_CHECKING:
    from harness.schedules import Play

_CELL = 36  # characters of a record in its column


@dataclass(frozen=True, slots=True)
class Mark:
    """Decision `number` of a run was not dull: before `record`, and `chosen` went on."""

    number: int
    decision: Decision
    record: int
    chosen: str
    matters: bool | None = None  # None: nobody has tried

    def __str__(self) -> str:
        name, bound, value = self.decision
        who = f": {self.chosen} goes on" if self.chosen else ""
        told = (
            f"decision {self.number}, before record {self.record}: {name} {value} of {bound}{who}"
        )
        if self.matters is None:
            return told
        return told + (", without it no failure" if self.matters else ", fails without it as well")


class MarkedChoices(Choices):
    """A tape that notes where it left the dull order: `marks`."""

    __slots__ = ("_candidates", "_position", "marks")

    def __init__(self, tape: Sequence[int]) -> None:
        super().__init__(tape)
        self.marks: list[Mark] = []
        self._candidates: Callable[[], Sequence[str]] = tuple
        self._position: Callable[[], int] = int

    def watch(self, candidates: Callable[[], Sequence[str]], position: Callable[[], int]) -> None:
        self._candidates = candidates
        self._position = position

    def draw(self, name: str, bound: int) -> int:
        value = super().draw(name, bound)
        if value:
            of_threads = name in {"thread.next", "sched.next"}
            chosen = self._candidates()[value] if of_threads else ""
            decision = Decision(name, bound, value)
            number = len(self.decisions) - 1
            self.marks.append(Mark(number, decision, self._position(), chosen))
        return value


def which_matter(marks: Sequence[Mark], tape: Sequence[int], play: Play) -> list[Mark]:
    """The marks of a failing run, each tried: the tape with this one decision made dull."""
    failure = play(Choices(tape))
    told = []
    for mark in marks:
        without = [*tape[: mark.number], 0, *tape[mark.number + 1 :]]
        told.append(replace(mark, matters=play(Choices(without)) != failure))
    return told


def thread_names(records: Sequence[Record]) -> list[str]:
    """Who wrote the records, in the order of their first ones."""
    return list(dict.fromkeys([MAIN, *(str(each[2]) for each in records if each[1] == "on")]))


def lanes(
    records: Sequence[Record],
    marks: Sequence[Mark] = (),
    shown: Collection[int] | None = None,
    elide: bool = True,
) -> Iterator[str]:
    """The table, line by line. Of a long run only the records `shown`, and the threads that wrote
    them; `elide` counts the others. Nothing from a file reaches the terminal unescaped."""
    whose = []
    current = MAIN
    for record in records:
        current = str(record[2]) if record[1] == "on" else current
        whose.append(current)
    chosen = [
        index
        for index, record in enumerate(records)
        if record[1] != "on" and (shown is None or index in shown)
    ]
    all_names = thread_names(records)
    lane = {index: _lane(records[index], whose[index], all_names) for index in chosen}
    names = [name for name in all_names if shown is None or name in lane.values()]
    marked = marked_rows(records, marks)
    rows = [("#", "", *(plain(name, 20) for name in names))]
    last = -1
    for index in chosen:
        left_out = sum(record[1] != "on" for record in records[last + 1 : index])
        if left_out and elide:
            rows.append(("...", "", count(left_out, "record"), *[""] * (len(names) - 1)))
        cells = [""] * len(names)
        cells[names.index(lane[index])] = plain(_short(records[index]), _CELL)
        rows.append((str(index), marked.get(index, ""), *cells))
        last = index
    yield from columns(rows, right=(0,))


def _lane(record: Record, writer: str, names: Sequence[str]) -> str:
    """The column of a record: the thread that wrote it, or the one that a report is about."""
    if record[1] == "blocked" and record[2] in names:
        return str(record[2])
    return MAIN if record[1] in {"hang", "blocked"} else writer


def marked_rows(records: Sequence[Record], marks: Sequence[Mark]) -> dict[int, str]:
    """Record -> its marks: the first record that tells of the thread that went on."""
    marked: dict[int, str] = {}
    for mark in marks:
        row = mark.record
        while row < len(records) and records[row][1] == "on":
            row += 1
        sign = f"{mark.number}{'!' if mark.matters else '*'}"
        marked[row] = f"{marked[row]} {sign}" if row in marked else sign
    return marked


def _short(record: Record) -> str:
    """A record without the thread, which its column names."""
    kind = record[1]
    if kind == "lock":
        return f"{record[3]} {record[2]}"
    if kind == "condition":
        return f"{record[4]} {record[2]}" + ("" if record[6] is None else f" ({record[6]} woken)")
    if kind == "touch":
        return f"{record[3]} {record[2]}"
    if kind == "thread":
        return f"{record[3]} {record[2]}"
    if kind == "blocked":
        return f"waits for {record[4]}" if record[4] else "can run"
    return record[2] if kind == "hang" else describe(record)
