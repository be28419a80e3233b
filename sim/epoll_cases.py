"""The operations of the epoll cases, on the simulated Linux.

A case is a list of operations on things that it names (`a`, `e`, `T`); every operation has a
result in plain JSON values: "ok", an errno's name, a number, a mask as `IN|RDHUP`, or for a wait
the ordered list of `[label, mask]`. Each is one method `do_...` of `Machine`; `OPERATIONS` names
them. `real.epoll_cases` has the same operations on a running Linux. `settle` lets virtual time pass
until nothing more happens by itself. What would wait for ever gives "BLOCKED".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from model.choices import Choices
from model.errors import Errno, UsageError
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLIN,
    mask_name,
    mask_of,
)
from sim.epoll_case_files import MS, Files, plain
from sim.scheduler import Deadlock, Scheduler
from sim.task import Task

BAD_OPERATION = 42  # no operation of epoll_ctl
JOIN_MS = 70_000  # longer than any timeout of a case
ENDLESS_MS = 3_000  # for a thread that waits without a timeout
BLOCKED = "BLOCKED"


def bits(mask: str) -> int:
    """The mask that a case writes: `-`, nothing and `0` are no bit."""
    return mask_of(mask) if mask not in {"", "-"} else 0


def mask_text(mask: int) -> str:
    """A mask as the results write it: nothing for no bit."""
    return mask_name(mask) if mask else ""


class Machine(Files):
    """One case's kernel, labels and threads."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.labels: list[str] = []  # an event's data is a place in this list
        self.threads: dict[str, Task] = {}
        self.results: dict[str, Any] = {}

    def perform(self, operation: str, args: Sequence[Any]) -> Any:
        """One operation of the vocabulary. Raises `UsageError` for a thread that nothing made."""
        try:
            return OPERATIONS[operation](self, *args)
        except Deadlock:
            return BLOCKED

    # -- epoll ----------------------------------------------------------------------------------

    def do_epoll_create(self, e: str) -> Any:
        return self.name_it(e, self.kernel.epoll_create())

    def control(self, op: int, e: str, x: str, mask: str, label: str | None) -> Any:
        """epoll_ctl(2); the label comes back with every event."""
        self.labels.append(x if label is None else label)
        data = len(self.labels) - 1
        return plain(self.kernel.epoll_ctl_data(self.fd(e), op, self.fd(x), bits(mask), data))

    def do_ctl_add(self, e: str, x: str, mask: str, label: str | None = None) -> Any:
        return self.control(EPOLL_CTL_ADD, e, x, mask, label)

    def do_ctl_mod(self, e: str, x: str, mask: str, label: str | None = None) -> Any:
        return self.control(EPOLL_CTL_MOD, e, x, mask, label)

    def do_ctl_del(self, e: str, x: str, mask: str = "-") -> Any:
        return self.control(EPOLL_CTL_DEL, e, x, mask, None)

    def do_ctl_badop(self, e: str, x: str, mask: str = "-") -> Any:
        return self.control(BAD_OPERATION, e, x, mask, None)

    def do_ctl_nullev(self, e: str, x: str, mask: str = "-") -> Any:
        kernel = self.kernel
        return plain(kernel.epoll_ctl_without_event(self.fd(e), EPOLL_CTL_ADD, self.fd(x)))

    def wait_on(self, epfd: int, timeout_ms: int, maxevents: int) -> Any:
        """epoll_wait(2); events as `[label, mask]`."""
        timeout = None if timeout_ms < 0 else timeout_ms * MS
        events = self.kernel.epoll_wait(epfd, maxevents, timeout)
        if isinstance(events, Errno):
            return events.name
        return [[self.labels[data], mask_text(mask)] for data, mask in events]

    def do_wait(self, e: str, timeout_ms: int = 0, maxevents: int = 16) -> Any:
        return self.wait_on(self.fd(e), timeout_ms, maxevents)

    def do_wait_timed(self, e: str, timeout_ms: int) -> Any:
        before = self.scheduler.now
        events = self.do_wait(e, timeout_ms)
        early = self.scheduler.now - before < timeout_ms * MS
        return [events, "early" if early else "elapsed>=timeout"]

    def do_wait_count(self, e: str, times: int, maxevents: int) -> Any:
        counts: dict[str, int] = {}
        for _ in range(times):
            events = self.do_wait(e, 0, maxevents)
            if isinstance(events, str):
                return events
            for label, _mask in events:
                counts[label] = counts.get(label, 0) + 1
        return counts

    def do_poll(self, x: str, mask: str) -> Any:
        result = self.kernel.poll(self.fd(x), bits(mask))
        return plain(result) if isinstance(result, Errno) else mask_text(result)

    # -- threads --------------------------------------------------------------------------------

    def do_start_wait(
        self, thread: str, e: str, timeout_ms: int = 0, maxevents: int = 16, via: str = "epoll"
    ) -> Any:
        epfd = self.fd(e)  # the name may be closed while the thread waits

        def body() -> None:
            if via == "poll":
                timeout = None if timeout_ms < 0 else timeout_ms * MS
                woken = self.kernel.poll(epfd, EPOLLIN, timeout)
                if isinstance(woken, Errno):
                    self.results[thread] = woken.name
                    return
                self.results[thread] = self.wait_on(epfd, 0, maxevents) if woken else []
            else:
                self.results[thread] = self.wait_on(epfd, timeout_ms, maxevents)

        # names of threads may be used again, tasks' names may not
        self.threads[thread] = self.scheduler.spawn(f"{thread} {len(self.scheduler.tasks)}", body)
        self.results[thread] = BLOCKED
        self.scheduler.park(MS)  # until it waits
        return "ok"

    def task(self, thread: str) -> Task:
        """A thread of the case."""
        if thread not in self.threads:
            raise UsageError(f"there is no thread {thread!r}: no start_wait before made it")
        return self.threads[thread]

    def do_join(self, thread: str) -> Any:
        task = self.task(thread)
        waited = 0
        while task.alive and waited < (ENDLESS_MS if task.deadline is None else JOIN_MS):
            self.scheduler.park(MS)
            waited += 1
        return self.results[thread]

    def do_join_count(self, *threads: str) -> Any:
        return sum(bool(self.do_join(thread)) for thread in threads)

    def do_blocked(self, thread: str) -> Any:
        self.scheduler.park(MS)
        return self.task(thread).alive

    def do_signal(self, thread: str) -> Any:
        task = self.task(thread)
        if task.alive:
            self.scheduler.interrupt(task)
        return "ok"


OPERATIONS: dict[str, Callable[..., Any]] = {
    name.removeprefix("do_"): method
    for owner in (Files, Machine)
    for name, method in vars(owner).items()
    if name.startswith("do_")
}


def play(
    steps: Sequence[Sequence[Any]],
    choices: Choices | None = None,
    before: Callable[[int], object] | None = None,
) -> list[Any]:
    """The results of all steps, on a kernel of their own; `before` is told each step's number.

    Raises `UsageError` that names the step.
    """
    scheduler = Scheduler(Choices() if choices is None else choices)
    machine = Machine(scheduler)
    results: list[Any] = []

    def main() -> None:
        for number, (operation, *args) in enumerate(steps):
            if before is not None:
                before(number)
            try:
                results.append(machine.perform(operation, args))
            except UsageError as error:
                raise UsageError(f"step {number}, {operation}: {error}") from None

    scheduler.run(main)
    return results
