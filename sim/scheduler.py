"""Virtual time and threads: SimPy keeps the time, greenlets are the threads.

The scheduler has a hub (the greenlet that called `run`) and tasks (one greenlet each). One task
runs at a time, and it runs until it parks, or asks to be preempted (`sim.threads`). The hub does
two things, in this order: it resumes a task that is runnable, or, when there is none, it lets
SimPy take its next event, which is the only way in which time passes. So everything that happens
at one instant happens before the clock moves, and a run is a function of its program and its tape.

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
  ever: its `park` raises `Deadlock`. With application threads the run ends instead, with what
  `on_stuck` makes of it.
* `stop` ends the run from inside any task: `run` raises its error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NoReturn, cast

from greenlet import GreenletExit, getcurrent, greenlet
from simpy import Environment
from simpy.core import EmptySchedule
from simpy.events import Event, Timeout

from model.choices import Choices
from model.errors import SimulatorError
from sim.task import Pool, Task

#: how often a task may park after the end of the run, or deadlock, before it is ended
PATIENCE = 64


def _no_hub() -> None:
    raise SimulatorError("no task can switch before Scheduler.run")


class Deadlock(SimulatorError):
    """The main task waits without a timeout and nothing can ever happen."""


class Scheduler:
    """Time and threads of one run.

    `now` is the virtual time in ns, `current` the running task (None on the hub), `ending` whether
    the run is over, `choices` the tape.
    """

    __slots__ = (
        "_hub",
        "_names",
        "choices",
        "current",
        "ending",
        "environment",
        "failures",
        "now",
        "on_stuck",
        "pool",
        "runnable",
        "tasks",
        "to_hub",
    )

    def __init__(self, choices: Choices, pool: Pool | None = None) -> None:
        self.choices = choices
        self.environment = Environment()
        self.now = 0
        self.current: Task | None = None
        self.ending = False
        self.runnable: deque[Task] = deque()
        self.tasks: list[Task] = []
        self._names: set[str] = set()
        self.failures: list[Exception] = []
        self.on_stuck: Callable[[], Exception] | None = None  # why nothing can ever happen
        self.pool = pool
        self._hub: greenlet | None = None
        self.to_hub: Callable[[], object] = _no_hub  # the hub's switch, while there is one

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
        if name in self._names:
            raise SimulatorError(f"a task named {name!r} exists: give every task its own name")
        self._names.add(name)
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
        self.to_hub()

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
        self.to_hub()  # not the only one that is runnable

    def preempt(self, index: int) -> None:
        """Lets `runnable[index]` run instead of the current task, which stays runnable, last."""
        runnable = self.runnable
        chosen = runnable[index]
        del runnable[index]
        task = cast(Task, self.current)
        task.woken = True
        runnable.append(task)
        self.current = chosen
        thread = chosen.greenlet
        if thread is None:
            self._begin(chosen)
        else:
            thread.switch()

    def start(self, task: Task) -> None:
        """Runs the newest runnable task, never run before, up to its first `start_over`.

        The current task is runnable, first, until then.
        """
        runnable = self.runnable
        runnable.pop()
        runnable.appendleft(cast(Task, self.current))
        self.current = task
        self._begin(task)

    def start_over(self, starter: Task) -> None:
        """Ends a start: `starter` goes on, and the current task is runnable, last."""
        runnable = self.runnable
        runnable.remove(starter)
        runnable.append(cast(Task, self.current))
        self.current = starter
        cast("greenlet", starter.greenlet).switch()

    def park_again(self, task: Task) -> None:
        """Takes back an `unpark`: what `task` waits for is gone before it could run."""
        self.runnable.remove(task)
        task.parked = True
        if task.on_block is not None:
            task.on_block()

    def stop(self, error: Exception) -> NoReturn:
        """Ends the run, from any task: `run` raises `error` once all tasks have been ended."""
        if not self.ending:
            cast("greenlet", self._hub).throw(error)
        raise GreenletExit

    def run(self, main: Callable[[], None]) -> None:
        """Runs `main` as the task "main" until it returns, then ends all other tasks.

        Raises what `main` or a task raised; several exceptions as one `ExceptionGroup`, main's
        or the first in time first. A scheduler runs once.
        """
        if self._hub is not None:
            raise SimulatorError("a scheduler runs once: make a new world for a new run")
        self._hub = getcurrent()
        self.to_hub = self._hub.switch
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
                if self.on_stuck is not None:
                    raise self.on_stuck() from None
                deadlocks += 1
                self._deadlock(main, deadlocks)

    def _resume(self, task: Task) -> None:
        """Switches to `task`, until it parks or ends."""
        self.current = task
        thread = task.greenlet
        if thread is None:
            self._begin(task)
        else:
            thread.switch()
        self.current = None

    def _begin(self, task: Task) -> None:
        """Switches to `task`, which has not run yet."""
        if self.pool is not None:
            self.pool.begin(task, self._hub)
            return
        thread = task.greenlet = greenlet(task.body, self._hub)
        thread.switch()

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
