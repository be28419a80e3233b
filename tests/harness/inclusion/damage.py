"""Impossible records: each damage makes a real trace one that no kernel could have made.

A damage takes a run and gives the number of the first record that no kernel could have written,
and the records, for every place where it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.failure import FailureFile
from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLLIN
from model.trace import Record
from tests.harness.inclusion.recorded import replaced

Damaged = Iterator[tuple[int, list[Record]]]
SUCCESS = NtStatus.SUCCESS


def _with(record: Record, **fields: object) -> Record:
    """The record with other values: `f2` is its third field."""
    values = list(record)
    for name, value in fields.items():
        values[2 + int(name[1:])] = value
    return tuple(values)


def _other(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 0x55])


def _received(run: FailureFile) -> Iterator[tuple[int, Record]]:
    for number, record in enumerate(run.records):
        if record[1] == "recv" and isinstance(record[4], bytes) and record[4]:
            yield number, record


def bytes_never_sent(run: FailureFile) -> Damaged:
    for number, record in _received(run):
        yield number, replaced(run, number, _with(record, f2=_other(record[4])))


def more_than_was_sent(run: FailureFile) -> Damaged:
    for number, record in _received(run):
        yield number, replaced(run, number, _with(record, f2=record[4] + _other(record[4])))


def received_twice(run: FailureFile) -> Damaged:
    for number, record in _received(run):
        yield number + 1, replaced(run, number, record, record)


def end_of_file_before_data(run: FailureFile) -> Damaged:
    for number, record in _received(run):
        yield number, replaced(run, number, _with(record, f2=b""))


def nothing_after_in(run: FailureFile) -> Damaged:
    """The wait before said IN, and the receive finds nothing."""
    for number, record in _received(run):
        yield number, replaced(run, number, _with(record, f2=Errno.EAGAIN))


def reset_before_data(run: FailureFile) -> Damaged:
    for number, record in _received(run):
        yield number, replaced(run, number, _with(record, f2=Errno.ECONNRESET))


def send_takes_too_much(run: FailureFile) -> Damaged:
    for number, record in enumerate(run.records):
        if record[1] == "send" and isinstance(record[4], bytes):
            yield number, replaced(run, number, _with(record, f2=record[4] + b"!"))


def in_with_nothing_to_read(run: FailureFile) -> Damaged:
    """A descriptor that no later wait tells of: else it may have come as early as that."""
    interest: dict[int, int] = {}
    for number, record in enumerate(run.records):
        kind = record[1]
        if kind == "epoll_ctl":
            interest[record[4]] = 0 if record[3] == 2 else record[5]
        elif kind == "close":
            interest.pop(record[2], None)
        elif kind == "epoll_wait" and record[4] == []:
            rest = [each for each in run.records[number:] if each[1] == "epoll_wait"]
            told = {fd for wait in rest for fd, _ in wait[4]}
            for fd, mask in interest.items():
                if mask & EPOLLIN and fd not in told:
                    found = [(fd, EPOLLIN)]
                    yield number, replaced(run, number, _with(record, f2=found))


def timeout_too_early(run: FailureFile) -> Damaged:
    for number, record in enumerate(run.records):
        empty = record[1] in ("epoll_wait", "gqcs") and record[4] in ([], Win32Error.WAIT_TIMEOUT)
        if empty and record[3]:
            yield number, replaced(run, number, _with(record, f1=record[3] + 10**10))


def accepted_without_a_connection(run: FailureFile) -> Damaged:
    """After the accept that found the queue empty."""
    for number, record in enumerate(run.records):
        if record[1] == "accept" and record[3] is Errno.EAGAIN:
            late = number == len(run.records) - 1
            if not late and run.records[number + 1][1] != "peer":
                again = (*record[:3], 901, 9)
                yield number + 1, replaced(run, number, record, again, (*record[:3], 902, 10))


def refused_connect_succeeds(run: FailureFile) -> Damaged:
    for number, record in enumerate(run.records):
        if record[1] == "so_error" and record[3] is Errno.ECONNREFUSED:
            yield number, replaced(run, number, _with(record, f1=None))


def readiness_lost(run: FailureFile) -> Damaged:
    """The first IN that was followed by a receive never came, to the end of the run.

    What the peers did is kept up to where they received; had they to send after that, nothing
    would say that they had.
    """
    quiet = next((n for n, record in enumerate(run.records) if record[1] == "quiet"), None)
    for number, record in _received(run):
        waits = [n for n in range(number) if run.records[n][1] == "epoll_wait"]
        if quiet is None or not waits:
            continue
        wait = run.records[waits[-1]]
        found = [pair for pair in wait[4] if pair[0] != record[2]]
        peers = [each for each in run.records[waits[-1] : quiet] if each[1] == "peer"]
        end = run.records[quiet]
        kept = [_with(wait, f2=found)] if found else []
        idle: Record = (end[0], "epoll_wait", wait[2], None, [])
        heard = {each[2]: n for n, each in reversed([*enumerate(peers)]) if each[3] == "recv"}
        known = [n < heard.get(each[2], len(peers)) for n, each in enumerate(peers)]
        rest = [(end[0], *each[1:]) for each, has in zip(peers, known, strict=True) if has]
        if any(each[3] == "send" and not has for each, has in zip(peers, known, strict=True)):
            continue
        yield waits[-1], [*run.records[: waits[-1]], *kept, *rest, idle, end]


def packets(run: FailureFile) -> Iterator[tuple[int, Record]]:
    """The dequeues that found something, and did not belong to the end."""
    for number, record in enumerate(run.records):
        if record[1] == "gqcs" and isinstance(record[4], int):
            yield number, record


def packet_twice(run: FailureFile) -> Damaged:
    for number, record in packets(run):
        first = run.records[number + 1]
        head = [*run.records[:number], _with(record, f2=record[4] + 1), first, first]
        yield number + 2, [*head, *run.records[number + 2 :]]


def packet_of_nothing(run: FailureFile) -> Damaged:
    for number, record in packets(run):
        none = (record[0], "completion", None, 987_654, "recv", SUCCESS, b"")
        head = [*run.records[:number], _with(record, f2=record[4] + 1), none]
        yield number + 1, [*head, *run.records[number + 1 :]]


def _completed(run: FailureFile) -> Iterator[tuple[int, Record]]:
    for number, record in enumerate(run.records):
        if record[1] == "completion" and record[4] == "recv" and record[5] is SUCCESS and record[6]:
            yield number, record


def completed_with_other_bytes(run: FailureFile) -> Damaged:
    for number, record in _completed(run):
        yield number, replaced(run, number, _with(record, f4=_other(record[6])))


def completed_at_end_of_file(run: FailureFile) -> Damaged:
    for number, record in _completed(run):
        if run.records[number - 1][1] != "wsa_recv":
            yield number, replaced(run, number, _with(record, f4=b""))


def refused_connect_completes(run: FailureFile) -> Damaged:
    for number, record in enumerate(run.records):
        if record[1] == "completion" and record[5] is NtStatus.CONNECTION_REFUSED:
            yield number, replaced(run, number, _with(record, f3=SUCCESS))


def sent_more_at_once(run: FailureFile) -> Damaged:
    for number, record in enumerate(run.records):
        if record[1] in ("wsa_send", "wsa_recv") and isinstance(record[5], int):
            yield number, replaced(run, number, _with(record, f3=record[4] + 1))


EPOLL: tuple[Callable[[FailureFile], Damaged], ...] = (
    bytes_never_sent,
    more_than_was_sent,
    received_twice,
    end_of_file_before_data,
    nothing_after_in,
    reset_before_data,
    send_takes_too_much,
    in_with_nothing_to_read,
    timeout_too_early,
    accepted_without_a_connection,
    refused_connect_succeeds,
    readiness_lost,
)
IOCP: tuple[Callable[[FailureFile], Damaged], ...] = (
    timeout_too_early,
    packet_twice,
    packet_of_nothing,
    completed_with_other_bytes,
    completed_at_end_of_file,
    refused_connect_completes,
    sent_more_at_once,
)
