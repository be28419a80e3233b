"""Simulated application threads: tasks of the scheduler, preempted where the tape says so.

Before every operation that another thread could notice there is a switch point. "thread.next" is
drawn there among the running task (0) and the others that could run, in the order in which they
became runnable; a run with a single application thread draws nothing. Where a task blocks, the
scheduler's "sched.next" is drawn among the same. Several threads that wait on one condition:
"thread.notify" says which is woken, 0 the one that has waited longest.

* Two schedules that differ are two orders of operations: a thread that is about to take a lock is
  not runnable while another has it, a released lock is nobody's until a thread that wants it runs,
  and there is no switch point where nobody could notice (a lock taken again by its owner, a join;
  a new thread runs up to its first switch point at once).
* A thread that has passed `QUANTUM` switch points in a row while others could run is preempted
  without a draw, so that a thread that spins cannot starve the one it waits for.
* A circle of threads that wait for each other's locks is a deadlock at once; so is a moment at
  which no task can run and no timer is left. After `POINTS_MAX` switch points the run is a
  livelock.
* When the run is over, a thread that reaches a switch point ends there, and writes no record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NoReturn, cast

from greenlet import GreenletExit

from model.choices import Choices
from model.errors import UsageError
from model.threads import MAIN, Blocked, Condition, Hang, Lock
from model.trace import Record
from sim.locks import SimCondition, SimLock
from sim.scheduler import Scheduler
from sim.task import Task

if TYPE_CHECKING:
    from model.threads import Threads

QUANTUM = 1_000
POINTS_MAX = 100_000


class SimThreads:
    """model.threads.Threads of one run. `append` writes records, if anybody asked; after
    `points_left` more switch points the run is a livelock.
    """

    __slots__ = (
        "_ended",
        "_fresh",
        "_joiners",
        "_records",
        "_run",
        "_starter",
        "_tasks",
        "_turn",
        "append",
        "points_left",
        "scheduler",
    )

    active = True

    def __init__(self, scheduler: Scheduler, points_max: int = POINTS_MAX) -> None:
        self.scheduler = scheduler
        self.append: Callable[[Record], object] | None = None
        self._records: list[Record] = []  # for positions only
        self._tasks: dict[str, Task] = {}
        self._ended: set[str] = set()
        self._fresh: Task | None = None  # being started by
        self._starter: Task | None = None
        self._joiners: list[Task] = []
        self.points_left = points_max
        self._turn: Task | None = None  # who passed the last switch point undisturbed,
        self._run = QUANTUM  # and how many more it may pass before it must make room
        scheduler.choices.watch(self.candidates, lambda: len(self._records))

    # -- switching ----------------------------------------------------------------------------

    def point(self, name: str) -> None:
        """Another thread may go on here: "thread.next"."""
        scheduler = self.scheduler
        task: Task = scheduler.current  # type: ignore[assignment]  # cast() costs a call
        task.at = name
        task.position = len(self._records)
        if not self._tasks:
            return
        if scheduler.ending:
            raise GreenletExit
        if task is self._fresh:
            self._started()
            return
        self.points_left -= 1
        if self.points_left <= 0:
            self.hang("livelock", task, None)
        others = len(scheduler.runnable)
        if not others:
            return
        drawn = scheduler.choices.draw("thread.next", others + 1)
        if not drawn:
            if task is not self._turn:
                self._turn = task
                self._run = QUANTUM
            self._run -= 1
            if self._run > 0:
                return
            self._turn = None
            drawn = 1
        scheduler.preempt(drawn - 1)
        if scheduler.ending:
            raise GreenletExit

    def _started(self) -> None:
        """The new thread is at its first switch point, where it stays until it is drawn."""
        self._fresh = None
        starter = self._starter
        scheduler = self.scheduler
        if starter is not None and starter in scheduler.runnable:
            scheduler.start_over(starter)
            if scheduler.ending:
                raise GreenletExit

    def note(self, name: str, task: Task) -> None:
        """`task` begins an operation, without a switch point: a report may say where it is."""
        task.at = name
        task.position = len(self._records)

    def candidates(self) -> tuple[str, ...]:
        """Between whom "thread.next" or "sched.next" is being drawn, in order."""
        scheduler = self.scheduler
        current = scheduler.current
        names = [task.name for task in scheduler.runnable]
        return tuple(names if current is None else [current.name, *names])

    # -- threads ------------------------------------------------------------------------------

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """A new application thread. It runs up to its first switch point at once, since nobody
        could notice, and is then runnable behind the others.
        """
        scheduler = self.scheduler
        if not self._tasks:
            scheduler.on_stuck = self._stuck
        self._write("spawn", name)

        def body() -> None:
            self._write("begin", name)
            try:
                target()
            except Exception as error:
                scheduler.stop(error)
            self._end(name)

        task = self._tasks[name] = scheduler.spawn(name, body)
        if scheduler.current is not None and not scheduler.ending:
            self._fresh, self._starter = task, scheduler.current
            scheduler.start(task)
            self._fresh = None  # also where it blocked or ended before any switch point

    def _end(self, name: str) -> None:
        if self.scheduler.ending:
            return
        self._write("end", name)
        self._ended.add(name)
        for task in self._joiners:
            if task.waits <= self._ended:
                self.scheduler.unpark(task)

    def join(self, *names: str) -> None:
        """Blocks until the threads have ended."""
        scheduler = self.scheduler
        task = cast(Task, scheduler.current)
        self.note("join", task)
        wanted = frozenset(names or self._tasks)
        if unknown := wanted - self._tasks.keys():
            raise UsageError(f"no thread {min(unknown)!r} to join: there are {list(self._tasks)}")
        if not wanted <= self._ended:
            task.waits = wanted
            self._joiners.append(task)
            while not wanted <= self._ended:
                scheduler.park(None)
                if scheduler.ending:
                    raise GreenletExit
            self._joiners.remove(task)
            task.waits = None
        for name in names or self._tasks:
            self._write("join", name)

    def current(self) -> str:
        """The running task's name."""
        task = self.scheduler.current
        return task.name if task is not None else ""

    # -- locks and shared state -----------------------------------------------------------------

    def lock(self, name: str, recursive: bool = True, nested: bool = True) -> SimLock:
        """A new lock."""
        return SimLock(self, name, recursive, nested)

    def condition(self, lock: Lock, name: str) -> Condition:
        """A new condition variable of `lock`."""
        if not isinstance(lock, SimLock):
            raise UsageError(f"condition {name!r} needs a lock of the same world")
        return SimCondition(self, lock, name)

    def touch(self, name: str, write: bool) -> None:
        """An access to shared state."""
        self.point(name)
        if self.append is not None:
            self.append((self.scheduler.now, "touch", name, "write" if write else "read"))

    # -- records --------------------------------------------------------------------------------

    def record_to(self, append: Callable[[Record], object], now_ns: Callable[[], int]) -> None:
        """Operations write their records with `append` from here on, at the scheduler's time."""
        self.append = append

    def attributed(self, records: list[Record]) -> Callable[[Record], None]:
        """An append to `records` that writes `on` where another task begins to write."""
        self._records = records
        scheduler = self.scheduler
        append = records.append
        last = scheduler.current

        def attribute(record: Record) -> None:
            nonlocal last
            task = scheduler.current
            if task is not last and task is not None:
                if last is not None or task.name != MAIN:
                    append((record[0], "on", task.name))
                last = task
            append(record)

        return attribute

    def _write(self, operation: str, name: str) -> None:
        if self.append is not None:
            self.append((self.scheduler.now, "thread", name, operation))

    # -- hangs ----------------------------------------------------------------------------------

    def hang(
        self, how: Literal["deadlock", "livelock"], task: Task, lock: SimLock | None
    ) -> NoReturn:
        """Ends the run: `task` waits for `lock`, or has run for too long."""
        task.waits = lock
        self.scheduler.stop(self._report(how))

    def _stuck(self) -> Hang:
        """Nobody can go on, and time has nothing in store."""
        return self._report("deadlock")

    def _report(self, how: Literal["deadlock", "livelock"]) -> Hang:
        tasks = [each for each in self.scheduler.tasks if each.name in self._tasks]
        tasks += [each for each in self.scheduler.tasks if each.name == MAIN]
        blocked = [_blocked(task) for task in tasks if task.alive]
        if self.append is not None:
            now = self.scheduler.now
            self.append((now, "hang", how))
            for each in blocked:
                holds = ", ".join(each.holds)
                self.append(
                    (now, "blocked", each.thread, holds, each.waits_for, each.last, each.record)
                )
        return Hang(how, blocked)


def _blocked(task: Task) -> Blocked:
    waits = task.waits
    if isinstance(waits, frozenset):
        what = "the end of " + ", ".join(sorted(waits))
    elif waits is not None:
        what = str(waits)
    else:
        what = task.at or "its peer" if task.parked else ""
    holds = tuple(lock.name for lock in task.held)
    return Blocked(task.name, holds, what, task.at, task.position)


if TYPE_CHECKING:
    _THREADS: Threads = SimThreads(Scheduler(Choices()))
