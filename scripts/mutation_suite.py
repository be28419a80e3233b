"""The tests that a mutant has to survive, run in a process of their own for each mutant.

First the suite runs once on the code as it is. It must pass, and it says how long each test takes.
A mutant then meets all of them, quickest first, up to the first that fails, and then a short fuzz
of both simulated worlds.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis.stateful
import pytest  # with the above: imported once, and not in each child

SUITE = (
    *("tests/model", "tests/upstream", "tests/test_regressions.py"),
    *(f"tests/harness/test_{name}.py" for name in ("crowds", "layers", "rates", "reconnect")),
    "tests/test_pinned.py",
)
#: met last, so that a report tells what only the comparison with earlier runs has seen
LAST = "tests/test_pinned.py"
#: tests of the tests (planted mutants must be found), tables of names, and what only asks that
#: nothing is raised, for a third of the suite's time
NOT_IN_SUITE = (
    "tests/model/evbuffer/test_mutants.py",
    "tests/upstream/test_table.py",
    "tests/model/properties/test_garbage.py",
)
FUZZ = (("sim-epoll", "400"), ("sim-iocp", "400"))
REAL = {"epoll", "iocp"}  # worlds
COPIED = ("model", "sim", "real", "harness", "tests", "scripts", "bench", "pyproject.toml")
CPU_S = 30  # beside three times what the chosen tests take; processor time, not the clock's
MEMORY = 3 << 30
WALL_FACTOR = 20  # of the processor time: on a busy machine the clock says little
KILLED, SURVIVED = 1, 0
PRELOADED = (hypothesis.stateful,)


class Known(NamedTuple):
    """What the first run said: seconds of each test."""

    seconds: dict[str, float]


def copy(folder: Path, source: Path) -> Path:
    """A copy of the checkout, with what Python has compiled of it."""
    folder.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
        else:
            shutil.copy2(source / name, folder / name)
    return folder


def first_run(folder: Path) -> Known:
    """Runs the suite on the code as it is. Raises SystemExit if it fails."""
    out = folder / "known.json"
    child = _in_child(folder, "baseline.txt", lambda: _measure(out))
    _, status = os.waitpid(child, 0)
    if status:
        print((folder / "baseline.txt").read_text()[-3000:], file=sys.stderr)
        raise SystemExit("the suite fails on the code as it is")
    return read_known(out)


def read_known(path: Path) -> Known:
    """What an earlier first run of the same code said."""
    raw = json.loads(path.read_text())
    return Known(raw["seconds"])


def _measure(out: Path) -> int:
    watch = _Watch()
    code = int(pytest.main([*_arguments(), *SUITE], plugins=[watch]))
    out.write_text(json.dumps({"seconds": watch.seconds}))
    return code or _fuzz()


def chosen(known: Known) -> list[str]:
    """All tests of the suite, quickest first, but for the last."""
    found = (name for name in known.seconds if not name.startswith(NOT_IN_SUITE))
    return sorted(found, key=lambda name: (name.startswith(LAST), known.seconds[name], name))


def survives(
    folder: Path, module: str, mutated: str, tests: list[str], seconds: float
) -> tuple[bool, str]:
    """Runs the tests on a copy with one file changed; whether they pass, and the output's end."""
    with _changed(folder / module, mutated):
        limit = int(CPU_S + 3 * seconds)
        child = _in_child(folder, "output.txt", lambda: _try(tests, limit))
        ended = _wait(child, WALL_FACTOR * limit)
    output = (folder / "output.txt").read_text(errors="replace")
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    by = failed[0][:200] if failed else f"status {ended}" if ended else ""
    return ended == 0, by


def _try(tests: list[str], limit: int) -> int:
    if sys.platform == "win32":
        raise OSError("the mutants' tests run in forked processes")
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if tests:
        files = sorted({name.partition("::")[0] for name in tests})
        code = pytest.main([*_arguments(), "-x", *files], plugins=[_Choice(tests)])
        if code:
            return KILLED
    return _fuzz()


def _fuzz() -> int:
    from harness.cli import main

    for world, runs in FUZZ:
        if main(["fuzz", "--runs", runs, "--seed", "1", "--world", world]):
            print(f"FAILED fuzz {world}")
            return KILLED
    return SURVIVED


def _arguments() -> list[str]:
    return [
        *("-q", "-p", "no:cacheprovider", "--tb=line", "--hypothesis-profile=mutation"),
        *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
        *(f"--ignore={name}" for name in NOT_IN_SUITE),
    ]


def _in_child(folder: Path, output: str, body: Callable[[], int]) -> int:
    """The child's process id. It leaves the parent's world: its output, folder, modules' paths."""
    if sys.platform == "win32":
        raise OSError("the mutants' tests run in forked processes")
    child = os.fork()
    if child:
        return child
    code = KILLED
    try:
        _enter(folder, output)
        code = body()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _enter(folder: Path, output: str) -> None:
    os.chdir(folder)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = output != "baseline.txt"


@contextlib.contextmanager
def _changed(path: Path, mutated: str) -> Iterator[None]:
    """Writes the file, and afterwards puts it and its compiled form back, times and all."""
    original = path.read_bytes()
    status = path.stat()
    compiled = list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))
    for each in compiled:
        each.rename(each.with_suffix(".aside"))
    path.write_text(mutated, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        for each in compiled:
            each.with_suffix(".aside").rename(each)


def _wait(child: int, seconds: float) -> int:
    if sys.platform == "win32":
        raise OSError("the mutants' tests run in forked processes")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.kill(child, 9)
    return os.waitpid(child, 0)[1]


def _is_real(item: pytest.Item) -> bool:
    """Of a real kernel, whose timing is not ours: a busy machine must not kill a mutant."""
    callspec: Any = getattr(item, "callspec", None)
    world = callspec.params.get("world") if callspec else None
    return item.nodeid.startswith(("tests/upstream", "tests/harness")) and world in REAL


class _Watch:
    """Notes the seconds of processor that each test takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        import model

        assert Path(model.__file__ or "").is_relative_to(Path.cwd()), model.__file__
        items[:] = [item for item in items if not _is_real(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        started = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - started
        return result


class _Choice:
    """Runs these tests, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self._rank = {name: rank for rank, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid in self._rank]
        items[:] = sorted(kept, key=lambda item: self._rank[item.nodeid])
