"""What the records of a completion kernel say. One function a kind, `(run, index, record)`.

A late packet's handle may have been closed and given to another socket since, so a completion is
matched to its submission by its overlapped, never by its handle.
"""

from __future__ import annotations

from model.errors import NtStatus, Win32Error
from model.properties import progress, rate_records, resources, tls_socket
from model.properties.meters import READ, WRITE
from model.properties.view import Handler, Run, as_bytes
from model.subject import EV_READ, EV_WRITE
from model.trace import Record

_SUCCESS = NtStatus.SUCCESS

#: how AcceptEx ends whose connection is gone; INVALID_CONNECTION is Wine 8's word for it
_GONE = frozenset(
    {NtStatus.CONNECTION_RESET, NtStatus.CONNECTION_ABORTED, NtStatus.INVALID_CONNECTION}
)


def wsa_recv(run: Run, index: int, record: Record) -> None:
    """`wsa_recv`: a read was submitted."""
    time, _, fd, overlapped, size, result = record
    view = run.by_fd.get(fd)
    refused = result.__class__ is not int and result is not Win32Error.WSA_IO_PENDING
    if refused:
        resources.failed_call(run, index, record, result)
    if view is None or view.freed:
        return
    view.read_touched = time
    if refused:
        progress.operation_failed(run, view, index, time, EV_READ, result)
        return
    if run.rates is not None:
        rate_records.launched(run, view, index, time, READ, size)
    run.operations[overlapped] = view
    view.read_operation = overlapped
    view.fresh_in = 0  # at most one is in flight, so the previous one has been processed
    view.read_size = size
    view.read_high = view.high
    view.read_licit = view.enabled & EV_READ != 0 and not view.suspended


def wsa_send(run: Run, index: int, record: Record) -> None:
    """`wsa_send`: a write was submitted."""
    time, _, fd, overlapped, size, result = record
    view = run.by_fd.get(fd)
    refused = result.__class__ is not int and result is not Win32Error.WSA_IO_PENDING
    if refused:
        resources.failed_call(run, index, record, result)
    if view is None or view.freed:
        return
    view.write_touched = time
    if refused:
        progress.operation_failed(run, view, index, time, EV_WRITE, result)
        return
    if run.rates is not None:
        rate_records.launched(run, view, index, time, WRITE, size)
    run.operations[overlapped] = view
    view.write_operation = overlapped
    view.fresh_out = 0


def connect_ex(run: Run, index: int, record: Record) -> None:
    """`connect_ex`"""
    _, _, fd, _, overlapped, result = record
    view = run.connect_caller
    pending = result.__class__ is int or result is None or result is Win32Error.WSA_IO_PENDING
    if not pending:
        resources.failed_call(run, index, record, result)
    if view is None:
        return
    run.by_fd[fd] = view
    if pending:
        run.operations[overlapped] = view
        view.write_operation = overlapped
    else:
        view.refused = True
        view.connecting = False
        view.errors.append(result)
        tls_socket.failed(run, view, index, 0, result)


def accept_ex(run: Run, index: int, record: Record) -> None:
    """`accept_ex`"""
    _, _, _, acceptor, overlapped, result = record
    if result.__class__ is int or result is None or result is Win32Error.WSA_IO_PENDING:
        run.accepting[overlapped] = acceptor
    else:
        resources.failed_call(run, index, record, result)


def completion(run: Run, index: int, record: Record) -> None:
    """`completion`: an operation ended."""
    time, _, fd, overlapped, operation, status, result = record
    run.idle_waits = 0
    view = run.operations.pop(overlapped, None)
    if operation == "accept":
        acceptor = run.accepting.pop(overlapped, None)
        if acceptor is not None and status is _SUCCESS:
            run.accept_index[acceptor] = index
        run.aborted += status in _GONE
        return
    if view is None:
        view = run.by_fd.get(fd)
        if view is None:
            return
    if operation == "recv":
        view.read_operation = None
    else:
        view.write_operation = None
    if run.rates is not None and operation != "connect":
        way = READ if operation == "recv" else WRITE
        rate_records.ended(run, view, way, len(result) if result else 0)
    if view.freed:
        return
    if operation == "connect":
        progress.connect_ended(run, view, index, None if status is _SUCCESS else status)
    elif status is not _SUCCESS:
        direction = EV_READ if operation == "recv" else EV_WRITE
        progress.operation_failed(run, view, index, time, direction, status)
    elif operation == "send":
        if result:
            progress.left(run, view, time, len(result))
        else:
            view.write_zeros += 1
    elif operation == "recv":
        if result:
            progress.arrived(run, view, index, time, as_bytes(result))
        elif view.read_size:
            progress.stream_ended(run, view, index, time)


HANDLERS: dict[str, Handler] = {
    "wsa_recv": wsa_recv,
    "wsa_send": wsa_send,
    "connect_ex": connect_ex,
    "accept_ex": accept_ex,
    "completion": completion,
}
