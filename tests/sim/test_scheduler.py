"""Time, turns and endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices
from model.errors import SimulatorError
from sim.scheduler import PATIENCE, Deadlock, Scheduler

Program = list[list[int]]  # for each task: how long it parks, again and again (ns)

programs = st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=5)
tapes = st.lists(st.integers(0, 7), max_size=40)


def play(program: Program, tape: Sequence[int]) -> list[tuple[int, str, int]]:
    """(time, task, step) in the order in which it happened."""
    scheduler = Scheduler(Choices(tape))
    log: list[tuple[int, str, int]] = []

    def body(name: str, naps: list[int]) -> Callable[[], None]:
        def run() -> None:
            for step, nap in enumerate(naps):
                log.append((scheduler.now, name, step))
                scheduler.park(nap)

        return run

    def main() -> None:
        for number, naps in enumerate(program):
            scheduler.spawn(f"t{number}", body(f"t{number}", naps))
        scheduler.park(1_000)

    scheduler.run(main)
    assert scheduler.now == 1_000
    assert not any(task.alive for task in scheduler.tasks)
    return log


@given(programs, tapes)
def test_time_never_goes_back_and_every_step_happens_on_time(
    program: Program, tape: list[int]
) -> None:
    log = play(program, tape)
    assert [time for time, _, _ in log] == sorted(time for time, _, _ in log)
    for number, naps in enumerate(program):
        mine = [(time, step) for time, name, step in log if name == f"t{number}"]
        assert mine == [(sum(naps[:step]), step) for step in range(len(naps))]


@given(programs, tapes)
def test_the_same_tape_gives_the_same_order(program: Program, tape: list[int]) -> None:
    assert play(program, tape) == play(program, tape)


def test_turns_are_first_in_first_out_unless_the_tape_says_otherwise() -> None:
    program: Program = [[1], [1], [1]]
    assert [name for _, name, _ in play(program, [])] == ["t0", "t1", "t2"]
    assert [name for _, name, _ in play(program, [2, 1])] == ["t2", "t1", "t0"]


def test_unpark_ends_a_park_and_leaves_no_permit() -> None:
    scheduler = Scheduler(Choices())
    seen: list[object] = []

    def sleeper() -> None:
        seen.append((scheduler.park(100), scheduler.now))
        seen.append((scheduler.park(100), scheduler.now))
        seen.append((scheduler.park(5), scheduler.now))

    def main() -> None:
        task = scheduler.spawn("sleeper", sleeper)
        assert not scheduler.unpark(task)  # not parked yet: no permit is left
        scheduler.park(40)
        assert scheduler.unpark(task)
        assert not scheduler.unpark(task)
        scheduler.park(400)

    scheduler.run(main)
    assert seen == [(True, 40), (False, 140), (False, 145)]


def test_a_deadline_that_comes_nearer_or_moves_away_is_kept() -> None:
    scheduler = Scheduler(Choices())
    seen: list[int] = []

    def sleeper() -> None:
        for nap in (1_000, 10, 2_000, 10):
            scheduler.park(nap)
            seen.append(scheduler.now)

    def main() -> None:
        task = scheduler.spawn("sleeper", sleeper)
        scheduler.park(1)
        scheduler.unpark(task)
        scheduler.park(10_000)

    scheduler.run(main)
    assert seen == [1, 11, 2_011, 2_021]


def test_call_later_comes_in_order_of_time_then_of_asking() -> None:
    scheduler = Scheduler(Choices())
    seen: list[tuple[str, int]] = []

    def main() -> None:
        def note(name: str) -> Callable[[], None]:
            return lambda: seen.append((name, scheduler.now))

        for name, delay in (("c", 7), ("a", 0), ("d", 7), ("b", 3)):
            scheduler.call_later(delay, note(name))
        scheduler.park(7)
        scheduler.park(1)

    scheduler.run(main)
    assert seen == [("a", 0), ("b", 3), ("c", 7), ("d", 7)]


def test_waiting_for_ever_is_a_deadlock() -> None:
    scheduler = Scheduler(Choices())

    def main() -> None:
        scheduler.park(30)
        with pytest.raises(Deadlock, match="at 30 ns"):
            scheduler.park(None)
        scheduler.park(None)

    with pytest.raises(Deadlock):
        scheduler.run(main)


def test_one_who_never_learns_is_ended() -> None:
    scheduler = Scheduler(Choices())
    deadlocks: list[int] = []

    def main() -> None:
        while True:
            try:
                scheduler.park(None)
            except Deadlock:
                deadlocks.append(scheduler.now)

    with pytest.raises(Deadlock):
        scheduler.run(main)
    assert len(deadlocks) == PATIENCE
    assert not any(task.alive for task in scheduler.tasks)


def test_the_end_of_main_ends_the_others_in_order() -> None:
    scheduler = Scheduler(Choices())
    log: list[str] = []

    def orderly(name: str) -> Callable[[], None]:
        def run() -> None:
            try:
                while scheduler.park(None):
                    pass
                log.append(f"{name} ended")
            finally:
                log.append(f"{name} cleaned up")

        return run

    def stubborn() -> None:
        try:
            while True:
                scheduler.park(None)
        finally:
            log.append("stubborn cleaned up")

    def main() -> None:
        scheduler.spawn("a", orderly("a"))
        scheduler.spawn("b", stubborn)
        scheduler.spawn("c", orderly("c"))
        scheduler.park(1)
        scheduler.spawn("never started", orderly("d"))

    scheduler.run(main)
    assert log == ["a ended", "a cleaned up", "stubborn cleaned up", "c ended", "c cleaned up"]
    assert not any(task.alive for task in scheduler.tasks)


def test_no_exception_is_lost() -> None:
    def fail(message: str) -> Callable[[], None]:
        def run() -> None:
            raise ValueError(message)

        return run

    scheduler = Scheduler(Choices())
    with pytest.raises(ValueError, match="alone"):
        scheduler.run(fail("alone"))

    scheduler = Scheduler(Choices())

    def main() -> None:
        scheduler.spawn("peer", fail("peer"))
        scheduler.park(1)
        raise ValueError("main")

    with pytest.raises(ExceptionGroup) as caught:
        scheduler.run(main)
    assert [str(error) for error in caught.value.exceptions] == ["peer", "main"]


def test_a_failing_callback_ends_the_run_and_its_tasks() -> None:
    scheduler = Scheduler(Choices())
    ended: list[bool] = []

    def main() -> None:
        scheduler.call_later(5, lambda: 1 // 0)
        ended.append(scheduler.park(None))

    with pytest.raises(ZeroDivisionError):
        scheduler.run(main)
    assert ended == [False]


def test_misuse_is_named() -> None:
    scheduler = Scheduler(Choices())
    with pytest.raises(SimulatorError, match="outside of a task"):
        scheduler.park(1)
    scheduler.spawn("twin", lambda: None)
    with pytest.raises(SimulatorError, match="twin"):
        scheduler.spawn("twin", lambda: None)
    scheduler.run(lambda: None)
    with pytest.raises(SimulatorError, match="once"):
        scheduler.run(lambda: None)
