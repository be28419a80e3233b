"""A failure or a trace in colours, for a terminal: `duopoll show --rich`.

The text is that of `harness.show`, which escapes what a file brings along; here it gets columns
that fit the terminal, a colour for each sort of record, and the verdict in a frame. The library
`rich` is in the extra `views`; only this module knows it.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.failure import FailureFile
from harness.show import Filters, chosen_records, load_any
from harness.story import replay_command, story
from harness.views.lanes import (
    CALL,
    CALLBACK,
    KERNEL,
    LOOP,
    PEER,
    THREAD,
    TROUBLE,
    class_of,
    lanes_of,
)
from harness.words import describe, plain
from model.errors import UsageError
from model.properties import PROPERTY
from model.trace import Record

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLOURS = {
    CALLBACK: "magenta",
    CALL: "blue",
    KERNEL: "cyan",
    PEER: "yellow",
    LOOP: "bright_black",
    THREAD: "green",
    TROUBLE: "bold red",
}


def has_rich() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("rich") is not None


def show_rich(path: str | Path, filters: Filters, stream: TextIO, colours: bool = True) -> None:
    """Prints a file. Raises `UsageError` for a wrong file, and where `rich` is missing."""
    if not has_rich():
        raise UsageError("--rich needs the library rich: install duopoll[views], or leave it out")
    from rich.console import Console

    failure, records = load_any(path)
    width = max(shutil.get_terminal_size((140, 40)).columns, 60)
    console = Console(
        file=stream,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=colours or None,
        color_system="auto" if colours else None,
        safe_box=True,
    )
    if failure is not None:
        _heading(console, failure)
    _table(console, records, filters, failure)
    if failure is not None:
        _verdict(console, failure, path)


def _heading(console: Console, failure: FailureFile) -> None:
    for line in story(failure):
        console.print(_text(line, "bold red" if line.startswith("Broken: ") else ""))
    console.print()


def _table(
    console: Console, records: Sequence[Record], filters: Filters, failure: FailureFile | None
) -> None:
    from rich import box
    from rich.table import Table

    chosen = chosen_records(records, filters)
    lanes, placed = lanes_of(records)
    broken = set() if failure is None else {each.record for each in failure.violations}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("#", "ms", "lane", "kind", "what happened"):
        right = name in {"#", "ms"}
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=name != "what happened",
        )
    before = -1
    for index in chosen:
        record = records[index]
        lane = lanes[placed[index]]
        style = COLOURS[class_of(record[1])]
        when = "" if record[0] == before else f"{record[0] / 1e6:.6f}"
        before = record[0]
        table.add_row(
            str(index),
            when,
            _text(f"{lane.name} {lane.layer}".strip(), style),
            _text(record[1], style),
            _text(describe(record)),
            style="reverse" if index in broken else None,
        )
    console.print(table)
    if len(chosen) < len(records):
        console.print(f"{len(records) - len(chosen)} of {len(records)} records not shown")


def _verdict(console: Console, failure: FailureFile, path: str | Path) -> None:
    from rich.panel import Panel

    if not failure.violations:
        console.print(Panel(_text("no property broke"), border_style="green", expand=False))
    for violation in failure.violations:
        at = f"record {violation.record}" if violation.record >= 0 else "the whole run"
        lines = [plain(violation.message, 500)]
        known = PROPERTY.get(violation.property)
        if known is not None:
            lines += [f"promise: {plain(known.statement, 500)}"]
        title = plain(f"{violation.property} at {at}")
        console.print(Panel(_text("\n".join(lines)), title=_text(title), border_style="red"))
    if failure.violations:
        console.print(_text(plain(replay_command(path), 500), "bold"))


def _text(text: str, style: str = "") -> Text:
    """Text that is taken as it is: rich's own markup in a file means nothing."""
    from rich.text import Text

    return Text(text, style=style)
