"""One run: a scenario and a tape in one world, recorded and held to the properties.

`run` makes the world, puts the recording wrappers around its kernel and around the subject's event
base, lets the driver play the scenario on the loop thread and checks what was recorded. A run
leaves nothing behind but idle greenlets, for the next. The world `iocp` runs in a worker process on
Linux (`harness.worker`); what it records is checked here.

Violations are values in `Outcome.verdicts`. Exceptions are bad input (`UsageError`), a world that
does not run here (`WorldUnavailable`), a strict replay that goes astray (`Divergence`) or a defect
of duopoll.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import local
from typing import NamedTuple

from harness.driver import Driver
from harness.lateness import lateness_ns
from harness.scenario import Scenario, threaded
from harness.spins import SpinTrace
from harness.worlds import (
    WORLDS,
    check_name,
    is_completion,
    is_remote,
    is_simulated,
    make_world,
)
from model import mutants
from model.bases import new_base
from model.choices import Choices, Decision
from model.errors import SimulatorError, UsageError
from model.kernel import CompletionKernel, ReadinessKernel
from model.properties import Verdicts, check
from model.subject import Base
from model.threaded_base import ThreadedBase
from model.threads import NO_THREADS, Hang, Threads, switching
from model.trace import BudgetExceeded, Record, Trace
from model.traced import TracedBase, TracedCompletion, TracedReadiness
from model.traced_threads import TracedGuardedBase, TracedSharedPort, TracedThreadedBase
from model.workers import Workers
from model.world import World
from sim.epoll import LATE_NS
from sim.task import Pool
from sim.threads import SimThreads
from sim.world import SimWorld

RECORD_BUDGET = 50_000
RECORDS_OF_THREADS = 10  # times the budget: each lock and each access is a record
#: how much later than it should a real clock may show something: 15 ms of timer granularity
#: (Windows), and the gaps in which a loaded machine does not run us
REAL_TOLERANCE_NS = 60_000_000


class _PerThread(local):
    """What the runs of one OS thread share: greenlets, which are a tenth of a short run to make."""

    def __init__(self) -> None:
        self.pool = Pool()


_PER_THREAD = _PerThread()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run was, did and is worth."""

    world: str
    kernel_version: str
    subject: str
    subject_version: str
    mutant: str | None
    scenario: Scenario
    tape: tuple[int, ...]
    decisions: tuple[Decision, ...]
    records: tuple[Record, ...]
    verdicts: Verdicts


class KernelOf:
    """The part of a world that an event base needs, with the kernel's calls recorded; `choices`
    are a simulated world's."""

    __slots__ = (
        *("_injector", "_trace", "choices", "clock", "completion", "now_ns", "readiness"),
        *("threads", "workers"),
    )

    def __init__(
        self,
        world: World,
        trace: Trace,
        threads: Threads = NO_THREADS,
        workers: Workers | None = None,
    ) -> None:
        self.threads = threads
        self.workers = workers
        self.now_ns = world.now_ns
        self.clock = trace.clock
        self.choices = world.choices if isinstance(world, SimWorld) else None
        self._trace = trace
        self._injector = world.injector if isinstance(world, SimWorld) else None
        self.readiness: ReadinessKernel | None = None
        self.completion: CompletionKernel | None = None
        if world.readiness is not None:
            self.readiness = TracedReadiness(switching(world.readiness, threads), trace)
        elif world.completion is not None:
            kernel = switching(world.completion, threads)
            if threads.active and self.choices is None:
                self.completion = TracedSharedPort(kernel, trace, world.sleep)
            else:
                self.completion = TracedCompletion(kernel, trace)

    def log(self, severity: int, message: str) -> None:
        """A line that the subject logged."""
        self._trace.emit("log", severity, message)

    def allocation_fails(self) -> bool:
        """Whether an allocation of the subject is to fail (`malloc` of the faults)."""
        return self._injector is not None and self._injector.nth("malloc", None) is not None


class SubjectEntry(NamedTuple):
    """A subject that runs can name. `version` may load it: ask in the process that runs it."""

    version: Callable[[], str]
    new_base: Callable[[KernelOf], Base]
    caged: bool = False  # foreign code, which may take its process down
    worlds: tuple[str, ...] = WORLDS
    settle: Callable[[bool], None] = lambda now: None  # called by its process between runs
    threads: bool = True  # its bufferevents have locks beside which the application's may run
    mutant: Callable[[str], AbstractContextManager[None]] | None = None  # makes it one meanwhile


