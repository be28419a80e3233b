"""S: nothing crashes, and everything that was opened is closed once and no more used.

These go on after the application's program, through the harness's teardown.
"""

from __future__ import annotations

from model.errors import Errno, Win32Error
from model.properties.catalogue import Property
from model.properties.view import Run
from model.trace import Record

PROPERTIES = (
    Property(
        "S-1",
        "No legal sequence of calls crashes, aborts or fails an assertion.",
        "libevent: event2/bufferevent.h; util-internal.h:EVUTIL_ASSERT",
        "crash records",
    ),
    Property(
        "S-2",
        "Each descriptor is closed at most once, and not used after that.",
        "close(2), closesocket; libevent: bufferevent_sock.c:be_socket_destruct,"
        " bufferevent_async.c:be_async_ctrl",
        "kernel calls that answer EBADF, ENOTSOCK or ERROR_INVALID_HANDLE, and second closes",
    ),
    Property(
        "S-3",
        "Once freed, and its operations completed, a bufferevent's memory is released.",
        "libevent: bufferevent.c:bufferevent_decref_and_unlock_, bufferevent_finalize_cb_",
        "the number of bufferevents left when the base is freed",
    ),
    Property(
        "S-4",
        "When the base is freed, every descriptor and handle has been closed.",
        "libevent: event.c:event_base_free_, listener.c:event_listener_destroy",
        "descriptors opened and never closed, where the run came to its end",
    ),
)

_BAD_DESCRIPTOR = frozenset(
    {
        Errno.EBADF,
        Errno.ENOTSOCK,
        Win32Error.ERROR_INVALID_HANDLE,
        Win32Error.WSAEBADF,
        Win32Error.WSAENOTSOCK,
    }
)


def failed_call(run: Run, index: int, record: Record, error: object) -> None:
    """A kernel call failed: with the error of a descriptor that is not open?"""
    if isinstance(error, (Errno, Win32Error)) and error in _BAD_DESCRIPTOR:
        fd = record[4] if record[1] == "epoll_ctl" else record[2]
        run.violate(
            "S-2",
            str(fd),
            index,
            f"{record[1]} was called on {fd}, which is not open ({error.name})",
        )


def close(run: Run, index: int, record: Record) -> None:
    """A close: of something that is open."""
    run.checked["S-2"] += 1
    fd, result = record[2], record[3]
    if result is not None and result != 0:
        failed_call(run, index, record, result)
    elif run.opened.pop(fd, None) is None and fd in run.closed:
        run.violate("S-2", str(fd), index, f"{fd} was closed a second time")
    run.closed.add(fd)


def crash(run: Run, index: int, record: Record) -> None:
    """An exception out of the subject."""
    run.violate("S-1", "", index, f"{record[4]} failed with {record[2]}: {record[3]}")


def judge(run: Run) -> None:
    """S-4 at the end of a run that came to its end."""
    run.checked["S-1"] += 1
    if not run.base_freed or run.cut:
        return
    run.checked["S-4"] += 1
    for fd, index in run.opened.items():
        opener = run.records[index]
        run.violate(
            "S-4", str(fd), index, f"{fd} was opened ({opener[1]}, record {index}) and never closed"
        )
