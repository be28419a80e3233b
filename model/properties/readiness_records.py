"""What the records of a readiness kernel say. One function a kind, `(run, index, record)`."""

from __future__ import annotations

from model.errors import Errno
from model.kernel import EPOLL_CTL_DEL
from model.properties import progress, rate_records, resources, tls_socket
from model.properties.meters import READ, WRITE
from model.properties.view import Handler, Run, View
from model.subject import EV_READ, EV_WRITE
from model.trace import Record

_AGAIN = frozenset({Errno.EAGAIN, Errno.EINTR})
_PENDING = frozenset({Errno.EINPROGRESS, Errno.EINTR, Errno.EAGAIN})


def recv(run: Run, index: int, record: Record) -> None:
    """`recv`"""
    time, _, fd, size, result = record
    view = run.by_fd.get(fd)
    if run.rates is not None and view is not None:  # what a freed one moves counts for its group
        count = len(result) if result.__class__ is bytes else 0
        rate_records.moved(run, view, index, time, READ, size, count)
    if result.__class__ is not bytes:
        _recv_failed(run, view, index, record)
    elif view is None or view.freed:
        return
    elif result:
        progress.arrived(run, view, index, time, result)
    else:
        progress.stream_ended(run, view, index, time)


def _recv_failed(run: Run, view: View | None, index: int, record: Record) -> None:
    time, error = record[0], record[4]
    resources.failed_call(run, index, record, error)
    if view is None or view.freed:
        return
    view.read_touched = time
    if view.connecting and error not in _AGAIN:
        # bufferevent_readcb leaves it to the write side, which finishes the connect.
        view.errors.append(error)
        view.refused = True
    elif error not in _AGAIN:
        progress.operation_failed(run, view, index, time, EV_READ, error)


def send(run: Run, index: int, record: Record) -> None:
    """`send`: the result is the bytes that the kernel took."""
    time, _, fd, size, result = record
    view = run.by_fd.get(fd)
    if run.rates is not None and view is not None:  # what a freed one moves counts for its group
        count = len(result) if result.__class__ is bytes else 0
        rate_records.moved(run, view, index, time, WRITE, size, count)
    if result.__class__ is not bytes:
        resources.failed_call(run, index, record, result)
        if view is not None and not view.freed:
            view.write_touched = time
            if result not in _AGAIN:
                progress.operation_failed(run, view, index, time, EV_WRITE, result)
    elif view is None or view.freed:
        return
    elif result:
        progress.left(run, view, time, len(result))
    elif size > 0:
        view.write_zeros += 1
        view.enabled &= ~EV_WRITE


def so_error(run: Run, index: int, record: Record) -> None:
    """`so_error`: how libevent learns a connect's outcome (evutil_socket_finished_connecting_)."""
    time, _, fd, error = record
    view = run.by_fd.get(fd)
    if error is not None:
        resources.failed_call(run, index, record, error)
    if view is None or view.freed:
        return
    view.write_touched = time
    if view.connecting and error not in _PENDING:
        progress.connect_ended(run, view, index, error)
    elif error is not None:
        view.errors.append(error)


def connect(run: Run, index: int, record: Record) -> None:
    """`connect`"""
    _, _, fd, _, result = record
    view = run.connect_caller
    if result is not None:
        resources.failed_call(run, index, record, result)
    if view is None:
        return
    run.by_fd[fd] = view
    if result is None:
        view.immediate = True
        view.write_credits += 1  # a deferred write trigger, before CONNECTED
        view.write_ok = True
        tls_socket.connected_at_once(run, view)
    elif result not in _PENDING:
        view.refused = True
        view.connecting = False
        view.errors.append(result)
        tls_socket.failed(run, view, index, 0, result)


def accept(run: Run, index: int, record: Record) -> None:
    """`accept`"""
    fd = record[3]
    if fd.__class__ is int:
        run.opened[fd] = index
        run.accept_index[fd] = index
        run.idle_waits = 0
    else:
        run.aborted += fd is Errno.ECONNABORTED  # that connection is gone: accept(2)
        resources.failed_call(run, index, record, fd)


def epoll_ctl(run: Run, index: int, record: Record) -> None:
    """`epoll_ctl`"""
    _, _, _, op, fd, mask, result = record
    if result is not None:
        resources.failed_call(run, index, record, result)
        view = run.by_fd.get(fd)
        if view is not None:
            view.unwatched = result
            if view.encrypted and view.above is not None:
                view.above.unwatched = result
    elif op == EPOLL_CTL_DEL:
        run.interest.pop(fd, None)
    else:
        run.interest[fd] = mask


HANDLERS: dict[str, Handler] = {
    "recv": recv,
    "send": send,
    "so_error": so_error,
    "connect": connect,
    "accept": accept,
    "epoll_ctl": epoll_ctl,
}
