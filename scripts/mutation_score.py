"""The mutation score of `model/`: how many small changes of the code its tests notice.

`make mutation` runs it. Cosmic Ray makes the mutants; a sample of them, drawn from `--seed`, is
tried, each in a copy of the checkout: the tests of the model, then a short fuzz of both simulated
worlds. A mutant is killed when either fails or does not end. Results are kept as they come in
`.cache/mutation/`, one line a mutant, so that an interrupted run goes on where it stopped; changed
code starts anew. Survivors are printed with their change, to be judged by a person.

Left out, since nothing could tell them apart: changes inside annotations (never evaluated) and the
planted mutants of `model/mutants/` (themselves no part of the model).
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "mutation"
COPIED = ("model", "sim", "real", "harness", "tests", "scripts", "bench", "pyproject.toml")
TIMEOUT_S = 240.0  # of one mutant's tests; they take about 10 seconds
TESTS = (
    "-m pytest -q -x -p no:cacheprovider --hypothesis-seed=1 tests/model tests/test_regressions.py"
)
FUZZ = "-m harness fuzz --runs 400 --seed 1 --world"


class Place(NamedTuple):
    """Where a mutant changes the code; the same in every run."""

    module: str
    operator: str
    occurrence: int
    arguments: str
    line: int


def main() -> int:
    """Tries the sample and prints the score; 1 if it is below `--least`."""
    options = _options()
    digest = _digest()
    results = CACHE / f"{digest}.jsonl"
    CACHE.mkdir(parents=True, exist_ok=True)
    places = sorted(_places(options.module))
    sample = random.Random(options.seed).sample(places, min(options.sample, len(places)))
    done = _read(results)
    left = [place for place in sample if place not in done]
    print(f"{len(places)} mutants, {len(sample)} drawn with seed {options.seed}, {len(left)} left")
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
    return parser.parse_args()


def _digest() -> str:
    """Of all code that a result depends on."""
    digest = hashlib.sha256()
    for folder in ("model", "sim", "harness", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _places(module: str) -> Iterator[Place]:
    root = ROOT / module
    paths = [root] if root.is_file() else sorted(root.rglob("*.py"))
    for path in paths:
        relative = path.relative_to(ROOT)
        if relative.parts[:2] == ("model", "mutants"):
            continue
        ignored = _annotations(path)
        for item in _all_work_items([path], {}):
            (mutation,) = item.mutations
            if mutation.start_pos[0] not in ignored:
                yield Place(
                    str(relative),
                    mutation.operator_name,
                    mutation.occurrence,
                    json.dumps(mutation.operator_args, sort_keys=True),
                    mutation.start_pos[0],
                )


def _annotations(path: Path) -> set[int]:
    """Lines that hold nothing but annotations: signatures, declarations, type aliases."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and not _defaults(node):
            lines.update(range(node.lineno, node.body[0].lineno))
        elif isinstance(node, ast.AnnAssign) and _is_declaration(node):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def _defaults(node: ast.FunctionDef) -> bool:
    arguments = node.args
    return bool(arguments.defaults or any(arguments.kw_defaults) or node.decorator_list)


def _is_declaration(node: ast.AnnAssign) -> bool:
    alias = isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
    return alias or node.value is None or isinstance(node.value, (ast.Constant, ast.List, ast.Dict))


def _read(results: Path) -> dict[Place, dict[str, Any]]:
    if not results.exists():
        return {}
    lines = map(json.loads, results.read_text().splitlines())
    return {Place(*line["place"]): line for line in lines}


def _try_all(
    left: Sequence[Place], jobs: int, results: Path, done: dict[Place, dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copies = [_copy(Path(folder) / str(number)) for number in range(jobs)]
        with ProcessPoolExecutor(jobs) as pool, results.open("a") as out:
            shares = [left[number::jobs] for number in range(jobs)]
            queues = [iter(share) for share in shares]
            running = {
                pool.submit(_try_one, copy, place): (number, place)
                for number, copy in enumerate(copies)
                if (place := next(queues[number], None)) is not None
            }
            while running:
                finished = next(as_completed(running))
                number, place = running.pop(finished)
                line = {"place": list(place), **finished.result()}
                done[place] = line
                print(json.dumps(line), file=out, flush=True)
                _progress(done, place, line)
                following = next(queues[number], None)
                if following is not None:
                    future = pool.submit(_try_one, copies[number], following)
                    running[future] = (number, following)


def _progress(done: dict[Place, dict[str, Any]], place: Place, line: dict[str, Any]) -> None:
    killed = sum(each["outcome"] == "killed" for each in done.values())
    where = f"{place.module}:{place.line}"
    print(f"{killed}/{len(done)} killed  {line['outcome']:9} {where} {place.operator}", flush=True)


def _copy(folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def _try_one(copy: Path, place: Place) -> dict[str, Any]:
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    mutation = MutationSpec(
        module_path=Path(place.module),
        operator_name=place.operator,
        operator_args=json.loads(place.arguments),
        occurrence=place.occurrence,
        start_pos=(place.line, 0),
        end_pos=(place.line, 1),
    )
    python = sys.executable
    command = f"{python} {TESTS} && {python} {FUZZ} sim-epoll && {python} {FUZZ} sim-iocp"
    result = mutate_and_test([mutation], f"sh -c '{command}'", TIMEOUT_S)
    outcome = "none" if result.test_outcome is None else result.test_outcome.value
    return {"outcome": outcome, "diff": result.diff if outcome != "killed" else ""}


def _report(sample: Sequence[Place], done: dict[Place, dict[str, Any]], least: float) -> int:
    survivors = [place for place in sample if done[place]["outcome"] != "killed"]
    for place in survivors:
        print(f"\nsurvived: {place.module}:{place.line} {place.operator}")
        changes = (done[place]["diff"] or "").splitlines()
        print(
            "\n".join(
                line for line in changes if line[:1] in "+-" and line[:3] not in ("+++", "---")
            )
        )
    if not sample:
        return 0
    score = 100 * (len(sample) - len(survivors)) / len(sample)
    print(
        f"\nmutation score {score:.1f} % ({len(sample) - len(survivors)} of {len(sample)} killed)"
    )
    return int(score < least)


if __name__ == "__main__":
    sys.exit(main())
