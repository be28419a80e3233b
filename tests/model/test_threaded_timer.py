"""event_del from another thread than the loop's, in every schedule with few preemptions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import pytest

from harness.schedules import Exhaustive, RandomWalk, search
from harness.thread_run import Program, player, run_threads
from model.bases import new_base
from model.kernel import CompletionKernel, ReadinessKernel
from model.threaded_base import ThreadedBase
from model.threaded_timer import ThreadedTimer
from model.threads import NO_LOCK, switching
from model.world import World

Kind: TypeAlias = Literal["epoll", "iocp"]
KINDS = pytest.mark.parametrize("kind", ["epoll", "iocp"])
DUE_NS = 5_000_000
BUSY_NS = 10  # that the callback takes
EARLY, DURING, LATE = -1, 5, 50


class Kernels(NamedTuple):
    """A world's kernel, its calls as switch points."""

    world: World

    @property
    def readiness(self) -> ReadinessKernel | None:
        kernel = self.world.readiness
        return kernel and switching(kernel, self.world.threads)

    @property
    def completion(self) -> CompletionKernel | None:
        kernel = self.world.completion
        return kernel and switching(kernel, self.world.threads)

    def now_ns(self) -> int:
        return self.world.now_ns()


def deletes(
    delete: Callable[[ThreadedTimer], None], seen: set[str], when: int, locks: bool = False
) -> Program:
    """A thread deletes a timer, so long after it is due, and uses what its callback uses. With
    `locks` it does so under a lock that the callback takes."""

    def program(world: World) -> None:
        threads = world.threads
        base = new_base(Kernels(world), threads)
        assert isinstance(base, ThreadedBase)
        lock = threads.lock("argument")
        ended: list[str] = []

        def fires() -> None:
            begun.append("fires")
            threads.touch("argument", write=False)
            world.sleep(BUSY_NS)
            with lock if locks else NO_LOCK:
                threads.point("callback")
            assert not ended, "a callback ran, or ended, behind event_del"

        begun: list[str] = []
        timer = base.evtimer_new(fires)
        timer.start(DUE_NS)

        def thread() -> None:
            world.sleep(DUE_NS + when)
            with lock if locks else NO_LOCK:
                running = base.current is timer
                delete(timer)
                ended.append("deleted")
            seen.add("fired" if begun else "never fired")
            seen.add("while it ran" if running else "while it did not")
            threads.touch("argument", write=True)

        threads.spawn("t0", thread)
        base.loop()
        threads.join()
        base.free()

    return program


@KINDS
def test_it_returns_when_the_callback_is_over(kind: Kind) -> None:
    seen: set[str] = set()
    for when in (EARLY, 0, DURING, LATE):
        program = deletes(ThreadedTimer.stop, seen, when)
        found = search(Exhaustive(2), player(program, kind))
        assert found.failure is None and found.complete, found
    assert seen == {"fired", "never fired", "while it ran", "while it did not"}


@KINDS
def test_noblock_returns_while_it_runs(kind: Kind) -> None:
    program = deletes(ThreadedTimer.stop_noblock, set(), DURING)
    found = search(Exhaustive(0), player(program, kind))
    assert found.failure is not None
    assert "behind event_del" in found.failure or found.failure.startswith("K-2")


@KINDS
def test_with_a_lock_that_the_callback_wants_it_waits_for_ever(kind: Kind) -> None:
    """The application's mistake, and why bufferevents have EV_FINALIZE."""
    program = deletes(ThreadedTimer.stop, set(), DURING, locks=True)
    found = search(Exhaustive(0), player(program, kind))
    assert found.failure is not None and found.failure.startswith("K-3"), found
    assert "current event" in found.failure


@KINDS
def test_the_loop_s_own_thread_does_not_wait(kind: Kind) -> None:
    fired: list[int] = []

    def program(world: World) -> None:
        base = new_base(Kernels(world), world.threads)
        assert isinstance(base, ThreadedBase)

        def fires() -> None:
            fired.append(1)
            timer.stop()
            if len(fired) == 1:
                timer.start(DUE_NS)
                timer.stop()

        timer = base.evtimer_new(fires)
        timer.start(DUE_NS)
        assert base.loop() == 1
        base.free()

    assert run_threads(program, RandomWalk(1).source(), kind).failure is None
    assert fired == [1]


@KINDS
def test_one_that_a_callback_starts_again_is_waited_for_again(kind: Kind) -> None:
    """A callback that adds its own timer: after event_del from elsewhere none is running."""
    seen: set[int] = set()

    def program(world: World, when: int) -> None:
        threads = world.threads
        base = new_base(Kernels(world), threads)
        assert isinstance(base, ThreadedBase)
        count: list[int] = []

        def fires() -> None:
            count.append(1)
            if len(count) < 3:
                timer.start(0)
            world.sleep(BUSY_NS)

        timer = base.evtimer_new(fires)
        timer.start(DUE_NS)

        def thread() -> None:
            world.sleep(DUE_NS + when)
            timer.stop()
            seen.add(len(count))
            assert base.current is not timer

        threads.spawn("t0", thread)
        base.loop()
        threads.join()
        base.free()

    for when in (DURING, BUSY_NS + DURING, LATE):
        found = search(Exhaustive(1), player(partial(program, when=when), kind))
        assert found.failure is None and found.complete, found
    assert len(seen) == 3
