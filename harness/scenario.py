"""Scenarios: programs as plain data. Their JSON is `harness.scenario_json`'s subject.

A scenario has connections, each with a client end and a server end. An end is a bufferevent of
the application (with what its callbacks do), or a raw peer (with its own program, played beside
the application on a thread of its own). The application's program is a list of steps, done in
order on the loop thread; `wait` lets the loop run. There is no code in a scenario.

Names: the client end of connection 0 is `c0`, its server end `s0`, the listener behind it `l0`.
An action on an end that is freed, or not accepted yet, is not done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from model.faults import Faults
from model.rate_limit import MIN_SHARE
from model.workers import Workers

SCENARIO_VERSION = 1

# Bounds that keep a run short on a real kernel as well as in virtual time.
SIZE_MAX = 1 << 20  # bytes of one write, send or watermark
DURATION_MAX_NS = 10_000_000_000
STEPS_MAX = 1_000  # of one list of steps or reactions, and of the sizes of one send
CONNECTIONS_MAX = 64
CONNECTS_MAX = 16  # connections that one client peer makes
BUFFER_MAX = 1 << 24  # bytes of a simulated socket buffer
GROUPS_MAX = 8  # rate limit groups
LAYERS_MAX = 8  # on one connection
THREADS_MAX = 16  # of the application, the loop's not counted
WORKERS_MAX = 16
WORKER_MODES = ("deferred", "pooled")


class Parameter(NamedTuple):
    """One argument of a step, and what it may be."""

    name: str
    kind: str  # of `harness.scenario_bounds`: size, duration, mask, flag, rate, ...
    meaning: str


#: the limits of a bufferevent or of a group; with a rate above its burst they are none, and not set
_LIMITS = (
    Parameter("read_rate", "rate", "bytes read in a tick"),
    Parameter("read_burst", "rate", "bytes to read that are saved up at most"),
    Parameter("write_rate", "rate", "bytes written in a tick"),
    Parameter("write_burst", "rate", "bytes to write that are saved up at most"),
    Parameter("tick_ns", "tick", "length of a tick; milliseconds count"),
)
_GROUP = Parameter("group", "group", "its place in the scenario's groups; none there: not done")

#: what a bufferevent's owner can do to it: in a program, at set-up, or inside a callback
ACTIONS: dict[str, tuple[Parameter, ...]] = {
    "enable": (Parameter("mask", "mask", "directions: R, W or RW"),),
    "disable": (Parameter("mask", "mask", "directions: R, W or RW"),),
    "write": (Parameter("size", "size", "bytes of the end's own stream"),),
    "read": (Parameter("size", "size0", "bytes at most; 0 for all there is"),),
    "echo": (),  # move the whole input to the output
    "setwatermark": (
        Parameter("mask", "mask", "directions: R, W or RW"),
        Parameter("low", "size0", "bytes"),
        Parameter("high", "size0", "bytes; 0 for no limit"),
    ),
    "set_timeouts": (
        Parameter("read_ns", "duration_or_none", "read timeout; null for none"),
        Parameter("write_ns", "duration_or_none", "write timeout; null for none"),
    ),
    "trigger": (
        Parameter("mask", "mask", "directions: R, W or RW"),
        Parameter("ignore_watermarks", "flag", "BEV_TRIG_IGNORE_WATERMARKS"),
        Parameter("defer", "flag", "BEV_TRIG_DEFER_CALLBACKS"),
    ),
    "setcb": (Parameter("which", "which", "callbacks that are set: some of the letters RWE"),),
    "flush": (
        Parameter("mask", "mask", "directions: R, W or RW"),
        Parameter("mode", "mode", "NORMAL, FLUSH or FINISHED"),
    ),
    "tls_shutdown": (),  # SSL_shutdown of the end's topmost TLS layer, if it has one
    "busy": (Parameter("duration_ns", "duration", "the callback takes that long"),),
    "free": (),
    "trigger_event": (
        Parameter("what", "event", "the event's bits by name"),
        Parameter("defer", "flag", "BEV_TRIG_DEFER_CALLBACKS"),
    ),
    # These two are of bufferevents on sockets, without layers; on others they are not done.
    "setfd": (),  # gives it its own descriptor again
    "reconnect": (),  # a client end gives its socket up, empties its buffers and connects anew
    "priority": (Parameter("priority", "priority", "0 is the most urgent"),),
    "listener_set_cb": (Parameter("given", "flag", "false: connections are closed at once"),),
    "listener_disable": (),  # the listener of the end's connection, if it has one
    "listener_enable": (),
    "set_rate_limit": _LIMITS,
    "clear_rate_limit": (),
    "join_group": (_GROUP,),
    "leave_group": (),
    "set_group_limit": (_GROUP, *_LIMITS),
    # Of the end's own limit; without one they are not done.
    "decrement_read": (Parameter("size", "tokens", "bytes; fewer than 0 gives tokens back"),),
    "decrement_write": (Parameter("size", "tokens", "bytes; fewer than 0 gives tokens back"),),
    "set_max_single": (
        Parameter("read", "size0", "bytes of one read at most; 0 for the default"),
        Parameter("write", "size0", "bytes of one write at most; 0 for the default"),
    ),
}

#: what a raw peer can do, in order, on its own thread
PEER_ACTIONS: dict[str, tuple[Parameter, ...]] = {
    "send": (Parameter("sizes", "sizes", "bytes of each send call"),),
    "recv": (Parameter("size", "size", "bytes to wait for; ends early at EOF or an error"),),
    "recv_all": (),  # until EOF or an error
    "echo": (Parameter("size", "size", "bytes to send back as they come"),),
    "pause": (Parameter("duration_ns", "duration", "silence, not reading"),),
    "shutdown": (),  # half-close
    "close": (),
    "reset": (),  # SO_LINGER 0
}

#: what may carry a connection whose ends are both bufferevents: a kernel's socket, a pair, or TLS
#: on a socket of its own (bufferevent_openssl_socket_new)
TRANSPORTS = ("socket", "pair", "tls")

#: kinds of layer: which pair of functions a filter has (model.filters.FILTERS)
FILTER_LAYERS = ("copy", "pieces", "double", "prepend", "error", "zlib")
#: or TLS: plain; of version 1.2; where an end without close_notify is one; where small chains share
#: a record; opened without a handshake, which is left to the first read or write
TLS_LAYERS = ("tls", "tls-1.2", "tls-dirty", "tls-batch", "tls-open")
LAYERS = FILTER_LAYERS + TLS_LAYERS

#: how far a flush goes (enum bufferevent_flush_mode)
FLUSH_MODES = ("NORMAL", "FLUSH", "FINISHED")

#: the only step of the application's program that is on no end
WAIT: tuple[Parameter, ...] = (Parameter("duration_ns", "duration", "the loop runs that long"),)
#: and of a thread's: it adds a timer of its own, waits as long, deletes it, frees what it used
TIMER: tuple[Parameter, ...] = (Parameter("duration_ns", "duration", "until the timer is due"),)
ON_NO_END = {"wait": WAIT, "timer": TIMER}

#: what a thread of the application may not do: these are the loop thread's
LOOP_STEPS = frozenset(
    {"busy", "setfd", "reconnect", "priority"}
    | {"listener_set_cb", "listener_disable", "listener_enable"}
)

#: events that an application may trigger
EVENTS = tuple(
    f"{direction}|{cause}"
    for cause in ("EOF", "ERROR", "TIMEOUT")
    for direction in ("READING", "WRITING")
)

#: what a read callback does once `on_read` is used up: read all there is, echo it, or nothing
AFTER_READS = ("read", "echo", "leave")


class Step(NamedTuple):
    """One action with its arguments, in the order of its parameters."""

    do: str
    args: tuple[Any, ...] = ()


class AppStep(NamedTuple):
    """One step of the application's program: on an end; or of `ON_NO_END`, with None for it."""

    do: str
    end: str | None
    args: tuple[Any, ...] = ()


