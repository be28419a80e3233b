"""What the checker knows of a run at one moment: of each bufferevent, of each raw peer, of the run.

Everything here is derived from records alone. `View.enabled` is the mask that the bufferevent
should have: what the application asked for, less what the library must take away. Lengths are
derived too: the input is what the kernel delivered less what the application took, the output is
what it wrote less what the kernel took.

Two times are kept for each direction's timer, since the contract leaves freedom: `*_armed` is the
latest moment at which the timer had to start again (so it may not fire before one timeout later),
`*_touched` the latest at which it might have (so it must fire by one timeout later). A loop's clock
stands still during a pass (event.c: gettime with a cached time), hence `Run.pass_time`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from model.errors import Errno
from model.properties.catalogue import Violation
from model.properties.meters import Rates
from model.subject import EV_WRITE
from model.threads import MAIN
from model.trace import Record

#: the pass of what another thread than the loop's has recorded: passes do not say when it goes on
UNCOUNTED = 1 << 62
#: what an application wrote: bytes, or (place in its input stream, size) for an echo
Written: TypeAlias = bytes | tuple[int, int]


class Peer:
    """A raw end of a connection."""

    __slots__ = (
        "broken", "connections", "eof", "finished", "given", "name", "outgoing", "received",
        "received_count", "reset", "touched",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.outgoing: list[bytes] = []  # bytes that its kernel took
        self.given = 0
        self.received: list[bytes] = []
        self.received_count = 0
        self.connections = 0  # made or accepted; it plays its program on the first
        self.eof = False  # it read the end of file
        self.finished = False  # it closed, or shut its sending side down
        self.reset = False  # it closed abortively
        self.broken = False  # one of its calls failed
        self.touched = 0  # time of its last record


class View:
    """A bufferevent or a listener, as far as the trace has told."""

    __slots__ = (
        "above", "again", "allowed", "begun", "below", "broken", "closed", "completion",
        "connect_events", "connect_result", "connected", "connecting", "crossed_in", "crossed_out",
        "dead", "deaf", "deferred", "depth", "direct_injected", "direct_triggers", "disable_index",
        "enable_read_pass", "enable_write_pass", "enabled", "end_mark", "eof_seen", "eofs",
        "errors", "eventcb", "ever_connects", "ever_disabled", "failed", "fd", "finishing",
        "flushed", "forced", "freed", "freed_by", "fresh_in", "fresh_in_pass", "fresh_out",
        "fresh_out_pass", "generic", "given_up", "grown", "handed", "held", "high", "idle",
        "illicit", "immediate", "in_connect", "in_stuck", "injected", "injections", "is_listener",
        "kernel_connected", "low", "merges", "name", "no_end", "numb", "out_stuck", "outgoing",
        "overdue", "owed", "owed_eof", "read_armed", "read_credits", "read_high", "read_licit",
        "read_ok", "read_operation", "read_size", "read_timed_out", "read_timeout", "read_touched",
        "readcb", "reads", "received", "received_count", "refused", "sent", "shown", "shrunk",
        "stuck_mark", "suspended", "taken", "timeouts_pass", "tls", "unable", "unheard", "unlocked",
        "unoffered", "untold_write", "unwatched", "user_disabled", "write_armed", "write_credits",
        "write_enable_credits", "write_high", "write_low", "write_ok", "write_operation",
        "write_timed_out", "write_timeout", "write_touched", "write_zeros", "writecb", "written",
    )  # fmt: skip

    encrypted = False  # it is a descriptor under TLS: see model.properties.tls_socket

    def __init__(self, name: str, completion: bool, time: int) -> None:
        self.name = name
        self.fd: int | None = None
        self.is_listener = False
        self.completion = completion
        self.deferred = completion  # bufferevent_async.c forces deferral
        self.freed = self.broken = False  # broken: a call met a reset, ever
        self.closed = self.unable = False  # its descriptor is; a call said it could not arm it
        self.unwatched: object = None  # the error with which the kernel refused to watch it
        self.freed_by = ""  # the thread that did
        self.unlocked = False  # UNLOCK_CALLBACKS
        self.crossed_in = self.crossed_out = -9  # passes: see progress.crossed
        self.finishing = False  # a callback began that another thread's free came before
        self.given_up = 0  # descriptors that setfd took away
        self.begun = -1  # the record in which it did last
        # What the application set.
        self.enabled = EV_WRITE
        self.user_disabled = 0
        self.readcb = self.writecb = self.eventcb = True
        self.low = self.high = self.write_low = 0
        self.read_timeout: int | None = None
        self.write_timeout: int | None = None
        self.timeouts_pass = -2  # pass of the last set_timeouts
        self.overdue = 0  # directions whose timeout had fired by then, where a pool is to tell it
        self.enable_read_pass = self.enable_write_pass = -9
        # Bytes.
        self.received: list[bytes] = []
        self.received_count = self.taken = 0
        self.reads: list[tuple[int, bytes, int]] = []  # (place in the input, data, record)
        self.outgoing: list[Written] = []
        self.written = self.sent = 0
        self.fresh_in = self.fresh_out = 0  # completion: bytes of an operation that has ended but
        self.fresh_in_pass = self.fresh_out_pass = -9  # that may not have been processed yet
        # Why a read or write callback may come.
        self.grown = self.shrunk = False
        self.read_credits = self.write_credits = self.write_enable_credits = 0
        self.read_ok = self.write_ok = False  # the low watermark was met when it was triggered
        self.unoffered = 0  # bytes wait for a read callback: 1 since inside a callback, 2 outside
        self.held = False  # completion: bytes came while reading was disabled
        self.untold_write = 0  # the same for a write callback
        self.illicit = 0  # bytes accepted although reading was not enabled
        self.depth = self.direct_triggers = self.idle = 0
        self.in_connect = False
        self.deaf = False  # it was without an event callback, ever
        self.numb = False  # deaf, it had a timeout that is set no more
        self.begin_connection()
        # Timers.
        self.read_armed = self.write_armed = self.read_touched = self.write_touched = time
        self.read_timed_out = self.write_timed_out = False
        self._stand_alone()
        # Listeners.
        self.disable_index = -1
        self.ever_disabled = False

    def begin_connection(self) -> None:
        """What is known of one connection, at its beginning."""
        self.ever_connects = self.connecting = self.connected = False
        self.kernel_connected = self.immediate = self.failed = self.refused = False
        self.connect_result: int | None = None
        self.connect_events = 0
        self.unheard = False  # its outcome came when no event callback was set
        self.dead = False  # completion: after EOF or ERROR, in both directions
        self.errors: list[Any] = []  # what failed since the last ERROR event
        self.eofs = self.write_zeros = self.injected = 0  # injected: bits of trigger_event
        self.owed = -1  # the record of an end or failure that no event has told yet
        self.owed_eof = False
        self.eof_seen = False  # the kernel told the end of the stream
        self.injected = 0  # bits of trigger_event that wait to be told
        self.injections: list[tuple[int, int]] = []  # threads, UNLOCK_CALLBACKS: record and bits
        self.direct_injected = False  # the next event callback is a trigger_event's
        # Completion: the operation in flight.
        self.read_operation: int | None = None
        self.write_operation: int | None = None
        self.read_size = self.read_high = 0
        self.read_licit = True

    def give_up_connection(self, index: int) -> None:
        """setfd(-1): what was received and not taken, written and not sent, is nobody's now; and
        nothing of the old connection is told of the next one."""
        self.given_up += 1
        self.begun = index
        self.begin_connection()
        self.fd = None
        self.closed = False
        self.taken = self.received_count
        self.sent = self.written
        self.fresh_in = self.fresh_out = self.illicit = 0
        self.grown = self.shrunk = self.held = False
        self.read_credits = self.write_credits = self.write_enable_credits = 0
        self.read_ok = self.write_ok = False
        self.unoffered = self.untold_write = 0
        self.read_timed_out = self.write_timed_out = False

    def timed_out_unheard(self) -> bool:
        """Whether a timeout, or the want of memory or of a descriptor that is watched, may have
        disabled a direction with nobody to tell."""
        timed = self.read_timeout is not None or self.write_timeout is not None
        failed = self.unwatched is not None or Errno.ENOMEM in self.errors
        return self.numb or ((timed or failed) and (self.deaf or not self.eventcb))

    def _stand_alone(self) -> None:
        """No stack and no pair, until a record says so."""
        self.generic = False  # a filter, or an end of a pair: no kernel's
        self.merges = self.deferred  # its event may be a union: it is deferred, or one below is
        self.above: View | None = None
        self.below: View | None = None
        self.tls: Any = None  # model.properties.tls.TlsView of one that is TLS
        self.suspended = 0  # SUSPEND_* of reading, but for WM
        self.write_high = 0
        self.allowed = 0  # bytes that its high watermark lets the input hold; 0: any number
        self.forced = self.flushed = False  # a flush of it is running; was, ever
        self.in_stuck = self.out_stuck = False  # its function cannot go on with what there is
        self.stuck_mark = -1  # bytes below, ever, when its function could not go on; -1: it could
        self.again = False  # input above its high watermark is to be told again
        self.shown = 0  # bytes of input when its last read callback began
        self.end_mark = 0  # bytes that the one below had received when it told an end
        self.no_end = False  # that ERROR was of no stream: something could not be watched
        self.handed = 0  # bytes that its output function gave

    @property
    def is_pair_end(self) -> bool:
        return self.generic and self.below is None

    @property
    def bottom(self) -> View:
        """The lowest of its stack; itself, where there is none."""
        view = self
        while view.below is not None:
            view = view.below
        return view


#: whose operations are of a descriptor that was given up
NOBODY = View("", completion=True, time=0)
NOBODY.freed = True


class Run:
    """One check: the views by name and by descriptor, counters, and the violations found."""

    __slots__ = (
        "aborted", "accept_index", "accepted", "accepting", "base_freed", "by_fd", "callbacks",
        "checked", "closed", "completion", "connect_caller", "cut", "data_callbacks", "foreign",
        "idle_waits", "interest", "last_pass_time", "loop_flags", "opened", "operations", "over",
        "pass_mark", "pass_time", "passes", "peers", "pooled", "ported", "rates", "records",
        "reported", "simulated", "thread", "threaded", "tolerance", "turns", "views", "violations",
        "wait_index", "workers",
    )  # fmt: skip

    def __init__(
        self,
        records: Sequence[Record],
        completion: bool,
        simulated: bool,
        tolerance: int,
        foreign: bool = False,
    ) -> None:
        self.records = records
        self.foreign = foreign  # it reads the clock once a pass, and FIONREAD before it reads
        self.completion = completion
        self.simulated = simulated
        self.tolerance = tolerance
        self.views: dict[str, View] = {}
        self.peers: dict[str, Peer] = {}
        self.by_fd: dict[int, View] = {}
        self.operations: dict[int, View] = {}  # overlapped -> whose
        self.interest: dict[int, int] = {}  # fd -> epoll mask
        self.opened: dict[int, int] = {}  # fd -> record that opened it
        self.closed: set[int] = set()
        self.accepting: dict[int, int] = {}  # overlapped -> acceptor
        self.accept_index: dict[int, int] = {}  # accepted fd -> record in which the kernel gave it
        self.aborted = 0  # connections that were gone when accept took them
        self.accepted: dict[str, int] = {}  # listener -> accept callbacks
        self.connect_caller: View | None = None  # whose connect call is running
        self.rates: Rates | None = None  # once there are limits
        self.pass_time: int = records[0][0] if records else 0
        self.last_pass_time = self.pass_time  # of the pass before
        self.passes = 0
        self.pass_mark = 0  # the same, for what ends in this pass; others' threads: UNCOUNTED
        self.wait_index = -1
        self.idle_waits = 0
        self.loop_flags = 0
        self.callbacks = self.data_callbacks = 0  # of any kind; read and write
        self.over = self.base_freed = self.cut = False  # over: the application's program
        self.violations: list[Violation] = []
        self.thread = MAIN  # whose records these are
        self.threaded = False  # there are more
        self.ported = False  # a completion port was made
        self.workers = False  # and some take packets: what they took may be processed any time
        self.pooled = False  # and call back what is deferred
        self.turns: dict[str, int] = {}  # worker -> how often it has asked for a packet
        self.reported: set[tuple[str, str]] = set()
        self.checked: dict[str, int] = {}

    def violate(self, name: str, who: str, index: int, message: str) -> None:
        """Notes a violation, once for each property and bufferevent."""
        if (name, who) not in self.reported:
            self.reported.add((name, who))
            self.violations.append(Violation(name, index, message))

    def turn(self) -> tuple[str, int] | None:
        """The pass of the running thread: the loop's, or what a worker does between two of its
        waits. None: other threads of the application have none."""
        if self.thread == MAIN:
            return MAIN, self.passes
        number = self.turns.get(self.thread)
        return None if number is None else (self.thread, number)

    def view(self, name: str, time: int) -> View:
        """The view of a bufferevent, made when it is first named."""
        view = self.views.get(name)
        if view is None:
            view = self.views[name] = View(as_name(name), self.completion, time)
        return view

    def other_end(self, name: str) -> View | Peer | None:
        """The far end of the connection: of c0 it is s0. None if unknown: the first of several
        connections of a raw client may not be the first that is accepted, and of those that one
        bufferevent has had in turn nobody says which is which."""
        twin = ("s" if name[:1] == "c" else "c") + name[1:]
        peer = self.peers.get(twin)
        if peer is not None and peer.connections > 1:
            return None
        view = self.views.get(twin)
        own = self.views.get(name)
        if (view is not None and view.given_up) or (own is not None and own.given_up):
            return None
        return view or peer


#: what a kind of record does; true: the application's program is over
Handler: TypeAlias = Callable[[Run, int, Record], "bool | None"]


def as_bytes(data: object) -> bytes:
    """`data`, if a record may hold it as content; a TypeError makes the record unreadable."""
    if not isinstance(data, bytes):
        raise TypeError("content is bytes")
    return data


def as_name(name: object) -> str:
    """`name`, if it can be that of a bufferevent or a peer."""
    if not isinstance(name, str):
        raise TypeError("a name is text")
    return name
