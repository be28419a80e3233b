"""Explaining a trace of a completion kernel: what its records bound, and its calls made again.

The packets of a port come out in the order in which they went in, so a trace tells in which order
operations ended; none of those that a dequeue gave had gone in before the dequeue before it, which
took all there was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from harness.inclusion.held import Held
from harness.inclusion.life import Life
from harness.inclusion.replay import Hint, Replay
from harness.inclusion.says import outcome, state_of
from harness.scenario import Scenario
from harness.words import count, plain
from model.errors import NtStatus, Win32Error
from model.trace import Record
from sim.iocp import SimIocp
from sim.iocp_port import Port
from sim.iocp_profile import find_profile
from sim.iocp_socket import Socket
from sim.segments import ESTABLISHED, SYN_SENT, Connection

CALLS = frozenset(
    {
        *("socket", "bind", "listen", "shutdown", "close", "create_port", "close_port"),
        *("associate", "skip_on_success", "wsa_recv", "wsa_send", "accept_ex", "connect_ex"),
        *("update_context", "cancel_io_ex", "post", "gqcs"),
    }
)
PACKETS_MAX = 64  # of one dequeue, as the model asks; the record does not tell
SUCCESS = NtStatus.SUCCESS
BY_ITSELF = frozenset({SUCCESS, NtStatus.CONNECTION_RESET})  # not by a cancel or a close
PENDING = Win32Error.WSA_IO_PENDING
NO_MEMORY = frozenset({Win32Error.WSAEMFILE, Win32Error.WSAENOBUFS})


@dataclass
class Operation:
    """An overlapped operation of the trace: its submission, and its end if there is one.

    `after`: the record of the dequeue before the one that gave its packet; `turn` is the packet's
    number among those of its port.
    """

    kind: str
    life: Life | None
    overlapped: int
    size: int
    submitted: int
    status: NtStatus | None = None
    data: bytes | None = None
    ended: int | None = None
    after: int = -1
    turn: int | None = None


class Bounds:
    """Reads a trace once: its sockets with what bounds them, its operations, and their order."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.opened: dict[int, Life] = {}
        self.calls_of: dict[int, str] = {}
        self.listens_of: dict[int, str] = {}
        self.submissions: dict[int, Operation] = {}  # by record
        self.packets: dict[int, list[Operation | None]] = {}  # by port; None: a posted packet
        self._open: dict[int, Life] = {}
        self._flights: dict[int, Operation] = {}
        self._skips: set[int] = set()
        self._dequeued: dict[int, int] = {}
        self._asked: str | None = None
        self._listener: str | None = None
        self._port = 0
        self._left = 0  # completions that belong to the last dequeue
        self._before = -1
        for number, record in enumerate(records):
            reader = getattr(self, f"_{record[1]}", None)
            if reader is not None:
                reader(number, *record[2:])

    def _op(self, number: int, name: str, operation: str, args: tuple[Any, ...]) -> None:
        if operation == "connect":
            self._asked = name

    def _new(self, number: int, name: str, kind: str, options: int, fd: Any) -> None:
        if kind == "listener":
            self._listener = name

    def _socket(self, number: int, result: int | Win32Error) -> None:
        if not isinstance(result, Win32Error):
            self._skips.discard(result)
            life = Life(f"handle {result}", result, number)
            self.opened[number] = self._open[result] = life

    def _bind(self, number: int, fd: int, port: int, result: int | Win32Error) -> None:
        if self._listener is not None:
            self.listens_of[number] = "s" + self._listener[1:]
            self._listener = None

    def _skip_on_success(self, number: int, fd: int, result: Win32Error | None) -> None:
        if result is None:
            self._skips.add(fd)

    # -- submissions --------------------------------------------------------------------------------

    def _submit(
        self, number: int, kind: str, fd: int, overlapped: int, size: int, result: Any
    ) -> Operation | None:
        if isinstance(result, Win32Error) and result is not PENDING:
            return None
        life = self._open.get(fd)
        operation = Operation(kind, life, overlapped, size, number)
        self.submissions[number] = self._flights[overlapped] = operation
        return operation

    def _wsa_recv(self, number: int, fd: int, overlapped: int, size: int, result: Any) -> None:
        operation = self._submit(number, "recv", fd, overlapped, size, result)
        if operation is not None and operation.life is not None and result is PENDING and size:
            operation.life.is_quiet(number)
        if result is Win32Error.WSAECONNRESET and fd in self._open:
            self._open[fd].is_drained(number)
            self._open[fd].is_reset()

    def _wsa_send(self, number: int, fd: int, overlapped: int, size: int, result: Any) -> None:
        operation = self._submit(number, "send", fd, overlapped, size, result)
        if operation is not None and operation.life is not None:
            operation.life.is_sound(number)

    def _accept_ex(
        self, number: int, fd: int, acceptor: int, overlapped: int, result: Any
    ) -> None:
        operation = self._submit(number, "accept", fd, overlapped, 0, result)
        if operation is not None:
            operation.acceptor = self._open.get(acceptor)  # type: ignore[attr-defined]

    def _connect_ex(self, number: int, fd: int, port: int, overlapped: int, result: Any) -> None:
        if self._asked is not None:
            self.calls_of[number] = self._asked
        self._submit(number, "connect", fd, overlapped, 0, result)

    def _post(self, number: int, port: int, key: int, overlapped: int | None, result: Any) -> None:
        if result is None and overlapped is not None:
            self._flights.pop(overlapped, None)

    # -- ends ---------------------------------------------------------------------------------------

    def _gqcs(self, number: int, port: int, timeout_ns: int | None, result: Any) -> None:
        self._port = port
        self._left = 0 if isinstance(result, Win32Error) else result
        self._before = self._dequeued.get(port, -1)
        self._dequeued[port] = number

    def _completion(
        self, number: int, fd: int, overlapped: int, kind: str, status: NtStatus, data: Any
    ) -> None:
        operation = self._flights.pop(overlapped, None) if kind != "post" else None
        if self._left:
            self._left -= 1
            packets = self.packets.setdefault(self._port, [])
            if operation is not None:
                operation.turn = len(packets)
                operation.after = self._before
            packets.append(operation)
        if operation is None:
            return
        operation.status, operation.data, operation.ended = status, data, number
        life = operation.life
        if life is None:
            return
        if operation.kind == "recv":
            self._received(number, life, operation)
        elif operation.kind == "accept" and status is SUCCESS:
            acceptor = operation.acceptor  # type: ignore[attr-defined]
            if acceptor is not None:
                life.accepted.append(acceptor)
        elif operation.kind == "send" and status is NtStatus.CONNECTION_RESET:
            life.is_reset()

    def _received(self, number: int, life: Life, operation: Operation) -> None:
        """A receive has ended: at `number`, or earlier."""
        if operation.status is SUCCESS:
            data = operation.data or b""
            life.has_read(data)
            if len(data) < operation.size:
                life.is_drained(number)
            if not data and operation.size:
                life.is_ended()
        elif operation.status is NtStatus.CONNECTION_RESET:
            life.is_drained(number)
            life.is_reset()
        elif life.closed is not None or self._cancelled.get(id(life)) is not None:
            ended = self._cancelled.get(id(life), life.closed)
            if ended is not None:
                life.exact.append((ended, life.read))
                life.exact.sort()
                life.no_fin = max(life.no_fin, ended)

    @property
    def _cancelled(self) -> dict[int, int]:
        return self.__dict__.setdefault("_cancels", {})

    def _cancel_io_ex(self, number: int, fd: int, overlapped: int | None, result: Any) -> None:
        life = self._open.get(fd)
        if life is not None:
            self._cancelled[id(life)] = number

    def _close(self, number: int, fd: int, result: Win32Error | None) -> None:
        life = self._open.pop(fd, None)
        if life is not None:
            life.closed = number


