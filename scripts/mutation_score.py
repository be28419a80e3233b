"""The mutation score of `model/`: how many small changes of the code its tests notice.

`make mutation` runs it. Cosmic Ray makes the mutants (`mutation_places` says which are left out,
and why); a sample of them, drawn from `--seed`, is tried, each in a copy of the checkout, by the
tests and the fuzz of `mutation_suite`. A mutant is killed when one of them fails or does not end.
Results are kept as they come in `.cache/mutation/`, one line a mutant, so that an interrupted run
goes on where it stopped; changed code or tests start anew. `--keep FILE` takes the killed ones (and
only these) of an earlier results file over: sound as long as `model/` is the same and no test was
weakened since; the report says how many. Survivors are printed with their change, to be judged by a
person.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from subprocess import PIPE, Popen
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.mutating import mutate_code
from mutation_places import ROOT, Place, places
from mutation_suite import LAST, Known, chosen, copy, first_run, read_known, survives

CACHE = ROOT / ".cache" / "mutation"
Results = dict[Place, dict[str, Any]]


def main() -> int:
    """Tries the sample and prints the score; 1 if it is below `--least`."""
    options = _options()
    if options.work:
        return _work(Path(options.work))
    results = CACHE / f"{_digest(('model', 'sim', 'harness', 'tests', 'scripts'))}.jsonl"
    CACHE.mkdir(parents=True, exist_ok=True)
    found = sorted(places(options.module))
    sample = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    done = _read(results)
    if options.keep:
        _take_over(Path(options.keep), sample, done)
    left = [place for place in sample if place not in done]
    print(f"{len(found)} mutants, {len(sample)} drawn with seed {options.seed}, {len(left)} left")
    try:
        _try_all(left, options.jobs, results, done)
    except KeyboardInterrupt:
        print(f"interrupted; what there is stays in {results.relative_to(ROOT)}")
    return _report([place for place in sample if place in done], done, options.least)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=300, help="mutants to try (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="draws the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="at once, a copy each (default 2)")
    parser.add_argument("--module", default="model", help="file or folder (default model)")
    parser.add_argument("--least", type=float, default=85.0, help="score wanted, in per cent")
    parser.add_argument("--keep", metavar="FILE", help="take the killed ones of that file over")
    parser.add_argument("--work", help=argparse.SUPPRESS)  # a copy's folder: a worker
    return parser.parse_args()


def _digest(folders: Sequence[str]) -> str:
    """Of all code that a result depends on."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _read(results: Path) -> Results:
    if not results.exists():
        return {}
    lines = map(json.loads, results.read_text().splitlines())
    return {Place(*line["place"]): line for line in lines}


def _take_over(path: Path, sample: Sequence[Place], done: Results) -> None:
    wanted = set(sample)
    same = _digest(("model",))
    kept = {
        place: line
        for place, line in _read(path).items()
        if place in wanted and line["outcome"] == "killed" and line["model"] == same
    }
    print(f"{len(kept)} killed ones taken over from {path.name}")
    done.update(kept)


def _try_all(left: Sequence[Place], jobs: int, results: Path, done: Results) -> None:
    if not left:
        return
    same = _digest(("model",))
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        first = copy(Path(name) / "0", ROOT)
        said = CACHE / f"known-{_digest(('model', 'sim', 'harness', 'tests'))}.json"
        if not said.exists():
            said.write_text(json.dumps(first_run(first)._asdict()))
        seconds = json.loads(said.read_text())["seconds"]
        print(f"the suite passes: {len(seconds)} tests, {sum(seconds.values()):.0f} s", flush=True)
        copies = [first, *(copy(Path(name) / str(each), first) for each in range(1, jobs))]
        for each in copies:
            shutil.copy(said, each / "known.json")
        queue: Queue[Place] = Queue()
        for place in left:
            queue.put(place)
        with ThreadPoolExecutor(jobs) as pool, results.open("a") as out:

            def note(place: Place, line: dict[str, Any]) -> None:
                done[place] = {"place": list(place), "model": same, **line}
                print(json.dumps(done[place]), file=out, flush=True)
                _progress(done, place)

            for future in [pool.submit(_drive, each, queue, note) for each in copies]:
                future.result()


def _drive(folder: Path, queue: Queue[Place], note: Any) -> None:
    """Feeds one worker process: forks and threads do not mix."""
    command = [sys.executable, __file__, "--work", str(folder)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as worker:
        assert worker.stdin and worker.stdout
        while not queue.empty():
            place = queue.get()
            print(json.dumps(place), file=worker.stdin, flush=True)
            note(place, json.loads(worker.stdout.readline()))
        worker.stdin.close()


def _work(folder: Path) -> int:
    known = read_known(folder / "known.json")
    for line in sys.stdin:
        print(json.dumps(_try_one(folder, known, Place(*json.loads(line)))), flush=True)
    return 0


def _try_one(folder: Path, known: Known, place: Place) -> dict[str, Any]:
    path = folder / place.module
    source = path.read_text(encoding="utf-8")
    operator = cosmic_ray.plugins.get_operator(place.operator)(**json.loads(place.arguments))
    mutated = mutate_code(source, operator, place.occurrence)
    assert mutated is not None and mutated != source, place
    tests = chosen(known)
    alive, by = survives(
        folder, place.module, mutated, tests, sum(known.seconds[each] for each in tests)
    )
    changed = difflib.unified_diff(source.splitlines(), mutated.splitlines(), lineterm="", n=0)
    diff = [each for each in changed if each[:3] not in {"---", "+++"} and each[:2] != "@@"]
    outcome = "survived" if alive else "killed"
    return {"outcome": outcome, "by": by, "tests": len(tests), "diff": diff}


def _progress(done: Results, place: Place) -> None:
    killed = sum(each["outcome"] == "killed" for each in done.values())
    line = done[place]
    where = f"{place.module}:{place.line}"
    operator = place.operator.rpartition("/")[2]
    print(f"{killed}/{len(done)} killed  {line['outcome']:9} {where} {operator}", flush=True)


def _report(sample: Sequence[Place], done: Results, least: float) -> int:
    survivors = [place for place in sample if done[place]["outcome"] != "killed"]
    for place in sorted(survivors):
        operator = place.operator.rpartition("/")[2]
        print(f"\nsurvived {done[place]['tests']} tests: {place.module}:{place.line} {operator}")
        print("\n".join(done[place]["diff"]))
    if not sample:
        return 0
    killed = len(sample) - len(survivors)
    score = 100 * killed / len(sample)
    pinned = sum(done[place]["by"].startswith(f"FAILED {LAST}") for place in sample)
    print(f"\nmutation score {score:.1f} % ({killed} of {len(sample)} killed, {pinned} of them by")
    print("nothing but the comparison with pinned runs)")
    return int(score < least)


if __name__ == "__main__":
    sys.exit(main())
