"""The tables that `harness.noise` reads scenarios with: sizes, times, and whole steps.

Each begins with its dullest entry; what is often used stands there more than once.
"""

from __future__ import annotations

from harness.scenario import (
    EVENTS,
    FILTER_LAYERS,
    TLS_LAYERS,
    BuffereventEnd,
    Connection,
    Layer,
    Network,
    PeerEnd,
    Reaction,
    Step,
)
from model.faults import CALLS

MS = 1_000_000

SIZES = (1, 64, 10, 100, 2, 9, 11, 63, 65, 99, 101, 1000, 4096, 4095, 4097, 16384, 16385, 20000)
WATERMARKS = (0, 1, 10, 64, 100, 4096, 16384)
HIGHS = (16384, 4096, 100, 64)  # not 1: a run of thousands of reads is cut
WAITS_NS = (0, 1 * MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS)
TIMEOUTS_NS = (None, 5 * MS, 1 * MS, 20 * MS, 50 * MS)
NETWORKS = (Network(), Network(4096, 4096), Network(65536, 2000), Network(1000, 100_000))
OPTIONS: tuple[tuple[str, ...], ...] = (
    ("CLOSE_ON_FREE",),
    ("CLOSE_ON_FREE", "DEFER_CALLBACKS"),
    (),
    ("CLOSE_ON_FREE", "THREADSAFE"),
    ("CLOSE_ON_FREE", "THREADSAFE", "DEFER_CALLBACKS", "UNLOCK_CALLBACKS"),
    ("DEFER_CALLBACKS",),
)


def _steps(do: str, *args: tuple[object, ...]) -> list[Step]:
    return [Step(do, arguments) for arguments in args]


WRITES = _steps("write", *((size,) for size in SIZES))
_READS = _steps("read", (0,), (1,), (10,), (63,), (64,), (100,), (4096,))
_ECHO = _steps("echo", ())
_DIRECTIONS = [
    *_steps("enable", ("R",), ("W",), ("RW",)),
    *_steps("disable", ("R",), ("W",), ("RW",)),
]
_WATERMARKS = [
    *_steps("setwatermark", *(("R", low, 0) for low in WATERMARKS)),
    *_steps("setwatermark", *(("R", 0, high) for high in HIGHS)),
    *_steps("setwatermark", ("R", 10, 100), ("R", 64, 64), ("R", 100, 4096), ("R", 100, 10)),
    *_steps("setwatermark", *(("W", low, 0) for low in WATERMARKS[1:])),
]
_TIMEOUTS = _steps(
    "set_timeouts", *((read, write) for read in TIMEOUTS_NS for write in TIMEOUTS_NS[:3])
)
_TRIGGERS = _steps(
    "trigger",
    *(
        (mask, ignore, defer)
        for mask in ("R", "W")
        for ignore in (False, True)
        for defer in (False, True)
    ),
)
_SETCB = _steps("setcb", ("RWE",), ("",), ("R",), ("RE",), ("WE",))
_BUSY = _steps("busy", (1 * MS,), (6 * MS,))
_FREE = _steps("free", ())
_LISTENER = [*_steps("listener_disable", ()), *_steps("listener_enable", ())]

_SETFD = _steps("setfd", ())
_RECONNECT = _steps("reconnect", ())
_TRIGGER_EVENTS = _steps(
    "trigger_event", *((what, defer) for what in EVENTS for defer in (False, True))
)
_PRIORITIES = _steps("priority", (1,), (0,), (2,))
_SET_CB = _steps("listener_set_cb", (False,), (True,))
#: several steps under one byte: what one of them alone seldom leads to (a disable while the input
#: is full, then room in it)
MOTIFS: list[Reaction] = [
    (Step("disable", ("R",)), Step("read", (10,))),
    (Step("disable", ("R",)), Step("setwatermark", ("R", 0, 0))),
]

