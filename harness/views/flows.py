"""Connections out of records: who was connected to whom, and which call moved which bytes.

A trace names descriptors, ends and raw peers; a view wants connections. A `Socket` is the life of
one descriptor, or of one connection of a raw peer; a `Flow` is a client's socket and the server's
that belongs to it. The n-th socket of a client end is taken for the partner of the n-th of its
server end: a trace does not say more, since a kernel does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.words import named, owners
from model.errors import Errno, NtStatus
from model.trace import Record

CONNECT, ESTABLISHED, REFUSED, ACCEPT = "connect", "established", "refused", "accept"
SEND, RECV, END, SHUTDOWN, CLOSE, RESET = "send", "recv", "end", "shutdown", "close", "reset"
NAMED = "named"  # the socket became an end's

_END = re.compile(r"([cs])(\d{1,6})(\.\d+)?(?:/|$)")


@dataclass(slots=True, eq=False)
class Socket:
    """The life of one descriptor or of one raw peer's connection; `end` is known when it is named:
    c0, s0, s0.1."""

    end: str = ""
    port: int | None = None  # that it connected to


class Happening(NamedTuple):
    """What a record says of a socket; `data` is what was sent or received."""

    record: int
    socket: Socket
    what: str
    data: bytes = b""


@dataclass(slots=True, eq=False)
class Flow:
    """One connection: of the scenario's connection `index`, the `number`-th."""

    index: int
    number: int
    client: Socket = field(default_factory=Socket)
    server: Socket = field(default_factory=Socket)


def place(end: str) -> tuple[int, str] | None:
    """(connection, side c or s) of an end's name, of c0, s0.1 and c0/1; None for other names."""
    found = _END.match(end)
    return None if found is None else (int(found[2]), found[1])


def happenings(records: Sequence[Record]) -> list[Happening]:
    """What the records say of sockets, in their order."""
    return _followed(records).found


def ends(records: Sequence[Record]) -> list[str]:
    """The end that each record concerns; of a descriptor's also before it is named."""
    sockets = _followed(records).sockets
    named_later = ["" if socket is None else socket.end for socket in sockets]
    return [own or later for own, later in zip(owners(records), named_later, strict=True)]


def _followed(records: Sequence[Record]) -> _Follower:
    follower = _Follower(records)
    for index, record in enumerate(records):
        follower.follow(index, record)
    return follower


def flows(found: Sequence[Happening]) -> list[Flow]:
    """The connections, in the order of their first happening."""
    sides: dict[tuple[int, str], list[Socket]] = {}
    for happening in found:
        where = place(happening.socket.end)
        if where is not None:
            sockets = sides.setdefault(where, [])
            if happening.socket not in sockets:
                sockets.append(happening.socket)
    made: dict[tuple[int, int], Flow] = {}
    for (index, side), sockets in sides.items():
        for number, socket in enumerate(sockets):
            flow = made.setdefault((index, number), Flow(index, number))
            if side == "c":
                flow.client = socket
            else:
                flow.server = socket
    first = {id(h.socket): h.record for h in reversed(found)}
    return sorted(
        made.values(),
        key=lambda flow: min(first.get(id(each), 1 << 60) for each in (flow.client, flow.server)),
    )


def _sent_later(records: Sequence[Record]) -> dict[int, bytes]:
    """wsa_send record -> the bytes that its completion says it took."""
    pending: dict[Any, int] = {}
    sent: dict[int, bytes] = {}
    for index, record in enumerate(records):
        if record[1] == "wsa_send":
            pending[record[3]] = index
        elif record[1] == "completion" and record[4] == "send" and record[3] in pending:
            begun = pending.pop(record[3])
            if records[begun][2] == record[2] and isinstance(record[6], bytes):
                sent[begun] = record[6]
    return sent


