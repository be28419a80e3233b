"""Every small scenario with threads, for a search that is to see all schedules of each.

Most bugs of threads show in a program of a step or two (Jackson's small scope hypothesis), if these
come while something is on its way. So there is one connection, set up so that bytes, an outcome, a
completion or a refill is due, and one thread, which does one or two of a few steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from harness.noise_threads import SHARE, UNLOCKED
from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
)
from model.workers import Workers

_MS = 1_000_000
_WAIT = AppStep("wait", None, (_MS,))  # until what the set-up began has come to rest
_TIMER = AppStep("timer", None, (0,))
_STEPS = (
    Step("enable", ("R",)),
    Step("disable", ("R",)),
    Step("write", (1,)),
    Step("free"),
    Step("trigger", ("R", True, False)),
    Step("flush", ("RW", "FINISHED")),
)
_ENABLE = Step("enable", ("RW",))
_WRITE = Step("write", (100,))
_LIMITED = RateGroup(100, 100, 100, 100, _MS, SHARE)
_SENDS = PeerEnd((Step("send", ((1,),)),))
_SENDS_LATER = PeerEnd((Step("pause", (_MS + _MS // 2,)), Step("send", ((1,),))))
_CALLS_LATER = (
    AppStep("wait", None, (2 * _MS,)),
    AppStep("trigger", "c0", ("R", True, False)),
)

#: of a thread's program: w is a wait, x a step
_SHAPES = ("wx", "x", "wxx", "wxwx")
#: a scenario without threads, and the ends that a thread acts on
_Base = tuple[Scenario, tuple[str, ...]]


def small_scenarios(focus: str = "", pool: bool = False) -> Iterator[Scenario]:
    """All of them, the smaller ones first. `focus` as of a `Mutant`, but for limits, which some
    have anyway; with `pool` there are two workers, who run the callbacks, and no other thread."""
    if pool:
        for base, _ in _bases(focus):
            yield replace(base, workers=Workers(2, "pooled"))
        return
    for shape in _SHAPES:
        for base, names in _bases(focus):
            for steps in _programs(names, shape, focus == "timers"):
                yield replace(base, threads=(steps,))


def _programs(names: tuple[str, ...], shape: str, timers: bool) -> Iterator[tuple[AppStep, ...]]:
    table = [AppStep(do, name, args) for do, args in _STEPS for name in names]
    if timers:
        table.insert(0, _TIMER)
    parts = [(_WAIT,) if each == "w" else table for each in shape]
    for steps in product(*parts):
        if not timers or _TIMER in steps:
            yield steps


def _bases(focus: str) -> Iterator[_Base]:
    for options in (("THREADSAFE",), UNLOCKED):

        def end(*setup: Step, options: tuple[str, ...] = options) -> BuffereventEnd:
            return BuffereventEnd(options, setup)

        both = end(_ENABLE, _WRITE)
        if focus == "layers":
            yield _base(Connection(both, both, layers=(Layer("copy"),))), ("c0", "s0")
        elif focus == "tls":
            yield _base(Connection(both, both, layers=(Layer("tls"),))), ("c0", "s0")
        elif focus == "pair":
            yield _base(Connection(both, end(_WRITE), "pair")), ("c0", "s0")
        else:
            yield _base(Connection(_SENDS, end())), ("s0",)
            if focus == "timers":
                continue  # which have nothing to do with a connection
            yield _base(Connection(both, _SENDS)), ("c0",)
            reads = end(_ENABLE, Step("disable", ("W",)))
            yield replace(_base(Connection(reads, _SENDS_LATER)), app=_CALLS_LATER), ("c0",)
            limited = end(_ENABLE, Step("join_group", (0,)), Step("write", (200,)))
            yield replace(_base(Connection(limited, PeerEnd())), groups=(_LIMITED,)), ("c0",)


def _base(connection: Connection) -> Scenario:
    return Scenario((connection,))
