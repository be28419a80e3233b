"""A task, which is a simulated thread, and the pool of greenlets that tasks may share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from greenlet import GreenletExit, getcurrent, greenlet
from simpy.events import Event, Timeout

if TYPE_CHECKING:
    from sim.scheduler import Scheduler


class Task:
    """A simulated thread. `name` is unique in a run; `interrupted` is set by `interrupt`."""

    __slots__ = (
        "alive",
        "at",
        "deadline",
        "greenlet",
        "held",
        "interrupted",
        "name",
        "on_block",
        "parked",
        "position",
        "refused",
        "scheduler",
        "target",
        "timer",
        "timer_due",
        "waits",
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
        # What `sim.threads` knows of it: the locks it holds, the lock or the like that it waits
        # for, its last operation, and how many records there were then.
        self.held: list[Any] = []
        self.waits: Any = None
        self.at = ""
        self.position = 0

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


class Pool:
    """Greenlets that runs one after another share: one costs more to make than a short task takes.

    For searches. A run that is given none leaves no greenlet behind. A pool is one OS thread's.
    """

    __slots__ = ("_task", "idle")

    def __init__(self) -> None:
        self.idle: list[greenlet] = []
        self._task: Task | None = None  # whose turn begins: an argument of switch would stay alive

    def begin(self, task: Task, hub: greenlet | None) -> None:
        """Switches to `task`, which has not run yet, in a greenlet of the pool."""
        thread = task.greenlet = self.idle.pop() if self.idle else greenlet(self._serve, hub)
        self._task = task
        thread.switch()

    def _serve(self) -> None:
        thread = getcurrent()
        while True:
            task = cast(Task, self._task)
            self._task = None
            with suppress(GreenletExit):
                task.body()
            to_hub = task.scheduler.to_hub
            del task  # an idle greenlet keeps no run alive
            self.idle.append(thread)
            to_hub()
