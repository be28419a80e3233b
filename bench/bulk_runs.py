"""Contenders for runs in bulk: short runs as `bench.short_runs` defines them, on all cores at once,
and what it costs to draw one case.

The workers are those of a campaign (`harness.bulk.executors`), and so is the collector's pace. The
figure is the runs of all workers in a second; each run is complete and checked.
"""

from __future__ import annotations

from concurrent.futures import wait
from time import perf_counter, process_time

from bench.short_runs import assert_complete, scenario

_WARM_UP = 100


def short_runs(jobs: int, runs: int) -> float:
    """Short runs a second of `jobs` processes, `runs` each in `sim-epoll`."""
    from harness.bulk.executors import processes

    with processes(jobs) as executor:
        wait([executor.submit(play_here, _WARM_UP) for _ in range(jobs)])
        started = perf_counter()
        done = [executor.submit(play_here, runs) for _ in range(jobs)]
        total = sum(each.result()[0] for each in done)
        return total / (perf_counter() - started)


def of_a_processor(jobs: int, runs: int) -> float:
    """The same by the processor time that the workers took: what idle cores would do."""
    from harness.bulk.executors import processes

    with processes(jobs) as executor:
        wait([executor.submit(play_here, _WARM_UP) for _ in range(jobs)])
        done = [executor.submit(play_here, runs).result() for _ in range(jobs)]
        return sum(count / seconds for count, seconds in done)


def play_here(runs: int) -> tuple[int, float]:
    """Short runs in this process: how many, and how much processor time they took."""
    from harness.collector import seldom
    from harness.run import run

    short = scenario()
    started = process_time()
    with seldom() as after_run:
        for _ in range(runs):
            outcome = run(short, "sim-epoll")
            after_run()
    seconds = process_time() - started
    assert_complete(outcome)
    return runs, seconds


def bulk_cases(cases: int) -> float:
    """Cases that bulk search draws in a second: swarm, noise, scenario and tape."""
    from random import Random

    from harness.bulk.generator import fresh, scenario_and_tape

    random = Random(1)
    started = process_time()
    for _ in range(cases):
        scenario_and_tape(fresh(random))
    return cases / (process_time() - started)


def hypothesis_cases(cases: int) -> float:
    """Examples that Hypothesis draws in a second from the strategies of `duopoll fuzz`."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from harness.strategies import scenarios, tapes

    drawn = 0

    def count(scenario: object, tape: object) -> None:
        nonlocal drawn
        drawn += 1

    configured = settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    started = process_time()
    seed(1)(configured(given(scenarios(), tapes())(count)))()
    return drawn / (process_time() - started)
