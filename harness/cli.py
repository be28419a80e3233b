"""The command `duopoll`: arguments in, exit code out.

Errors that a user can cause are one line on the error stream: the thing, the value, the remedy.
Anything else that goes wrong is a defect of duopoll and shows its traceback. With `--json` there is
exactly one object on the output, also for an error. The commands are in `harness.commands`; what
only some of them need (Hypothesis, sockets, Wine) is imported there, so that a replay runs with the
standard library, SimPy and greenlet alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import IO, Any

from harness import causes_command, commands, demo, emit_test, mutants_command
from harness.bulk import options as bulk
from harness.explain import command as explain
from harness.options import (
    EPILOG,
    add_command,
    json_option,
    natural,
    positive,
    subject_options,
    tape,
)
from harness.shrinking import command as shrink
from harness.views import export_command, show_command
from harness.words import plain
from model.errors import Divergence, DuopollError

DEFECT, INTERRUPTED, OUTPUT_CLOSED = 3, 130, 141
MESSAGE_MAX = 2_000  # characters of one line of an error


def parser() -> argparse.ArgumentParser:
    """The whole command line. Each command sets `command` to its function in `harness.commands`."""
    top = argparse.ArgumentParser(
        prog="duopoll",
        description="Fuzzes buffered network I/O over simulated and real epoll and IOCP.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subparsers = top.add_subparsers(required=True, metavar="COMMAND", dest="name")
    for add in (
        _fuzz,
        bulk.add,
        _replay,
        _run,
        shrink.add,
        explain.add,
        causes_command.add,
        show_command.add,
        _conform,
        _beside,
        _worlds,
        _setup_wine,
        mutants_command.add,
        _properties,
        _schedules,
        export_command.add,
        demo.add,
        emit_test.add,
        _worker,
    ):
        add(subparsers)
    return top


def _fuzz(subparsers: Any) -> None:
    command = add_command(subparsers, "fuzz", commands.fuzz, help="run generated scenarios")
    subject_options(command)
    command.add_argument(
        "--world",
        action="append",
        metavar="WORLD",
        help="where to run; repeatable (default: every world that runs here)",
    )
    limit = command.add_mutually_exclusive_group()
    limit.add_argument("--runs", type=positive, metavar="N", help="runs in each world")
    limit.add_argument(
        "--seconds", type=positive, metavar="S", help="time for all worlds together (default: 30)"
    )
    command.add_argument(
        "--seed", type=natural, metavar="N", help="same seed, same scenarios (default: a new one)"
    )
    command.add_argument(
        "--out",
        default="failures",
        metavar="DIR",
        help="folder of failure files (default: failures)",
    )
    command.add_argument(
        "--observe",
        metavar="FILE",
        help="add every run to FILE, a line each, as Hypothesis's observations (DUOPOLL_OBSERVE)",
    )
    json_option(command)


def _replay(subparsers: Any) -> None:
    command = add_command(
        subparsers, "replay", commands.replay, help="repeat the run of a failure file"
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("--world", metavar="WORLD", help="try it in another world than its own")
    command.add_argument(
        "--times", type=positive, default=1, metavar="N", help="runs in a real world (default: 1)"
    )
    json_option(command)


def _run(subparsers: Any) -> None:
    command = add_command(subparsers, "run", commands.run, help="run one scenario")
    command.add_argument("file", metavar="SCENARIO.json")
    subject_options(command)
    command.add_argument(
        "--world",
        action="append",
        metavar="WORLD",
        help="where to run; repeatable (default: every world that runs here)",
    )
    command.add_argument(
        "--tape", type=tape, default=(), metavar="N,N,...", help="decisions of simulated worlds"
    )
    command.add_argument(
        "--sweep",
        metavar="CALL=ERRNO",
        help="in simulated worlds, fail the first, second, ... such call: send=ENOBUFS",
    )
    command.add_argument(
        "--out", metavar="DIR", help="keep every run there as a file, also the clean ones"
    )
    json_option(command)


def _conform(subparsers: Any) -> None:
    command = add_command(
        subparsers, "conform", commands.conform, help="compare simulated kernels with real ones"
    )
    command.add_argument("--kernel", choices=("epoll", "iocp"), help="one kernel (default: both)")
    command.add_argument(
        "--cases",
        action="append",
        metavar="FILE.jsonl",
        help="cases to play; repeatable (default: the project's own)",
    )
    command.add_argument(
        "--trace",
        action="append",
        metavar="FILE",
        help="instead: could the simulated kernel have made this run? repeatable",
    )
    command.add_argument(
        "--profile", metavar="NAME", help="one profile of the simulated kernel (default: all)"
    )
    command.add_argument(
        "--runs", type=natural, default=20, metavar="N", help="random programs (default: 20)"
    )
    command.add_argument("--seed", type=natural, default=0, metavar="S", help="default: 0")
    command.add_argument("--out", metavar="DIR", help="keep a difference there, as a case")
    json_option(command)


def _beside(subparsers: Any) -> None:
    command = add_command(
        subparsers, "beside", commands.beside, help="two subjects side by side: where they differ"
    )
    command.add_argument(
        "file", metavar="SCENARIO.json", nargs="?", help="one scenario (default: drawn ones)"
    )
    command.add_argument("--subject", default="libevent", help="default: libevent")
    command.add_argument("--beside", default="model", help="the other subject (default: model)")
    command.add_argument("--world", default="sim-epoll", help="default: sim-epoll")
    command.add_argument("--runs", type=positive, metavar="N", help="scenarios (default: 500)")
    command.add_argument("--seed", type=natural, default=0, metavar="N", help="default: 0")
    json_option(command)


def _worlds(subparsers: Any) -> None:
    json_option(
        add_command(subparsers, "worlds", commands.worlds, help="what runs here, and why not")
    )


def _setup_wine(subparsers: Any) -> None:
    json_option(
        add_command(
            subparsers,
            "setup-wine",
            commands.setup_wine,
            help="make the Windows interpreter of the world iocp, in a cache folder",
        )
    )


def _properties(subparsers: Any) -> None:
    json_option(
        add_command(subparsers, "properties", commands.properties, help="list the promises")
    )


def _schedules(subparsers: Any) -> None:
    parser = add_command(
        subparsers, "schedules", commands.schedules, help="how soon bugs of threads are found"
    )
    parser.add_argument("program", nargs="?", help="show a failing schedule of this one")
    parser.add_argument(
        "--runs", type=positive, default=2_000, metavar="N", help="of each search (2000)"
    )
    parser.add_argument("--seed", type=natural, default=1, metavar="N", help="of the searches (1)")
    json_option(parser)


def _worker(subparsers: Any) -> None:
    command = add_command(subparsers, "worker", commands.worker)  # no help: hidden
    command.add_argument("port", type=positive)
    command.add_argument("token")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and gives its exit code."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_characters(stream)
    try:
        options = parser().parse_args(arguments)
    except SystemExit as done:  # argparse has said why
        return done.code if isinstance(done.code, int) else 2
    try:
        code = _guarded(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # What is left in the buffer must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED


def _guarded(options: argparse.Namespace) -> int:
    as_json = getattr(options, "json", False)
    try:
        return int(options.command(options))
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED, as_json)
    except Divergence as error:  # says both sides, below each other
        return _failed("\n".join(map(_line, str(error).splitlines())), error.exit_code, as_json)
    except DuopollError as error:
        return _failed(_line(str(error)), error.exit_code, as_json)
    except Exception as error:
        traceback.print_exc()
        told = f"an error of duopoll itself: {type(error).__name__}: {error}"
        return _failed(_line(told), DEFECT, as_json)


def _line(message: str) -> str:
    """One printable line, whatever a path or a file put into it."""
    return plain(message, MESSAGE_MAX)


def _failed(message: str, code: int, as_json: bool) -> int:
    print(f"duopoll: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": message, "exit_code": code}))
    return code


def _never_fail_on_characters(stream: IO[str]) -> None:
    """A console that lacks a character shows its escape (a path may have any)."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
