"""The trace: what happened, event by event, in one vocabulary for every world and subject.

A record is a tuple `(t_ns, kind, *fields)`; `FIELDS` names the fields of each kind. Records are
written by the wrappers in `model.traced` around the kernel port, the base and its bufferevents,
and by the harness for the peers; never inside a backend, so that every world has the same schema
by construction. A trace file holds one JSON object a record and loses nothing: outcomes are
written by name, content by its place in the content table (`model.content`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from model.asked import AskedClock, Clock
from model.content import ContentEncoder, decode_content
from model.errors import Errno, NtStatus, UsageError, Win32Error
from model.tls import TlsResult

Record: TypeAlias = tuple[Any, ...]  # (t_ns: int, kind: str, *fields)

#: kind -> the names of its fields. `fd` is a descriptor or a handle; `bev` names a bufferevent
#: ("c0" is the client end of connection 0, "s0" the server end, "l0" its listener, "s0.1" an
#: extra connection accepted there); `peer` names a raw end in the same way.
FIELDS: dict[str, tuple[str, ...]] = {
    # Either kernel.
    "socket": ("result",),
    "listen": ("fd", "port", "backlog", "result"),
    "shutdown": ("fd", "how", "result"),
    "close": ("fd", "result"),
    # Readiness kernel.
    "connect": ("fd", "port", "result"),
    "accept": ("fd", "result", "peer_port"),
    "recv": ("fd", "size", "result"),  # result: the bytes, or an errno
    "send": ("fd", "size", "result"),  # size: offered; result: the bytes taken, or an errno
    "so_error": ("fd", "result"),
    "eventfd": ("result",),
    "eventfd_write": ("fd", "result"),
    "eventfd_read": ("fd", "result"),
    "epoll_create": ("result",),
    "epoll_ctl": ("epfd", "op", "fd", "mask", "result"),
    "epoll_wait": ("epfd", "timeout_ns", "result"),  # result: [[fd, mask], ...] or an errno
    # Completion kernel.
    "bind": ("fd", "port", "result"),
    "create_port": ("result",),
    "close_port": ("port", "result"),
    "associate": ("fd", "port", "key", "result"),
    "skip_on_success": ("fd", "result"),
    "set_send_buffer": ("fd", "size", "result"),  # SO_SNDBUF
    "wsa_recv": ("fd", "overlapped", "size", "result"),  # result: bytes done at once, or an error
    "wsa_send": ("fd", "overlapped", "size", "result"),
    "accept_ex": ("fd", "acceptor", "overlapped", "result"),
    "connect_ex": ("fd", "port", "overlapped", "result"),
    "update_context": ("fd", "result"),
    "cancel_io_ex": ("fd", "overlapped", "result"),
    "post": ("port", "key", "overlapped", "result"),
    "gqcs": ("port", "timeout_ns", "result"),  # result: packets dequeued, or an error
    # One packet, or one success that was told at once where packets are skipped on success.
    # operation: recv, send, accept, connect, post; result: the bytes received or sent, or null.
    "completion": ("fd", "overlapped", "operation", "status", "result"),
    # The base and its bufferevents.
    "loop": ("flags",),
    "loop_end": ("result",),
    "new": ("bev", "type", "options", "fd"),  # type: socket, pair, filter, ssl, listener
    "attach": ("bev", "fd"),  # the bufferevent's descriptor became known
    "op": ("bev", "name", "args"),  # a call begins
    "ret": ("bev", "name", "result"),  # it returned something else than 0, or a connect returned
    "write": ("bev", "data", "result"),  # bytes given to the output by the application
    "read": ("bev", "size", "result"),  # bytes taken from the input by the application
    "drain": ("bev", "result"),  # the application throws its output away; -1: refused
    "echo": ("bev", "result"),  # bytes moved from the input to the output
    # Stacks and pairs: c0 sits on c0/1, that on c0/0; each writes the records of its own.
    "layer": ("bev", "underlying"),
    # which: input, output; bytes that came or went without a call of the application: by the
    # partner of a pair, by a filter function, by the layer above
    "buffer": ("bev", "which", "added", "deleted"),
    # one call of a filter function, direction read or write: bytes taken from its source, given to
    # its destination; result: a FilterResult
    "filter": ("bev", "direction", "mode", "taken", "given", "result"),
    # one call of a TLS engine: handshake, read, write, shutdown; size: bytes asked for or offered;
    # result: 0 (handshake and shutdown), the plaintext read, the bytes taken, or an outcome
    "tls": ("bev", "operation", "size", "result"),
    "suspend": ("bev", "direction", "reasons"),  # SUSPEND_* bits but for WM, from now on
    # of a stack, under its top's name: bytes in all its buffers, the memory under them, and how
    # much of that the kernel holds
    "memory": ("bev", "bytes", "capacity", "pinned"),
    # which: read, write, event, accept, error (a listener's); what: event bits, or the fd accepted;
    # error: the kernel error readable in the callback; enabled: the mask when the callback starts.
    "cb": ("bev", "which", "what", "error", "input_length", "output_length", "enabled"),
    "cb_end": ("bev", "which", "input_length", "output_length"),
    # bytes that may move now, by the bucket of a bufferevent or of a group ("g0")
    "bucket": ("bev", "read_limit", "write_limit"),
    # Simulated worlds with faults: one that happens now, before the call that meets it; and when a
    # port is closed, the kernel's memory in pages: the size, the most ever taken, still locked.
    "fault": ("name", "fd"),
    "pool": ("size", "high", "held"),
    "log": ("severity", "message"),  # a line that the subject logged
    # Threads (`model.threads`). The records after `on` are that thread's, at first main's.
    "on": ("thread",),
    "thread": ("thread", "operation"),  # spawn, join (by the one who calls), begin, end
    "lock": ("lock", "operation", "thread"),  # acquire, try, refused, release
    # wait, woken, timeout, notify, notify_all; woken: how many threads a notify woke
    "condition": ("condition", "lock", "operation", "thread", "woken"),
    "touch": ("name", "operation"),  # read or write of state that threads share
    "hang": ("how",),  # deadlock or livelock; then where each thread stands:
    "blocked": ("thread", "holds", "where", "message", "record"),
    # The harness.
    "peer": ("peer", "operation", "size", "result"),
    "step": ("index", "do"),  # a step of the application's program begins
    "quiet": (),  # nothing active, nothing due: liveness is judged here
    "teardown": (),  # what follows is the harness cleaning up
    "base_free": ("bufferevents",),  # bufferevents still alive afterwards
    "crash": ("error_type", "message", "where"),
    "budget": ("records",),  # the run was cut: too many records
}

_NAMED: dict[str, Any] = {
    member.name: member
    for enumeration in (TlsResult, NtStatus, Win32Error, Errno)
    for member in enumeration
}
_ENUMS = (Errno, Win32Error, NtStatus, TlsResult)

#: fields that hold text; every other text in a trace file is an outcome's name or content
_TEXT_FIELDS = frozenset(
    {
        *("how", "bev", "name", "type", "which", "operation", "peer", "do", "underlying"),
        *("message", "where", "error_type", "direction"),
        *("thread", "lock", "condition", "holds"),
    }
)


class BudgetExceeded(Exception):
    """The run wrote more records than it may: a loop that does not end."""


class Trace:
    """An append-only list of records with a clock and a budget.

    `opaque` holds the descriptors whose contents are encrypted, hence random: their records in the
    kernel's vocabulary have zeros of the same length.
    """

    __slots__ = ("append", "budget", "clock", "now_ns", "opaque", "records")

    def __init__(self, now_ns: Callable[[], int], budget: int = 50_000) -> None:
        self.records: list[Record] = []
        self.append = self.records.append
        self.now_ns = now_ns
        self.clock: Clock = AskedClock(now_ns)
        self.budget = budget
        self.opaque: set[int] = set()

    def emit(self, kind: str, *fields: object) -> None:
        """Writes one record, stamped with the world's time."""
        self.append((self.clock.now, kind, *fields))

    def check_budget(self) -> None:
        """Raises `BudgetExceeded`; called where a run could go on for ever."""
        if len(self.records) > self.budget:
            self.budget = 1 << 60  # once is enough: the teardown is recorded too
            self.emit("budget", len(self.records))
            raise BudgetExceeded


