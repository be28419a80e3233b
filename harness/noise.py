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

Faults come last, so that the rest of a scenario does not depend on them, and behind them rate
limits, threads and completion workers. Most runs have none; the others have each kind of fault
with an even chance (a swarm), and some a call or two that fail.

Two ends that both echo for ever would never become quiet: when both ends of a connection are
bufferevents, only the server end may echo whatever comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from harness.noise_limits import CALM_LIMITS, GROUPS, LATER_LIMITS, SETUP_LIMITS
from harness.noise_tables import (
    ACCEPT_STEPS,
    APP_STEPS,
    CALL_FAULTS,
    CALM_PEER,
    CALM_SETUP,
    ENABLES,
    FAULTY,
    HIGHS,
    LAYERED_APP,
    LAYERED_ENABLES,
    LAYERED_REACTIONS,
    LAYERED_SETUP,
    LAYERS,
    LIMITED,
    MOTIFS,
    NETWORKS,
    OPTIONS,
    PEER_STEPS,
    POOLS,
    RARE,
    REACTION_STEPS,
    REFUSED,
    SETUP_STEPS,
    STOP,
    WAITS_NS,
    WRITES,
)
from harness.noise_threads import THREADED, TIMED, WORKED, with_share, with_threads, with_workers
from harness.scenario import (
    AFTER_READS,
    TLS_LAYERS,
    AppStep,
    BuffereventEnd,
    Connection,
    End,
    Layer,
    PeerEnd,
    Reaction,
    Scenario,
    Step,
)
from model.faults import CONDITIONS, FAULTS, NONE, CallFault, Faults

T = TypeVar("T")
LAYERED_SHARE, LAYERED_RATE = 16, 1_000  # bytes: a tick of a group of stacks is fifty records
#: what most scenarios do without
PARTS = ("faults", "rarities", "limits", "threads", "workers")
CALLBACKS = ("read", "write", "event", "accept")
KINDS = ("client", "server", "both", "client", "server", "layered")  # of connections


