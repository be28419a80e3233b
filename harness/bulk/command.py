"""`duopoll campaign` and `duopoll corpus`: arguments in, exit code out."""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from harness.bulk import corpus, executors
from harness.bulk.campaign import FOREVER_S, Campaign, Report, open_campaign
from harness.bulk.canary import canary_of
from harness.bulk.corpus import Entry
from harness.bulk.lock import only_one
from harness.bulk.report import LiveLine, as_json, failure_lines, final_lines, to_stream
from harness.bulk.search import Found, covers
from harness.bulk.state import State
from harness.commands import BROKEN, CLEAN, choose_worlds, print_json, to_errors
from harness.progress import Interrupt
from harness.run import SUBJECTS
from harness.table import columns
from harness.words import count
from harness.worlds import SIMULATED

NOT_FOUND = 3  # the canary: as a defect of duopoll
INTERRUPTED = 130
SECONDS = 60


def campaign(options: argparse.Namespace) -> int:
    """`duopoll campaign`."""
    folder = Path(options.dir)
    subject = options.subject
    known = SUBJECTS.get(subject)
    usual = [world for world in SIMULATED if known is None or world in known.worlds]
    worlds = choose_worlds(options.world or usual, to_errors, subject)
    seed = random.getrandbits(31) if options.seed is None else options.seed
    opened = partial(
        open_campaign,
        folder,
        resume=options.resume,
        subject=subject,
        mutant=options.mutant,
        worlds=worlds,
        seed=seed,
    )
    first = opened()  # whatever is wrong is said before there is a folder
    canary_of(first.seed, first.worlds, options.canary)
    make, width = _executor(options)
    with only_one(folder):
        report = _session(options, folder, opened(), make, width)
    code = _exit_code(report)
    if options.json:
        print_json(as_json(report, folder, code))
    else:
        to_stream(["", *final_lines(report, folder)])
    return code


def _session(
    options: argparse.Namespace,
    folder: Path,
    state: State,
    make: Callable[[], Executor],
    width: int,
) -> Report:
    canary = canary_of(state.seed, state.worlds, options.canary)
    canary.limit = options.canary_runs
    stream = sys.stderr if options.json else sys.stdout
    line = LiveLine(sys.stderr)

    def tell(found: Found, path: Path) -> None:
        line.clear()
        to_stream(failure_lines(found, path), stream)

    with Interrupt() as interrupt:

        def progress(report: Report) -> None:
            line.show(report)
            interrupt.check()

        going = Campaign(folder, state, make, width, canary, progress, tell)
        going.shrink_s = options.shrink_seconds
        seconds = options.seconds or (FOREVER_S if options.runs else SECONDS)
        try:
            return going.run(options.runs, seconds)
        finally:
            line.clear()


def _executor(options: argparse.Namespace) -> tuple[Callable[[], Executor], int]:
    """What makes the executor, and how many jobs are to be under way."""
    if options.dask is None:
        jobs = options.jobs or os.cpu_count() or 1
        return (lambda: executors.processes(jobs)), (1 if jobs == 1 else 2 * jobs)
    made, jobs = executors.dask(options.dask)
    first = [made]
    return (lambda: first.pop() if first else executors.dask(options.dask)[0]), 2 * jobs


def _exit_code(report: Report) -> int:
    if report.state.failures:
        return BROKEN
    if report.interrupted:
        return INTERRUPTED
    return CLEAN if report.canary.found else NOT_FOUND


# corpus


def merge(options: argparse.Namespace) -> int:
    """`duopoll corpus merge DIR...`: the first takes from the others what adds something."""
    into, *others = options.folders
    held = corpus.load(into) if Path(into).is_dir() else []
    names = {entry.name for entry in held}
    given = [e for folder in others for e in corpus.load(folder) if e.name not in names]
    given = list({entry.name: entry for entry in given}.values())
    covered = {key for entry in held for key in covers(entry)}
    keys = [(entry, frozenset(covers(entry)) - covered) for entry in given]
    added = corpus.covering(keys)
    for entry in added:
        corpus.save(into, Entry(entry.case, entry.world, entry.subject, tuple(covers(entry))))
    said = f"{into}: {count(len(held), 'case')}, {len(added)} of {len(given)} added"
    return _told(options, said, {"held": len(held), "given": len(given), "added": len(added)})


def minimise(options: argparse.Namespace) -> int:
    """`duopoll corpus minimise DIR`: leaves out what others cover."""
    files = list(corpus.load_files(options.folder))
    keys = [(entry, frozenset(covers(entry))) for _, entry in files]
    kept = {entry.name for entry in corpus.covering(keys)}
    for path, entry in files:
        if entry.name not in kept or path.name != entry.name:
            path.unlink()
    for entry, covered in keys:
        if entry.name in kept:
            found = Entry(entry.case, entry.world, entry.subject, tuple(sorted(covered)))
            corpus.save(options.folder, found)
    total = len(frozenset().union(*[covered for _, covered in keys]))
    said = f"{options.folder}: {len(kept)} of {count(len(files), 'case')} cover all {total} keys"
    return _told(options, said, {"held": len(files), "kept": len(kept), "keys": total})


def show(options: argparse.Namespace) -> int:
    """`duopoll corpus show DIR`: each case, and what existed in it."""
    entries = corpus.load(options.folder)
    keys = {key for entry in entries for key in entry.new}
    if options.json:
        listed = [
            {"file": e.name, "world": e.world, "subject": e.subject, "keys": len(e.new)}
            | {"bytes": len(e.case.noise), "tape": len(e.case.tape), "swarm": e.case.swarm.told()}
            for e in entries
        ]
        print_json({"entries": listed, "keys": len(keys)})
        return CLEAN
    rows = [
        (e.name, e.world, str(len(e.case.noise)), str(len(e.case.tape)), e.case.swarm.told())
        for e in entries
    ]
    for line in columns([("case", "world", "bytes", "tape", "swarm"), *rows], right=(2, 3)):
        print(line)
    print(f"\n{count(len(entries), 'case')}, {len(keys)} keys")
    return CLEAN


def _told(options: argparse.Namespace, said: str, numbers: dict[str, Any]) -> int:
    if options.json:
        print_json(numbers)
    else:
        print(said)
    return CLEAN
