"""Virtual time and threads: SimPy keeps the time, greenlets are the threads.

The scheduler has a hub (the greenlet that called `run`) and tasks (one greenlet each). One task
runs at a time, and it runs until it parks: there is no preemption. The hub does two things, in
this order: it resumes a task that is runnable, or, when there is none, it lets SimPy take its
next event, which is the only way in which time passes. So everything that happens at one instant
happens before the clock moves, and a run is a function of its program and its tape.

* `park` blocks the current task; `unpark` makes a parked task runnable. There is no permit: an
  `unpark` of a task that is not parked does nothing, so waiting is always a loop around a
  condition.
* Several runnable tasks: the next is drawn ("sched.next"), 0 is first in, first out.
* A task has at most one SimPy event that is not yet known to be stale. A timeout that moves
  further away leaves the old event in place, which re-arms itself when it fires; programs that
  wait and are woken a million times do not fill SimPy's queue.
* The run ends when the first task (`main`) does. The others are then resumed one by one, in the
  order in which they were spawned, with `ending` set: every `park` returns False at once, so that
  blocking calls can give up in an orderly way. A task that insists on blocking is ended with
  `greenlet.GreenletExit`. Nothing is left alive, and whatever the tasks raised is raised by `run`.
* When `main` waits without a timeout and neither a task nor an event is left, it would wait for
  ever: its `park` raises `Deadlock`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import cast

from greenlet import GreenletExit, getcurrent, greenlet
from simpy import Environment
from simpy.core import EmptySchedule
from simpy.events import Event, Timeout

from model.choices import Choices
from model.errors import SimulatorError

#: how often a task may park after the end of the run, or deadlock, before it is ended
PATIENCE = 64


def _no_hub() -> None:
    raise SimulatorError("no task can switch before Scheduler.run")


class Deadlock(SimulatorError):
    """The main task waits without a timeout and nothing can ever happen."""


class Task:
    """A simulated thread. `name` is unique in a run; `interrupted` is set by `interrupt`."""

    __slots__ = (
        "alive",
        "deadline",
        "greenlet",
        "interrupted",
        "name",
        "on_block",
        "parked",
        "refused",
        "scheduler",
        "target",
        "timer",
        "timer_due",
        "woken",
    )

    def __init__(self, scheduler: Scheduler, name: str, target: Callable[[], None]) -> None:
        self.scheduler = scheduler
        self.name = name
        self.target = target
        self.greenlet: greenlet | None = None
        self.alive = True
        self.parked = False
        self.woken = False  # how the last park ended: True when unparked
        self.interrupted = False
        self.on_block: Callable[[], object] | None = None  # called when it has parked or ended
        self.refused = 0  # parks refused because the run is over
        self.deadline: int | None = None  # ns; of the current park
        self.timer: Event | None = None  # the SimPy event that looks at the deadline
        self.timer_due = 0

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def body(self) -> None:
        """What the greenlet runs. Ordinary exceptions are kept for `Scheduler.run`."""
        try:
            self.target()
        except Exception as error:
            self.scheduler.failures.append(error)
        finally:
            self.alive = False
            if self.on_block is not None:
                self.on_block()

    def arm(self, deadline: int) -> None:
        """Sees to it that `fire` runs at `deadline` (ns) or before."""
        self.deadline = deadline
        if self.timer is None or self.timer_due > deadline:
            scheduler = self.scheduler
            timer = Timeout(scheduler.environment, deadline - scheduler.now)
            cast("list[Callable[[Event], None]]", timer.callbacks).append(self.fire)
            self.timer = timer
            self.timer_due = deadline

    def fire(self, event: Event) -> None:
        """Ends the park if its deadline has come, re-arms if it has moved."""
        scheduler = self.scheduler
        now = scheduler.now = cast(int, scheduler.environment.now)
        if event is not self.timer:
            return
        self.timer = None
        deadline = self.deadline
        if deadline is None:
            return
        if deadline > now:
            self.arm(deadline)
            return
        self.deadline = None
        self.parked = False
        self.woken = False
        scheduler.runnable.append(self)


class Scheduler:
    """Time and threads of one run.

    `now` is the virtual time in ns, `current` the running task (None on the hub), `ending` whether
    the run is over, `choices` the tape.
    """

    __slots__ = (
        "_hub",
        "_switch",
        "choices",
        "current",
        "ending",
        "environment",
        "failures",
        "now",
        "runnable",
        "tasks",
    )

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.environment = Environment()
        self.now = 0
        self.current: Task | None = None
        self.ending = False
        self.runnable: deque[Task] = deque()
        self.tasks: list[Task] = []
        self.failures: list[Exception] = []
        self._hub: greenlet | None = None
        self._switch: Callable[[], object] = _no_hub  # the hub's switch, while there is one

    def call_later(self, delay_ns: int, callback: Callable[[], object]) -> None:
        """Calls `callback` after `delay_ns` >= 0, outside any task: it must not park.

        Calls due at the same instant come in the order in which they were asked for. What it
        raises ends the run and is raised by `run`.
        """

        def fire(event: Event) -> None:
            self.now = cast(int, self.environment.now)
            callback()

        timer = Timeout(self.environment, delay_ns)
        cast("list[Callable[[Event], None]]", timer.callbacks).append(fire)

    def spawn(self, name: str, target: Callable[[], None]) -> Task:
        """A new task, runnable behind those that are runnable now. May be called before `run`."""
        if any(task.name == name for task in self.tasks):
            raise SimulatorError(f"a task named {name!r} exists: give every task its own name")
        task = Task(self, name, target)
        self.tasks.append(task)
        if self.ending:
            task.alive = False
        else:
            self.runnable.append(task)
        return task

    def park(self, timeout_ns: int | None) -> bool:
        """Blocks the current task: True once it was unparked, False after `timeout_ns`.

        None waits without end; 0 or less returns False without letting others run. When the run
        is over it returns False at once, and after `PATIENCE` such calls it ends the task.
        Raises `Deadlock` in the main task, when nothing can ever happen.
        """
        task = self.current
        if task is None:
            raise SimulatorError(
                "a blocking call outside of a task: make it from World.run or spawn"
            )
        if self.ending:
            task.refused += 1
            if task.refused > PATIENCE:
                raise GreenletExit
            return False
        if timeout_ns is not None:
            if timeout_ns <= 0:
                return False
            task.arm(self.now + timeout_ns)
        task.parked = True
        if task.on_block is not None:
            task.on_block()
        self._leave()
        return task.woken

    def _leave(self) -> None:
        """Hands control on: to the only runnable task at once, else to the hub, which decides."""
        runnable = self.runnable
        if len(runnable) == 1:
            task = runnable[0]
            if task.greenlet is not None:
                runnable.popleft()
                self.current = task
                task.greenlet.switch()
                return
        self._switch()

    def unpark(self, task: Task) -> bool:
        """Makes a parked task runnable; False if it was not parked."""
        if not task.parked:
            return False
        task.parked = False
        task.woken = True
        task.deadline = None
        self.runnable.append(task)
        return True

    def interrupt(self, task: Task) -> None:
        """A signal for `task`: sets its `interrupted` and unparks it. Calls may answer EINTR."""
        task.interrupted = True
        self.unpark(task)

    def pass_turn(self) -> None:
        """Lets the other runnable tasks run first. The clock does not move."""
        task = self.current
        if task is None or self.ending or not self.runnable:
            return
        task.woken = True
        self.runnable.append(task)
        self._switch()  # not the only one that is runnable

    def run(self, main: Callable[[], None]) -> None:
        """Runs `main` as the task "main" until it returns, then ends all other tasks.

        Raises what `main` or a task raised; several exceptions as one `ExceptionGroup`, main's
        or the first in time first. A scheduler runs once.
        """
        if self._hub is not None:
            raise SimulatorError("a scheduler runs once: make a new world for a new run")
        self._hub = getcurrent()
        self._switch = self._hub.switch
        task = self.spawn("main", main)
        self.runnable.rotate(1)  # main goes first
        try:
            self._loop(task)
        finally:
            self._end_tasks()
        if len(self.failures) == 1:
            raise self.failures[0]
        if self.failures:
            raise ExceptionGroup("several tasks failed", self.failures)

    def _loop(self, main: Task) -> None:
        runnable = self.runnable
        choices = self.choices
        step = self.environment.step
        deadlocks = 0
        while main.alive:
            if runnable:
                count = len(runnable)
                index = choices.draw("sched.next", count) if count > 1 else 0
                if index:
                    task = runnable[index]
                    del runnable[index]
                else:
                    task = runnable.popleft()
                self._resume(task)
                continue
            try:
                step()
            except EmptySchedule:
                deadlocks += 1
                self._deadlock(main, deadlocks)

    def _resume(self, task: Task) -> None:
        """Switches to `task`, until it parks or ends."""
        self.current = task
        thread = task.greenlet
        if thread is None:
            thread = task.greenlet = greenlet(task.body, self._hub)
        thread.switch()
        self.current = None

    def _deadlock(self, main: Task, count: int) -> None:
        error = Deadlock(
            f"at {self.now} ns the main task waits without a timeout, and no task, timer or"
            " segment is left that could wake it"
        )
        if count > PATIENCE or main.greenlet is None:
            raise error
        main.parked = False
        self.current = main
        main.greenlet.throw(error)
        self.current = None

    def _end_tasks(self) -> None:
        self.ending = True
        self.runnable.clear()
        for task in self.tasks:
            if task.greenlet is None:
                task.alive = False
            if task.alive:
                task.parked = False
                task.woken = False
                self._resume(task)
                if task.alive:
                    raise SimulatorError(f"task {task.name!r} is still alive after the run")
