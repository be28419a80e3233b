"""What the commands of `duopoll` share: how one is added, its common options, its numbers.

A command outside `harness.cli` has a module of its own with `add(subparsers)`, which `cli` lists.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

EPILOG = """\
exit codes:
  0    clean: no property broke
  1    a property broke (replay: broke again; conform: kernels differ,
       or a trace is not explained; shrink --check: it fails with less)
  2    bad usage or input, or a world that does not run here
  3    a replay that no longer fits, a campaign that did not find its canary,
       or an error of duopoll itself
  130  interrupted before anything was found; fuzz prints its table first, and exits 1 if it found;
       shrink keeps the smallest so far, explain tells what it has
  141  the reader of the output went away

With CI=true in the environment, fuzz needs every world: a missing one is an error.
"""


def add_command(
    subparsers: Any, name: str, command: Callable[[argparse.Namespace], int], **more: Any
) -> argparse.ArgumentParser:
    """Adds the command `name`; `command` takes the parsed options and gives the exit code."""
    made: argparse.ArgumentParser = subparsers.add_parser(
        name,
        description=more.get("help"),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )
    made.set_defaults(command=command)
    return made


def json_option(command: argparse.ArgumentParser) -> None:
    """`--json`: machines read the result."""
    command.add_argument("--json", action="store_true", help="one JSON object on the output")


def subject_options(command: argparse.ArgumentParser) -> None:
    """`--subject` and `--mutant`: what is tested."""
    command.add_argument("--subject", default="model", help="what is tested (default: model)")
    command.add_argument("--mutant", metavar="NAME", help="put one known bug into the model")


def positive(text: str) -> int:
    """An option's value: 1 or more."""
    value = natural(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0: give 1 or more")
    return value


def natural(text: str) -> int:
    """An option's value: 0 or more, of at most 18 digits."""
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}: give an integer, 0 or more")
    return int(text)


def tape(text: str) -> tuple[int, ...]:
    """An option's value: decisions, separated by commas."""
    return tuple([natural(part.strip()) for part in text.split(",")]) if text else ()