class _Follower:
    """Goes through the records once; a name that comes later is written into the socket then."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.found: list[Happening] = []
        self.sockets: list[Socket | None] = []  # by record
        self._sockets: dict[int, Socket] = {}
        self._peers: dict[str, Socket] = {}
        self._accepting: dict[Any, Any] = {}  # overlapped -> the descriptor that AcceptEx fills
        self._connecting: set[int] = set()
        self._sent = _sent_later(records)

    def follow(self, index: int, record: Record) -> None:
        handler = getattr(self, f"_{record[1]}", None)
        fields = named(record)
        fd = fields.get("result") if record[1] == "socket" else fields.get("fd")
        before = self._sockets.get(fd) if isinstance(fd, int) else None
        if handler is not None:
            handler(index, fields)
        self.sockets.append(before or (self._sockets.get(fd) if isinstance(fd, int) else None))

    def _tell(self, index: int, fd: Any, what: str, data: bytes = b"") -> None:
        if isinstance(fd, int):
            socket = self._sockets.setdefault(fd, Socket())
            self.found.append(Happening(index, socket, what, data))

    def _socket(self, index: int, f: dict[str, Any]) -> None:
        if isinstance(f["result"], int):
            self._sockets[f["result"]] = Socket()

    def _new(self, index: int, f: dict[str, Any]) -> None:
        if isinstance(f["fd"], int) and place(str(f["bev"])) is not None:
            socket = self._sockets.setdefault(f["fd"], Socket())
            socket.end = str(f["bev"]).partition("/")[0]
            self.found.append(Happening(index, socket, NAMED))

    _attach = _new

    # The readiness kernel.

    def _connect(self, index: int, f: dict[str, Any]) -> None:
        self._tell(index, f["fd"], CONNECT)
        self._port(f)
        if f["result"] is None:
            self._tell(index, f["fd"], ESTABLISHED)
        elif f["result"] is Errno.EINPROGRESS:
            self._connecting.add(f["fd"])
        else:
            self._tell(index, f["fd"], REFUSED)

    def _port(self, f: dict[str, Any]) -> None:
        if isinstance(f["fd"], int) and isinstance(f["port"], int):
            self._sockets[f["fd"]].port = f["port"]

    def _so_error(self, index: int, f: dict[str, Any]) -> None:
        if f["fd"] in self._connecting:
            self._connecting.discard(f["fd"])
            self._tell(index, f["fd"], REFUSED if f["result"] else ESTABLISHED)

    def _accept(self, index: int, f: dict[str, Any]) -> None:
        if isinstance(f["result"], int):
            self._sockets[f["result"]] = Socket()
            self._tell(index, f["result"], ACCEPT)

    def _recv(self, index: int, f: dict[str, Any]) -> None:
        self._received(index, f["fd"], f["result"])

    def _received(self, index: int, fd: Any, data: Any) -> None:
        if isinstance(data, bytes):
            self._tell(index, fd, RECV if data else END, data)

    def _send(self, index: int, f: dict[str, Any]) -> None:
        if isinstance(f["result"], bytes) and f["result"]:
            self._tell(index, f["fd"], SEND, f["result"])

    def _shutdown(self, index: int, f: dict[str, Any]) -> None:
        if f["result"] is None:
            self._tell(index, f["fd"], SHUTDOWN)

    def _close(self, index: int, f: dict[str, Any]) -> None:
        if f["fd"] in self._sockets:
            self._tell(index, f["fd"], CLOSE)
            del self._sockets[f["fd"]]
        self._connecting.discard(f["fd"])

    # The completion kernel.

    def _accept_ex(self, index: int, f: dict[str, Any]) -> None:
        self._accepting[f["overlapped"]] = f["acceptor"]

    def _connect_ex(self, index: int, f: dict[str, Any]) -> None:
        self._tell(index, f["fd"], CONNECT)
        self._port(f)

    def _wsa_send(self, index: int, f: dict[str, Any]) -> None:
        data = self._sent.get(index)
        if data:
            self._tell(index, f["fd"], SEND, data)

    def _completion(self, index: int, f: dict[str, Any]) -> None:
        good = f["status"] is NtStatus.SUCCESS
        if f["operation"] == "accept" and good:
            self._tell(index, self._accepting.pop(f["overlapped"], None), ACCEPT)
        elif f["fd"] not in self._sockets:
            return  # of a descriptor that is closed
        elif f["operation"] == "connect":
            self._tell(index, f["fd"], ESTABLISHED if good else REFUSED)
        elif f["operation"] == "recv" and good:
            self._received(index, f["fd"], f["result"])

    # Raw peers.

    def _peer(self, index: int, f: dict[str, Any]) -> None:
        name, operation, result = str(f["peer"]), f["operation"], f["result"]
        if operation in {"connect", "accept"}:
            self._peer_begins(index, name, operation, result)
            return
        socket = self._peers.setdefault(name, Socket(name))
        if operation in {"send", "recv"}:
            if isinstance(result, bytes) and (result or operation == "recv"):
                what = SEND if operation == "send" else RECV if result else END
                self.found.append(Happening(index, socket, what, result))
        elif result is None and operation in {SHUTDOWN, CLOSE, RESET}:
            self.found.append(Happening(index, socket, operation))

    def _peer_begins(self, index: int, name: str, operation: str, result: Any) -> None:
        """Further connections of a client peer stay idle: its program is of the first."""
        socket = Socket(name)
        self._peers.setdefault(name, socket)
        if operation == "accept":
            if result is None:
                self.found.append(Happening(index, socket, ACCEPT))
            return
        self.found.append(Happening(index, socket, CONNECT))
        outcome = ESTABLISHED if result is None else REFUSED
        self.found.append(Happening(index, socket, outcome))
