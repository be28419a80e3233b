"""Scenarios out of noise: one byte a decision, 0 always the dull one.

Drawing a scenario decision by decision costs Hypothesis milliseconds, several times what its run
costs. So a strategy draws one string of bytes, and this module reads a scenario out of it. It reads
so that shrinking the bytes shrinks the scenario: a step is one byte, an index into a table of
whole steps that begins with the dullest; a list ends at a byte below `STOP`; noise that has ended
answers 0 for ever. So deleting a byte deletes a step, lowering one makes it duller, and zeros end
the lists they stand in.

Sizes stand around the places where something changes: one byte, an echo's 64, the 4,096 and 16,384
bytes of one kernel operation, and each watermark with one less and one more. Waits are 0 to 20 ms,
timeouts 1 to 50 ms, so that a run takes some 150 ms at most on a real kernel.

Faults come last, so that the rest of a scenario does not depend on them. Most runs have none; the
others have each kind with an even chance (a swarm), and some a call or two that fail.

Two ends that both echo for ever would never become quiet: when both ends of a connection are
bufferevents, only the server end may echo whatever comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from harness.scenario import (
    AFTER_READS,
    AppStep,
    BuffereventEnd,
    Connection,
    Network,
    PeerEnd,
    Reaction,
    Scenario,
    Step,
)
from model.faults import CALLS, CONDITIONS, FAULTS, FOREIGN_CALLS, NONE, CallFault, Faults

T = TypeVar("T")

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


_WRITES = _steps("write", *((size,) for size in SIZES))
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

#: what callbacks do; often used steps stand there more than once
REACTION_STEPS: list[Step] = [
    *_READS * 2, *_WRITES, *_ECHO * 8, *_DIRECTIONS * 2, *_WATERMARKS, *_TIMEOUTS, *_TRIGGERS,
    *_SETCB, *_BUSY, *_FREE * 8, *_steps("disable", ("R",)) * 8,
]  # fmt: skip
#: what a set-up does behind its `enable`
SETUP_STEPS: list[Step] = [
    *_WRITES, *_WATERMARKS * 2, *_TIMEOUTS, *_SETCB, *_TRIGGERS, *_DIRECTIONS, *_LISTENER * 2,
]  # fmt: skip
ACCEPT_STEPS: list[Step] = [
    *_LISTENER * 20, *_WRITES, *_DIRECTIONS, *_WATERMARKS, *_TIMEOUTS, *_FREE * 4,
]  # fmt: skip
APP_STEPS: list[Step] = [
    *_WRITES, *_READS, *_ECHO * 2, *_DIRECTIONS * 3, *_WATERMARKS, *_TIMEOUTS, *_TRIGGERS,
    *_SETCB, *_FREE * 4, *_LISTENER * 2,
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
_ENABLES: tuple[Reaction, ...] = (
    (Step("enable", ("RW",)),),
    (),
    (Step("enable", ("R",)),),
    (Step("enable", ("RW",)), Step("disable", ("W",))),
)
# The same for programs whose outcome does not depend on timing; see harness.compare.race_free.
_CALM_SETUP: list[Step] = [
    *_WRITES,
    *_steps("setwatermark", *(("R", 0, high) for high in HIGHS)),
    *_steps("setwatermark", *(("W", low, 0) for low in WATERMARKS)),
]
_CALM_PEER: list[Step] = [
    *_SENDS, *_steps("recv", *((size,) for size in SIZES)), *_steps("recv_all", ()),
    *_steps("echo", (64,), (200,)), *_PAUSES,
]  # fmt: skip
_REFUSED = Connection(BuffereventEnd(), PeerEnd(listens=False))

_CALL_FAULTS = [
    (call, outcome.name)
    for call, outcomes in CALLS.items()
    if call not in FOREIGN_CALLS  # those are for `harness.motifs` and sweeps
    for outcome in outcomes
]
_POOLS = (64, 16, 8, 5, 2)  # pages

FAULTY = 180  # a byte below leaves a scenario without faults
STOP = 90  # a byte below ends the list that it stands in


class Noise:
    """Decisions from bytes."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def byte(self) -> int:
        """The next byte; 0 when there are no more."""
        position = self.position
        if position >= len(self.data):
            return 0
        self.position = position + 1
        return self.data[position]

    def pick(self, table: Sequence[T]) -> T:
        """One entry; the first is the dull one."""
        return table[self.byte() % len(table)]

    def steps(self, table: Sequence[Step], most: int) -> Reaction:
        """Up to `most` steps."""
        steps: list[Step] = []
        while len(steps) < most and (byte := self.byte()) >= STOP:
            steps.append(table[(byte - STOP) % len(table)])
        return tuple(steps)

    def reactions(self, table: Sequence[Step], most: int) -> tuple[Reaction, ...]:
        """Up to `most` reactions of up to two steps."""
        reactions: list[Reaction] = []
        while len(reactions) < most and self.byte() >= STOP:
            reactions.append(self.steps(table, 2))
        return tuple(reactions)