def _libevent(debug: bool = False, pthreads: bool = False, mended: bool = False) -> SubjectEntry:
    """The shared library, which is loaded where it is first asked for something."""

    def base(world: KernelOf) -> Base:
        from real.libevent.subject import new_base as libevent_base

        return libevent_base(world, debug)

    def threaded_base(world: KernelOf) -> Base:
        from real.libevent.threaded import new_threaded_base

        return new_threaded_base(world, world.threads)

    def version() -> str:
        from real.libevent.library import load
        from real.libevent.mends import names

        if mended:
            names()  # or there are none
        return load(debug, pthreads).version

    def left_out(mutant: str) -> AbstractContextManager[None]:
        from real.libevent.mends import left_out

        return left_out(mutant)

    def settle(now: bool) -> None:
        from real.libevent.built import write_counters

        write_counters(now)

    if pthreads:
        return SubjectEntry(version, threaded_base, True, ("epoll",), settle)
    worlds = ("sim-epoll", "epoll")
    mutant = left_out if mended else None
    return SubjectEntry(version, base, True, worlds, settle, threads=False, mutant=mutant)


def _new_base(kernel: KernelOf) -> Base:
    return new_base(kernel, kernel.threads, kernel.workers)


SUBJECTS: dict[str, SubjectEntry] = {
    "model": SubjectEntry(lambda: "0.1.0", _new_base, mutant=mutants.active),
    "libevent": _libevent(),
    "libevent-debug": _libevent(debug=True),
    "libevent-pthreads": _libevent(pthreads=True),
    "libevent-mended": _libevent(mended=True),
}


class Played(NamedTuple):
    """What a world gave: the run without its verdicts."""

    kernel_version: str
    decisions: tuple[Decision, ...]
    records: tuple[Record, ...]
    subject_version: str


def run(
    scenario: Scenario,
    world: str,
    *,
    tape: Sequence[int] = (),
    choices: Choices | None = None,
    subject: str = "model",
    mutant: str | None = None,
    record_budget: int = RECORD_BUDGET,
) -> Outcome:
    """Runs `scenario` in `world`. `choices` (a strict replay's) takes the place of `tape`."""
    check_names(world, subject, mutant)
    if scenario.threads and not SUBJECTS[subject].threads:
        raise UsageError(
            f"scenario.threads: {subject} has no locks for them; run it on libevent-pthreads or"
            " the model, or without threads"
        )
    if choices is not None:
        tape = choices.tape
    if is_remote(world) or SUBJECTS[subject].caged:
        played = _play_elsewhere(scenario, world, tape, subject, mutant, record_budget)
        if choices is not None:
            for decision in played.decisions:  # the strict ones object here
                choices.draw(decision.name, decision.bound)
    else:
        played = play(scenario, world, choices or Choices(tape), subject, mutant, record_budget)
    return Outcome(
        world=world,
        kernel_version=played.kernel_version,
        subject=subject,
        subject_version=played.subject_version,
        mutant=mutant,
        scenario=scenario,
        tape=tuple(tape),
        decisions=played.decisions,
        records=played.records,
        verdicts=judge(played.records, world, played.decisions, subject),
    )


def _play_elsewhere(
    scenario: Scenario,
    world: str,
    tape: Sequence[int],
    subject: str,
    mutant: str | None,
    budget: int,
) -> Played:
    """In another process: sockets and processes are imported only where needed."""
    if SUBJECTS[subject].caged:
        from harness.cage import caged_run

        return caged_run(scenario, world, tape, subject, mutant, budget)
    from harness.worker import remote_run

    return remote_run(scenario, world, tape, subject, mutant, budget)


def check_names(world: str, subject: str, mutant: str | None) -> None:
    """Raises `UsageError` for a name that does not exist, or a subject where it cannot be."""
    check_name(world)
    if subject not in SUBJECTS:
        names = ", ".join(SUBJECTS)
        raise UsageError(f"subject {subject[:40]!r} does not exist: name one of {names}")
    worlds = SUBJECTS[subject].worlds
    if world not in worlds:
        raise UsageError(
            f"subject {subject} does not run in {world}: name one of {', '.join(worlds)}"
        )
    if mutant is not None and SUBJECTS[subject].mutant is None:
        raise UsageError(f"mutant {mutant[:40]!r} is of the model, not of {subject}: name one")
    if mutant is not None and not SUBJECTS[subject].caged:
        mutants.find(mutant)  # who knows a library's is the process that loads it