class TraceEncoder:
    """Records to JSON lines. One encoder a trace: content names depend on what came before."""

    def __init__(self) -> None:
        self._content = ContentEncoder()

    def line(self, record: Record) -> str:
        """One record as one line of JSON, without the newline."""
        names = FIELDS[record[1]]
        fields = {"t": record[0], "k": record[1]}
        for name, value in zip(names, record[2:], strict=True):
            fields[name] = self._value(value)
        return json.dumps(fields, separators=(",", ":"))

    def _value(self, value: Any) -> Any:
        if isinstance(value, _ENUMS):
            return value.name
        if isinstance(value, bytes):
            return self._content.encode(value)
        if isinstance(value, (list, tuple)):
            return [self._value(item) for item in value]
        return value


def encode_trace(records: Iterable[Record]) -> list[str]:
    """All records of one trace as JSON lines."""
    encoder = TraceEncoder()
    return [encoder.line(record) for record in records]


def decode_record(fields: Any) -> Record:
    """One record from its JSON object. Raises `UsageError` for anything that is not one."""
    try:
        kind = fields["k"]
        names = FIELDS[kind]
        if set(fields) != {"t", "k", *names} or type(fields["t"]) is not int:
            raise ValueError("its fields are not those of its kind")
        values = (_decode_value(name, fields[name]) for name in names)
        return (fields["t"], kind, *values)
    except (KeyError, TypeError, ValueError) as error:
        text = json.dumps(fields)
        raise UsageError(
            f"trace record {text[:120]} cannot be read ({error!r}): expected one of the kinds"
            " that `duopoll show --schema trace` lists"
        ) from None


def _decode_value(name: str, value: Any) -> Any:
    if isinstance(value, str) and name not in _TEXT_FIELDS:
        named = _NAMED.get(value)
        return decode_content(value) if named is None else named
    if name == "args":
        return tuple(value)
    if isinstance(value, list):
        return [
            tuple(item) if isinstance(item, list) else _decode_value(name, item) for item in value
        ]
    return value
