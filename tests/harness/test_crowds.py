"""Crowds of threads that Hypothesis draws, on pools of workers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, Scenario
from harness.schedules import RandomWalk
from model.workers import Workers
from tests.harness.test_app_threads import SAFE, UNLOCKED

MS = 1_000_000
ENDS = ("c0", "s0", "c1", "s1")
MASKS = st.sampled_from(("R", "W", "RW"))
STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(((1,), (100,), (5_000,)))),
    st.tuples(st.sampled_from(("enable", "disable")), st.tuples(MASKS)),
    st.tuples(st.just("setwatermark"), st.sampled_from((("R", 0, 64), ("R", 0, 0), ("R", 10, 0)))),
    st.tuples(st.just("set_timeouts"), st.sampled_from(((MS, None), (2 * MS, MS), (None, None)))),
    st.tuples(st.just("free"), st.just(())),
)
THREADS = st.lists(
    st.lists(st.tuples(st.sampled_from(ENDS), STEPS), min_size=1, max_size=8),
    min_size=1,
    max_size=3,
)
OPTIONS = st.sampled_from((SAFE, (*SAFE, "DEFER_CALLBACKS"), UNLOCKED))
Threads = list[list[tuple[str, tuple[str, tuple[object, ...]]]]]


def _crowd(threads: Threads, options: tuple[str, ...]) -> Scenario:
    end = BuffereventEnd(options=options, after_reads="echo")
    other = BuffereventEnd(options=options)
    return Scenario(
        connections=(Connection(other, end), Connection(other, end)),
        threads=tuple(
            tuple(AppStep(do, name, args) for name, (do, args) in steps) for steps in threads
        ),
    )


def _play(scenario: Scenario, world: str, seed: int, chance: float) -> Outcome:
    return run(scenario, world, choices=RandomWalk(seed, chance).source())


@given(
    threads=THREADS,
    options=OPTIONS,
    workers=st.builds(
        Workers,
        st.integers(1, 4),
        st.sampled_from(("deferred", "pooled")),
        st.integers(0, 3),
    ),
    seed=st.integers(0, 1 << 16),
    chance=st.sampled_from((0.0, 0.02, 0.2)),
)
@settings(max_examples=100)
def test_workers_keep_every_property(
    threads: Threads, options: tuple[str, ...], workers: Workers, seed: int, chance: float
) -> None:
    scenario = replace(_crowd(threads, options), workers=workers)
    outcome = _play(scenario, "sim-iocp", seed, chance)
    assert not outcome.verdicts.unreadable
    assert not outcome.verdicts.violations
    names = {record[2] for record in outcome.records if record[1] == "thread"}
    assert names >= {f"w{number}" for number in range(workers.count)}
