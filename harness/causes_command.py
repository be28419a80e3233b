"""`duopoll causes FILE...`: which known bugs failures of libevent have for their cause.

Exit codes: 0 each has a cause among the mends and is gone with all of them; 1 some has not; 2 a
file that is no failure of libevent, or a libevent without mends; 130 interrupted, what is known by
then is told.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.causes import SUBJECT, Cause, cause_of, files_in
from harness.commands import BROKEN, CLEAN, print_json
from harness.options import add_command, json_option
from harness.progress import Interrupt, StatusLine
from harness.run import subject_version
from harness.table import columns
from harness.words import count
from real.libevent.mends import names

INTERRUPTED = 130


def add(subparsers: Any) -> None:
    """The command's arguments."""
    command = add_command(
        subparsers, "causes", causes, help="which findings are the cause of libevent's failures"
    )
    command.add_argument("paths", nargs="+", metavar="FILE", help="failure files, or folders of")
    json_option(command)


def causes(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    bugs = names()
    subject_version(SUBJECT)  # or it does not run here
    files = files_in(options.paths)
    line = StatusLine(sys.stderr)
    done: list[Cause] = []
    with Interrupt() as interrupt:
        for number, path in enumerate(files, 1):
            if interrupt.asked:
                break
            line.write(f"{number} of {count(len(files), 'failure')}")
            done.append(cause_of(path, bugs))
            if not options.json:
                line.clear()
                print(told(done[-1]), flush=True)
    line.clear()
    if options.json:
        print_json({"failures": [to_json(each) for each in done], "of": len(files)})
    else:
        print("\n".join(["", *summary(done)]))
    if len(done) < len(files):
        return INTERRUPTED
    return CLEAN if all(each.explained for each in done) else BROKEN


def told(cause: Cause) -> str:
    """`FILE: L-1 ... : connect-not-polled` in one line, and what still breaks."""
    if not cause.shown:
        why = "does not fail in the mended build without its mends: is it of another libevent?"
    elif not cause.causes:
        why = "NO CAUSE among the mends"
    else:
        why = (" with " if cause.together else " or ").join(cause.causes)
    still = f"; STILL BREAKS with every mend: {'; '.join(cause.still)}" if cause.still else ""
    return f"{cause.file.name}: {cause.name}: {why}{still}"


def summary(done: Sequence[Cause]) -> list[str]:
    """How many failures each finding is a cause of, and how many have none."""
    counted = Counter(bug for each in done for bug in each.causes)
    alone = Counter(each.causes[0] for each in done if len(each.causes) == 1)
    rows = [(name, str(times), str(alone[name])) for name, times in counted.most_common()]
    lines = list(columns([("finding", "cause of", "the only one of"), *rows], right=(1, 2)))
    unexplained = sum(not each.explained for each in done)
    return [*lines, "", f"{count(len(done), 'failure')}, {unexplained} of them not explained"]


def to_json(cause: Cause) -> dict[str, Any]:
    """The same for machines."""
    return {
        "file": str(cause.file),
        "signature": cause.name,
        "causes": list(cause.causes),
        "together": cause.together,
        "still": list(cause.still),
        "shown": cause.shown,
        "explained": cause.explained,
    }
