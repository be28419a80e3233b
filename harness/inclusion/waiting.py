"""What waits in the network of an attempt, and when it may happen.

Everything happens as soon as the records allow (`settle`, with the bounds of
`harness.inclusion.life`). When a record needs more than has happened, `press` looks for it: a
segment that was held back without need, a call that a peer has made but not recorded yet.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, NamedTuple

from harness.inclusion.held import ENDLESS, WAITS, Held, HeldNetwork, HeldScheduler
from harness.inclusion.life import Life
from harness.inclusion.raw_ends import Call, RawEnd
from harness.inclusion.says import outcome, state_of
from harness.inclusion.turns import Turns
from model.errors import Errno, SimulatorError, Win32Error
from model.trace import Record
from sim.network import SEGMENTS
from sim.segments import LISTEN, Connection

RAW_BACKLOG = 16
#: what peers write; and where there are threads, what the loop writes about them
_OF_THREADS = frozenset({"peer", "lock", "touch", "condition", "thread"})
LEAST_WINDOW = 32_768  # bytes; fewer than that Linux transmits at once


class Hint(NamedTuple):
    """A free choice taken otherwise than by default. `what` happens; `where`: an end, or a record.

    unread: an end closes with bytes unread (or, by default so, without); late: a peer's call at
    that record came behind the loop's call that was running; early: `subject` became ready before
    that record.
    """

    what: Literal["unread", "late", "early"]
    where: str | int
    subject: str = ""


class Mismatch(Exception):
    """No explanation: at `record`, the trace has `found`, where only `possible` could be."""

    def __init__(self, record: int, found: str, possible: str, hints: Sequence[Hint] = ()) -> None:
        super().__init__(found, possible)
        self.record = record
        self.found = found
        self.possible = possible
        self.hints = list(hints)


class Waiting:
    """An attempt's network, its sockets and its raw ends."""

    LOOP_CALLS: Collection[str] = frozenset()

    def __init__(
        self,
        records: Sequence[Record],
        hints: Collection[Hint],
        flavour: Literal["linux", "nt"],
    ) -> None:
        self.records = records
        self.hints = hints
        self.completion = flavour == "nt"
        self.scheduler = HeldScheduler()
        self.network = HeldNetwork(self.scheduler, flavour)
        self.at = 0
        self.clock = 0  # the number of the record that is being explained, 1 more when it is
        self.lives: dict[Connection, Life] = {}
        self.ports: dict[int, int] = {}  # TCP ports of the trace: those of the simulation
        self.named_ports: dict[str, int] = {}  # of listeners, by the name of their end
        self.late: list[tuple[int, RawEnd]] = []  # peers' records that wait for the running call
        self.wakes: Callable[[], object] | None = None
        self.raw_at: dict[int, RawEnd] = {}  # whose record that is
        self.raw: dict[str, RawEnd] = {}
        self.raw_of: dict[Connection, RawEnd] = {}
        self.loose: set[str] = set()
        self.turns = Turns(records, self.LOOP_CALLS)
        self.made: set[int] = set()  # calls of other threads, by record
        self.idle = self._idle()

    def _idle(self) -> tuple[int, int]:
        """The waits that found nothing and then `quiet`; nothing of that: beyond the end."""
        records = self.records
        last = next((n for n, record in enumerate(records) if record[1] == "quiet"), None)
        if last is None:
            return len(records), len(records)
        first = last
        while first and records[first - 1][1] in ("epoll_wait", "gqcs"):
            if records[first - 1][4] not in ([], Win32Error.WAIT_TIMEOUT):
                break
            first -= 1
        return first, last

    def must(
        self, condition: bool, found: Any, possible: str, life: Life | None = None, ahead: int = 0
    ) -> None:
        """Raises a `Mismatch` at this record (or `ahead` of it) unless `condition` holds."""
        if not condition:
            text = found if isinstance(found, str) else outcome(found)
            raise Mismatch(self.at + ahead, text, possible, self.doubts(life))

    def doubts(self, life: Life | None) -> list[Hint]:
        """Choices that were taken by default, and might have been taken otherwise."""
        doubts = [
            Hint("late", call.record)
            for raw in self.raw.values()
            for call in raw.calls[: raw.done][-3:]
            if call.record is not None
            and call.operation in ("close", "reset", "shutdown", "recv", "send")
            and self._running_at(call.record) is not None
        ]
        ended = [each.name for each in self.lives.values() if each.closed is not None]
        doubts += [Hint("unread", name) for name in dict.fromkeys(ended)]
        return [hint for hint in doubts if hint not in self.hints]

    def _running_at(self, number: int) -> int | None:
        """The loop's next record, if it is that of a kernel call: it may have been running.

        The waits before `quiet` were not: a run is quiet long after the peers' last records.
        """
        for later in range(number + 1, len(self.records)):
            kind = self.records[later][1]
            if later not in self.turns.others and kind not in _OF_THREADS:
                idle = self.idle[0] <= later < self.idle[1]
                return later if kind in self.LOOP_CALLS and not idle else None
        return len(self.records)  # the trace ends before it was written

    def perform(self, raw: RawEnd, call: Call, number: int) -> None:
        """Makes one call of a raw peer. Raises `Mismatch` if it cannot have had its result."""
        raise SimulatorError(f"{type(self).__name__} makes no such call")

    # -- what waits -------------------------------------------------------------------------------

    def settle(self) -> None:
        """Lets everything happen that may."""
        held = self.scheduler.held
        moved = bool(held)
        while moved:
            moved = False
            for each in tuple(held):
                if each in held and self.let(each):
                    moved = True

    def let(self, held: Held, pressed: bool = False) -> bool:
        """Lets `held` happen if it may; `pressed`: although nothing but a guess speaks for it."""
        name = held.name
        if name == "_deliver":
            return self._let_deliver(held, pressed)
        who: Any = held.who
        if name == "_syn":
            if not self.life(who).answer_allowed():
                return False
            self._release(held)
            self._answered(who)
            return True
        if name == "_acked":
            if not pressed and not self.life(who).space_allowed():
                return False
        elif name == "_new_window":
            if self.scheduler.now < held.t_ns + held.delay_ns and not pressed:
                return False
        elif name in WAITS and WAITS[name].startswith("iocp.") and not self.packet_allowed(held):
            return False
        self._release(held)
        return True

    def packet_allowed(self, held: Held) -> bool:
        """Whether an operation may become a packet now."""
        return True

    def _release(self, held: Held) -> None:
        self.scheduler.held.remove(held)
        decision = WAITS.get(held.name)
        if decision is not None:
            self._waited(decision, held)
        held.action()

    def _waited(self, decision: str, held: Held) -> None:
        same = self.scheduler.record == held.record
        self.network.waited(decision, 0 if same else self.scheduler.now - held.t_ns)

    def _answered(self, client: Connection) -> None:
        """A SYN was answered: which socket of the trace is the other end?"""
        child = client.peer
        if child is None or child in self.lives:
            return
        listener = self.network.listeners.get(child.local_port)
        life = None if listener is None else self.lives.get(listener)
        if life is not None:
            if life.syns < len(life.accepted):
                self.lives[child] = life.accepted[life.syns]
            life.syns += 1
        self.life(child)

    def life(self, endpoint: Connection) -> Life:
        """The life of a socket; one without bounds where the trace has none."""
        life = self.lives.get(endpoint)
        if life is None:
            life = self.lives[endpoint] = Life("a socket that nobody has", None, 0)
        if life.fd is not None:
            life.position = self.clock
        return life

    def _let_deliver(self, held: Held, pressed: bool) -> bool:
        """The head of a wire arrives, or so much of it as may."""
        sender: Connection = held.who
        receiver = sender.peer
        if not sender.wire or receiver is None:
            self.scheduler.held.remove(held)
            return True
        kind, size = sender.wire[0]
        if not isinstance(kind, (bytes, str)):
            return self._let_join(held, receiver)
        life = self.life(receiver)
        if not receiver.closed:
            if isinstance(kind, bytes):
                room = life.bytes_allowed()
                if not pressed:
                    room = min(room, self._unread_allowed(receiver, life))
                if room <= 0:
                    return False
                self._check_idle(held, life, receiver)
                if room < size:
                    self._split(sender, kind, room)
                    life.arrived += room
                    self.network.waited("tcp.latency", 0)
                    sender._deliver()
                    return True
                life.arrived += size
            elif not (life.fin_allowed() if kind == "FIN" else self.may_reset(life)):
                return False
            else:
                self._check_idle(held, life, receiver)
        self._release(held)
        return True

    def _check_idle(self, held: Held, life: Life, receiver: Connection) -> None:
        """Before `quiet` the loop has only waited: what arrives then was there long before."""
        if life.fd is not None and held.record < self.idle[0] <= self.at <= self.idle[1]:
            possible = f"{state_of(receiver, life.name)}: it would have heard of that"
            raise Mismatch(self.idle[1], "all is quiet", possible, self.doubts(life))

    def _let_join(self, held: Held, child: Connection) -> bool:
        listener = self.network.listeners.get(child.local_port)
        life = None if listener is None else self.life(listener)
        if life is not None:
            if not life.join_allowed() or not self.may_join(life, listener):
                return False
            life.joined += 1
        self.scheduler.held.remove(held)
        self._waited("tcp.accept_latency", held)
        held.action()
        return True

    def may_join(self, life: Life, listener: Any) -> bool:
        return True

    def may_reset(self, life: Life) -> bool:
        """Whether neither records nor what the socket has still to tell speak against a reset."""
        return life.reset_allowed()

    def _split(self, sender: Connection, data: bytes, size: int) -> None:
        """Cuts the segment at the head of a wire."""
        assert sender.wire is not None
        cut = bisect_right(SEGMENTS, size) - 1  # the largest that is drawn; several make any size
        self.network.note("tcp.segment", len(SEGMENTS), max(cut, 1))
        sender.wire[0] = (data[size:], len(data) - size)
        sender.wire.appendleft((data[:size], size))

    def _unread_allowed(self, receiver: Connection, life: Life) -> int:
        """How many bytes may arrive, if this end is not to have any unread when it closes.

        An end that closes with bytes unread resets the connection. Where the other end saw end of
        file and no reset, it had none: a guess, since the end of file may have been told before.
        """
        if life.closed is None or receiver.peer is None:
            return ENDLESS
        other = self.life(receiver.peer)
        clean = other.terminal == "eof"
        if Hint("unread", life.name) in self.hints:
            clean = not clean
        return life.read - life.arrived if clean else ENDLESS

    def _check_quiet(self, number: int) -> None:
        """For a while nothing has happened: whatever was under way has arrived by now."""
        for held in self.scheduler.held:
            if held.name == "_deliver" and self._kept_back(held.who):
                receiver = held.who.peer
                life = self.life(receiver)
                possible = f"{state_of(receiver, life.name)}: it would have heard of that"
                raise Mismatch(number, "all is quiet", possible, self.doubts(life))
            self.check_quiet(held)

    def check_quiet(self, held: Held) -> None:
        """The same, for what a subclass knows of."""

    def _kept_back(self, sender: Connection) -> bool:
        """Whether records keep the head of a wire from a socket of the application."""
        receiver = sender.peer
        if receiver is None or receiver.closed or not sender.wire:
            return False
        life = self.life(receiver)
        kind = sender.wire[0][0]
        if life.fd is None:
            return False
        if isinstance(kind, bytes):
            return life.bytes_allowed() <= 0
        if isinstance(kind, str):
            return not (life.fin_allowed() if kind == "FIN" else life.reset_allowed())
        return False

    def press(self, life: Life, endpoint: Connection) -> bool:
        """Makes one more thing happen that `endpoint` may notice; False if there is nothing."""
        listens = endpoint.state is LISTEN
        for held in tuple(self.scheduler.held):
            who = held.who
            if not isinstance(who, Connection) or held.name == "_acked":
                continue  # space is looked for where it is needed
            if (listens or who is endpoint or who.peer is endpoint) and self.let(held, True):
                self.settle()
                return True
        return self._press_peer(endpoint) or self._drop_before_reset(endpoint)

    def connect_before(self, listener: Connection) -> None:
        """Peers whose connect succeeds have made it before the listener closes."""
        for raw in self.raw.values():
            call = raw.may_begin(self.clock + 1) if raw.client and not raw.done else None
            mine = self.named_ports.get(f"s{raw.index}") == listener.local_port
            if mine and call is not None and call.record is not None and call.result is None:
                self.perform(raw, call, call.record)

    def _drop_before_reset(self, endpoint: Connection) -> bool:
        """A reset drops what its sender had not transmitted for want of a window.

        The window is the kernel's affair; that there is none takes many bytes.
        """
        sender = endpoint.peer
        wire = None if sender is None else sender.wire
        if sender is None or not wire or wire[-1][0] != "RST" or wire[0][0] == "RST":
            return False
        data = sum(size for _, size in wire)
        if data + endpoint.inbox_size < LEAST_WINDOW or not self.life(endpoint).reset_allowed():
            return False
        self.loose.add("buffers")
        sender.wire = deque([wire[-1]])
        waiting = [held for held in self.scheduler.held if held.who is sender]
        waiting = [held for held in waiting if held.name == "_deliver"]
        for held in waiting[:-1]:
            self.scheduler.held.remove(held)
        return True

    def _press_peer(self, endpoint: Connection) -> bool:
        """A raw peer may have made its next call, though its record comes later."""
        for raw in self.raw.values():
            mine = raw.endpoint is not None and raw.endpoint.peer is endpoint
            calls = raw.endpoint is None and raw.client and endpoint.state == "LISTEN"
            calls = calls and self.named_ports.get(f"s{raw.index}") == endpoint.local_port
            peer = endpoint.peer if raw.endpoint is None else None
            accepts = peer is not None and self.lives.get(peer) is raw.life
            if not (mine or calls or accepts):
                continue
            call = raw.may_begin(self.clock + 1)
            if call is None or (call.record is None and call.operation == "recv"):
                continue
            if call.operation == "connect" and isinstance(call.result, Errno):
                continue
            try:
                self.perform(raw, call, call.record if call.record is not None else self.at)
            except Mismatch:
                continue
            return True
        return False
