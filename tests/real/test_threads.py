"""Real threads: the same programs and the same records as in simulated worlds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns

import pytest

from harness.thread_programs import PLANTED, Planted
from harness.thread_run import run_threads
from model.choices import Choices
from model.errors import UsageError
from model.properties.threads import check_threads
from model.threads import Hang, Lock
from model.trace import Record
from real.threads import RealThreads
from real.world import RealWorld

needs_epoll = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")


def run(main: Callable[[RealThreads], None], limit_ns: int = 10_000_000_000) -> list[Record]:
    threads = RealThreads(perf_counter_ns, limit_ns)
    records: list[Record] = []
    threads.record_to(threads.attributed(records), perf_counter_ns)
    main(threads)
    assert not threads.alive()
    return records


@needs_epoll
@pytest.mark.parametrize("each", PLANTED, ids=lambda each: str(each.name))
def test_the_right_programs_run_in_a_real_world(each: Planted) -> None:
    for _ in range(10):
        world = RealWorld("epoll")
        records: list[Record] = []
        world.threads.record_to(world.threads.attributed(records), world.now_ns)
        world.run(partial(each.fixed, world))
        verdicts = check_threads(records)
        assert not verdicts.violations and not verdicts.unreadable
        assert verdicts.checked["K-3"]


def shape(records: list[Record]) -> list[tuple[object, ...]]:
    """Records without times and without who wrote them."""
    return sorted(record[1:] for record in records if record[1] != "on")


@needs_epoll
def test_a_real_run_writes_the_records_that_a_simulated_one_writes() -> None:
    """Where the schedule cannot matter: one lock, three threads, the same records in some order."""
    each = next(each for each in PLANTED if each.name == "missing-lock")
    world = RealWorld("epoll")
    records: list[Record] = []
    world.threads.record_to(world.threads.attributed(records), world.now_ns)
    world.run(lambda: each.fixed(world))
    assert shape(records) == shape(run_threads(each.fixed, Choices()).records)


def test_many_threads_exclude_each_other_and_no_record_is_lost() -> None:
    total = [0]

    def main(threads: RealThreads) -> None:
        lock = threads.lock("n")

        def count() -> None:
            for _ in range(200):
                with lock, lock:
                    threads.touch("n", write=True)
                    total[0] += 1

        for number in range(8):
            threads.spawn(f"t{number}", count)
        threads.join()

    records = run(main)
    assert total == [1_600]
    verdicts = check_threads(records)
    assert not verdicts.violations
    assert verdicts.checked["K-2"] == 1_600
    owner, held = None, 0  # no two threads between an acquire and its release
    for record in records:
        if record[1] == "lock":
            assert not held or owner == record[4]
            owner = record[4]
            held += {"acquire": 1, "release": -1}[record[3]]
    assert not held


def test_conditions_wake_who_waits_and_time_out() -> None:
    served: list[str] = []

    def main(threads: RealThreads) -> None:
        lock = threads.lock("x")
        condition = threads.condition(lock, "c")
        slots: list[int] = []

        def takes() -> None:
            with lock, lock:
                while not slots:
                    assert condition.wait(5_000_000_000)
                slots.pop()
                served.append(threads.current())

        for number in range(4):
            threads.spawn(f"t{number}", takes)
        with lock:
            slots.append(1)
            condition.notify()
        with lock:
            slots.extend((1, 2, 3))
            condition.notify_all()
        threads.join()
        with lock:
            assert not condition.wait(1_000_000)

    records = run(main)
    assert sorted(served) == ["t0", "t1", "t2", "t3"]
    assert not check_threads(records).violations
    assert any(record[1:5] == ("condition", "c", "x", "timeout") for record in records)


def test_a_real_deadlock_is_reported_like_a_simulated_one() -> None:
    threads = RealThreads(perf_counter_ns, 300_000_000)
    records: list[Record] = []
    threads.record_to(threads.attributed(records), perf_counter_ns)
    a, b = threads.lock("a"), threads.lock("b")
    met = threads.lock("met")
    both_are_in = threads.condition(met, "both")
    inside: list[str] = []

    def body(first: Lock, second: Lock) -> Callable[[], None]:
        def nests() -> None:
            with first:
                with met:
                    inside.append(threads.current())
                    both_are_in.notify_all()
                    while len(inside) < 2:
                        both_are_in.wait()
                with second:
                    pass

        return nests

    threads.spawn("t0", body(a, b))
    threads.spawn("t1", body(b, a))
    with pytest.raises(Hang) as raised:
        threads.join()
    blocked = {each.thread: each for each in raised.value.blocked}
    assert raised.value.how == "deadlock"
    assert "a" in blocked["t0"].holds or "b" in blocked["t1"].holds
    assert any("lock " in each.waits_for for each in blocked.values())
    broken = {each.property for each in check_threads(records).violations}
    assert "K-3" in broken


def test_what_a_thread_raises_is_raised_by_join() -> None:
    def main(threads: RealThreads) -> None:
        def fails() -> None:
            raise LookupError("gone")

        threads.spawn("t0", fails)
        with pytest.raises(LookupError, match="gone"):
            threads.join()
        with pytest.raises(UsageError, match="nobody"):
            threads.join("nobody")

    run(main)


def test_misuse_is_refused() -> None:
    def main(threads: RealThreads) -> None:
        lock = threads.lock("a")
        condition = threads.condition(lock, "c")
        for misuse in (lock.release, condition.notify, condition.notify_all, condition.wait):
            with pytest.raises(RuntimeError, match="main"):
                misuse()
        assert lock.try_acquire() and lock.try_acquire()
        assert lock.holder() == "main"
        lock.release()
        lock.release()
        assert lock.holder() is None

    run(main)
