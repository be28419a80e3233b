"""The worker process: the same bytes as here, and deaths that are told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings

from harness import worker as worker_module
from harness.noise import scenario_of
from harness.run import play, run
from harness.scenario import Scenario
from harness.strategies import scenarios, tapes
from harness.worker import Worker, WorkerFailed, remote_cases, remote_run, start_native
from harness.worlds import SIMULATED, why_not
from model.choices import Choices
from model.errors import UsageError
from model.trace import encode_trace
from real import wine
from tests.harness.test_layers import STACK, talk


@pytest.fixture(scope="module")
def native() -> Iterator[Worker]:
    worker = Worker(start_native)
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def windows() -> Iterator[Worker]:
    missing = why_not("iocp")
    if missing is not None:
        pytest.skip(missing)
    worker = Worker()
    yield worker
    worker.close()


def same_bytes(worker: Worker, scenario: Scenario, tape: tuple[int, ...]) -> None:
    for world in SIMULATED:
        there = worker.answer(scenario, world, tape)
        here = play(scenario, world, Choices(tape))
        assert list(there.lines) == encode_trace(here.records)
        assert there.decisions == here.decisions
        played = remote_run(scenario, world, tape, "model", None, 20_000, worker)
        assert played == here


@settings(max_examples=30)
@given(scenarios(), tapes())
def test_another_process_writes_the_same_bytes(
    native: Worker, scenario: Scenario, tape: tuple[int, ...]
) -> None:
    same_bytes(native, scenario, tape)


@settings(max_examples=30)
@given(scenarios(), tapes())
def test_windows_writes_the_same_bytes(
    windows: Worker, scenario: Scenario, tape: tuple[int, ...]
) -> None:
    same_bytes(windows, scenario, tape)


def test_a_stack_writes_the_same_bytes_on_windows(windows: Worker) -> None:
    """Compression too, whoever built that zlib."""
    same_bytes(windows, talk("socket", STACK, ("CLOSE_ON_FREE",)), (1, 2, 3))


def test_one_process_serves_many_runs(native: Worker) -> None:
    native.answer(Scenario(), "sim-epoll")
    before = native.pid
    native.answer(Scenario(), "sim-iocp")
    assert native.pid == before and native.starts == 1


def test_errors_of_the_run_come_back_as_what_they_are(native: Worker) -> None:
    with pytest.raises(UsageError, match="no mutant"):
        native.answer(Scenario(), "sim-epoll", mutant="none such")
    native.answer(Scenario(), "sim-epoll")
    assert native.starts == 1


def test_a_worker_that_died_between_runs_is_replaced() -> None:
    if sys.platform == "win32":
        pytest.skip("ends the worker by a signal: POSIX")
    worker = Worker(start_native)
    try:
        worker.answer(Scenario(), "sim-epoll")
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        worker.answer(Scenario(), "sim-epoll")
        assert worker.starts == 2
    finally:
        worker.close()


def starting(program: str) -> subprocess.Popen[str]:
    """A process that runs `program`, with pipes as a worker's."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        cwd=wine.ROOT,
    )


CONNECT = """
import socket, sys, json, os, time
connection = socket.create_connection(("127.0.0.1", {port}))
connection.sendall(json.dumps(dict(token={token!r})).encode() + b"\\n")
connection.recv(1 << 16)
"""


def failing(after_connect: str) -> Worker:
    """A worker that takes a job and then does `after_connect`."""

    def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
        _, _, port, token = arguments
        return starting(CONNECT.format(port=port, token=token) + after_connect)

    return Worker(start, job_s=1.0)


HANGING = """
import sys, time
from harness import worker_process
def hang(*args):
    time.sleep(60)
worker_process.play = hang
worker_process.main({port!r}, {token!r})
"""


def test_a_run_that_hangs_says_where() -> None:
    def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
        _, _, port, token = arguments
        return starting(HANGING.format(port=port, token=token))

    worker = Worker(start, job_s=2.0)
    played = remote_run(Scenario(), "sim-epoll", (), "model", None, 20_000, worker)
    ((_, kind, _, message, _),) = played.records
    assert kind == "crash" and "hung" in message
    assert re.search(r"MainThread is in <string>:5 hang < worker_process.py", message)
    assert worker.pid is None


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('last words', flush=True); os._exit(7)", ("died with exit code 7", "last words")),
        ("time.sleep(60)", ("hung", "ended")),
        ("connection.sendall(b'nonsense\\n'); time.sleep(60)", ("broke off", "ended")),
        ("os.kill(os.getpid(), 11)", ("died with exit code -11",)),
    ],
)
def test_a_run_that_takes_its_worker_down_is_a_crash(program: str, words: tuple[str, ...]) -> None:
    worker = failing(program)
    played = remote_run(Scenario(), "sim-epoll", (), "model", None, 20_000, worker)
    ((_, kind, error_type, message, _),) = played.records
    assert (kind, error_type) == ("crash", "WorkerFailed")
    assert all(word in message for word in words)
    assert worker.pid is None


def test_a_case_that_takes_its_worker_down_has_no_results() -> None:
    worker = failing("sys.exit(3)")
    try:
        assert remote_cases("iocp", [[["port", "p"]], [["settle"]]], 1.0, worker) == [[], []]
    finally:
        worker.close()


def test_cases_without_a_worker_are_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PAUSES_S", (0.0,))
    worker = Worker(lambda args: starting("raise SystemExit(9)"))
    with pytest.raises(WorkerFailed):
        remote_cases("iocp", [[["port", "p"]], [["settle"]]], 1.0, worker)
    assert worker.starts == 2  # once more, and not for every case


def test_a_worker_that_is_dropped_at_its_start_is_started_again() -> None:
    """As Wine does with one that comes while its server leaves: exit code 0, and no word."""
    dropped = iter((True, False))
    worker = Worker(lambda args: starting("pass") if next(dropped) else start_native(args))
    try:
        assert worker.answer(Scenario(), "sim-epoll").lines
        assert worker.starts == 2
    finally:
        worker.close()


def test_a_worker_that_does_not_start_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PAUSES_S", (0.0,))
    worker = Worker(lambda _: starting("raise SystemExit('cannot')"))
    with pytest.raises(WorkerFailed, match=r"died with exit code 1; its last words: cannot"):
        worker.answer(Scenario(), "sim-epoll")


def test_iocp_runs_here_through_the_worker() -> None:
    missing = why_not("iocp")
    if missing is not None:
        pytest.skip(missing)
    outcome = run(scenario_of(b""), "iocp")
    assert outcome.kernel_version.startswith(("Wine", "Windows"))
    assert outcome.records[-1][1] == "base_free"
    assert outcome.verdicts.violations == ()