class Noise:
    """Decisions from bytes."""

    __slots__ = ("data", "kinds", "layers", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.kinds: Sequence[str] = KINDS
        self.layers: Sequence[Layer] = LAYERS

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

    def part(self, name: str, least: int) -> int:
        """The next byte, if it is `least` or more: then there is this one of `PARTS`. Else 0."""
        byte = self.byte()
        return byte if byte >= least else 0

    def entry(self, table: Sequence[Step | Reaction], byte: int) -> Step | Reaction:
        """The entry of a table of steps that a byte from `STOP` on tells."""
        return table[(byte - STOP) % len(table)]

    def steps(self, table: Sequence[Step | Reaction], most: int) -> Reaction:
        """Up to `most` steps; a motif counts as one."""
        steps: list[Step] = []
        while most and (byte := self.byte()) >= STOP:
            most -= 1
            entry = self.entry(table, byte)
            if isinstance(entry, Step):
                steps.append(entry)
            else:
                steps += entry
        return tuple(steps)

    def reactions(self, table: Sequence[Step | Reaction], most: int) -> tuple[Reaction, ...]:
        """Up to `most` reactions of up to two steps."""
        reactions: list[Reaction] = []
        while len(reactions) < most and self.byte() >= STOP:
            reactions.append(self.steps(table, 2))
        return tuple(reactions)

    def callbacks(self, which: str, table: Sequence[Step | Reaction]) -> tuple[Reaction, ...]:
        """What the first callbacks of one of `CALLBACKS` do."""
        return self.reactions(table, 3)


def scenario_of(
    data: bytes | Noise,
    *,
    race_free: bool = False,
    max_connections: int = 2,
    focus: str = "",
    threads: bool = False,
) -> Scenario:
    """The scenario that the bytes tell; the same bytes always tell the same.

    `race_free` ones tell the same story in every world (`harness.compare.race_free` holds).
    `focus`, one of `FOCUSES`, has every scenario use a part that few of them do, and "timers" those
    that threads delete; with `threads` it
    has application threads wherever it can, and otherwise seldom. Completion workers are seldom.
    """
    noise = Noise(data) if isinstance(data, bytes) else data
    network = noise.pick(NETWORKS)
    count = 1 + noise.pick((0,) * 5 + tuple(range(1, max_connections)))
    one = _calm_connection if race_free else _FOCUSED.get(focus, _connection)
    connections = tuple([one(noise) for _ in range(count)])
    if race_free:
        app = _app(noise, _calm_names(connections), WRITES)
    else:
        layered = any(each.layers or each.transport != "socket" for each in connections)
        app = _app(noise, _names(connections, "cs"), LAYERED_APP if layered else APP_STEPS)
    faults = NONE if race_free else _faults(noise)
    scenario = Scenario(connections, app, network, faults)
    if not race_free:
        scenario = _rarities(noise, scenario)
    if noise.part("limits", LIMITED) or focus == "limits":
        limits = _calm_limits if race_free else _limits
        scenario = limits(noise, scenario)
        if any(each.layers for each in connections):
            scenario = with_share(scenario, LAYERED_SHARE, LAYERED_RATE)
    if race_free:
        return scenario
    if threads or noise.part("threads", THREADED):
        scenario = with_threads(noise, scenario, STOP if focus == "timers" else TIMED)
    return with_workers(noise, scenario) if noise.part("workers", WORKED) else scenario


def _rarities(noise: Noise, scenario: Scenario) -> Scenario:
    """What is seldom otherwise than usual: how the loop is run, how a server end gets its
    descriptor; and one end whose input fills up and then is disabled before there is room."""
    byte = noise.part("rarities", RARE)
    if not byte:
        return scenario
    if byte & 1:
        scenario = replace(scenario, loop_once=True)
    connections = scenario.connections
    if byte & 2:
        connections = tuple([_given_by_setfd(each) for each in connections])
    if byte & 4:
        connections = (_filled(connections[0], noise.pick(HIGHS)), *connections[1:])
    return replace(scenario, connections=connections)


def _given_by_setfd(connection: Connection) -> Connection:
    server = connection.server
    if not isinstance(server, BuffereventEnd):
        return connection
    return replace(connection, server=replace(server, setfd=True))


def _filled(connection: Connection, high: int) -> Connection:
    """One end stops reading at its high watermark, is disabled there and makes room then."""
    side = "server" if isinstance(connection.server, BuffereventEnd) else "client"
    end = getattr(connection, side)
    setup = (*end.setup, Step("setwatermark", ("R", 0, high)))
    reading = replace(end, setup=setup, on_read=(MOTIFS[0], *end.on_read[1:]))
    return replace(connection, **{side: reading})


def _limits(noise: Noise, scenario: Scenario) -> Scenario:
    """The same with rate limits here and there."""
    groups = noise.pick(GROUPS)
    joins = tuple([Step("join_group", (number,)) for number in range(len(groups))])
    connections = tuple([_limited(noise, each, joins) for each in scenario.connections])
    later = _app(noise, _names(connections, "cs"), LATER_LIMITS)
    return replace(scenario, connections=connections, app=scenario.app + later, groups=groups)


def _limited(noise: Noise, connection: Connection, joins: Reaction) -> Connection:
    ends: list[End] = []
    for end in (connection.client, connection.server):
        if isinstance(end, BuffereventEnd):
            setup = end.setup + noise.steps(SETUP_LIMITS, 3) + noise.steps(joins, len(joins))
            on_read = end.on_read + noise.reactions(LATER_LIMITS, 2)
            ends.append(replace(end, setup=setup, on_read=on_read))
        else:
            ends.append(end)
    return replace(connection, client=ends[0], server=ends[1])


def _calm_limits(noise: Noise, scenario: Scenario) -> Scenario:
    connections = []
    for connection in scenario.connections:
        ends: list[End] = [
            replace(end, setup=end.setup + noise.steps(CALM_LIMITS, 2))
            if isinstance(end, BuffereventEnd)
            else end
            for end in (connection.client, connection.server)
        ]
        connections.append(replace(connection, client=ends[0], server=ends[1]))
    return replace(scenario, connections=tuple(connections))


def _faults(noise: Noise) -> Faults:
    """Nothing, or some kinds of faults, on some conditions, and calls that fail."""
    if not noise.part("faults", FAULTY):
        return NONE
    on = noise.byte() | noise.byte() << 8
    off = noise.byte() | noise.byte() << 8 if noise.byte() >= STOP else 0
    conditions = [kind for bit, kind in enumerate(CONDITIONS) if not off >> bit & 1]
    faults = [kind for bit, kind in enumerate(FAULTS) if on >> bit & 1]
    calls: list[CallFault] = []
    while len(calls) < 3 and noise.byte() >= STOP + 60:
        call, outcome = noise.pick(CALL_FAULTS)
        calls.append(CallFault(call, 1 + noise.byte() % 12, outcome))
    return replace(
        NONE,
        kinds=(*conditions, *faults),
        calls=tuple(calls),
        pool_pages=noise.pick(POOLS) if "pool" in faults else NONE.pool_pages,
    )


def _connection(noise: Noise) -> Connection:
    kind = noise.pick(noise.kinds)
    if kind == "client":
        server = _peer(noise, client=False)
        return Connection(_bufferevent(noise, AFTER_READS), server)
    if kind == "server":
        return Connection(_peer(noise, client=True), _bufferevent(noise, AFTER_READS))
    if kind == "layered":
        return _layered(noise)
    client = _bufferevent(noise, ("read", "leave"))
    return Connection(client, _bufferevent(noise, AFTER_READS))


def _layered(noise: Noise) -> Connection:
    """Both ends are stacks, or the ends of a pair; a few layers, each one byte."""
    transport = noise.pick(("socket", "pair", "socket"))
    layers = [noise.pick(noise.layers)] if transport == "socket" else []
    while len(layers) < 3 and (byte := noise.byte()) >= STOP + 60:
        layers.append(noise.layers[byte % len(noise.layers)])
    steps = LAYERED_ENABLES, LAYERED_SETUP, LAYERED_REACTIONS
    client = _bufferevent(noise, ("read", "leave"), *steps)
    server = _bufferevent(noise, AFTER_READS, *steps)
    return Connection(client, server, transport, tuple(layers))


def _encrypted(noise: Noise) -> Connection:
    """A stack with TLS in it."""
    connection = _layered(noise)
    layer = Layer(noise.pick(TLS_LAYERS))
    if any(each.kind in TLS_LAYERS for each in connection.layers):
        return connection
    return replace(connection, layers=(*connection.layers, layer))


def _paired(noise: Noise) -> Connection:
    """The two ends of a pair, mostly alone."""
    connection = replace(_layered(noise), transport="pair")
    return replace(connection, layers=()) if noise.byte() & 3 else connection


_FOCUSED = {"layers": _layered, "pair": _paired, "tls": _encrypted}
FOCUSES = ("", "layers", "pair", "tls", "limits")


def _bufferevent(
    noise: Noise,
    after_reads: tuple[str, ...],
    enables: Sequence[Reaction] = ENABLES,
    setup: Sequence[Step] = SETUP_STEPS,
    reactions: Sequence[Step | Reaction] = REACTION_STEPS,
) -> BuffereventEnd:
    return BuffereventEnd(
        options=noise.pick(OPTIONS),
        setup=noise.pick(enables) + noise.steps(setup, 3),
        on_read=noise.callbacks("read", reactions),
        on_write=noise.callbacks("write", reactions),
        on_event=noise.callbacks("event", reactions),
        on_accept=noise.callbacks("accept", ACCEPT_STEPS),
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
    return REFUSED


def _calm_end(noise: Noise, after_reads: tuple[str, ...]) -> BuffereventEnd:
    return BuffereventEnd(
        options=noise.pick(OPTIONS),
        setup=ENABLES[0] + noise.steps(CALM_SETUP, 3),
        after_reads=noise.pick(after_reads),
    )


def _calm_peer(noise: Noise) -> PeerEnd:
    steps = noise.steps(CALM_PEER, 5)
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
        and connection != REFUSED
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
