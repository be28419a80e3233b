"""Runs that get nowhere, and runs that a thread ends: what is told, and that nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from model.choices import Choices
from model.threads import Hang, Lock
from sim.scheduler import Scheduler
from sim.threads import QUANTUM, SimThreads


def hang_of(
    main: Callable[[SimThreads], None], tape: Sequence[int] = (), points: int = 500
) -> Hang:
    scheduler = Scheduler(Choices(tape))
    threads = SimThreads(scheduler, points)
    with pytest.raises(Hang) as raised:
        scheduler.run(lambda: main(threads))
    assert not any(task.alive for task in scheduler.tasks)
    return raised.value


def test_a_circle_of_locks_is_reported_with_who_holds_what_and_waits_where() -> None:
    def main(threads: SimThreads) -> None:
        a, b = threads.lock("a"), threads.lock("b")

        def both(first: Lock, second: Lock) -> Callable[[], None]:
            def body() -> None:
                with first, second:
                    pass

            return body

        threads.spawn("t0", both(a, b))
        threads.spawn("t1", both(b, a))
        threads.join()

    hang = hang_of(main, [0, 1])
    assert hang.how == "deadlock"
    assert [(each.thread, each.holds, each.waits_for) for each in hang.blocked] == [
        ("t0", ("a",), "lock b, held by t1"),
        ("t1", ("b",), "lock a, held by t0"),
        ("main", (), "the end of t0, t1"),
    ]


def test_a_lock_that_is_not_recursive_hangs_its_owner() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a", recursive=False)

        def twice() -> None:
            lock.acquire()
            lock.acquire()

        threads.spawn("t0", twice)
        threads.join()

    hang = hang_of(main)
    assert hang.blocked[0].waits_for == "lock a, held by t0"


def test_a_wait_that_nobody_ends_is_a_deadlock() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")
        condition = threads.condition(lock, "c")

        def waits() -> None:
            with lock:
                condition.wait()

        threads.spawn("t0", waits)
        threads.join()

    assert hang_of(main).blocked[0].waits_for == "condition c"


def test_threads_that_get_nowhere_are_a_livelock() -> None:
    def main(threads: SimThreads) -> None:
        def spins() -> None:
            while True:
                threads.point("spin")

        threads.spawn("t0", spins)
        threads.spawn("t1", spins)
        threads.join()

    hang = hang_of(main)
    assert hang.how == "livelock"
    assert [each.waits_for for each in hang.blocked[:2]] == ["", ""]


def test_a_thread_that_spins_makes_room_in_the_dull_order() -> None:
    def main(threads: SimThreads) -> None:
        done: list[int] = []
        passed: list[int] = []

        def spins() -> None:
            while not done:
                passed.append(1)
                threads.point("spin")

        def ends() -> None:
            threads.point("x")
            done.append(1)

        threads.spawn("t0", spins)
        threads.spawn("t1", ends)
        threads.join()
        assert len(passed) <= QUANTUM + 2

    scheduler = Scheduler(Choices())
    threads = SimThreads(scheduler)
    scheduler.run(lambda: main(threads))


def test_what_a_thread_raises_ends_the_run_at_once() -> None:
    scheduler = Scheduler(Choices())
    threads = SimThreads(scheduler)
    went_on: list[str] = []

    def fails() -> None:
        threads.point("x")
        raise LookupError("gone")

    def ends() -> None:
        threads.point("y")
        went_on.append("t1")

    def main() -> None:
        threads.spawn("t0", fails)
        threads.spawn("t1", ends)
        threads.join()
        went_on.append("main")

    with pytest.raises(LookupError, match="gone"):
        scheduler.run(main)
    assert not went_on
    assert not any(task.alive for task in scheduler.tasks)
