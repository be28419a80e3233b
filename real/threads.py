"""Real application threads: `model.threads` over `threading`. Who runs is the system's affair.

A lock that is not to be had within `LIMIT_NS`, and a thread that has not ended by then, are a
`Hang` with the same report that a simulated world makes. Records are written while the lock in
question is held, so that their order is the order of its owners.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING

from model.errors import SimulatorError, UsageError
from model.threads import MAIN, Blocked, Condition, Hang, Lock
from model.trace import Record

if TYPE_CHECKING:
    from model.threads import Threads

LIMIT_NS = 20_000_000_000  # longer than any wait of a run that gets anywhere


class RealLock:
    """model.threads.Lock over threading.Lock; who has it is kept here, for reports."""

    __slots__ = ("_threads", "depth", "inner", "name", "nested", "owner", "recursive")

    def __init__(self, threads: RealThreads, name: str, recursive: bool, nested: bool) -> None:
        self._threads = threads
        self.name = name
        self.recursive = recursive
        self.nested = nested
        self.inner = threading.Lock()
        self.owner: _State | None = None
        self.depth = 0

    def __str__(self) -> str:
        return f"lock {self.name}, held by {self.holder() or 'nobody'}"

    def acquire(self) -> None:
        """Blocks until it is ours."""
        threads = self._threads
        state = threads.state()
        if self.owner is state and self.recursive:
            self.depth += 1
            if not self.nested:
                return
        else:
            state.begin(self, self.name, threads.position())
            if not self.inner.acquire(timeout=threads.limit_ns / 1e9):
                threads.hang()
            self.taken(state, 1)
        threads.write("lock", self.name, "acquire", state.name)

    __enter__ = acquire

    def try_acquire(self) -> bool:
        """Takes it if nobody else has it."""
        threads = self._threads
        state = threads.state()
        if self.owner is state and self.recursive:
            self.depth += 1
            if not self.nested:
                return True
            taken = True
        elif taken := self.inner.acquire(blocking=False):
            self.taken(state, 1)
        threads.write("lock", self.name, "try" if taken else "refused", state.name)
        return taken

    def release(self) -> None:
        """Gives it back once."""
        threads = self._threads
        state = threads.state()
        if self.owner is not state:
            raise RuntimeError(f"{state.name} releases {self}")
        if self.nested or self.depth == 1:
            threads.write("lock", self.name, "release", state.name)
        self.depth -= 1
        if not self.depth:
            self.gone(state)
            self.inner.release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def holder(self) -> str | None:
        """The name of the thread that has it."""
        owner = self.owner
        return owner.name if owner is not None else None

    def taken(self, state: _State, depth: int) -> None:
        """The inner lock was taken by the thread of `state`."""
        self.owner = state
        self.depth = depth
        state.waits = None
        state.held.append(self.name)

    def gone(self, state: _State) -> None:
        """The inner lock is about to be released."""
        self.owner = None
        state.held.remove(self.name)


class RealCondition:
    """model.threads.Condition over threading.Condition."""

    __slots__ = ("_inner", "_lock", "_threads", "_tickets", "name")

    def __init__(self, threads: RealThreads, lock: RealLock, name: str) -> None:
        self._threads = threads
        self._lock = lock
        self._inner = threading.Condition(lock.inner)
        self._tickets: list[list[bool]] = []  # of those that wait; true: woken
        self.name = name

    def __str__(self) -> str:
        return f"condition {self.name}"

    def wait(self, timeout_ns: int | None = None) -> bool:
        """Gives the lock up, waits, takes it again."""
        threads = self._threads
        state = self._owner("waits on")
        lock = self._lock
        self._write("wait", state, None)
        depth = lock.depth
        ticket = [False]
        self._tickets.append(ticket)
        state.begin(self, self.name, threads.position())
        lock.gone(state)
        bound_ns = threads.limit_ns if timeout_ns is None else timeout_ns
        self._inner.wait_for(lambda: ticket[0], bound_ns / 1e9)
        if not ticket[0]:
            if timeout_ns is None:
                threads.hang()
            self._tickets.remove(ticket)
        lock.taken(state, depth)
        self._write("woken" if ticket[0] else "timeout", state, None)
        return ticket[0]

    def notify(self) -> int:
        """Wakes the one that has waited longest."""
        return self._notify("notify", 1)

    def notify_all(self) -> int:
        """Wakes all."""
        return self._notify("notify_all", len(self._tickets))

    def _notify(self, operation: str, most: int) -> int:
        state = self._owner("notifies")
        woken = self._tickets[:most]
        del self._tickets[:most]
        for ticket in woken:
            ticket[0] = True
        self._inner.notify_all()  # each looks at its own ticket
        self._write(operation, state, len(woken))
        return len(woken)

    def _owner(self, does: str) -> _State:
        state = self._threads.state()
        if self._lock.owner is not state:
            raise RuntimeError(f"{state.name} {does} {self.name} without {self._lock}")
        return state

    def _write(self, operation: str, state: _State, woken: int | None) -> None:
        fields = (self.name, self._lock.name, operation, state.name, woken)
        self._threads.write("condition", *fields)


class _State:
    """Where one thread stands, for a report."""

    __slots__ = ("alive", "at", "held", "name", "position", "waits")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.held: list[str] = []
        self.waits: object = None
        self.at = ""
        self.position = 0

    def begin(self, waits: object, at: str, position: int) -> None:
        """It may block from here on."""
        self.at = at
        self.position = position
        self.waits = waits


class RealThreads:
    """model.threads.Threads of one run. The first thread that asks is main's."""

    active = True

    def __init__(self, now_ns: Callable[[], int], limit_ns: int = LIMIT_NS) -> None:
        self.limit_ns = limit_ns
        self._append: Callable[[Record], object] | None = None
        self._now_ns = now_ns
        self._records: list[Record] = []
        self._mutex = threading.Lock()
        self._local = threading.local()
        self._states: list[_State] = []
        self._threads: dict[str, threading.Thread] = {}
        self._failed: BaseException | None = None

    # -- threads ------------------------------------------------------------------------------

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Starts a thread, at once."""
        if name in self._threads:
            raise SimulatorError(f"two threads are called {name!r}: a name is unique in a run")
        self.state()
        self.write("thread", name, "spawn")
        thread = threading.Thread(target=self._play, args=(name, target), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def _play(self, name: str, target: Callable[[], None]) -> None:
        state = self._enrol(name)
        self.write("thread", name, "begin")
        try:
            target()
        except BaseException as error:  # raised again by `join`
            error.add_note(f"raised by the thread {name!r}")
            self._failed = self._failed or error
        state.alive = False
        self.write("thread", name, "end")

    def join(self, *names: str) -> None:
        """Blocks until the threads have ended; raises what the first of them that failed raised."""
        state = self.state()
        for name in names or tuple(self._threads):
            if name not in self._threads:
                known = list(self._threads)
                raise UsageError(f"no thread {name!r} to join: there are {known}")
            state.begin(f"the end of {name}", "join", self.position())
            thread = self._threads[name]
            deadline = perf_counter_ns() + 2 * self.limit_ns  # a thread that hangs tells first
            while thread.is_alive() and self._failed is None:
                thread.join(0.01)
                if perf_counter_ns() > deadline:
                    self.hang()
            if self._failed is not None:
                raise self._failed
            state.waits = None
            self.write("thread", name, "join")

    def alive(self) -> list[str]:
        """The names of the threads that have not ended."""
        return [name for name, thread in self._threads.items() if thread.is_alive()]

    def current(self) -> str:
        """The calling thread's name."""
        return self.state().name

    def state(self) -> _State:
        """What is known of the calling thread: spawned here, a peer's, or main."""
        known: _State | None = getattr(self._local, "state", None)
        if known is None:
            thread = threading.current_thread()
            first = not any(each.name == MAIN for each in self._states)
            known = self._enrol(MAIN if first else thread.name)
        return known

    def _enrol(self, name: str) -> _State:
        state = self._local.state = _State(name)
        self._states.append(state)
        return state

    # -- locks and shared state -----------------------------------------------------------------

    def lock(self, name: str, recursive: bool = True, nested: bool = True) -> RealLock:
        """A new lock."""
        return RealLock(self, name, recursive, nested)

    def condition(self, lock: Lock, name: str) -> Condition:
        """A new condition variable of `lock`."""
        if not isinstance(lock, RealLock):
            raise UsageError(f"condition {name!r} needs a lock of the same world")
        return RealCondition(self, lock, name)

    def touch(self, name: str, write: bool) -> None:
        """An access to shared state."""
        self.write("touch", name, "write" if write else "read")

    def point(self, name: str) -> None:
        """The system switches where it likes."""

    # -- records --------------------------------------------------------------------------------

    def record_to(self, append: Callable[[Record], object], now_ns: Callable[[], int]) -> None:
        """Operations write their records with `append` from here on."""
        self._append = append
        self._now_ns = now_ns

    def write(self, *fields: object) -> None:
        """One record, if anybody asked for any."""
        if self._append is not None:
            self._append((self._now_ns(), *fields))

    def position(self) -> int:
        """How many records there are."""
        return len(self._records)

    def attributed(self, records: list[Record]) -> Callable[[Record], None]:
        """An append to `records` that writes `on` where another thread begins to write."""
        self._records = records
        last = self.state()
        mutex = self._mutex

        def attribute(record: Record) -> None:
            nonlocal last
            state = self.state()
            with mutex:
                if state is not last:
                    records.append((record[0], "on", state.name))
                    last = state
                records.append(record)

        return attribute

    def hang(self) -> None:
        """Raises the report of a run in which a wait has passed the limit."""
        blocked = [
            Blocked(each.name, tuple(each.held), str(each.waits or ""), each.at, each.position)
            for each in self._states
            if each.alive
        ]
        self.write("hang", "deadlock")
        for each in blocked:
            holds = ", ".join(each.holds)
            self.write("blocked", each.thread, holds, each.waits_for, each.last, each.record)
        raise Hang("deadlock", blocked)


if TYPE_CHECKING:
    _THREADS: Threads = RealThreads(perf_counter_ns)
