"""Runs of foreign subjects, in a process of their own that may crash or hang.

The other process is the same interpreter with the same code, so what goes between the two is
pickled: a run's records cost microseconds each way. A run that kills the process, or from which
nothing comes back for `SILENCE_S`, is played a second time in a new one that sends every record
and decision as it is made. What arrived before the end, and one `crash` record behind it, is then
that run's trace: a failure with its scenario and tape, and the campaign goes on.

    parent                               cage (python -m harness.cage FD)
    Job ------------------------------->  harness.run.play
    <--- ("record", r) ("filled", i, r) ("choice", c) ...  only if the job is told to stream
    <--- ("played", Played) or ("error", type, message)
"""

from __future__ import annotations

import atexit
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from multiprocessing.connection import Connection, Pipe
from time import monotonic
from typing import IO, Any, NamedTuple

from harness.run import RECORD_BUDGET, SUBJECTS, Played, play
from harness.scenario import Scenario, steps_of
from harness.worlds import is_simulated
from model import errors
from model.choices import Choices, Decision
from model.errors import DuopollError, SimulatorError, WorldUnavailable
from model.trace import Record
from real import wine

SILENCE_S = 10.0  # real seconds without an answer: it spins in its own code, or waits for ever
START_S = 60.0
WORDS_MAX = 4_000  # bytes of its last words that are looked at


class Died(DuopollError):
    """The process of a foreign subject ended, or was ended because it hung."""

    def __init__(self, message: str, where: str, hung: bool) -> None:
        super().__init__(message)
        self.where = where
        self.hung = hung


class Job(NamedTuple):
    """What a cage is asked for. A `scenario` of None asks for the subject's version alone."""

    scenario: Scenario | None
    world: str
    tape: tuple[int, ...]
    subject: str
    mutant: str | None
    record_budget: int
    stream: bool = False


class Cage:
    """The parent's side of one such process, which it starts when the first job comes."""

    def __init__(self, silence_s: float = SILENCE_S, module: str = "harness.cage") -> None:
        self.starts = 0
        self._module = module  # what the process runs; tests have one with subjects of their own
        self.kernel_version = "unknown"  # of the last run
        self.subject_version = ""
        self._silence_s = silence_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._words: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, if it runs."""
        return None if self._process is None else self._process.pid

    def run(self, job: Job) -> Played:
        """One run, whatever it does to the process. Raises what the run raised of ours."""
        try:
            played = self._ask(job, [], [])
        except Died as first:
            played = self._second_try(job, first)
        self.kernel_version = played.kernel_version
        self.subject_version = played.subject_version
        return played

    def watch(self, job: Job, records: list[Record], decisions: list[Decision]) -> None:
        """One run whose records and decisions go into these lists in the order of their making,
        up to its end or that of the process."""
        try:
            played = self._ask(job._replace(stream=True), records, decisions)
        except Died:
            return
        records[:] = played.records

    def version(self, subject: str) -> str:
        """The subject's version. Raises `WorldUnavailable` where it does not run."""
        return self._ask(Job(None, "", (), subject, None, 0), [], []).subject_version

    def _second_try(self, job: Job, first: Died) -> Played:
        """The same run in a new process, which tells everything at once."""
        records: list[Record] = []
        decisions: list[Decision] = []
        last = first
        try:
            played = self._ask(job._replace(stream=True), records, decisions)
            if first.hung:
                return played  # the machine was slow, not the subject
            records = list(played.records)
            decisions = list(played.decisions)
        except Died as second:
            last = second
        now = records[-1][0] if records else 0
        records.append((now, "crash", type(last).__name__, str(last), last.where))
        version = self.subject_version or self.version(job.subject)
        kernel = self.kernel_version
        if is_simulated(job.world):
            kernel = "simulated"
        return Played(kernel, tuple(decisions), tuple(records), version)

    def _ask(self, job: Job, records: list[Record], decisions: list[Decision]) -> Played:
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it died between two runs, which is no run's fault
        connection = self._connection or self._launch()
        waits_s = 0.0
        if job.scenario is not None and not is_simulated(job.world):
            waits_s = sum(s.args[0] for s in steps_of(job.scenario) if s.do in _WAITING) / 1e9
        try:
            connection.send_bytes(pickle.dumps(job, -1))
            while True:
                if not connection.poll(self._silence_s + waits_s):
                    raise TimeoutError
                kind, *fields = pickle.loads(connection.recv_bytes())
                if kind == "record":
                    records.append(fields[0])
                elif kind == "filled":
                    records[fields[0]] = fields[1]
                elif kind == "choice":
                    decisions.append(Decision(*fields[0]))
                elif kind == "error":
                    raise _raised(*fields)
                else:
                    kernel, chosen, told, version = fields
                    made = tuple([Decision(*each) for each in chosen])
                    return Played(kernel, made, told, version)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise self._obituary(isinstance(error, TimeoutError)) from None

    def _launch(self) -> Connection[Any, Any]:
        if sys.platform == "win32":  # a check that mypy understands
            raise WorldUnavailable("a foreign subject needs Linux, this is win32: run it there")
        ours, theirs = Pipe()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        fd = theirs.fileno()
        self.starts += 1
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", self._module, str(fd)],
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            pass_fds=(fd,),
            cwd=wine.ROOT,
        )
        theirs.close()
        self._connection = ours
        deadline = monotonic() + START_S
        try:
            while not ours.poll(0.5):
                if monotonic() > deadline or self._process.poll() is not None:
                    raise EOFError
            ours.recv_bytes()
        except (OSError, EOFError):
            words = self._last_words()
            raise SimulatorError(f"the subject's process did not start: {words}") from None
        return ours

    def _obituary(self, hung: bool) -> Died:
        """Ends the process and says how it went."""
        process = self._process
        assert process is not None
        if hung:
            what = f"nothing came back for {self._silence_s:g} real seconds"
        else:
            try:
                code = process.wait(5)
                what = f"the subject's process {_end_of(code)}"
            except subprocess.TimeoutExpired:
                what = "the subject's process broke off"
        words = self._last_words()
        self.close()
        fatal = re.search(r"^fatal: (.*)$", words, re.MULTILINE)
        if fatal:
            what = f"it ended its process: {fatal[1]}"
        place = re.search(r'File "[^"]*?([^/"]+)\.py", line \d+ in (\w+)', words)
        return Died(what, f"{place[1]} {place[2]}" if place else "?", hung)

    def _last_words(self) -> str:
        assert self._words is not None
        self._words.seek(0, 2)
        self._words.seek(max(0, self._words.tell() - WORDS_MAX))
        return self._words.read().decode(errors="replace")

    def close(self) -> None:
        """Ends the process, by its process id."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._words is not None:
            self._words.close()
            self._words = None


_WAITING = ("wait", "pause", "busy")


def _end_of(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _raised(kind: str, message: str) -> DuopollError:
    """The exception that ended the run in the cage, as the same class here."""
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, DuopollError):
        return known(message)
    return SimulatorError(f"{kind} in the subject's process: {message}")


@cache
def shared(subject: str) -> Cage:
    """This process's cage for a subject; started at its first run, ended at exit."""
    cage = Cage()
    atexit.register(cage.close)
    return cage