class IocpReplay(Replay):
    """One attempt to explain a trace of IOCP."""

    LOOP_CALLS = CALLS

    def __init__(
        self,
        scenario: Scenario,
        records: Sequence[Record],
        bounds: Bounds,
        hints: Collection[Hint],
        profile: str,
    ) -> None:
        super().__init__(scenario, records, hints, "nt")
        self.bounds = bounds
        for life in bounds.opened.values():
            life.rewind()
        self.kernel = SimIocp(self.scheduler, self.network, find_profile(profile))
        self.handles: dict[int, int] = {}  # of the trace: those of the simulation
        self.taken: dict[Port, int] = {}
        self.packets: dict[Port, list[Operation | None]] = {}
        self.flights: dict[int, Operation] = {}  # by overlapped
        self.buffers: dict[int, bytearray] = {}
        self.crowded = False  # several connections may wait at once

    # -- helpers ------------------------------------------------------------------------------------

    def _handle(self, fd: int) -> int:
        return self.handles.get(fd, 0)

    def _sock(self, fd: int) -> Socket | None:
        return self.kernel._sockets.get(self._handle(fd))

    def _state(self, fd: int) -> str:
        sock = self._sock(fd)
        return state_of(None if sock is None else sock.endpoint, f"handle {fd}")

    def _life(self, sock: Socket | None) -> Life | None:
        return None if sock is None else self.life(sock.endpoint)

    def call(self, number: int, record: Record) -> None:
        getattr(self, f"_call_{record[1]}")(*record[2:])
        self._check_order()

    def let(self, held: Held, pressed: bool = False) -> bool:
        done = super().let(held, pressed)
        if done and held.name not in ("_deliver", "_acked", "_fin_acked"):
            self._check_order()
        return done

    def _check_order(self) -> None:
        """The packets that went in are those that the trace has next."""
        for port, packets in self.packets.items():
            taken = self.taken[port]
            for place, packet in enumerate(port.packets, taken):
                if place >= len(packets):
                    break
                operation = packets[place]
                wanted = None if operation is None else operation.overlapped
                if operation is not None and packet.overlapped != wanted:
                    self.must(
                        False,
                        f"packet {place} is that of overlapped {wanted}",
                        f"overlapped {packet.overlapped} ended before it",
                    )

    # -- which operations may end -------------------------------------------------------------------

    def packet_allowed(self, held: Held) -> bool:
        sock: Socket = held.who
        if sock.port is None:
            return True
        name = held.name
        if name == "_end_next":
            operation = self._next(sock, held.args[0][0][0].overlapped)
            if operation is None:
                return False
            reused = operation.status is NtStatus.OBJECT_TYPE_MISMATCH
            self.network.answers["iocp.close_number_reused"] = int(reused)
            reset = operation.kind == "recv" and operation.status is NtStatus.CONNECTION_RESET
            self.network.answers["iocp.close_meets_reset"] = int(reset)
            return sock.endpoint.reset or not reset
        if name == "end_cancelled":
            operation = self._next(sock, held.args[0].overlapped)
            gone = held.args[0] not in sock.pending()
            return gone or (operation is not None and operation.status is NtStatus.CANCELLED)
        return bool(getattr(self, f"_may_{name}")(sock))

    def _next(self, sock: Socket, overlapped: int) -> Operation | None:
        """The operation of the trace, if its packet is the next to go in, and may by now."""
        operation = self.flights.get(overlapped)
        port = sock.port
        if operation is None or port is None or operation.turn is None:
            return None
        pushed = self.taken.get(port, 0) + len(port.packets)
        if operation.turn != pushed or self.clock <= operation.after:
            return None
        return operation

    def _may_pump_receives(self, sock: Socket) -> bool:
        if not sock.receives:
            return True
        operation = self._next(sock, sock.receives[0].overlapped)
        return operation is not None and self._has_for(sock, operation)

    @staticmethod
    def _has_for(sock: Socket, operation: Operation) -> bool:
        """Whether a receive would end now as the trace says."""
        endpoint = sock.endpoint
        if operation.status is SUCCESS:
            wanted = len(operation.data or b"")
            if wanted:
                some = endpoint.inbox_size
                return some == wanted or (some > wanted and wanted == operation.size)
            return not endpoint.inbox_size and sock.receive_end() is not None
        return sock.receive_end() is operation.status

    def _may_pump_sends(self, sock: Socket) -> bool:
        if not sock.sends:
            return True
        operation = self._next(sock, sock.sends[0].overlapped)
        if operation is None:
            return False
        reset = operation.status is NtStatus.CONNECTION_RESET
        self.network.answers["iocp.reset_seen"] = int(reset)
        if sock.receives:
            beside = self.flights.get(sock.receives[0].overlapped)
            taken = beside is not None and beside.status is SUCCESS
            self.network.answers["iocp.reset_taken"] = int(taken)
        if reset:
            return sock.endpoint.state is not ESTABLISHED
        return operation.status is SUCCESS and sock.send_may_end()

    def _may_pump_accepts(self, sock: Socket) -> bool:
        if not sock.accepts or not sock.endpoint.accept_queue:
            return True
        operation = self._next(sock, sock.accepts[0].overlapped)
        if operation is None:
            return False
        child = sock.endpoint.accept_queue[0]
        return child.reset == (operation.status is NtStatus.INVALID_CONNECTION)

    def _may_end_connect(self, sock: Socket) -> bool:
        if sock.connect is None or sock.endpoint.state is SYN_SENT:
            return True
        return self._next(sock, sock.connect.overlapped) is not None

    def may_join(self, life: Life, listener: Any) -> bool:
        """One connection at a time, as long as an AcceptEx waits for it."""
        return self.crowded or not listener.accept_queue or not any(
            sock.accepts for sock in self.kernel._sockets.values() if sock.endpoint is listener
        )

    def check_quiet(self, held: Held) -> None:
        """An operation that could have ended long ago, and never has its packet."""
        if held.name not in ("pump_receives", "pump_accepts", "end_connect"):
            return
        sock: Socket = held.who
        pending = {"pump_receives": sock.receives, "pump_accepts": sock.accepts}
        first = next(iter(pending.get(held.name, ())), sock.connect)
        fd = next((real for real, mine in self.handles.items() if mine == sock.handle), 0)
        if first is None or not self.may_end(sock, held.name):
            return
        self.must(
            False,
            "all is quiet",
            f"overlapped {first.overlapped} would have its packet: {self._state(fd)}",
            self._life(sock),
        )

    @staticmethod
    def may_end(sock: Socket, name: str) -> bool:
        """Whether the network has what the first operation of that kind waits for."""
        endpoint = sock.endpoint
        if name == "pump_receives":
            return bool(endpoint.inbox_size) or sock.receive_end() is not None
        if name == "pump_accepts":
            return bool(endpoint.accept_queue)
        return endpoint.state is not SYN_SENT

    # -- sockets and ports --------------------------------------------------------------------------

    def _call_socket(self, result: int | Win32Error) -> None:
        if isinstance(result, Win32Error):
            self.must(result in NO_MEMORY, result, "a handle, or an error of memory")
            return
        self._install(result, self.kernel.socket())
        sock = self._sock(result)
        if sock is not None:
            self.lives[sock.endpoint] = self.bounds.opened.get(self.at) or Life(f"handle {result}", result, self.at)

    def _install(self, fd: int, mine: int) -> None:
        self.must(fd not in self.handles, f"the new handle {fd}", f"{fd} is still open")
        self.handles[fd] = mine

    def _call_create_port(self, result: int | Win32Error) -> None:
        if isinstance(result, Win32Error):
            self.must(False, result, "a port")
            return
        mine = self.kernel.create_port(1)
        self._install(result, mine)
        port = self.kernel._ports[mine]
        port.limit = 0  # one thread makes all calls
        self.taken[port] = 0
        self.packets[port] = self.bounds.packets.get(result, [])

    def _call_close_port(self, port: int, result: Win32Error | None) -> None:
        given = self.kernel.close_port(self._handle(port))
        self.must(given == result, result, outcome(given))
        self.handles.pop(port, None)

    def _call_bind(self, fd: int, port: int, result: int | Win32Error) -> None:
        given = self.kernel.bind(self._handle(fd), 0)
        same = given is result if isinstance(result, Win32Error) else isinstance(given, int)
        self.must(same, result, outcome(given))
        if isinstance(given, int) and isinstance(result, int):
            self.ports[result] = given
            name = self.bounds.listens_of.get(self.at)
            if name is not None:
                self.named_ports[name] = given

    def _call_listen(self, fd: int, port: Any, backlog: int, result: Win32Error | None) -> None:
        self._same(self.kernel.listen(self._handle(fd), backlog), result, fd)

    def _call_shutdown(self, fd: int, how: Any, result: Win32Error | None) -> None:
        self._same(self.kernel.shutdown(self._handle(fd), how), result, fd)

    def _call_close(self, fd: int, result: Win32Error | None) -> None:
        sock = self._sock(fd)
        self.network.answers["iocp.close_loses"] = accepts = 0
        for each in () if sock is None else sock.pending():
            operation = self.flights.get(each.overlapped)
            if sock is None or operation is None or operation.status not in BY_ITSELF:
                continue
            if operation.kind == "send" and operation.status is not SUCCESS:
                continue
            has = self._has_for(sock, operation) if operation.kind == "recv" else False
            if operation.kind == "accept":
                has = self._joined(sock, accepts := accepts + 1)
            if operation.kind == "recv" and operation.status is not SUCCESS and not has:
                continue  # a reset may still come before its packet
            self.network.answers["iocp.close_loses"] = 1
            self.must(
                has,
                f"the {operation.kind} of overlapped {each.overlapped} ends with"
                f" {operation.status.name}",
                f"it was pending when its handle was closed: {self._state(fd)}",
                self._life(sock),
            )
        self._same(self.kernel.closesocket(self._handle(fd)), result, fd)
        self.handles.pop(fd, None)

    def _joined(self, sock: Socket, wanted: int) -> bool:
        """Whether that many connections wait, at last."""
        queue = sock.endpoint.accept_queue
        life = self.life(sock.endpoint)
        self.crowded = True
        while queue is not None and len(queue) < wanted and self.press(life, sock.endpoint):
            pass
        self.crowded = False
        return queue is not None and len(queue) >= wanted

    def _call_associate(self, fd: int, port: int, key: int, result: Win32Error | None) -> None:
        self._same(self.kernel.associate(self._handle(fd), self._handle(port), key), result, fd)

    def _call_skip_on_success(self, fd: int, result: Win32Error | None) -> None:
        self._same(self.kernel.set_skip_on_success(self._handle(fd)), result, fd)

    def _call_update_context(self, fd: int, result: Win32Error | None) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        listeners = [
            each.handle
            for each in self.kernel._sockets.values()
            if life is not None and life in self.life(each.endpoint).accepted
        ]
        if listeners:
            given = self.kernel.update_accept_context(self._handle(fd), listeners[0])
        else:
            given = self.kernel.update_connect_context(self._handle(fd))
        self._same(given, result, fd)

    def _same(self, given: Any, result: Any, fd: int) -> None:
        if given != result:
            self.must(False, result, f"{outcome(given)}: {self._state(fd)}")

    # -- operations ---------------------------------------------------------------------------------

    def _submitted(self) -> Operation | None:
        operation = self.bounds.submissions.get(self.at)
        if operation is not None:
            self.flights[operation.overlapped] = operation
        return operation

    def _call_wsa_recv(
        self, fd: int, overlapped: int, size: int, result: int | Win32Error
    ) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        operation = self._submitted()
        if sock is not None and life is not None and isinstance(result, int):
            endpoint = sock.endpoint
            while endpoint.inbox_size < result and self.press(life, endpoint):
                pass
            while not result and size and endpoint.plain and self.press(life, endpoint):
                pass
        elif sock is not None and life is not None and result is Win32Error.WSAECONNRESET:
            while not sock.endpoint.reset and self.press(life, sock.endpoint):
                pass
        self.network.answers["iocp.sync"] = int(result is PENDING)
        self.network.answers["iocp.reset_told"] = int(result is Win32Error.WSAECONNRESET)
        before = self._state(fd)
        buffer = self.buffers[overlapped] = bytearray(size)
        given = self.kernel.wsa_recv(self._handle(fd), overlapped, memoryview(buffer))
        self.must(given == result, result, f"{outcome(given)}: {before}", life)
        told = None if operation is None else operation.data
        if isinstance(result, int) and isinstance(told, bytes) and operation is not None:
            same = told == bytes(buffer[:result])
            if operation.turn is None:
                self.must(same, told, outcome(bytes(buffer[:result])), life, ahead=1)

    def _call_wsa_send(
        self, fd: int, overlapped: int, size: int, result: int | Win32Error
    ) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        operation = self._submitted()
        if isinstance(result, int):
            whole = result == size
            self.must(whole, result, f"all of the {count(size, 'byte')}, or pending", life)
        elif result is not PENDING and sock is not None and life is not None:
            while sock.endpoint.plain and self.press(life, sock.endpoint):
                pass
        data = b"" if operation is None or operation.data is None else operation.data
        self.must(len(data) <= size, outcome(data), f"at most the {count(size, 'byte')} offered")
        data += bytes(size - len(data))
        self.network.answers["iocp.sync"] = int(result is PENDING)
        before = self._state(fd)
        given = self.kernel.wsa_send(self._handle(fd), overlapped, (data,))
        self.must(given == result, result, f"{outcome(given)}: {before}", life)

    def _call_accept_ex(
        self, fd: int, acceptor: int, overlapped: int, result: int | Win32Error
    ) -> None:
        self._submitted()
        self.network.answers["iocp.accept_sync"] = int(result == 0)
        given = self.kernel.accept_ex(self._handle(fd), self._handle(acceptor), overlapped)
        self._same(given, result, fd)

    def _call_connect_ex(
        self, fd: int, port: int, overlapped: int, result: int | Win32Error
    ) -> None:
        self._submitted()
        name = self.bounds.calls_of.get(self.at, "c")
        mine = self.ports.get(port, self.named_ports.get("s" + name[1:], 0))
        self._same(self.kernel.connect_ex(self._handle(fd), mine, overlapped), result, fd)

    def _call_cancel_io_ex(
        self, fd: int, overlapped: int | None, result: Win32Error | None
    ) -> None:
        sock = self._sock(fd)
        pending = [] if sock is None else [self.flights.get(o.overlapped) for o in sock.pending()]
        ended = any(each is not None and each.status is SUCCESS for each in pending)
        self.network.answers["iocp.cancel_loses"] = int(ended)
        self._same(self.kernel.cancel_io_ex(self._handle(fd), overlapped), result, fd)

    def _call_post(
        self, port: int, key: int, overlapped: int | None, result: Win32Error | None
    ) -> None:
        given = self.kernel.post_queued_completion_status(self._handle(port), 0, key, overlapped)
        self.must(given == result, result, outcome(given))

    # -- packets ------------------------------------------------------------------------------------

    def _call_gqcs(self, port: int, timeout_ns: int | None, result: int | Win32Error) -> None:
        mine = self.kernel._ports.get(self._handle(port))
        if mine is None or (
            isinstance(result, Win32Error) and result is not Win32Error.WAIT_TIMEOUT
        ):
            given = self.kernel.get_queued_completion_status(self._handle(port), 1, 0)
            self.must(given == result, result, "packets" if isinstance(given, list) else given.name)
            return
        if isinstance(result, Win32Error):
            queued = ", ".join(str(each.overlapped) for each in mine.packets)
            self.must(not mine.packets, "no packet", f"packets of overlapped {queued}")
            if timeout_ns:
                self.check_timeout(timeout_ns)
            return
        for place in range(result):
            if self.at + place + 1 == len(self.records):
                return  # the trace ends between them
            self._packet(mine, place)
        extra = len(mine.packets)
        self.must(
            not extra or result == PACKETS_MAX,
            count(result, "packet"),
            f"{count(extra, 'packet')} more",
        )

    def _packet(self, port: Port, place: int) -> None:
        """The packet of the record that is `place` behind that of the dequeue, and one."""
        ahead = place + 1
        record = self.records[self.at + ahead]
        self.must(record[1] == "completion", "too few packets", "as many as it says", ahead=place)
        fd, overlapped, kind, status, data = record[2:]
        while not port.packets and self._press_for(overlapped):
            pass
        found = f"overlapped {overlapped} ({kind}) ends with {status.name}"
        if data is not None:
            found += f", {outcome(data)}"
        if not port.packets:
            self.must(False, found, self._why_not(overlapped, fd), ahead=ahead)
        packet = port.packets.popleft()
        self.taken[port] += 1
        operation = self.flights.get(overlapped)
        nbytes = len(data) if isinstance(data, bytes) else 0
        counted = operation is None or operation.kind != "send" or status is SUCCESS
        same = (packet.overlapped, packet.status) == (overlapped, status)
        same = same and (packet.nbytes == nbytes or not counted or kind == "post")
        possible = f"overlapped {packet.overlapped} with {packet.status.name}"
        possible += f", {count(packet.nbytes, 'byte')}"
        self.must(same, found, possible, None if operation is None else operation.life, ahead)
        if kind == "recv" and isinstance(data, bytes):
            got = bytes(self.buffers[overlapped][:nbytes])
            self.must(got == data, found, outcome(got), ahead=ahead)
        self.flights.pop(overlapped, None)
        self.settle()

    def _press_for(self, overlapped: int) -> bool:
        """One thing more that may end an operation."""
        operation = self.flights.get(overlapped)
        if operation is None or operation.life is None or operation.life.fd is None:
            return False
        endpoint = self._endpoint_of(operation.life)
        return endpoint is not None and self.press(operation.life, endpoint)

    def _endpoint_of(self, life: Life) -> Connection | None:
        sock = None if life.fd is None else self._sock(life.fd)
        return None if sock is None else sock.endpoint

    def _why_not(self, overlapped: int, fd: int) -> str:
        if overlapped not in self.flights:
            return f"nothing is in flight with overlapped {plain(overlapped, 20)}"
        return f"it is pending: {self._state(fd)}"
