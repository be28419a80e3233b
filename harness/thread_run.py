"""One run of a program of threads in a simulated world, recorded, and judged by its records.

A program is a function of a world: it makes its locks, spawns its threads and joins them. Small
ones are in `harness.thread_programs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from model.choices import Choices
from model.errors import DuopollError
from model.properties.catalogue import Verdicts
from model.properties.threads import check_threads
from model.threads import Hang
from model.trace import Record, Trace
from model.world import World
from sim.task import Pool
from sim.world import SimWorld

Program: TypeAlias = Callable[[World], None]


@dataclass(frozen=True)
class ThreadRun:
    """`crash`: what a thread raised, None for a hang, which is in the records."""

    records: list[Record]
    crash: str | None
    verdicts: Verdicts

    @property
    def failure(self) -> str | None:
        """The first thing that is wrong, on one line; None for a run as it should be."""
        if self.crash is not None:
            return self.crash
        violations = self.verdicts.violations
        return f"{violations[0].property}: {violations[0].message}" if violations else None


def run_threads(
    program: Program,
    choices: Choices,
    kind: Literal["epoll", "iocp"] = "epoll",
    pool: Pool | None = None,
    points_max: int = 20_000,
) -> ThreadRun:
    """Runs `program` as the world's main thread under the schedule of `choices`.

    More than `points_max` switch points are a livelock.
    """
    world = SimWorld(kind, choices, pool=pool)
    trace = Trace(world.now_ns)
    threads = world.threads
    threads.points_left = points_max
    trace.append = threads.attributed(trace.records)
    threads.record_to(trace.append, trace.now_ns)
    crash = _play(world, program)
    return ThreadRun(trace.records, crash, check_threads(trace.records))


def _play(world: World, program: Program) -> str | None:
    try:
        world.run(lambda: program(world))
    except Hang:
        return None  # its records say so
    except DuopollError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def player(
    program: Program, kind: Literal["epoll", "iocp"] = "epoll"
) -> Callable[[Choices], str | None]:
    """`program` for `harness.schedules.search`: the failure of one run."""
    pool = Pool()
    return lambda choices: run_threads(program, choices, kind, pool).failure