Reaction: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class BuffereventEnd:
    """An end that is a bufferevent of the application.

    `setup` is done right after the bufferevent was made: before the connect, or in the accept
    callback. The n-th read callback does `on_read[n]`; after the last of them `after_reads`, by
    default reading all there is. The n-th write (event, accept) callback does `on_write[n]` (...),
    then nothing.
    """

    options: tuple[str, ...] = ("CLOSE_ON_FREE",)
    setup: Reaction = (Step("enable", ("RW",)),)
    on_read: tuple[Reaction, ...] = ()
    on_write: tuple[Reaction, ...] = ()
    on_event: tuple[Reaction, ...] = ()
    on_accept: tuple[Reaction, ...] = ()  # a server end's listener
    after_reads: str = "read"  # one of AFTER_READS
    setfd: bool = False  # a server end's: made without a descriptor, which setfd gives it then


@dataclass(frozen=True, slots=True)
class PeerEnd:
    """An end driven raw. A client end plays its program on its first connection, and makes the
    rest of its `connects` connections when that one was accepted; a server end listens, unless
    `listens` is false: then the connect is refused. It plays its program once for each connection
    that a client end which reconnects may make, as `s0`, `s0.1` and so on. After its program
    an end keeps the connection open, without reading, until the world ends."""

    steps: Reaction = ()
    connects: int = 1
    listens: bool = True


