"""Simulated threads: locks exclude, the tape decides, and nothing is drawn for one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import factorial, prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schedules import Exhaustive, RandomWalk, search
from model.choices import Choices
from model.errors import UsageError
from model.threads import Hang
from model.trace import Record
from sim.scheduler import Scheduler
from sim.threads import SimThreads

#: what a thread does, again and again: takes these locks one inside the other, and lets them go
Body = list[list[int]]
LOCKS = 3

bodies = st.lists(st.lists(st.integers(0, LOCKS - 1), max_size=3), max_size=4)
programs = st.lists(bodies, min_size=1, max_size=4)
tapes = st.lists(st.integers(0, 5), max_size=60)


def in_order(body: Body) -> Body:
    """Without the second order that would be a deadlock."""
    return [sorted(locks) for locks in body]


def run(
    main: Callable[[SimThreads], None], choices: Choices, points_max: int = 10_000
) -> list[Record]:
    scheduler = Scheduler(choices)
    threads = SimThreads(scheduler, points_max)
    records: list[Record] = []
    threads.record_to(threads.attributed(records), lambda: scheduler.now)
    try:
        scheduler.run(lambda: main(threads))
    except Hang:
        assert any(record[1] == "hang" for record in records)
    assert not any(task.alive for task in scheduler.tasks)
    return records


def spawning(program: Sequence[Body]) -> Callable[[SimThreads], None]:
    def main(threads: SimThreads) -> None:
        locks = [threads.lock(f"l{number}") for number in range(LOCKS)]
        inside: list[set[str]] = [set() for _ in locks]

        def nested(chosen: list[int]) -> None:
            if not chosen:
                threads.touch("innermost", write=False)
                return
            with locks[chosen[0]]:
                inside[chosen[0]].add(threads.current())
                assert len(inside[chosen[0]]) == 1
                assert locks[chosen[0]].holder() == threads.current()
                nested(chosen[1:])
                if locks[chosen[0]].depth == 1:
                    inside[chosen[0]].clear()

        def body(steps: Body) -> Callable[[], None]:
            def work() -> None:
                for step in steps:
                    nested(step)

            return work

        for number, steps in enumerate(program):
            threads.spawn(f"t{number}", body(steps))
        threads.join()
        assert all(lock.holder() is None for lock in locks)

    return main


@given(programs, tapes)
def test_locks_exclude_and_in_one_order_every_schedule_ends(
    program: list[Body], tape: list[int]
) -> None:
    records = run(spawning([in_order(body) for body in program]), Choices(tape))
    assert not any(record[1] == "hang" for record in records)
    ended = [record[2] for record in records if record[1:2] + record[3:] == ("thread", "end")]
    assert sorted(ended) == [f"t{number}" for number in range(len(program))]


@given(programs, st.integers(0, 1 << 32))
def test_what_a_strategy_answered_replays_as_a_plain_tape(program: list[Body], seed: int) -> None:
    source = RandomWalk(seed).source()
    records = run(spawning(program), source)
    assert run(spawning(program), Choices(source.recorded())) == records


@given(programs)
def test_the_dull_order_lets_a_thread_go_on_until_it_ends(program: list[Body]) -> None:
    records = run(spawning(program), Choices())
    worked = [record[4] for record in records if record[1] == "lock"]
    turns = [name for name, _ in groupby(worked)]
    assert len(turns) == len(set(turns)), "a thread had to make room"


def test_one_application_thread_draws_nothing() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")
        for _ in range(10):
            with lock:
                threads.point("x")
                threads.touch("y", write=True)

    choices = Choices([1] * 50)
    run(main, choices)
    assert choices.position == 0


def interleavings(*lengths: int) -> int:
    return factorial(sum(lengths)) // prod(map(factorial, lengths))


def count(
    main: Callable[[SimThreads], None], bound: int | None = None, silent: bool = False
) -> tuple[int, Exhaustive]:
    """Runs every schedule: how many. Each shows in the records, unless some are `silent`."""
    strategy = Exhaustive(bound)
    seen: set[tuple[Any, ...]] = set()

    def play(choices: Choices) -> None:
        seen.add(tuple(run(main, choices)))

    found = search(strategy, play)
    assert found.complete
    assert silent or len(seen) == found.runs, "a schedule was run twice"
    return found.runs, strategy


def touching(*lengths: int) -> Callable[[SimThreads], None]:
    """Threads of so many operations each."""

    def main(threads: SimThreads) -> None:
        def body(length: int) -> Callable[[], None]:
            def work() -> None:
                for _ in range(length):
                    threads.touch("x", write=True)

            return work

        for number, length in enumerate(lengths):
            threads.spawn(f"t{number}", body(length))
        threads.join()

    return main


@pytest.mark.parametrize(
    "lengths", [(1, 1), (2, 2), (3, 1), (3, 3), (1, 1, 1), (2, 2, 2), (3, 2, 2)]
)
def test_every_interleaving_is_seen_once(lengths: tuple[int, ...]) -> None:
    runs, strategy = count(touching(*lengths))
    assert runs == interleavings(*lengths)
    assert strategy.unbounded


def preemptions(order: Sequence[int], lengths: Sequence[int]) -> int:
    """Changes away from a thread that had operations left."""
    left = list(lengths)
    changes = 0
    for place, thread in enumerate(order):
        left[thread] -= 1
        if place + 1 < len(order) and order[place + 1] != thread and left[thread]:
            changes += 1
    return changes


def orders(left: tuple[int, ...]) -> list[tuple[int, ...]]:
    if not any(left):
        return [()]
    return [
        (thread, *rest)
        for thread, count in enumerate(left)
        if count
        for rest in orders((*left[:thread], count - 1, *left[thread + 1 :]))
    ]


@pytest.mark.parametrize("lengths", [(2, 2), (3, 3), (2, 2, 2)])
@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_a_bounded_search_sees_the_orders_with_so_many_preemptions(
    lengths: tuple[int, ...], bound: int
) -> None:
    runs, strategy = count(touching(*lengths), bound)
    wanted = sum(preemptions(order, lengths) <= bound for order in orders(lengths))
    assert runs == wanted
    assert strategy.unbounded == (wanted == interleavings(*lengths))


def test_what_a_lock_makes_impossible_is_not_tried() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")

        def body() -> None:
            with lock, lock:  # recursive
                threads.touch("x", write=True)

        for number in range(3):
            threads.spawn(f"t{number}", body)
        threads.join()

    assert count(main)[0] == factorial(3)


def test_threads_may_sleep_or_spawn_before_their_first_switch_point() -> None:
    def main(threads: SimThreads) -> None:
        def child() -> None:
            threads.touch("x", write=True)

        def parent() -> None:
            threads.spawn("child", child)
            threads.touch("x", write=True)

        def sleeper() -> None:
            threads.scheduler.park(5)
            threads.touch("x", write=True)

        threads.spawn("parent", parent)
        threads.spawn("sleeper", sleeper)
        threads.spawn("other", child)
        threads.join()
        assert threads.scheduler.now == 5

    runs, strategy = count(main)
    assert strategy.unbounded
    assert runs >= interleavings(1, 1, 1)


def test_try_acquire_sees_every_state_of_the_lock() -> None:
    taken: set[bool] = set()

    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")

        def holds() -> None:
            with lock:
                pass

        def tries() -> None:
            got = lock.try_acquire()
            taken.add(got)
            if got:
                lock.release()

        threads.spawn("t0", holds)
        threads.spawn("t1", tries)
        threads.join()

    runs, _ = count(main)
    assert taken == {True, False}
    assert runs == 3  # before it, during it, after it


def waiting(threads: SimThreads, log: list[str], timeout_ns: int | None = None) -> None:
    """Two threads wait for one condition, a third notifies twice."""
    lock = threads.lock("a")
    condition = threads.condition(lock, "c")
    ready: list[int] = []

    def waits() -> None:
        with lock, lock:
            while not ready:
                if not condition.wait(timeout_ns):
                    log.append("timeout")
                    return
            ready.pop()
            assert lock.depth == 2
            log.append(threads.current())

    def notifies() -> None:
        for _ in range(2):
            with lock:
                ready.append(1)
                condition.notify()

    threads.spawn("t0", waits)
    threads.spawn("t1", waits)
    threads.spawn("t2", notifies)
    threads.join()


def test_a_condition_wakes_who_waits_in_every_schedule() -> None:
    orders_seen: set[tuple[str, ...]] = set()

    def main(threads: SimThreads) -> None:
        log: list[str] = []
        waiting(threads, log)
        assert sorted(log) == ["t0", "t1"]
        orders_seen.add(tuple(log))

    count(main, silent=True)  # which of two waiting threads a notify wakes is in no record
    assert orders_seen == {("t0", "t1"), ("t1", "t0")}


def test_a_wait_ends_at_its_timeout_with_the_lock() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")
        condition = threads.condition(lock, "c")

        def waits() -> None:
            with lock:
                assert not condition.wait(50)
                assert threads.scheduler.now == 50
                assert lock.holder() == "t0"

        threads.spawn("t0", waits)
        threads.join()

    records = run(main, Choices())
    told = [record for record in records if record[1] == "condition"]
    assert told == [
        (0, "condition", "c", "a", "wait", "t0", None),
        (50, "condition", "c", "a", "timeout", "t0", None),
    ]


def test_misuse_is_refused() -> None:
    def main(threads: SimThreads) -> None:
        lock = threads.lock("a")
        condition = threads.condition(lock, "c")
        for misuse in (lock.release, condition.notify, condition.notify_all, condition.wait):
            with pytest.raises(RuntimeError, match="main"):
                misuse()
        with pytest.raises(UsageError, match="nobody"):
            threads.join("nobody")

    run(main, Choices())