def caged_run(
    scenario: Scenario,
    world: str,
    tape: Sequence[int],
    subject: str,
    mutant: str | None,
    record_budget: int,
) -> Played:
    """A run of a foreign subject in a process of its own."""
    return shared(subject).run(Job(scenario, world, tuple(tape), subject, mutant, record_budget))


def watched(
    scenario: Scenario,
    world: str,
    tape: Sequence[int],
    subject: str,
    records: list[Record],
    decisions: list[Decision],
) -> None:
    """A run of a foreign subject, which fills both lists in the order of their making."""
    job = Job(scenario, world, tuple(tape), subject, None, RECORD_BUDGET)
    shared(subject).watch(job, records, decisions)


# The cage's side.


class _Told(list[Any]):
    """A list that also sends what is appended to it, and what takes the place of that: a record
    made before its call, whose result is known behind it.

    Sending leaves errno alone, which the interpreter sets to 0 before it writes: what is told is
    made in the midst of the subject's code, and what it tells next may be errno.
    """

    def __init__(self, connection: Connection[Any, Any], kind: str) -> None:
        from real.libevent.system_calls import get_errno, set_errno  # there is none on Windows

        super().__init__()
        self._connection = connection
        self._kind = kind
        self._get_errno, self._set_errno = get_errno, set_errno

    def append(self, item: Any) -> None:
        super().append(item)
        self._send((self._kind, tuple(item) if self._kind == "choice" else item))

    def __setitem__(self, place: Any, item: Any) -> None:
        super().__setitem__(place, item)
        self._send(("filled", place, item))

    def _send(self, told: tuple[Any, ...]) -> None:
        errno = self._get_errno()
        self._connection.send_bytes(pickle.dumps(told, -1))
        self._set_errno(errno)


def _answer(connection: Connection[Any, Any], job: Job) -> tuple[Any, ...]:
    try:
        if job.scenario is None:
            return ("played", "", (), (), SUBJECTS[job.subject].version())
        choices = Choices(job.tape)
        records: list[Record] | None = None
        if job.stream:
            choices.decisions = _Told(connection, "choice")
            records = _Told(connection, "record")
        _, world, _, subject, mutant, budget, _ = job
        played = play(job.scenario, world, choices, subject, mutant, budget, records)
    except Exception as error:  # handed to the parent, which raises it
        return ("error", type(error).__name__, " ".join(str(error).split()))
    decisions = [tuple(each) for each in played.decisions]
    return ("played", played.kernel_version, decisions, played.records, played.subject_version)


def serve(connection: Connection[Any, Any]) -> None:
    """Answers jobs until the parent closes the connection."""
    connection.send_bytes(b"ready")
    try:
        while True:
            job = pickle.loads(connection.recv_bytes())
            answer = pickle.dumps(_answer(connection, job), -1)
            SUBJECTS[job.subject].settle(job.scenario is None)
            connection.send_bytes(answer)
    except (EOFError, OSError):
        return  # the parent has gone


def main(arguments: Sequence[str]) -> None:
    """`cage FD`: the process's side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle; it then ends us
    if sys.platform != "win32":
        serve(Connection(int(arguments[0])))


if __name__ == "__main__":
    from harness.cage import main as serve_in_this_process  # by its own name, for pickle

    serve_in_this_process(sys.argv[1:])
