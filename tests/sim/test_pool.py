"""A pool of greenlets changes the cost of runs and nothing else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schedules import RandomWalk
from harness.thread_programs import PLANTED, Planted
from harness.thread_run import run_threads
from model.choices import Choices
from sim.scheduler import Scheduler
from sim.task import Pool

SHORT = [each for each in PLANTED if each.name != "livelock"]


@given(st.lists(st.tuples(st.sampled_from(SHORT), st.integers(0, 1 << 30)), max_size=6))
def test_runs_that_share_greenlets_are_the_runs_that_do_not(
    runs: Sequence[tuple[Planted, int]],
) -> None:
    """Hangs and exceptions among them, which end threads wherever they are."""
    pool = Pool()
    for each, seed in runs:
        alone = run_threads(each.broken, RandomWalk(seed).source())
        shared = run_threads(each.broken, RandomWalk(seed).source(), pool=pool)
        assert shared.records == alone.records
        assert shared.failure == alone.failure


def test_greenlets_are_used_again_and_keep_no_run_alive() -> None:
    pool = Pool()
    worlds = []
    for _ in range(5):
        scheduler = Scheduler(Choices(), pool)

        def main(scheduler: Scheduler = scheduler) -> None:
            def sleep() -> None:
                scheduler.park(5)

            for number in range(3):
                scheduler.spawn(f"t{number}", sleep)
            scheduler.park(10)

        scheduler.run(main)
        assert not any(task.alive for task in scheduler.tasks)
        worlds.append(weakref.ref(scheduler.tasks[0].scheduler.environment))
        assert len(pool.idle) == 4
    del scheduler, main
    gc.collect()
    assert [world() for world in worlds] == [None] * 5


def test_what_a_pooled_task_raises_is_raised_and_the_greenlet_serves_on() -> None:
    pool = Pool()
    for _ in range(2):
        scheduler = Scheduler(Choices(), pool)

        def main() -> None:
            raise LookupError("gone")

        with pytest.raises(LookupError, match="gone"):
            scheduler.run(main)
    assert len(pool.idle) == 1
