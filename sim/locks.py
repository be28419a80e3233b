"""Locks and condition variables of simulated threads.

A released lock is nobody's until a thread that wants it runs; while somebody has it, those that
want it are not runnable. So a runnable thread can always go on (`sim.threads` says why that
matters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from greenlet import GreenletExit

from sim.task import Task

if TYPE_CHECKING:
    from sim.threads import SimThreads


class SimLock:
    """model.threads.Lock. `depth` is how often its owner has taken it."""

    __slots__ = ("_threads", "depth", "name", "nested", "owner", "recursive", "waiters")

    def __init__(self, threads: SimThreads, name: str, recursive: bool, nested: bool) -> None:
        self._threads = threads
        self.name = name
        self.recursive = recursive
        self.nested = nested
        self.owner: Task | None = None
        self.depth = 0
        self.waiters: list[Task] = []

    def __str__(self) -> str:
        owner = self.owner
        return f"lock {self.name}" + (f", held by {owner.name}" if owner else ", held by nobody")

    def acquire(self) -> None:
        """Blocks until it is ours."""
        threads = self._threads
        scheduler = threads.scheduler
        task: Task = scheduler.current  # type: ignore[assignment]  # cast() costs a call
        if self.owner is None:
            task.waits = self  # as `want` does
            waiters = self.waiters
            waiters.append(task)
            threads.point(self.name)
            if len(waiters) == 1 and not self.depth:  # as `take` does
                waiters.clear()
                task.waits = None
                self.owner = task
                self.depth = 1
                task.held.append(self)
            else:
                self.take(task, 1)
        elif self.owner is not task:
            self.want(task)
            threads.note(self.name, task)
            self.take(task, 1)
        elif self.recursive:
            self.depth += 1
            if not self.nested:
                return
        else:
            threads.hang("deadlock", task, self)
        if threads.append is not None:
            threads.append((scheduler.now, "lock", self.name, "acquire", task.name))

    __enter__ = acquire

    def try_acquire(self) -> bool:
        """Takes it if nobody else has it."""
        threads = self._threads
        threads.point(self.name)
        task = cast(Task, threads.scheduler.current)
        taken = self.owner is None or (self.owner is task and self.recursive)
        if taken and self.owner is task:
            self.depth += 1
            if not self.nested:
                return True
        elif taken:
            self.want(task)
            self.take(task, 1)
        if threads.append is not None:
            operation = "try" if taken else "refused"
            threads.append((threads.scheduler.now, "lock", self.name, operation, task.name))
        return taken

    def release(self, *exception: object) -> None:
        """Gives it back once; the last time, those that wait become runnable."""
        threads = self._threads
        scheduler = threads.scheduler
        task = scheduler.current
        if scheduler.ending:
            return self._release_at_end(task)
        depth = self.depth
        if depth <= 1:
            threads.point(self.name)
        if self.owner is not task or task is None:
            raise RuntimeError(f"{task and task.name} releases {self}")
        if depth > 1:
            self.depth = depth - 1
            if not self.nested:
                return None
        if threads.append is not None:
            threads.append((scheduler.now, "lock", self.name, "release", task.name))
        if depth == 1:  # as `let_go` does
            self.owner = None
            self.depth = 0
            task.held.remove(self)
            for other in self.waiters:
                scheduler.unpark(other)
        return None

    __exit__ = release

    def _release_at_end(self, task: Task | None) -> None:
        """Unwinding a thread that the end of the run has ended."""
        if self.owner is task:
            self.depth -= 1
            if not self.depth:
                self.owner = None

    def holder(self) -> str | None:
        """The name of the thread that has it."""
        return self.owner.name if self.owner else None

    def want(self, task: Task) -> None:
        """From here on `task` is runnable only while nobody has the lock."""
        task.waits = self
        self.waiters.append(task)

    def take(self, task: Task, depth: int) -> None:
        """Makes `task`, which wants the lock, its owner, after a wait if need be."""
        if self.owner is not None:
            self._find_circle(task)
            scheduler = self._threads.scheduler
            while self.owner is not None:
                scheduler.park(None)
                if scheduler.ending:
                    raise GreenletExit
        waiters = self.waiters
        waiters.remove(task)
        task.waits = None
        self.owner = task
        self.depth = depth
        task.held.append(self)
        for other in waiters:
            if not other.parked:
                self._threads.scheduler.park_again(other)

    def _find_circle(self, task: Task) -> None:
        other = self.owner
        while other is not None and isinstance(other.waits, SimLock):
            other = other.waits.owner
            if other is task:
                self._threads.hang("deadlock", task, self)

    def let_go(self, task: Task) -> None:
        """Nobody's from here on."""
        self.owner = None
        self.depth = 0
        task.held.remove(self)
        for other in self.waiters:
            self._threads.scheduler.unpark(other)


class SimCondition:
    """model.threads.Condition."""

    __slots__ = ("_lock", "_threads", "name", "waiters")

    def __init__(self, threads: SimThreads, lock: SimLock, name: str) -> None:
        self._threads = threads
        self._lock = lock
        self.name = name
        self.waiters: list[Task] = []

    def __str__(self) -> str:
        return f"condition {self.name}"

    def wait(self, timeout_ns: int | None = None) -> bool:
        """Gives the lock up, waits, takes it again."""
        threads = self._threads
        threads.point(self.name)
        task = self._owner("waits on")
        lock = self._lock
        scheduler = threads.scheduler
        self._record("wait", task, None)
        depth = lock.depth
        lock.let_go(task)
        self.waiters.append(task)
        task.waits = self
        deadline = None if timeout_ns is None else scheduler.now + timeout_ns
        while task.waits is self:
            woken = scheduler.park(None if deadline is None else deadline - scheduler.now)
            if scheduler.ending:
                raise GreenletExit
            if not woken and task.waits is self:
                break
        notified = task.waits is not self
        if not notified:
            self.waiters.remove(task)
            lock.want(task)
        lock.take(task, depth)
        self._record("woken" if notified else "timeout", task, None)
        return notified

    def notify(self) -> int:
        """Wakes one."""
        threads = self._threads
        threads.point(self.name)
        task = self._owner("notifies")
        count = len(self.waiters)
        if count:
            draw = threads.scheduler.choices.draw
            self._wake(self.waiters.pop(draw("thread.notify", count) if count > 1 else 0))
        woken = min(count, 1)
        self._record("notify", task, woken)
        return woken

    def notify_all(self) -> int:
        """Wakes all."""
        self._threads.point(self.name)
        task = self._owner("notifies")
        woken = len(self.waiters)
        for waiter in self.waiters:
            self._wake(waiter)
        self.waiters.clear()
        self._record("notify_all", task, woken)
        return woken

    def _wake(self, waiter: Task) -> None:
        """It waits for the lock from here on."""
        waiter.deadline = None
        self._lock.want(waiter)

    def _owner(self, does: str) -> Task:
        task = self._threads.scheduler.current
        if task is None or self._lock.owner is not task:
            raise RuntimeError(f"{task and task.name} {does} {self.name} without {self._lock}")
        return task

    def _record(self, operation: str, task: Task, woken: int | None) -> None:
        threads = self._threads
        if threads.append is not None:
            threads.append(
                (
                    threads.scheduler.now,
                    "condition",
                    self.name,
                    self._lock.name,
                    operation,
                    task.name,
                    woken,
                )
            )
