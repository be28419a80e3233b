"""`duopoll show FILE`: a failure file or a trace as text, as JSON, or in colours."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from harness.options import add_command, json_option, natural
from harness.scenario_json import to_json
from harness.show import Filters, load_any, schema, show_file
from harness.story import replay_command, story
from model.errors import UsageError
from model.trace import encode_trace


def add(subparsers: Any) -> None:
    """Adds the command."""
    command = add_command(subparsers, "show", show, help="print a failure file or a trace")
    command.add_argument("file", metavar="FILE", nargs="?")
    command.add_argument("--head", type=natural, metavar="N", help="the first N records")
    command.add_argument("--tail", type=natural, metavar="N", help="the last N records")
    command.add_argument("--kind", action="append", default=[], help="these kinds; repeatable")
    command.add_argument("--end", action="append", default=[], help="these ends; repeatable")
    command.add_argument(
        "--schema", choices=("trace", "scenario"), help="print a JSON Schema instead of a file"
    )
    style = command.add_mutually_exclusive_group()
    style.add_argument("--rich", action="store_true", help="in colours (default on a terminal)")
    style.add_argument("--plain", action="store_true", help="never in colours")
    json_option(command)


def show(options: argparse.Namespace) -> int:
    """`duopoll show FILE`, or `--schema`."""
    if options.schema is not None:
        print(json.dumps(schema(options.schema), indent=None if options.json else 1))
        return 0
    if options.file is None:
        raise UsageError("FILE is missing: name a failure file or a trace, or give --schema")
    if options.json:
        _print(_show_json(options.file))
        return 0
    filters = Filters(tuple(options.kind), tuple(options.end), options.head, options.tail)
    if options.rich or (sys.stdout.isatty() and not options.plain):
        from harness.views.terminal import has_rich, show_rich  # not for every command

        if options.rich or has_rich():
            show_rich(options.file, filters, sys.stdout)
            return 0
    for line in show_file(options.file, filters):
        print(line)
    return 0


def _show_json(file: str) -> dict[str, Any]:
    failure, records = load_any(file)
    told: dict[str, Any] = {"records": [json.loads(line) for line in encode_trace(records)]}
    if failure is None:
        return told
    return {
        "world": failure.world,
        "kernel_version": failure.kernel_version,
        "subject": failure.subject,
        "subject_version": failure.subject_version,
        "mutant": failure.mutant,
        "property": failure.broken,
        "scenario": to_json(failure.scenario),
        "decisions": [decision._asdict() for decision in failure.decisions],
        **told,
        "violations": [violation._asdict() for violation in failure.violations],
        "story": story(failure),
        "replay": replay_command(file),
    }


def _print(value: dict[str, Any]) -> None:
    print(json.dumps(value))
