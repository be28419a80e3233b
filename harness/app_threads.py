"""Application threads of a scenario: each does its list of steps, beside the loop's thread.

They start with the loop, in order, as `t0`, `t1`, ... A `wait` lets the others go on; a `timer` is
a wait with an event of the thread's own, which it deletes then. Each has a
reference of its own on every THREADSAFE end until its list is done, so that another thread's free
leaves it something to find out with; whoever is last gives up the last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harness.worlds import is_simulated
from model.traced_threads import TracedGuardedBase, TracedLocked, TracedThreadedBase

if TYPE_CHECKING:
    from harness.driver import Driver
    from harness.live import Live
    from harness.scenario import AppStep
    from model.subject import Bufferevent
    from model.threads import Threads


class AppThreads:
    """The threads of one run. `left`: those whose list is not done."""

    def __init__(self, driver: Driver, threads: Threads) -> None:
        self.driver = driver
        self.threads = threads
        self.started = False  # not where the set-up has crashed
        self.left = len(driver.scenario.threads)
        self.kept: list[list[TracedLocked]] = [[] for _ in driver.scenario.threads]
        self.own: list[TracedLocked] = []  # of the loop's thread, whose program goes on beside them

    @property
    def busy(self) -> bool:
        """Whether there is a list that is not done; or a worker has not ended what it took, or the
        loop not done what is next: a real thread may not run for long."""
        base = self.driver.base
        if self.left or not isinstance(base, TracedThreadedBase):
            return bool(self.left)
        real = not is_simulated(self.driver.world.name)
        return base.workers_busy() or (real and base.has_work())

    def made(self, bev: Bufferevent) -> None:
        """An end is to have this bufferevent: a reference for each thread."""
        if isinstance(bev, TracedLocked):
            for kept in self.kept:
                bev.keep()
                kept.append(bev)
            if isinstance(self.driver.base, TracedGuardedBase) and not self.driver.proceeded:
                bev.keep()
                self.own.append(bev)

    def start(self) -> None:
        """Spawns all of them."""
        self.started = True
        first = len(self.driver.scenario.app)
        for number, steps in enumerate(self.driver.scenario.threads):
            play = partial(self._play, number, first, steps)
            self.threads.spawn(f"t{number}", play)
            first += len(steps)

    def _play(self, number: int, first: int, steps: tuple[AppStep, ...]) -> None:
        driver = self.driver
        for place, (do, name, args) in enumerate(steps):
            index = first + place
            action: Callable[[], object]
            if name is None:
                driver.trace.emit("step", index, do)
                wait = self._timer if do == "timer" else driver.world.sleep
                action = partial(wait, args[0])
            else:
                action = partial(driver.step, index, do, name, args)
            if not driver.guarded(action):
                break
        self._let_go(number)
        self.left -= 1

    def _timer(self, duration_ns: int) -> None:
        """What a timer uses is the thread's again, to be freed, once event_del has returned."""
        base, threads = self.driver.base, self.threads
        assert isinstance(base, TracedThreadedBase)
        argument = f"{threads.current()}.argument"

        def fires() -> None:
            threads.touch(argument, write=False)
            threads.point("timer")
            threads.touch(argument, write=False)

        threads.touch(argument, write=True)
        timer = base.evtimer_new(fires)
        timer.start(duration_ns)
        self.driver.world.sleep(duration_ns)
        timer.stop()
        threads.touch(argument, write=True)

    def _let_go(self, number: int) -> None:
        kept = self.kept[number]
        while kept:
            self.driver.guarded(kept.pop().let_go)

    def proceeded(self) -> None:
        """The application's own program is done."""
        while self.own:
            self.driver.guarded(self.own.pop().let_go)

    def join(self) -> None:
        """Waits for their ends; gives up what they could not."""
        if self.started and self.driver.scenario.threads:
            self.threads.join(*(f"t{number}" for number in range(len(self.kept))))
        for number in range(len(self.kept)):
            self._let_go(number)
        self.proceeded()


def together(end: Live, action: Callable[[], None]) -> None:
    """Does what must be one for the application's other threads, as bufferevent_lock has it: a
    write and its place in the stream, a reconnect."""
    bev = end.bev
    if isinstance(bev, TracedLocked):
        with bev.locked.entry("write"):
            action()
    else:
        action()
