"""Threads as the logic sees them: locks, conditions, switch points, accesses to guarded state.

A world offers `Threads`. In a simulated world every operation is a *switch point*: before it the
tape says who goes on ("thread.next"; 0: the running thread, which is the dull order). In a real
world the operating system decides, and `point` does nothing. Logic that has one thread only is
given `NO_THREADS` and asks it nothing more than whether it is `active`.

Records (`model.trace.FIELDS`) are written by the operations themselves once `record_to` was called:

* `thread` spawn (by the parent), begin, end, join (by the joiner);
* `lock` acquire and try (after the lock was taken), refused (a try that failed), release;
* `condition` wait (before), woken or timeout (after, with the lock), notify and how many it woke;
* `touch`: an access to state that some lock guards, for `model.properties.threads`;
* `on`: the records from here on are another thread's (`attributed` writes it);
* `hang`, then `blocked` for each thread: nobody can go on, or nobody gets anywhere.

A hang is the subject's, not a defect of ours: it ends the run with `Hang`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, cast

from model.errors import DuopollError, UsageError
from model.trace import Record

#: the touch of what a loop that waits must be woken for
BASE_ACTIVE = "base.active"
MAIN = "main"  # the name of the thread that a world's `run` was called with

T = TypeVar("T")


class Blocked(NamedTuple):
    """Where one thread stands in a run that hangs."""

    thread: str
    holds: tuple[str, ...]  # locks, in the order in which they were taken
    waits_for: str  # "lock b, held by t1", "condition full", or nothing: it runs, or could
    last: str  # the last operation that it began
    record: int  # how many records there were then

    def __str__(self) -> str:
        holds = ", ".join(self.holds) or "no lock"
        waits = f"waits for {self.waits_for}" if self.waits_for else "can run"
        return f"{self.thread} {waits}, holds {holds}, at record {self.record} ({self.last})"


class Hang(DuopollError):
    """No thread can go on (deadlock), or none gets anywhere (livelock)."""

    exit_code = 1

    def __init__(self, how: Literal["deadlock", "livelock"], blocked: Sequence[Blocked]) -> None:
        self.how = how
        self.blocked = tuple(blocked)
        super().__init__(f"{how}: " + "; ".join(map(str, blocked)))


class Lock(Protocol):
    """A mutex. Recursive unless it was made otherwise; a context manager."""

    @property
    def name(self) -> str: ...

    def acquire(self) -> None:
        """Blocks until the lock is this thread's. Taking a lock that is not recursive twice, and
        closing a circle of waiting threads, is a `Hang`.
        """

    def try_acquire(self) -> bool:
        """Takes the lock if nobody else has it: whether it did."""

    def release(self) -> None:
        """Gives it back once. RuntimeError when it is not this thread's."""

    def holder(self) -> str | None:
        """The name of the thread that has it."""

    def __enter__(self) -> object: ...

    def __exit__(self, *exception: object) -> None: ...


class Condition(Protocol):
    """A condition variable of one lock, without spurious wakeups."""

    @property
    def name(self) -> str: ...

    def wait(self, timeout_ns: int | None = None) -> bool:
        """Gives the lock up however often it was taken, waits for a notify, takes it again.

        False after `timeout_ns`. RuntimeError when the lock is not this thread's.
        """

    def notify(self) -> int:
        """Wakes one waiting thread: how many that were, 0 or 1. The lock must be held."""

    def notify_all(self) -> int:
        """Wakes all waiting threads: how many that were."""


class Threads(Protocol):
    """What a world offers to logic that has several threads. Names are unique in a run."""

    @property
    def active(self) -> bool:
        """Whether there can be more than one thread."""

    def lock(self, name: str, recursive: bool = True, nested: bool = True) -> Lock:
        """A new lock. `nested`: records tell also when its owner takes it again."""

    def condition(self, lock: Lock, name: str) -> Condition:
        """A new condition variable that goes with `lock`."""

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Starts an application thread. What `target` raises ends the run and is its outcome."""

    def join(self, *names: str) -> None:
        """Blocks until the threads have ended (all of those that were spawned, by default)."""

    def current(self) -> str:
        """The name of the calling thread; `MAIN` for the one that runs the world."""

    def touch(self, name: str, write: bool) -> None:
        """The calling thread reads or writes state that is shared between threads."""

    def point(self, name: str) -> None:
        """A switch point and nothing else. `name` says before what."""

    def record_to(self, append: Callable[[Record], object], now_ns: Callable[[], int]) -> None:
        """From here on operations write their records with `append`."""

    def attributed(self, records: list[Record]) -> Callable[[Record], None]:
        """An append to `records` that writes `on` where another thread begins to write."""


class _NoLock:
    """The lock of a world with one thread."""

    __slots__ = ()
    name = "none"

    def acquire(self) -> None: ...

    def try_acquire(self) -> bool:
        return True

    def release(self) -> None: ...

    def holder(self) -> str | None:
        return MAIN

    def __enter__(self) -> object:
        return self

    def __exit__(self, *exception: object) -> None: ...


NO_LOCK: Lock = _NoLock()


class NoThreads:
    """model.threads.Threads where there is one thread only."""

    __slots__ = ()
    active = False

    def lock(self, name: str, recursive: bool = True, nested: bool = True) -> Lock:
        """Nothing to lock out."""
        return NO_LOCK

    def condition(self, lock: Lock, name: str) -> Condition:
        """Refused: nobody could notify."""
        raise UsageError(f"condition {name!r} in a run with one thread would wait for ever")

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Refused."""
        raise UsageError(f"thread {name!r} in a run without threads: give it a world's `threads`")

    def join(self, *names: str) -> None:
        """Nobody to wait for."""

    def current(self) -> str:
        """The only one."""
        return MAIN

    def touch(self, name: str, write: bool) -> None:
        """Nobody to race with."""

    def point(self, name: str) -> None:
        """Nobody to switch to."""

    def record_to(self, append: Callable[[Record], object], now_ns: Callable[[], int]) -> None:
        """Nothing to write."""

    def attributed(self, records: list[Record]) -> Callable[[Record], None]:
        """All records are the one thread's."""
        return records.append


NO_THREADS: Threads = NoThreads()

#: calls of the two kernel contracts that tell nothing about the run and change nothing
_NOT_SWITCH_POINTS = frozenset({"getsockname", "getpeername"})


class _Switching:
    """A kernel whose calls are switch points. It has the calls of the kernel that it wraps."""

    def __init__(self, kernel: Any, point: Callable[[str], None]) -> None:
        self._kernel = kernel
        self._point = point

    def __getattr__(self, name: str) -> Any:
        """Made when it is first asked for: a run uses few of them."""
        call = getattr(self._kernel, name)
        if callable(call) and name not in _NOT_SWITCH_POINTS:
            call = _after(self._point, name, call)
        setattr(self, name, call)
        return call


def _after(
    point: Callable[[str], None], name: str, call: Callable[..., object]
) -> Callable[..., object]:
    def called(*args: Any) -> object:
        point(name)
        return call(*args)

    return called


def switching(kernel: T, threads: Threads) -> T:
    """`kernel` with a switch point before each call; `kernel` itself where there is one thread.

    Goes below the tracing wrapper: the record of a call is then written when the call returns.
    """
    return cast(T, _Switching(kernel, threads.point)) if threads.active else kernel
