"""The protocol's own parts: no threads at all, and kernels whose calls are switch points."""

from __future__ import annotations

from typing import Any, cast

import pytest

from model.choices import Choices
from model.errors import UsageError
from model.kernel import CompletionKernel, ReadinessKernel
from model.threads import MAIN, NO_LOCK, NO_THREADS, Blocked, Hang, Threads, switching
from model.trace import Record, Trace
from model.traced_kernel import TracedReadiness
from sim.world import SimWorld


def test_without_threads_a_lock_is_nothing_and_the_rest_is_refused() -> None:
    records: list[Record] = []
    assert not NO_THREADS.active
    lock = NO_THREADS.lock("a")
    assert lock is NO_LOCK is NO_THREADS.lock("b", recursive=False)
    with lock, lock:
        assert lock.try_acquire() and lock.holder() == MAIN == NO_THREADS.current()
    lock.acquire()
    lock.release()
    NO_THREADS.point("x")
    NO_THREADS.touch("x", write=True)
    NO_THREADS.join()
    assert NO_THREADS.attributed(records) == records.append
    with pytest.raises(UsageError, match="condition 'c'"):
        NO_THREADS.condition(lock, "c")
    with pytest.raises(UsageError, match="thread 't'"):
        NO_THREADS.spawn("t", lambda: None)


class Counted:
    """Threads that count their switch points."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.points: list[str] = []
        self.active = True

    def point(self, name: str) -> None:
        self.points.append(name)


def calls_of(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def test_every_call_of_a_kernel_but_those_that_tell_nothing_is_a_switch_point() -> None:
    for kind, protocol in (("epoll", ReadinessKernel), ("iocp", CompletionKernel)):
        world = SimWorld("epoll" if kind == "epoll" else "iocp")
        kernel: Any = world.readiness or world.completion
        counted = Counted(world.threads)
        wrapped = switching(kernel, cast("Any", counted))
        for name in calls_of(protocol):
            before = len(counted.points)
            with pytest.raises(TypeError):
                getattr(wrapped, name)("an argument", *["too many"] * 9)
            told = counted.points[before:]
            assert told == ([] if name in {"getsockname", "getpeername"} else [name])


def test_the_wrapped_kernel_does_what_the_kernel_does() -> None:
    world = SimWorld("epoll", Choices())
    assert world.readiness is not None
    assert switching(world.readiness, NO_THREADS) is world.readiness
    trace = Trace(world.now_ns)
    kernel = TracedReadiness(switching(world.readiness, world.threads), trace)
    opened: list[object] = []

    def main() -> None:
        opened.append(kernel.socket())
        opened.append(kernel.close(-1))

    world.run(main)
    assert [record[1] for record in trace.records] == ["socket", "close"]
    assert opened == [record[-1] for record in trace.records]


def test_a_hang_says_where_each_thread_stands() -> None:
    blocked = [
        Blocked("t0", ("a", "b"), "lock c, held by t1", "c", 12),
        Blocked("t1", (), "", "spin", 15),
    ]
    assert str(Hang("deadlock", blocked)) == (
        "deadlock: t0 waits for lock c, held by t1, holds a, b, at record 12 (c);"
        " t1 can run, holds no lock, at record 15 (spin)"
    )