End: TypeAlias = BuffereventEnd | PeerEnd


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a stack, on a bufferevent with these high watermarks (bytes; 0: none)."""

    kind: str = "copy"  # one of LAYERS
    read_high: int = 0
    write_high: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """A client end that connects to a server end; at least one is a bufferevent.

    With layers, or as a bufferevent pair, both are. `layers` are bottom up, the same at both ends;
    steps act on the top, `c0`, and what is below it is `c0/0` (the lowest), `c0/1`, ... The ends
    of a pair are made at once, without listener, connect or accept. With the transport `tls` the
    lowest is TLS by itself, and has no bufferevent below.
    """

    client: End = field(default_factory=BuffereventEnd)
    server: End = field(default_factory=PeerEnd)
    transport: str = "socket"  # one of TRANSPORTS
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """Of simulated worlds only: real ones keep the kernel's own sizes."""

    sndbuf: int = 131_072  # bytes that send takes before the peer's kernel has them
    rcvbuf: int = 131_072  # bytes received and not yet read


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Bufferevents that share a limit: bytes a tick, and bytes that a member may move at least."""

    read_rate: int = 1_000
    read_burst: int = 1_000
    write_rate: int = 1_000
    write_burst: int = 1_000
    tick_ns: int = 1_000_000
    min_share: int = MIN_SHARE


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole program."""

    connections: tuple[Connection, ...] = (Connection(),)
    app: tuple[AppStep, ...] = ()
    network: Network = Network()
    faults: Faults = Faults()  # of simulated worlds only, as the network
    loop_once: bool = False  # the loop is run pass by pass: EVLOOP_ONCE
    groups: tuple[RateGroup, ...] = ()
    #: application threads, played beside the loop; their steps are on ends that are THREADSAFE
    threads: tuple[tuple[AppStep, ...], ...] = ()
    workers: Workers | None = None  # of worlds with a completion kernel only


def ends(scenario: Scenario) -> Iterator[tuple[str, End]]:
    """Every end with its name, in order: c0, s0, c1, ..."""
    for index, connection in enumerate(scenario.connections):
        yield f"c{index}", connection.client
        yield f"s{index}", connection.server


def thread_safe(scenario: Scenario, name: str) -> bool:
    """Whether threads of the application may act on that end."""
    connection = scenario.connections[int(name[1:])]
    end = connection.client if name[0] == "c" else connection.server
    if not isinstance(end, BuffereventEnd) or "THREADSAFE" not in end.options:
        return False
    # Both ends of a pair share a lock, which is the client's to have.
    other = connection.server if end is connection.client else connection.client
    return connection.transport != "pair" or "THREADSAFE" in getattr(other, "options", ())


def threaded(scenario: Scenario, completion: bool) -> bool:
    """Whether a run of it has more than one thread, in a world of that kind."""
    return bool(scenario.threads) or (completion and scenario.workers is not None)


def reactions(end: BuffereventEnd) -> Iterator[Reaction]:
    """Every list of steps of an end."""
    yield end.setup
    yield from end.on_read
    yield from end.on_write
    yield from end.on_event
    yield from end.on_accept


def steps_of(scenario: Scenario) -> Iterator[Step | AppStep]:
    """Every step, wherever it stands."""
    yield from scenario.app
    for steps in scenario.threads:
        yield from steps
    for _, end in ends(scenario):
        if isinstance(end, PeerEnd):
            yield from end.steps
        else:
            for reaction in reactions(end):
                yield from reaction


def reconnects(scenario: Scenario, connection: int) -> int:
    """How often the client end of a connection may reconnect, at most."""
    name, end = f"c{connection}", scenario.connections[connection].client
    count = sum(step.do == "reconnect" and step.end == name for step in scenario.app)
    if isinstance(end, BuffereventEnd):
        for reaction in reactions(end):
            count += sum(step.do == "reconnect" for step in reaction)
    return count


def group_limits(group: RateGroup) -> tuple[int, int, int, int, int]:
    """Its rates, bursts and tick, in the order of an action's parameters."""
    return group.read_rate, group.read_burst, group.write_rate, group.write_burst, group.tick_ns
