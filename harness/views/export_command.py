"""`duopoll export FILE --to FORM`: a failure file or a bare trace for other programs to read.

The views are imported when one is asked for: a replay needs none of them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from harness.failure import FailureFile
from harness.options import add_command, json_option
from harness.reading import parse, read_file
from harness.show import load_any
from harness.words import count
from model.errors import UsageError

#: form -> (ending of the file's name, what it is for)
FORMS = {
    "html": ("html", "one page to step through, in any browser"),
    "pcapng": ("pcapng", "packets, for Wireshark and tshark"),
    "perfetto": ("perfetto.json", "tracks, for ui.perfetto.dev and chrome://tracing"),
    "csv": ("csv", "a row a record"),
}
EXPLANATION_BYTES_MAX = 64 << 20


def add(subparsers: Any) -> None:
    """Adds the command."""
    forms = "; ".join(f"{form}: {purpose}" for form, (_, purpose) in FORMS.items())
    command = add_command(
        subparsers, "export", export, help="write a failure file or a trace in another form"
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("--to", choices=tuple(FORMS), default="html", help=f"{forms} (html)")
    command.add_argument("--out", metavar="PATH", help="where (default: beside FILE)")
    why = command.add_mutually_exclusive_group()
    why.add_argument("--explain", action="store_true", help="html: find out why it fails, for it")
    why.add_argument(
        "--explanation", metavar="JSON", help="html: what `duopoll explain --json` said"
    )
    command.add_argument(
        "--by-record", action="store_true", help="perfetto: the clock is the record's number"
    )
    json_option(command)


def export(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    failure, records = load_any(options.file)
    forms = (("explain", "html"), ("explanation", "html"), ("by_record", "perfetto"))
    for name, form in forms:
        if getattr(options, name) and options.to != form:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} is of --to {form}, not of {options.to}: leave it out")
    title = f"{options.file}" if failure is None else _title(failure)
    made: str | bytes
    if options.to == "html":
        from harness.views.html import html_page

        made = html_page(records, failure, _explanation(options, failure))
    elif options.to == "pcapng":
        from harness.views.packets import pcapng

        made = pcapng(records, title)
    elif options.to == "perfetto":
        from harness.views.perfetto import perfetto

        made = perfetto(records, title, options.by_record)
    else:
        from harness.views.table import csv_table

        made = csv_table(records)
    path = write(options.out or f"{_stem(options.file)}.{FORMS[options.to][0]}", made)
    if options.json:
        from harness.commands import print_json  # it imports the views

        print_json({"file": options.file, "to": options.to, "out": str(path), "exit_code": 0})
    else:
        print(f"{path}: {count(len(records), 'record')} as {options.to}")
    return 0


def _explanation(options: argparse.Namespace, failure: FailureFile | None) -> Any:
    """What the page explains, if it does."""
    if options.explain:
        from harness.views.explained import explanation_of

        if failure is None:
            raise UsageError("--explain needs a failure file, this is a bare trace: leave it out")
        return explanation_of(failure)
    return None if options.explanation is None else _load(options.explanation)


def _title(failure: FailureFile) -> str:
    broken = failure.broken or "a clean run"
    return f"{broken} in {'+'.join((failure.world, *failure.others))}"


def _stem(file: str) -> str:
    return str(Path(file).with_suffix("")) if Path(file).suffix == ".jsonl" else file


def write(path: str | Path, made: str | bytes) -> Path:
    """Writes the file, whole or not at all. Raises `UsageError`."""
    target = Path(path)
    data = made.encode("utf-8") if isinstance(made, str) else made
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{target}: cannot be written ({error.strerror}): name a file that can, with --out"
        ) from None
    return target


def _load(path: str) -> Any:
    """The JSON of an explanation. Raises `UsageError`."""
    data = read_file(path, EXPLANATION_BYTES_MAX)
    try:
        return parse(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
