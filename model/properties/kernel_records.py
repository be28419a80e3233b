"""What the records say that both kernel kinds have: waits, descriptors, raw peers.

One function a kind, `(run, index, record)`.
"""

from __future__ import annotations

from model.errors import Errno, Win32Error
from model.properties import (
    completion_records,
    liveness,
    rate_records,
    readiness_records,
    resources,
)
from model.properties.view import Handler, Peer, Run, as_bytes, as_name
from model.threads import MAIN
from model.trace import Record

_ERRORS = frozenset({Errno, Win32Error})


def wait(run: Run, index: int, record: Record) -> None:
    """`epoll_wait`, `gqcs`: a pass of the loop begins, or of a worker."""
    if run.thread != MAIN:
        run.workers = True
        run.turns[run.thread] = run.turns.get(run.thread, 0) + 1
        return
    run.last_pass_time, run.pass_time = run.pass_time, record[0]
    run.wait_index = index
    run.passes += 1
    run.pass_mark = run.passes
    run.idle_waits += 1
    if run.rates is not None:
        rate_records.waited(run, index, record[0])
    if run.idle_waits > liveness.WAITS_MAX:
        liveness.idle_waits(run, index)
    if record[4].__class__ in _ERRORS:
        resources.failed_call(run, index, record, record[4])


def opened(run: Run, index: int, record: Record) -> None:
    """`socket`, `epoll_create`, `create_port`"""
    if record[2].__class__ is int:
        run.opened[record[2]] = index
        if record[1] == "create_port":  # the second is a pool's
            run.workers |= run.ported
            run.ported = True
    else:
        resources.failed_call(run, index, record, record[2])


def closed(run: Run, index: int, record: Record) -> None:
    """`close`, `close_port`"""
    fd = record[2]
    resources.close(run, index, record)
    run.interest.pop(fd, None)
    view = run.by_fd.pop(fd, None)
    if view is not None and view.fd == fd:
        view.closed = True
        view.write_touched = record[0]


def other_call(run: Run, index: int, record: Record) -> None:
    """A call of which only a bad descriptor matters; its result comes last."""
    if record[-1] is not None:
        resources.failed_call(run, index, record, record[-1])


def post(run: Run, index: int, record: Record) -> None:
    """`post`: a packet that is nobody's wakes the loop, one that is somebody's has a pool call
    back."""
    run.pooled |= record[4] is not None
    other_call(run, index, record)


def peer(run: Run, index: int, record: Record) -> None:
    """`peer`: what a raw end did, written by its own thread when the call returned.

    A blocking send takes less than it was given only where an error came after some of it.
    """
    time, _, name, operation, size, result = record
    run.idle_waits = 0
    end = run.peers.get(name)
    if end is None:
        end = run.peers[name] = Peer(as_name(name))
    end.touched = time
    if isinstance(result, (Errno, Win32Error)):
        end.broken = True
    elif operation == "send":
        if result.__class__ is bytes:
            end.outgoing.append(result)
            end.given += len(result)
            end.broken |= len(result) < size
    elif operation == "recv":
        if result:
            end.received.append(as_bytes(result))
            end.received_count += len(result)
        elif result is not None:
            end.eof = True
    elif operation in ("connect", "accept"):
        end.connections += 1
    elif operation in ("shutdown", "close", "reset"):
        end.finished = True
        end.reset |= operation == "reset"


HANDLERS: dict[str, Handler] = {
    **readiness_records.HANDLERS,
    **completion_records.HANDLERS,
    **rate_records.HANDLERS,
    "epoll_wait": wait,
    "gqcs": wait,
    "peer": peer,
    "socket": opened,
    "epoll_create": opened,
    "create_port": opened,
    "close": closed,
    "close_port": closed,
    **dict.fromkeys(
        (
            "listen",
            "shutdown",
            "bind",
            "associate",
            "skip_on_success",
            "set_send_buffer",
            "update_context",
            "cancel_io_ex",
        ),
        other_call,
    ),
    "post": post,
}
