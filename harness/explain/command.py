"""`duopoll explain FILE`: why a failure fails.

Exit codes: 0 explained; 2 a file without a failure, or a failure of a real world that the simulator
does not show; 3 a simulated failure that does not break again; 130 interrupted, what was found out
is told.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from harness.commands import CLEAN, print_json, to_errors
from harness.explain.curve import REDRAWS
from harness.explain.explained import explain
from harness.explain.text import lines
from harness.explain.ways import asked
from harness.failure import load
from harness.options import add_command, json_option, natural, positive
from harness.progress import Interrupt, StatusLine

INTERRUPTED = 130
SECONDS = 60


def add(subparsers: Any) -> None:
    """The command's arguments."""
    command = add_command(
        subparsers, "explain", explain_file, help="why a failure fails: what decided it, and when"
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument(
        "--bytes",
        metavar="CONNECTION:START..END",
        help="whose way is told: c0:0..16, what c0 sends (default: those of the verdict)",
    )
    command.add_argument(
        "--seconds", type=positive, default=SECONDS, metavar="S", help=f"for all runs ({SECONDS})"
    )
    command.add_argument(
        "--redraws",
        type=positive,
        default=REDRAWS,
        metavar="N",
        help=f"runs for each point of the curve ({REDRAWS})",
    )
    command.add_argument("--seed", type=natural, default=1, metavar="N", help="of the redraws (1)")
    json_option(command)


def explain_file(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    bytes_of = asked(options.bytes) if options.bytes is not None else ()
    failure = load(options.file)
    line = StatusLine(sys.stderr)
    with Interrupt() as interrupt:

        def progress(text: str) -> None:
            line.write(text)
            interrupt.check()

        try:
            told = explain(
                failure,
                seconds=options.seconds,
                redraws=options.redraws,
                seed=options.seed,
                bytes_of=bytes_of,
                progress=progress,
            )
        finally:
            line.clear()
    if options.json:
        print_json(told.to_json())
    else:
        print("\n".join(lines(told)))
    if not told.finished:
        why = "interrupted" if interrupt.asked else f"--seconds is {options.seconds}: give more"
        to_errors(f"the explanation is not whole ({why})")
    return INTERRUPTED if interrupt.asked else CLEAN
