"""What the records of a completion kernel say about its sockets, operations and packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.inclusion.life import Life
from model.errors import NtStatus, Win32Error
from model.threads import MAIN
from model.trace import Record

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
    acceptor: Life | None = None


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
        self._cancelled: dict[int, int] = {}  # by the socket's opening: the record of a cancel
        self._port = 0
        self._left = 0  # completions that belong to the last dequeue
        self._before = -1
        self.servers: dict[int, set[str]] = {}  # the threads that take a port's packets
        self._writer = MAIN
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

    # -- submissions ------------------------------------------------------------------------------

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

    def _accept_ex(self, number: int, fd: int, acceptor: int, overlapped: int, result: Any) -> None:
        operation = self._submit(number, "accept", fd, overlapped, 0, result)
        if operation is not None:
            operation.acceptor = self._open.get(acceptor)

    def _connect_ex(self, number: int, fd: int, port: int, overlapped: int, result: Any) -> None:
        if self._asked is not None:
            self.calls_of[number] = self._asked
        self._submit(number, "connect", fd, overlapped, 0, result)

    def _post(self, number: int, port: int, key: int, overlapped: int | None, result: Any) -> None:
        if result is None and overlapped is not None:
            self._flights.pop(overlapped, None)

    def _on(self, number: int, thread: str) -> None:
        self._writer = thread

    # -- ends -------------------------------------------------------------------------------------

    def _gqcs(self, number: int, port: int, timeout_ns: int | None, result: Any) -> None:
        self._port = port
        self.servers.setdefault(port, set()).add(self._writer)
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
            acceptor = operation.acceptor
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
        elif life.closed is not None or self._cancelled.get(life.opened) is not None:
            ended = self._cancelled.get(life.opened, life.closed)
            if ended is not None:
                life.exact.append((ended, life.read))
                life.exact.sort()
                life.no_fin = max(life.no_fin, ended)

    def _cancel_io_ex(self, number: int, fd: int, overlapped: int | None, result: Any) -> None:
        life = self._open.get(fd)
        if life is not None:
            self._cancelled[life.opened] = number

    def _close(self, number: int, fd: int, result: Win32Error | None) -> None:
        life = self._open.pop(fd, None)
        if life is not None:
            life.closed = number
