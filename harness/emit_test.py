"""`duopoll emit-test FILE`: a failure as a test that stands alone.

A plain pytest file with the scenario and the tape in it, which needs duopoll and no failure file.
It fails as long as the property breaks. The failure of a mutant fails with that mutant, unless it
is written without it: then it says that the model as it is keeps every promise here.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from dataclasses import replace
from typing import Any

from harness.failure import FailureFile, load
from harness.options import add_command, json_option
from harness.program import source_of_runs
from harness.story import story
from harness.views.export_command import write
from harness.words import plain


def add(subparsers: Any) -> None:
    """Adds the command."""
    command = add_command(
        subparsers, "emit-test", emit_test, help="write a failure as a test for pytest"
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("--out", metavar="PATH", help="where (default: test_PROPERTY_WORLD.py)")
    command.add_argument(
        "--without-mutant", action="store_true", help="of the model as it is, without the bug"
    )
    json_option(command)


def emit_test(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    from harness.commands import print_json  # it imports what a worker does not need

    failure = load(options.file)
    if options.without_mutant:
        failure = replace(failure, mutant=None)
    path = write(options.out or f"{_name(failure)}.py", test_source(failure))
    if options.json:
        print_json({"file": options.file, "out": str(path), "exit_code": 0})
    else:
        print(f"{path}: fails as long as the property breaks: python -m pytest {path}")
    return 0


def test_source(failure: FailureFile) -> str:
    """The source of the test."""
    head, calls = source_of_runs(failure)
    told = "\n".join(story(failure)).replace("\\", "\\\\").replace('"""', "'''")
    return (
        f'"""{told}\n"""\n\n{head}\n\n'
        f"def {_name(failure)}() -> None:\n"
        f"{textwrap.indent(calls, '    ')}"
        '    told = [f"{v.property} at record {v.record}: {v.message}" for v in violations]\n'
        '    assert not told, "\\n".join(told)\n'
    )


def _name(failure: FailureFile) -> str:
    parts = (failure.broken or "clean", failure.world, *failure.others, failure.mutant or "")
    name = re.sub(r"[^a-z0-9]+", "_", plain("_".join(parts), 80).lower()).strip("_")
    return f"test_{name}"


test_source.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test
