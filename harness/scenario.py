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

SCENARIO_VERSION = 1

# Bounds that keep a run short on a real kernel as well as in virtual time.
SIZE_MAX = 1 << 20  # bytes of one write, send or watermark
DURATION_MAX_NS = 10_000_000_000
STEPS_MAX = 1_000  # of one list of steps or reactions, and of the sizes of one send
CONNECTIONS_MAX = 64
CONNECTS_MAX = 16  # connections that one client peer makes
BUFFER_MAX = 1 << 24  # bytes of a simulated socket buffer
LAYERS_MAX = 8  # on one connection


class Parameter(NamedTuple):
    """One argument of a step, and what it may be."""

    name: str
    kind: str  # size, size0, sizes, duration, duration_or_none, mask, flag, which
    meaning: str


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
    "listener_disable": (),  # the listener of the end's connection, if it has one
    "listener_enable": (),
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

#: what may carry a connection whose ends are both bufferevents: a kernel's socket, or a pair
TRANSPORTS = ("socket", "pair")

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

#: what a read callback does once `on_read` is used up: read all there is, echo it, or nothing
AFTER_READS = ("read", "echo", "leave")


class Step(NamedTuple):
    """One action with its arguments, in the order of its parameters."""

    do: str
    args: tuple[Any, ...] = ()


class AppStep(NamedTuple):
    """One step of the application's program: on an end; or a `wait`, whose `end` is None."""

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


@dataclass(frozen=True, slots=True)
class PeerEnd:
    """An end driven raw. A client end plays its program on its first connection, and makes the
    rest of its `connects` connections when that one was accepted; a server end listens, unless
    `listens` is false: then the connect is refused. After its program an end keeps the connection
    open, without reading, until the world ends."""

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
    of a pair are made at once, without listener, connect or accept.
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
class Scenario:
    """A whole program."""

    connections: tuple[Connection, ...] = (Connection(),)
    app: tuple[AppStep, ...] = ()
    network: Network = Network()
    faults: Faults = Faults()  # of simulated worlds only, as the network


def ends(scenario: Scenario) -> Iterator[tuple[str, End]]:
    """Every end with its name, in order: c0, s0, c1, ..."""
    for index, connection in enumerate(scenario.connections):
        yield f"c{index}", connection.client
        yield f"s{index}", connection.server


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
    for _, end in ends(scenario):
        if isinstance(end, PeerEnd):
            yield from end.steps
        else:
            for reaction in reactions(end):
                yield from reaction


def longest_timeout_ns(scenario: Scenario) -> int:
    """The longest timeout that any step sets; 0 if none does."""
    longest = 0
    for step in steps_of(scenario):
        if step.do == "set_timeouts":
            longest = max(longest, *(timeout or 0 for timeout in step.args))
    return longest
