"""Runs in another process: a persistent worker, so that starting an interpreter is paid once.

On Linux the world `iocp` needs a Windows interpreter (`real.wine`). It runs `python -m
harness.worker_process PORT TOKEN`, connects back to that loopback port, says TOKEN and answers
jobs: a job is one line of JSON, an answer one line with what it was and how many records follow,
then the records as lines of a trace. A job with `cases` has kernel cases played
(`harness.conform`): its answer is one line with their results. Nothing else goes over the
connection. A worker plays any world that its interpreter can, simulated ones too: their traces must
be the same bytes everywhere.

A worker that dies or hangs in a run is ended by its process id and the next run gets a new one;
shortly before it is ended for that, it says where its threads are. The run it took down is a run
that crashed: its trace is one `crash` record that says what happened.
"""

from __future__ import annotations

import atexit
import json
import secrets
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeAlias

from harness.lines import Lines
from harness.run import SUBJECTS, Played
from harness.scenario import Scenario, steps_of
from harness.scenario_json import to_json
from model import errors
from model.choices import Decision
from model.errors import DuopollError, SimulatorError
from model.trace import decode_record
from real import wine

START_S = 120.0  # the first start under Wine makes a prefix
PAUSES_S = (0.0, 3.0)  # before a second start and a third; Wine takes 2 s to leave
JOB_S = 60.0  # of one run, beyond the waits that its scenario asks for
CASES_S = 20.0  # of a batch of kernel cases, beyond what they may wait
OUTPUT_LINES = 12  # of a worker's last words that are kept
TELL_AFTER = 0.9  # of a job's time: then the worker says where its threads are

#: starts `python *args` in the interpreter that a worker is to be
Starter: TypeAlias = Callable[[Sequence[str]], "subprocess.Popen[str]"]


class WorkerFailed(DuopollError):
    """A worker process that did not start, died or hung."""


class _NeverCame(WorkerFailed):
    """It ended before it had connected."""


class Answer(NamedTuple):
    """What a worker tells of one run; `lines` are the records as the worker wrote them."""

    kernel_version: str
    decisions: tuple[Decision, ...]
    lines: tuple[str, ...]


