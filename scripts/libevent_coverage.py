"""Branches of libevent that duopoll reaches, beside those that libevent's own tests reach.

`make libevent-coverage SECONDS_COVERAGE=3600` runs it. The distribution's source package is built
with gcc's counters (`libevent_source`); upstream's programme `regress` runs once on that build, and
duopoll fuzzes it for the seconds asked, in `--jobs` processes (`libevent_duopoll`); gcov(1) counts
the branches of either. Sources, build, counters and failure files stay in
`.cache/libevent-coverage/`; what is printed is the table, and how it was made. With `--table`
nothing runs: the table is that of the last counters. With `--again` only duopoll runs again.
`--missed` names the branches that regress reached and duopoll did not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from libevent_regress import regress
from libevent_source import Unbuildable, built

from harness.branches import counts, in_functions_of, markdown, missed, rows, total
from real.libevent.named import VARIABLE

ROOT = Path(__file__).resolve().parent.parent
CACHE = (ROOT / ".cache" / "libevent-coverage").resolve()
ASKED = ("bufferevent*.c", "buffer.c")
BESIDE = ("listener.c", "event.c", "epoll.c")
PROGRAMS = ("regress", "duopoll")
END_S = 120  # for duopoll to end a run, and its counters to be written


def main() -> int:
    """Prints the table; 2 where it cannot be made."""
    options = _options()
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        tree = built(CACHE, options.jobs)
        if not (options.table or options.missed):
            _measure(tree, options)
        if options.missed:
            return _tell_missed(tree)
        return _tell(tree)
    except Unbuildable as error:
        print(f"libevent-coverage: {error}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=600, help="of duopoll (default: 600)")
    parser.add_argument("--jobs", type=int, default=2, help="processes of duopoll (default: 2)")
    parser.add_argument("--seed", type=int, default=1, help="of the first process (default: 1)")
    parser.add_argument("--again", action="store_true", help="with regress's counters of last time")
    parser.add_argument("--table", action="store_true", help="of the counters that are there")
    parser.add_argument("--missed", action="store_true", help="branches that only regress reached")
    return parser.parse_args()


def _measure(tree: Path, options: argparse.Namespace) -> None:
    """Runs both programs, each with counters of its own, and notes how it went."""
    notes: dict[str, Any] = {"built_from": (tree / ".libs" / "built-from").read_text().strip()}
    notes["date"] = time.strftime("%Y-%m-%d")
    first = "" if options.again else "regress, then "
    print(f"{notes['built_from']}: {first}{options.seconds:g} s of duopoll", flush=True)
    if options.again:
        notes["regress"] = _notes()["regress"]
    else:
        log = CACHE / "regress.log"
        notes["regress"] = regress(tree, _environment(tree, "regress"), log)
    notes["duopoll"] = _duopoll(tree, options.seconds, options.jobs, options.seed)
    (CACHE / "notes.json").write_text(json.dumps(notes, indent=1), encoding="utf-8")


def _notes() -> dict[str, Any]:
    try:
        noted: dict[str, Any] = json.loads((CACHE / "notes.json").read_text(encoding="utf-8"))
    except OSError:
        raise Unbuildable(f"no measurement in {CACHE} has ended: run without options") from None
    return noted


def _counters(tree: Path, program: str, fresh: bool = False) -> Path:
    """The folder of a program's counters, each beside gcc's notes on its object file."""
    folder = CACHE / "counters" / program
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tree / ".libs", folder / ".libs", ignore=_all_but_notes)
    return folder


def _all_but_notes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".gcno")]


def _environment(tree: Path, program: str) -> dict[str, str]:
    """libgcov writes below GCOV_PREFIX, without the first parts of the build's path."""
    folder = _counters(tree, program, fresh=True)
    strip = len(tree.parts) - 1
    return os.environ | {"GCOV_PREFIX": str(folder), "GCOV_PREFIX_STRIP": str(strip)}


def _duopoll(tree: Path, seconds: float, jobs: int, seed: int) -> dict[str, Any]:
    """Some processes of duopoll on the build, at the same time."""
    environment = _environment(tree, "duopoll") | {VARIABLE: str(tree / ".libs")}
    script = str(ROOT / "scripts" / "libevent_duopoll.py")
    common = ["--seconds", f"{seconds:g}", "--keep", str(CACHE / "failures")]
    processes = [
        subprocess.Popen(
            [sys.executable, script, *common, "--seed", str(seed + number)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        for number in range(jobs)
    ]
    runs: Counter[str] = Counter()
    said: Counter[str] = Counter()
    cpu_s = 0
    try:
        for process in processes:
            out, _ = process.communicate(timeout=seconds + END_S)
            if process.returncode != 0:
                raise Unbuildable("duopoll did not come to its end: its lines are above")
            told = json.loads(out.splitlines()[-1])
            runs.update(told["runs"])
            said.update(told["failures"])
            cpu_s += told["cpu_s"]
    except subprocess.TimeoutExpired:
        raise Unbuildable(f"duopoll did not end {END_S} s after its time") from None
    finally:
        for process in processes:
            process.kill()
    done = {"runs": runs, "failures": said, "cpu_s": cpu_s}
    return {"seconds": seconds, "jobs": jobs, "seed": seed, **done}


def _reports(tree: Path, program: str) -> Iterator[str]:
    """gcov's JSON of each object file that a program has counters of."""
    folder = _counters(tree, program) / ".libs"
    found = sorted(folder.glob("*.gcda"))
    if not found:
        raise Unbuildable(f"no counters in {folder}: run without --table and --missed first")
    for path in found:
        command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", str(path)]
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if asked.returncode != 0:
            raise Unbuildable(f"gcov failed on {path}: {asked.stderr.strip()[:200]}")
        yield asked.stdout


def _tell(tree: Path) -> int:
    programs = [counts(_reports(tree, program)) for program in PROGRAMS]
    asked = rows(ASKED, programs)
    print("\n".join(markdown(PROGRAMS, [*asked, total(asked)])))
    print("\nThe same, of the functions that duopoll goes through:\n")
    within = rows(ASKED, in_functions_of(programs[-1], programs))
    print("\n".join(markdown(PROGRAMS, [*within, total(within)])))
    print("\nBeside them:\n")
    print("\n".join(markdown(PROGRAMS, rows(BESIDE, programs))))
    print()
    print("\n".join(_how(_notes())))
    return 0


def _how(notes: dict[str, Any]) -> Iterator[str]:
    """What ran."""
    regress, duopoll = notes["regress"], notes["duopoll"]
    network = "its own network" if regress["own_network"] else "the machine's network"
    yield f"{notes['built_from']}, measured on {notes['date']}."
    yield (
        f"regress: {regress['seconds']} s, {regress['ended']}, in {network}; {regress['sum']}"
        f" Failed: {_listed(regress['failed'])}. Left out: {_listed(regress['left_out'])}."
    )
    runs = ", ".join(f"{count} {name}" for name, count in duopoll["runs"].items())
    yield (
        f"duopoll: {duopoll['seconds']:g} s in {duopoll['jobs']} processes, which got"
        f" {duopoll['cpu_s']} s of processor time; seeds from {duopoll['seed']}; runs: {runs}."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _tell_missed(tree: Path) -> int:
    regress, duopoll = (counts(_reports(tree, program)) for program in PROGRAMS)
    for branch in missed(duopoll, regress, ASKED):
        print(f"{branch.file}:{branch.line}\t{branch.function}\tbranch {branch.number}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
