"""`duopoll demo`: from nothing to a failure that is shrunk, explained and a page to look at.

A known bug is put into the model, the fuzzer looks for it in a simulated world, what it finds is
shrunk, replayed byte for byte and explained, and leaves a failure file, a page and a test.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import monotonic
from typing import Any

from harness.failure import FailureFile, save_in
from harness.options import add_command, natural
from harness.replay import replay
from harness.story import replay_command, story
from harness.views.export_command import write
from harness.words import count
from model import mutants
from model.errors import UsageError

MUTANT = "short-write-lost"
RUNS = 20_000
_WORLDS = {"readiness": "sim-epoll", "completion": "sim-iocp"}


def add(subparsers: Any) -> None:
    """Adds the command."""
    command = add_command(
        subparsers, "demo", demo, help="find a planted bug, shrink it, explain it, make its page"
    )
    command.add_argument(
        "--mutant", default=MUTANT, metavar="NAME", help=f"the bug to plant ({MUTANT})"
    )
    command.add_argument("--seed", type=natural, default=1, metavar="N", help="of the search (1)")
    command.add_argument("--out", default="demo", metavar="DIR", help="folder of what it makes")


def demo(options: argparse.Namespace) -> int:
    """The command. Gives the exit code: 0 if the bug was found."""
    started = monotonic()
    failure = _found(options.mutant, options.seed)
    path = save_in(options.out, failure)
    print("\n".join(story(failure)), end="\n\n")
    result = replay(path)
    print(f"replayed: {result.message}")
    page, said = _page(failure, path)
    for each in said:
        print(each)
    test = write(Path(options.out) / "test_demo.py", _test(failure))
    print(
        f"\n{page}  a page to step through: open it in a browser"
        f"\n{test}  a test that fails as long as the bug is there"
        f"\n{replay_command(path)}\n\nin {monotonic() - started:.1f} s"
    )
    return 0


def _found(name: str, seed: int) -> FailureFile:
    """The first failure of a mutant, shrunk. Raises `UsageError`."""
    from harness.fuzz import fuzz  # Hypothesis: for this command alone

    mutant = mutants.find(name)
    worlds = [_WORLDS[kernel] for kernel in mutant.kernels]
    print(f"looking for {mutant.name} ({mutant.title}) in {', '.join(worlds)}", flush=True)
    report = fuzz(worlds, runs=RUNS, seed=seed, mutant=name, stop_at_first=True)
    if not report.failures:
        raise UsageError(f"mutant {name} was not found in {RUNS} runs: try another --seed")
    first = report.failures[0]
    print(f"found and shrunk within {count(report.examples + first.shrunk_from, 'run')}\n")
    return first.as_file()


def _page(failure: FailureFile, path: Path) -> tuple[Path, list[str]]:
    """The page, explained; and what the explanation comes to, in lines."""
    from harness.views.explained import explanation_of
    from harness.views.html import html_page

    explanation = explanation_of(failure)
    said = [
        f"decision {each['index']} ({each['name']} {each['value']}): with {each['instead']} in its"
        " place no failure"
        for each in explanation["decisions"]
        if not each["still_fails"]
    ][:5]
    certain = explanation["certain_at"]
    if certain is not None:
        said.append(f"certain from decision {certain['decision']}, record {certain['record']}, on")
    page = html_page(failure.records, failure, explanation)
    return write(path.with_suffix(".html"), page), said


def _test(failure: FailureFile) -> str:
    from harness.emit_test import test_source

    return test_source(failure)