#: what callbacks do; often used steps stand there more than once
REACTION_STEPS: list[Step | Reaction] = [
    *_READS * 2, *WRITES, *_ECHO * 8, *_DIRECTIONS * 2, *_WATERMARKS, *_TIMEOUTS, *_TRIGGERS,
    *_SETCB, *_BUSY, *_FREE * 8, *_steps("disable", ("R",)) * 8,
    *_RECONNECT * 6, *_TRIGGER_EVENTS, *_SETFD, *_PRIORITIES, *MOTIFS * 3,
]  # fmt: skip
#: what a set-up does behind its `enable`
SETUP_STEPS: list[Step] = [
    *WRITES, *_WATERMARKS * 2, *_TIMEOUTS, *_SETCB, *_TRIGGERS, *_DIRECTIONS, *_LISTENER * 2,
    *_SETFD * 4, *_PRIORITIES * 2,
]  # fmt: skip
ACCEPT_STEPS: list[Step] = [
    *_LISTENER * 20, *WRITES, *_DIRECTIONS, *_WATERMARKS, *_TIMEOUTS, *_FREE * 4,
    *_SET_CB * 8, *_SETFD,
]  # fmt: skip
APP_STEPS: list[Step] = [
    *WRITES, *_READS, *_ECHO * 2, *_DIRECTIONS * 3, *_WATERMARKS, *_TIMEOUTS, *_TRIGGERS,
    *_SETCB, *_FREE * 4, *_LISTENER * 2,
    *_RECONNECT * 6, *_TRIGGER_EVENTS, *_SETFD * 2, *_PRIORITIES, *_SET_CB * 2,
]  # fmt: skip
_SENDS = [
    *_steps("send", *(((size,),) for size in SIZES)),
    *_steps("send", ((1, 1, 1),), ((64,) * 10,), ((9, 1, 1, 89),), ((4096, 1, 16384),)),
]
_PAUSES = _steps("pause", (1 * MS,), (5 * MS,), (20 * MS,))
#: what a raw peer does
PEER_STEPS: list[Step] = [
    *_SENDS, *_steps("recv", *((size,) for size in SIZES)), *_steps("recv_all", ()) * 3,
    *_steps("echo", (64,), (1,), (200,)), *_PAUSES * 3, *_steps("shutdown", ()) * 6,
    *_steps("close", ()) * 5, *_steps("reset", ()) * 5,
]  # fmt: skip
ENABLES: tuple[Reaction, ...] = (
    (Step("enable", ("RW",)),),
    (),
    (Step("enable", ("R",)),),
    (Step("enable", ("RW",)), Step("disable", ("W",))),
)
# The same for programs whose outcome does not depend on timing; see harness.compare.race_free.
CALM_SETUP: list[Step] = [
    *WRITES,
    *_steps("setwatermark", *(("R", 0, high) for high in HIGHS)),
    *_steps("setwatermark", *(("W", low, 0) for low in WATERMARKS)),
]
CALM_PEER: list[Step] = [
    *_SENDS, *_steps("recv", *((size,) for size in SIZES)), *_steps("recv_all", ()),
    *_steps("echo", (64,), (200,)), *_PAUSES,
]  # fmt: skip
#: layers, whole; the highs are of what is below: with and without back-pressure
LAYERS = [
    *(Layer(kind) for kind in FILTER_LAYERS),
    *(Layer(kind, 4096, 4096) for kind in FILTER_LAYERS),
    *(Layer(kind, 400, 1000) for kind in FILTER_LAYERS),
    *(Layer(kind, 0, 16384) for kind in FILTER_LAYERS),
    *(Layer(kind) for kind in TLS_LAYERS),
    *(Layer(kind, 4096, 4096) for kind in TLS_LAYERS),
    *(Layer(kind, 400, 1000) for kind in TLS_LAYERS),
]
_FLUSHES = _steps(
    "flush",
    *((mask, mode) for mode in ("FLUSH", "FINISHED", "NORMAL") for mask in ("W", "R", "RW")),
)
_SHUTDOWN = _steps("tls_shutdown", ())
LAYERED_REACTIONS: list[Step | Reaction] = [*REACTION_STEPS, *_FLUSHES, *_SHUTDOWN * 4]
LAYERED_SETUP: list[Step] = [*SETUP_STEPS, *_FLUSHES]
LAYERED_APP: list[Step] = [*APP_STEPS, *_FLUSHES, *_SHUTDOWN * 6]
LAYERED_ENABLES: tuple[Reaction, ...] = (
    *ENABLES,
    *(
        (Step("enable", ("RW",)), Step("setwatermark", ("R", 0, high)), *more)
        for high in (4096, 400)
        for more in ((), (Step("write", (16384,)),))
    ),
    (Step("enable", ("RW",)), Step("setwatermark", ("R", 0, 400)), Step("flush", ("W", "FLUSH"))),
)
REFUSED = Connection(BuffereventEnd(), PeerEnd(listens=False))

CALL_FAULTS = [(call, outcome.name) for call, outcomes in CALLS.items() for outcome in outcomes]
POOLS = (64, 16, 8, 5, 2)  # pages

RARE = 170  # a byte below leaves a scenario without rarities
FAULTY = 180  # a byte below leaves a scenario without faults
LIMITED = 170  # a byte below leaves a scenario without rate limits
STOP = 90  # a byte below ends the list that it stands in