def scenario_of(data: bytes, *, race_free: bool = False, max_connections: int = 2) -> Scenario:
    """The scenario that the bytes tell; the same bytes always tell the same.

    `race_free` ones tell the same story in every world (`harness.compare.race_free` holds).
    """
    noise = Noise(data)
    network = noise.pick(NETWORKS)
    count = 1 + noise.pick((0,) * 5 + tuple(range(1, max_connections)))
    one = _calm_connection if race_free else _connection
    connections = tuple([one(noise) for _ in range(count)])
    if race_free:
        app = _app(noise, _calm_names(connections), _WRITES)
    else:
        app = _app(noise, _names(connections, "cs"), APP_STEPS)
    faults = NONE if race_free else _faults(noise)
    return Scenario(connections, app, network, faults)


def _faults(noise: Noise) -> Faults:
    """Nothing, or some kinds of faults, on some conditions, and calls that fail."""
    if noise.byte() < FAULTY:
        return NONE
    on = noise.byte() | noise.byte() << 8
    off = noise.byte() | noise.byte() << 8 if noise.byte() >= STOP else 0
    conditions = [kind for bit, kind in enumerate(CONDITIONS) if not off >> bit & 1]
    faults = [kind for bit, kind in enumerate(FAULTS) if on >> bit & 1]
    calls: list[CallFault] = []
    while len(calls) < 3 and noise.byte() >= STOP + 60:
        call, outcome = noise.pick(_CALL_FAULTS)
        calls.append(CallFault(call, 1 + noise.byte() % 12, outcome))
    return replace(
        NONE,
        kinds=(*conditions, *faults),
        calls=tuple(calls),
        pool_pages=noise.pick(_POOLS) if "pool" in faults else NONE.pool_pages,
    )


def _connection(noise: Noise) -> Connection:
    kind = noise.pick(("client", "server", "both"))
    if kind == "client":
        server = _peer(noise, client=False)
        return Connection(_bufferevent(noise, AFTER_READS), server)
    if kind == "server":
        return Connection(_peer(noise, client=True), _bufferevent(noise, AFTER_READS))
    client = _bufferevent(noise, ("read", "leave"))
    return Connection(client, _bufferevent(noise, AFTER_READS))


def _bufferevent(noise: Noise, after_reads: tuple[str, ...]) -> BuffereventEnd:
    return BuffereventEnd(
        options=noise.pick(OPTIONS),
        setup=noise.pick(_ENABLES) + noise.steps(SETUP_STEPS, 3),
        on_read=noise.reactions(REACTION_STEPS, 3),
        on_write=noise.reactions(REACTION_STEPS, 3),
        on_event=noise.reactions(REACTION_STEPS, 3),
        on_accept=noise.reactions(ACCEPT_STEPS, 3),
        after_reads=noise.pick(after_reads),
    )


def _peer(noise: Noise, client: bool) -> PeerEnd:
    if client:
        return PeerEnd(noise.steps(PEER_STEPS, 6), connects=noise.pick((1, 1, 2, 3)))
    return PeerEnd(noise.steps(PEER_STEPS, 6), listens=noise.pick((True,) * 9 + (False,)))


def _calm_connection(noise: Noise) -> Connection:
    kind = noise.pick(("client", "server", "both", "client", "server", "both", "refused"))
    if kind == "client":
        server = _calm_peer(noise)
        return Connection(_calm_end(noise, ("read", "echo")), server)
    if kind == "server":
        return Connection(_calm_peer(noise), _calm_end(noise, ("read", "echo")))
    if kind == "both":
        return Connection(_calm_end(noise, ("read",)), _calm_end(noise, ("read", "echo")))
    return _REFUSED


def _calm_end(noise: Noise, after_reads: tuple[str, ...]) -> BuffereventEnd:
    return BuffereventEnd(
        options=noise.pick(OPTIONS),
        setup=_ENABLES[0] + noise.steps(_CALM_SETUP, 3),
        after_reads=noise.pick(after_reads),
    )


def _calm_peer(noise: Noise) -> PeerEnd:
    steps = noise.steps(_CALM_PEER, 5)
    return PeerEnd(steps + noise.pick(((), (Step("shutdown"),))))


def _names(connections: tuple[Connection, ...], sides: str) -> list[str]:
    """The bufferevents of `connections` on these sides."""
    names = []
    for index, connection in enumerate(connections):
        if "c" in sides and isinstance(connection.client, BuffereventEnd):
            names.append(f"c{index}")
        if "s" in sides and isinstance(connection.server, BuffereventEnd):
            names.append(f"s{index}")
    return names


def _calm_names(connections: tuple[Connection, ...]) -> list[str]:
    """The client ends that may be written to without a race: see harness.compare."""
    return [
        f"c{index}"
        for index, connection in enumerate(connections)
        if isinstance(connection.client, BuffereventEnd)
        and connection.client.after_reads != "echo"
        and connection != _REFUSED
    ]


def _app(noise: Noise, names: list[str], table: Sequence[Step]) -> tuple[AppStep, ...]:
    """Steps on the bufferevents `names`, each after a wait or at once."""
    app: list[AppStep] = []
    for step in noise.steps(table, 6) if names else ():
        wait = noise.byte()
        if wait >= STOP:
            app.append(AppStep("wait", None, (WAITS_NS[wait % len(WAITS_NS)],)))
        app.append(AppStep(step.do, noise.pick(names), step.args))
    return tuple(app)


def tape_of(data: bytes) -> tuple[int, ...]:
    """A tape; two answers in five are the dull 0."""
    return tuple([max(0, byte - 100) for byte in data])