def start_native(args: Sequence[str]) -> subprocess.Popen[str]:
    """A worker in this very interpreter's kind; for tests, and for isolation."""
    return subprocess.Popen(
        [sys.executable, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=wine.ROOT,
    )


class Worker:
    """The parent's side of one worker process, which it starts when the first job comes."""

    def __init__(self, start: Starter = wine.start_interpreter, job_s: float = JOB_S) -> None:
        self.starts = 0  # processes started so far
        self.connected = False  # whether the last of them has come up
        self.kernel_version = "unknown"  # of the last run
        self._start = start
        self._job_s = job_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: Lines | None = None
        self._output: deque[str] = deque(maxlen=OUTPUT_LINES)

    @property
    def pid(self) -> int | None:
        """The process id of the running worker, if any."""
        return None if self._process is None else self._process.pid

    def answer(
        self,
        scenario: Scenario,
        world: str,
        tape: Sequence[int] = (),
        subject: str = "model",
        mutant: str | None = None,
        record_budget: int = 50_000,
    ) -> Answer:
        """Has one run played. Raises what the run raised, or `WorkerFailed`."""
        job = {
            "scenario": to_json(scenario),
            "world": world,
            "tape": list(tape),
            "subject": subject,
            "mutant": mutant,
            "record_budget": record_budget,
        }
        waits_ns = sum(step.args[0] for step in steps_of(scenario) if step.do in _WAITING)
        head, records = self._ask(job, self._job_s + waits_ns / 1e9)
        decisions = tuple([Decision(*decision) for decision in head["decisions"]])
        return Answer(self.kernel_version, decisions, records)

    def cases(
        self, kernel: str, batch: Sequence[Sequence[Sequence[Any]]], pace: float
    ) -> list[list[Any]]:
        """The results of kernel cases, each a list of steps, on the worker's real kernel.

        Raises `UsageError` for a case that names what nothing has made, or `WorkerFailed`.
        """
        job = {"kernel": kernel, "cases": [list(steps) for steps in batch], "pace": pace}
        head, _ = self._ask(job, min(self._job_s, CASES_S) + sum(map(_longest_s, batch)) * pace)
        results: list[list[Any]] = head["results"]
        return results

    def _ask(self, job: dict[str, Any], timeout_s: float) -> tuple[dict[str, Any], tuple[str, ...]]:
        """One job's head and records."""
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it died between two runs, which is no run's fault
        lines = self._lines or self._launch()
        try:
            lines.send({**job, "tell_after_s": TELL_AFTER * timeout_s})
            deadline = monotonic() + timeout_s
            head = json.loads(lines.receive(deadline))
            if "error" in head:
                raise _raised(head["error"], head["message"])
            records = tuple([lines.receive(deadline) for _ in range(head["records"])])
        except (OSError, ValueError) as error:
            raise WorkerFailed(self._obituary(error)) from None
        self.kernel_version = head["kernel_version"]
        return head, records

    def _launch(self) -> Lines:
        """A worker that has connected; others, if Wine was leaving (`real.wine`) and it ended."""
        for pause_s in PAUSES_S:
            try:
                return self._start_one()
            except _NeverCame:
                sleep(pause_s)
        return self._start_one()

    def _start_one(self) -> Lines:
        """Starts the process and waits until it has connected and said its token."""
        token = secrets.token_hex(16)
        self._output.clear()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.starts += 1
            self.connected = False
            self._process = self._start(["-m", "harness.worker_process", str(port), token])
            threading.Thread(target=self._drain, args=(self._process,), daemon=True).start()
            try:
                self._lines = self._accept(server, token, monotonic() + START_S)
                self.connected = True
            except ConnectionError as error:
                raise _NeverCame(self._obituary(error)) from None
            except (OSError, ValueError) as error:
                raise WorkerFailed(self._obituary(error)) from None
        return self._lines

    def _accept(self, server: socket.socket, token: str, deadline: float) -> Lines:
        server.settimeout(0.2)
        while monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                raise ConnectionError("it ended before it connected")
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            lines = Lines(connection)
            if json.loads(lines.receive(monotonic() + 5)) == {"token": token}:
                return lines
            connection.close()  # somebody else on this machine
        raise TimeoutError("it did not connect")

    def _drain(self, process: subprocess.Popen[str]) -> None:
        """Keeps the last lines that the worker printed; a full pipe would stop it."""
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._output.append(line.rstrip())
        except ValueError:
            return  # closed under us: the worker has been ended

    def _obituary(self, error: Exception) -> str:
        """Ends the worker and says in one line how it went."""
        process = self._process
        assert process is not None
        if isinstance(error, TimeoutError):
            what = f"hung ({error}) and was ended"
        else:
            try:
                what = f"died with exit code {process.wait(2)}"
            except subprocess.TimeoutExpired:
                what = f"broke off ({error}) and was ended"
        self.close()
        words = " | ".join(filter(None, self._output))[-400:]
        return f"the worker {what}" + (f"; its last words: {words}" if words else "")

    def close(self) -> None:
        """Ends the worker, by its process id."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._process is not None:
            wine.stop_interpreter(self._process)
            self._process = None


_WAITING = ("wait", "pause", "busy")


@cache
def shared() -> Worker:
    """The worker of this process for Windows's world; started at its first run, ended at exit."""
    atexit.register((worker := Worker()).close)
    return worker


def remote_run(
    scenario: Scenario,
    world: str,
    tape: Sequence[int],
    subject: str,
    mutant: str | None,
    record_budget: int,
    worker: Worker | None = None,
) -> Played:
    """A run in a worker. If the worker does not survive it, the trace says so."""
    worker = worker or shared()
    if worker.pid is None:
        wine.find_interpreter()  # a missing interpreter is no crash of a run
    return _run_in(worker, scenario, world, tape, subject, mutant, record_budget)


def _run_in(
    worker: Worker,
    scenario: Scenario,
    world: str,
    tape: Sequence[int],
    subject: str,
    mutant: str | None,
    record_budget: int,
) -> Played:
    try:
        answer = worker.answer(scenario, world, tape, subject, mutant, record_budget)
    except WorkerFailed as error:
        crash = (0, "crash", "WorkerFailed", str(error), "harness.worker")
        return Played(worker.kernel_version, (), (crash,), SUBJECTS[subject].version())
    records = tuple([decode_record(json.loads(line)) for line in answer.lines])
    return Played(answer.kernel_version, answer.decisions, records, SUBJECTS[subject].version())


def remote_cases(
    kernel: str,
    batch: Sequence[Sequence[Sequence[Any]]],
    pace: float,
    worker: Worker | None = None,
) -> list[list[Any]]:
    """Kernel cases in a worker. One that takes the worker down has no results.

    Raises `WorkerFailed` when no worker starts.
    """
    worker = worker or shared()
    if worker.pid is None:
        wine.find_interpreter()
    try:
        return worker.cases(kernel, batch, pace)
    except WorkerFailed:
        if not worker.connected:
            raise
        if len(batch) == 1:
            return [[]]
        return [remote_cases(kernel, [steps], pace, worker)[0] for steps in batch]


def _longest_s(steps: Sequence[Sequence[Any]]) -> float:
    """More than a case may take, at pace 1: what it waits for, and calls that may block."""
    return sum(_STEP_S.get(step[0], 0.1) + _waits_s(*step) for step in steps)


#: operations of cases that may block although nothing bounds them in the case, and how long
_STEP_S = dict.fromkeys(("raw_send", "raw_send_str", "raw_recv", "raw_recv_exact"), 5.0)
_STEP_S |= {"connect": 5.0, "accept": 5.0, "join": 1.5}


def _waits_s(operation: str, *args: Any) -> float:
    """What a step of a case says about its time."""
    match operation, args:
        case ("get" | "sleep", [*_, int(ms)]):
            return ms / 1e3
        case "getex", [_, _, int(ms)]:
            return ms / 1e3
        case "get_n", [_, int(times), *rest]:
            return times * (rest[0] if rest else 1_000) / 1e3
    return 0.0


def _raised(kind: str, message: str) -> DuopollError:
    """The exception that ended the run in the worker, as the same class here."""
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, DuopollError):
        return known(message)
    return SimulatorError(f"{kind} in the worker: {message}")
