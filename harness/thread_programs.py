"""Small programs of two or three threads, each with a bug, and each without it.

They are what the strategies are measured on (`python -m bench schedules`, `duopoll schedules`): how
many runs until the bug shows, and that a search which sees every schedule finds none in the twin.

PYTEST_DONT_REWRITE: what they assert is part of a trace, and pytest would put addresses into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.thread_run import Program
from model.evbuffer import Evbuffer
from model.threads import Lock
from model.world import World


@dataclass(frozen=True)
class Planted:
    """`finds`: the properties that the bug breaks, one or the other, or what it raises."""

    name: str
    bug: str
    broken: Program
    fixed: Program
    finds: tuple[str, ...]
    kind: Literal["epoll", "iocp"] = "epoll"  # of the world that it runs in


class _Cell:
    """A number that threads share, read and written with a switch point before each."""

    def __init__(self, world: World, name: str, value: int = 0) -> None:
        self._touch = world.threads.touch
        self._name = name
        self.value = value

    def get(self) -> int:
        self._touch(self._name, write=False)
        return self.value

    def set(self, value: int) -> None:
        self._touch(self._name, write=True)
        self.value = value


def _run(world: World, *targets: Callable[[], None]) -> None:
    """A thread a target, and the wait for all."""
    for number, target in enumerate(targets, 1):
        world.threads.spawn(f"t{number}", target)
    world.threads.join()


def _lost_update(atomic: bool) -> Program:
    """Two threads count; each access has the lock, the two together do not."""

    def program(world: World) -> None:
        lock = world.threads.lock("count")
        cell = _Cell(world, "count")

        def whole() -> None:
            with lock:
                cell.set(cell.get() + 1)

        def halves() -> None:
            with lock:
                seen = cell.get()
            with lock:
                cell.set(seen + 1)

        _run(world, *[whole if atomic else halves] * 2)
        assert cell.value == 2, f"two threads counted to {cell.value}"

    return program


def _check_then_act(inside: bool) -> Program:
    """Two threads take the last bytes of a buffer; the check is before the lock."""

    def program(world: World) -> None:
        threads = world.threads
        lock = threads.lock("buffer")
        buffer = Evbuffer()
        buffer.add(b"ten bytes!")

        def take() -> None:
            assert buffer.remove(10), "took nothing from a buffer that had bytes"

        def outside_the_lock() -> None:
            threads.point("check")
            if buffer.length:
                with lock:
                    take()

        def inside_the_lock() -> None:
            with lock:
                if buffer.length:
                    take()

        _run(world, *[inside_the_lock if inside else outside_the_lock] * 2)

    return program


def _two_orders(one_order: bool) -> Program:
    """Two locks, taken in two orders."""

    def program(world: World) -> None:
        a, b = world.threads.lock("a"), world.threads.lock("b")

        def in_order(first: Lock, second: Lock) -> Callable[[], None]:
            def run() -> None:
                with first, second:
                    pass

            return run

        _run(world, in_order(a, b), in_order(a, b) if one_order else in_order(b, a))

    return program


def _lost_wakeup(inside: bool) -> Program:
    """One thread waits for another's word; it looks for it before it has the lock."""

    def program(world: World) -> None:
        threads = world.threads
        lock = threads.lock("word")
        condition = threads.condition(lock, "given")
        given: list[bool] = []

        def listens_late() -> None:
            threads.point("look")
            if not given:
                with lock:
                    condition.wait()

        def listens() -> None:
            with lock:
                while not given:
                    condition.wait()

        def speaks() -> None:
            with lock:
                given.append(True)
                condition.notify()

        _run(world, listens if inside else listens_late, speaks)

    return program


def _missing_lock(locked: bool) -> Program:
    """Three threads append to one buffer, and one of them forgets the lock: a race without harm."""

    def program(world: World) -> None:
        threads = world.threads
        lock = threads.lock("buffer")
        buffer = Evbuffer()

        def append() -> None:
            threads.touch("buffer", write=True)
            buffer.add(b"x")

        def with_lock() -> None:
            with lock:
                append()

        _run(world, with_lock, with_lock, with_lock if locked else append)
        assert buffer.length == 3

    return program


def _one_notify(enough: bool) -> Program:
    """Two threads wait for one slot each; the third makes two and wakes one."""

    def program(world: World) -> None:
        lock = world.threads.lock("slots")
        condition = world.threads.condition(lock, "free")
        slots: list[int] = []

        def take() -> None:
            with lock:
                while not slots:
                    condition.wait()
                slots.pop()

        def make() -> None:
            with lock:
                slots.extend((1, 2))
                (condition.notify_all if enough else condition.notify)()

        _run(world, take, take, make)

    return program


def _two_looks(together: bool) -> Program:
    """A bug of depth 3: one step of a thread between two looks, and the second look before the
    thread's next step.
    """

    def program(world: World) -> None:
        lock = world.threads.lock("state")
        state = _Cell(world, "state")

        def opens_and_closes() -> None:
            with lock:
                state.set(1)
            with lock:
                state.set(0)

        def looks_twice() -> None:
            if together:
                with lock:
                    first, again = state.get(), state.get()
            else:
                with lock:
                    first = state.get()
                with lock:
                    again = state.get()
            assert (first, again) != (0, 1), "it opened between two looks"

        _run(world, opens_and_closes, looks_twice)

    return program


def _polite(gives_up: bool) -> Program:
    """Two threads that hold a lock each and try for the other's until they have it."""

    def program(world: World) -> None:
        threads = world.threads
        a, b = threads.lock("a"), threads.lock("b")

        def both(mine: Lock, other: Lock) -> Callable[[], None]:
            def run() -> None:
                with mine:
                    while not other.try_acquire():
                        if gives_up:
                            return
                    other.release()

            return run

        _run(world, both(a, b), both(b, a))

    return program


PLANTED: tuple[Planted, ...] = tuple(
    Planted(name, bug, make(False), make(True), finds)
    for name, bug, make, finds in (
        ("lost-update", "a read and a write, each locked for itself", _lost_update, ("Assertion",)),
        ("check-then-act", "a check before the lock", _check_then_act, ("Assertion",)),
        ("two-orders", "two locks in two orders", _two_orders, ("K-1", "K-3")),
        ("lost-wakeup", "a look before the lock, then a wait", _lost_wakeup, ("K-3",)),
        ("missing-lock", "one thread of three without the lock", _missing_lock, ("K-2",)),
        ("one-notify", "two slots, one notify", _one_notify, ("K-3",)),
        ("two-looks", "a moment between two looks that must be hit", _two_looks, ("Assertion",)),
        ("livelock", "two threads that hold and try for ever", _polite, ("K-3",)),
    )
)
