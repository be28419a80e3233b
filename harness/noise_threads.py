"""Application threads and completion workers out of noise: see `harness.noise`, which draws them
last.

Few scenarios have threads; then there are up to three, with a few steps each on the bufferevents
of the application, and those are made THREADSAFE: a stack at every level, a pair at both ends.
Fewer have workers, one to three, deferred or pooled; over readiness those do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.noise_limits import LATER_LIMITS
from harness.noise_tables import (
    APP_STEPS,
    STOP,
    WAITS_NS,
    WRITES,
)
from harness.scenario import (
    LOOP_STEPS,
    TLS_LAYERS,
    AppStep,
    BuffereventEnd,
    Connection,
    End,
    RateGroup,
    Reaction,
    Scenario,
    Step,
    ends,
    thread_safe,
)
from model.workers import Workers

if TYPE_CHECKING:
    from harness.noise import Noise

THREADED = 232  # a byte below leaves a scenario without threads
WORKED = 240  # a byte below leaves it without workers
THREADS = 3
WORKERS = (
    Workers(2, "pooled"),
    Workers(1, "deferred"),
    Workers(2, "deferred", 1),
    Workers(1, "pooled"),
    Workers(3, "pooled", 2),
    Workers(3, "deferred"),
)
UNLOCKED = ("THREADSAFE", "DEFER_CALLBACKS", "UNLOCK_CALLBACKS")
STEPS = 4  # of one thread
TIMED = 248  # a byte below is a wait without a timer
_PLAIN = [step for step in APP_STEPS if step.do not in LOOP_STEPS]
_FLUSHES = [Step("flush", ("RW", "FLUSH"))]
_STOPS: Reaction = (Step("disable", ("R",)), Step("enable", ("R",))) * 3
_TRIGGERS = [step for step in _PLAIN if step.do == "trigger"]
THREAD_STEPS: list[Step | Reaction] = [*WRITES, *_PLAIN, *_FLUSHES, *_TRIGGERS * 2, *[_STOPS] * 20]
LIMITED_STEPS: list[Step | Reaction] = [*THREAD_STEPS, *LATER_LIMITS * 3]
ENCRYPTED_STEPS: list[Step | Reaction] = [*THREAD_STEPS, *[Step("tls_shutdown")] * 4]
SHARE = 64  # bytes: with locks, what moves a byte is some forty records


def with_threads(noise: Noise, scenario: Scenario, timed: int = TIMED) -> Scenario:
    """The same with threads, where an end can have any. A wait of a byte from `timed` on has a
    timer."""
    more = noise.pick((("THREADSAFE",), UNLOCKED))
    safe = replace(scenario, connections=tuple(_safe(each, more) for each in scenario.connections))
    names = [name for name, _ in ends(safe) if thread_safe(safe, name)]
    if not names:
        return scenario
    table = _table(safe)
    threads = [_steps(noise, names, table, timed)]
    while len(threads) < THREADS and noise.byte() >= STOP:
        threads.append(_steps(noise, names, table, timed))
    return with_share(replace(safe, threads=tuple(threads)), SHARE)


def with_share(scenario: Scenario, share: int, rate: int = 1) -> Scenario:
    """The same with groups that give their members so many bytes, of so many a tick: a run has
    bounds."""

    def larger(group: RateGroup) -> RateGroup:
        names = ("read_rate", "read_burst", "write_rate", "write_burst")
        rates = {name: max(rate, getattr(group, name)) for name in names}
        return replace(group, min_share=max(share, group.min_share), **rates)

    return replace(scenario, groups=tuple([larger(each) for each in scenario.groups]))


def _table(scenario: Scenario) -> list[Step | Reaction]:
    """What threads do."""
    if scenario.groups:
        return LIMITED_STEPS
    layers = [layer for each in scenario.connections for layer in each.layers]
    if any(layer.kind in TLS_LAYERS for layer in layers):
        return ENCRYPTED_STEPS
    return THREAD_STEPS


def with_workers(noise: Noise, scenario: Scenario) -> Scenario:
    """The same with workers."""
    return with_share(replace(scenario, workers=noise.pick(WORKERS)), SHARE)


def _steps(
    noise: Noise, names: list[str], table: Sequence[Step | Reaction], timed: int
) -> tuple[AppStep, ...]:
    steps: list[AppStep] = []
    for step in noise.steps(table, STEPS):
        wait = noise.byte()
        if wait >= STOP:
            do = "timer" if wait >= timed else "wait"
            steps.append(AppStep(do, None, (WAITS_NS[wait % len(WAITS_NS)],)))
        steps.append(AppStep(step.do, noise.pick(names), step.args))
    return tuple(steps)


def _safe(connection: Connection, more: tuple[str, ...]) -> Connection:
    return replace(
        connection,
        client=_safe_end(connection.client, more),
        server=_safe_end(connection.server, more),
    )


def _safe_end(end: End, more: tuple[str, ...]) -> End:
    if not isinstance(end, BuffereventEnd):
        return end
    options = (*end.options, *(option for option in more if option not in end.options))
    return replace(end, options=options)
