"""`duopoll shrink FILE`: makes a failure small, or checks that it is.

Exit codes: 0 shrunk (also when it was as small before), or the certificate holds; 1 with `--check`,
something still fails with less; 2 a file without a failure or without a certificate, or a failure
of a real world that the simulator does not show; 3 a simulated failure that does not break again;
130 interrupted, the smallest so far is kept.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from harness.commands import BROKEN, CLEAN, print_json
from harness.failure import load, save_in
from harness.options import add_command, json_option, positive
from harness.progress import Interrupt, StatusLine
from harness.shrinking import Shrinking, Shrunk, check_certificate, shrink_failure
from harness.story import replay_command, story
from harness.words import count
from model.errors import UsageError

INTERRUPTED = 130
SECONDS = 60


def add(subparsers: Any) -> None:
    """The command's arguments."""
    command = add_command(
        subparsers, "shrink", shrink, help="make a failure small, with a certificate"
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument(
        "--check", action="store_true", help="instead: does the file's certificate hold?"
    )
    command.add_argument(
        "--seconds", type=positive, metavar="S", help=f"at most so long (default: {SECONDS})"
    )
    command.add_argument(
        "--tries", type=positive, metavar="N", help="at most so many smaller runs, and no clock"
    )
    command.add_argument(
        "--out", default="failures", metavar="DIR", help="folder of the file (default: failures)"
    )
    json_option(command)


def shrink(options: argparse.Namespace) -> int:
    """The command. Gives the exit code."""
    if options.check:
        if options.seconds or options.tries:
            raise UsageError("--check goes through all: leave --seconds and --tries out")
        return _check(options)
    failure = load(options.file)
    seconds = options.seconds or (None if options.tries else SECONDS)
    line = StatusLine(sys.stderr)
    with Interrupt() as interrupt:

        def progress(state: Shrinking) -> None:
            if state.tries % 8 == 0:
                line.write(_so_far(state))
            interrupt.check()

        try:
            shrunk = shrink_failure(
                failure, seconds=seconds, tries=options.tries, progress=progress
            )
        finally:
            line.clear()
    path = str(save_in(options.out, shrunk.failure))
    code = INTERRUPTED if shrunk.interrupted else CLEAN
    if options.json:
        print_json(_json(shrunk, path, code))
    else:
        _tell(shrunk, path)
    return code


def _so_far(state: Shrinking) -> str:
    steps, decisions = count(state.steps, "step"), count(state.decisions, "decision")
    return f"{count(state.tries, 'try')}: {steps}, {decisions} that are not dull"


def _tell(shrunk: Shrunk, path: str) -> None:
    print("\n".join(story(shrunk.failure)))
    print(
        f"\n{count(shrunk.steps, 'step')} (before: {shrunk.steps_before}),"
        f" {count(shrunk.decisions, 'decision')} that are not dull (before:"
        f" {shrunk.decisions_before}), {shrunk.tries} runs in {shrunk.seconds:.1f} s"
    )
    certificate = shrunk.failure.certificate
    if certificate is not None:
        kinds = ", ".join(f"{number} {kind}" for kind, number in certificate.tried.items())
        print(f"nothing less fails: {count(certificate.total, 'removal')} tried ({kinds})")
    else:
        why = "interrupted" if shrunk.interrupted else "the bound was reached"
        print(f"{why}: something may still go; `duopoll shrink` on the new file goes on")
    print(f"\n{replay_command(path)}")


def _json(shrunk: Shrunk, path: str, code: int) -> dict[str, Any]:
    certificate = shrunk.failure.certificate
    numbers = ("tries", "seconds", "steps_before", "decisions_before", "steps", "decisions")
    return {
        "file": path,
        "property": shrunk.failure.broken,
        "world": shrunk.failure.world,
        "complete": shrunk.complete,
        "interrupted": shrunk.interrupted,
        **{name: getattr(shrunk, name) for name in numbers},
        "certificate": None if certificate is None else certificate.to_json(),
        "story": story(shrunk.failure),
        "replay": replay_command(path),
        "exit_code": code,
    }


def _check(options: argparse.Namespace) -> int:
    failure = load(options.file)
    try:
        wrong = check_certificate(failure)
    except UsageError as error:
        raise UsageError(f"{options.file}: {error}") from None
    certificate = failure.certificate
    assert certificate is not None
    told = wrong or f"the certificate holds: none of {count(certificate.total, 'removal')} fails"
    code = CLEAN if wrong is None else BROKEN
    if options.json:
        print_json(
            {"file": options.file, "holds": wrong is None, "message": told, "exit_code": code}
            | {"certificate": certificate.to_json()}
        )
    else:
        print(told)
    return code