def subject_version(subject: str) -> str:
    """The version of a subject that runs here. Raises `WorldUnavailable` for one that does not."""
    if SUBJECTS[subject].caged:
        from harness.cage import shared

        return shared(subject).version(subject)
    return SUBJECTS[subject].version()


def judge(
    records: Sequence[Record],
    world: str,
    decisions: Sequence[Decision] = (),
    subject: str = "model",
) -> Verdicts:
    """Holds the records of a run of `subject` in `world`, which took `decisions`, to the
    properties."""
    simulated = is_simulated(world)
    if simulated:
        tolerance_ns = _lateness_ns(decisions)
    else:
        tolerance_ns = max(REAL_TOLERANCE_NS, 2 * lateness_ns(records))
    return check(
        records,
        completion=is_completion(world),
        simulated=simulated,
        close_tolerance_ns=tolerance_ns,
        foreign=SUBJECTS[subject].caged,
    )


def _lateness_ns(decisions: Sequence[Decision]) -> int:
    """How late the simulated kernel chose to end a wait, at most: virtual time has no other."""
    return max(
        [LATE_NS[each.value] for each in decisions if each.name == "epoll_wait.late"], default=0
    )


def _run_uncollected(world: World, main: Callable[[], None]) -> None:
    """A run makes thousands of objects and frees them together: the collector waits until then."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        world.run(main)
    finally:
        if collecting:
            gc.enable()


def _threads(scenario: Scenario, world: World, trace: Trace) -> Threads:
    """The world's threads, which write into the trace, if the scenario has any."""
    if not threaded(scenario, world.completion is not None):
        return NO_THREADS
    threads = world.threads
    if isinstance(threads, SimThreads):
        threads.points_left = trace.budget  # a run that does not end is cut by its records first
    trace.append = threads.attributed(trace.records)
    threads.record_to(trace.append, trace.now_ns)
    return threads


def _traced(base: Base, trace: Trace) -> TracedBase:
    if isinstance(base, ThreadedBase):
        return TracedThreadedBase(base, trace)
    if getattr(base, "threads", None) is not None:
        return TracedGuardedBase(base, trace)
    return TracedBase(base, trace)


def play(
    scenario: Scenario,
    world_name: str,
    choices: Choices,
    subject: str = "model",
    mutant: str | None = None,
    record_budget: int = RECORD_BUDGET,
    into: list[Record] | None = None,
) -> Played:
    """Runs `scenario` in a world of this process, without judging it.

    `into` takes the records as they are made.
    """
    world = make_world(world_name, choices, scenario.network, scenario.faults, _PER_THREAD.pool)
    entry = SUBJECTS[subject]
    many = threaded(scenario, world.completion is not None)
    budget = record_budget * (RECORDS_OF_THREADS if many else 1)
    trace = (SpinTrace if entry.caged else Trace)(world.now_ns, budget)
    if isinstance(world, SimWorld):
        trace.clock = world.scheduler
    if into is not None:
        trace.records, trace.append = into, into.append
    records: list[Record] = []
    threads = _threads(scenario, world, trace)

    def main() -> None:
        base = _traced(entry.new_base(KernelOf(world, trace, threads, scenario.workers)), trace)
        if isinstance(world, SimWorld):
            world.record_faults(trace.emit)
        Driver(scenario, world, base, trace, threads).play()
        records.extend(trace.records)  # what peers record from here on is no part of the run

    with nullcontext() if mutant is None or entry.mutant is None else entry.mutant(mutant):
        try:
            _run_uncollected(world, main)
        except (Hang, BudgetExceeded):  # in a thread that is not ours; its records say so
            records.extend(trace.records)
    kept = tuple(records)
    records.clear()  # what is left of the run goes round in circles: it need not keep the records
    if into is None:
        trace.records.clear()
    if not kept:
        raise SimulatorError(f"the run in {world_name} ended without a record")
    version = entry.version()
    return Played(world.kernel_version, tuple(choices.decisions), kept, version)
