"""E: an event says what the kernel said, once, and leaves the right directions enabled.

On a readiness kernel an end of file or an error concerns one direction, which the library then
disables. On a completion kernel it ends the bufferevent in both directions and leaves `enabled` as
the application set it (bufferevent_async.c: `ok` becomes false), so E-6 differs there and a second
failure, of the other direction, is silent.
"""

from __future__ import annotations

from model.errors import WSA_ERROR_OF_STATUS, Errno, NtStatus, Win32Error
from model.properties import tls
from model.properties.catalogue import Property
from model.properties.view import Run, View
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
    event_name,
)

PROPERTIES = (
    Property(
        "E-1",
        "A connect that returned 0 gives exactly one of CONNECTED and ERROR; one that returned -1"
        " gives none.",
        "libevent: bufferevent_sock.c:bufferevent_socket_connect, bufferevent_writecb;"
        " bufferevent_async.c:connect_complete",
        "each event; when quiet: none is missing where the kernel has told the outcome, the other"
        " end was accepted, or nothing waits for the outcome",
    ),
    Property(
        "E-2",
        "The error that is readable in an ERROR event is that of an operation that failed.",
        "libevent: bufferevent.c:bufferevent_run_eventcb_; connect(2), recv(2), send(2),"
        " WSAGetOverlappedResult",
        "each ERROR event: against the failures that the kernel told since the previous one, and"
        " allocations that failed; a descriptor that could not be watched (epoll_ctl)",
    ),
    Property(
        "E-3",
        "EOF only if the kernel told the end of the stream, ERROR only if an operation failed.",
        "libevent: bufferevent_sock.c:bufferevent_readcb, bufferevent_async.c:read_complete;"
        " recv(2)",
        "each EOF and ERROR event, against kernel records",
    ),
    Property(
        "E-4",
        "The end of the peer's stream is reported as EOF once, not again.",
        "libevent: bufferevent_sock.c:bufferevent_readcb, bufferevent_async.c:read_complete",
        "a second EOF although reading was not enabled again (completion: any second one); TLS that"
        " may end without close_notify: an ERROR instead; that the first one comes is L-2",
    ),
    Property(
        "E-5",
        "`what` has one cause (a union only when deferred, CONNECTED always alone) and the"
        " direction it concerns, which the outcome of a connect has not.",
        "libevent: event2/bufferevent.h (BEV_EVENT_*);"
        " bufferevent.c:bufferevent_run_deferred_callbacks_locked",
        "each event callback; completion: an operation that cannot be started is an ERROR without"
        " direction",
    ),
    Property(
        "E-6",
        "After EOF, ERROR or TIMEOUT of a direction, that direction is not enabled and the other"
        " is as it was. Completion: EOF and ERROR leave both as they were.",
        "libevent: bufferevent_sock.c:bufferevent_readcb, bufferevent_writecb;"
        " bufferevent.c:bufferevent_generic_read_timeout_cb",
        "the enabled mask in each such event callback",
    ),
)

_CAUSES = BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT | BEV_EVENT_CONNECTED
_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING
_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR

#: what GetQueuedCompletionStatus makes of a status where WSAGetOverlappedResult says otherwise
_DOS_ERROR_OF_STATUS = {
    NtStatus.CONNECTION_RESET: Win32Error.ERROR_NETNAME_DELETED,
    NtStatus.LOCAL_DISCONNECT: Win32Error.ERROR_NETNAME_DELETED,
    NtStatus.CONNECTION_ABORTED: Win32Error.ERROR_CONNECTION_ABORTED,
    NtStatus.CONNECTION_REFUSED: Win32Error.ERROR_CONNECTION_REFUSED,
    NtStatus.IO_TIMEOUT: Win32Error.ERROR_SEM_TIMEOUT,
    NtStatus.HANDLES_CLOSED: Win32Error.ERROR_HANDLES_CLOSED,
}


def shape(run: Run, view: View, index: int, what: int) -> None:
    """E-5, of an event that the application did not trigger itself."""
    run.checked["E-5"] += 1
    cause = what & _CAUSES
    later = view.unwatched is not None or Errno.ENOMEM in view.errors  # may be told behind the call
    merges = view.merges or later
    problem = ""
    if what & ~(_CAUSES | _DIRECTIONS) or not cause:
        problem = "which is no event"
    elif what & BEV_EVENT_CONNECTED:
        if what != BEV_EVENT_CONNECTED:
            problem = "where CONNECTED must come alone"
    elif cause & (cause - 1) and not merges:
        problem = "two causes in one call, though its callbacks are not deferred"
    elif what & _DIRECTIONS == _DIRECTIONS and not merges:
        problem = "both directions in one call, though its callbacks are not deferred"
    elif not what & _DIRECTIONS and not _may_lack_direction(view, cause):
        problem = "without the direction it concerns"
    if problem:
        name = view.name
        run.violate("E-5", name, index, f"{name} got the event {event_name(what)}, {problem}")


def _may_lack_direction(view: View, cause: int) -> bool:
    return cause == BEV_EVENT_ERROR and (
        view.connecting or view.failed or view.refused or view.bottom.completion
    )


def outcome_of_connect(run: Run, view: View, index: int, what: int) -> None:
    """E-1, of CONNECTED and of an ERROR without direction."""
    name = view.name
    stands = view.connected or not view.ever_connects
    if view.bottom.completion and stands and not what & BEV_EVENT_CONNECTED:
        return  # an operation of the established connection could not be started
    view.connect_events += 1
    if not view.ever_connects:
        problem = "though it never called connect"
    elif view.connect_result == -1:
        problem = "though its connect returned -1"
    elif view.connect_events > 1 and not tls.told_again(view):
        problem = "as a second outcome of one connect"
    else:
        return
    run.violate("E-1", name, index, f"{name} got the event {event_name(what)} {problem}")


def truth_of_error(run: Run, view: View, index: int, error: object) -> None:
    """E-2 and E-3, of an ERROR event; consumes the failures that explain it."""
    run.checked["E-3"] += 1
    name, failures = view.name, view.errors
    if view.tls is not None and view.eofs == 1 and not failures:
        run.violate(
            "E-4",
            name,
            index,
            f"{name} got an ERROR event where the end of its stream was to be told as EOF",
        )
        return
    if not failures:
        run.violate("E-3", name, index, f"{name} got an ERROR event though no operation failed")
        return
    run.checked["E-2"] += 1
    if not any(_same_error(error, failure) for failure in failures):
        run.violate(
            "E-2",
            name,
            index,
            f"{name} reads the error {_error_name(error)} in its ERROR event, but what failed was"
            f" {', '.join(_error_name(failure) for failure in failures)}",
        )
    if view.tls is None:
        view.errors = []
    elif error in failures:
        failures.remove(error)  # each direction tells its own


def _same_error(error: object, failure: object) -> bool:
    if error is failure:
        return True
    if isinstance(failure, NtStatus):
        return error is WSA_ERROR_OF_STATUS.get(failure) or (
            error is _DOS_ERROR_OF_STATUS.get(failure)
        )
    return False


def _error_name(error: object) -> str:
    return error.name if isinstance(error, (Errno, Win32Error, NtStatus)) else "none"


def truth_of_eof(run: Run, view: View, index: int, what: int) -> None:
    """E-3 and E-4, of an EOF event."""
    run.checked["E-3"] += 1
    if what & BEV_EVENT_WRITING and not what & BEV_EVENT_READING:
        if not view.write_zeros:
            run.violate(
                "E-3", view.name, index, f"{view.name} got EOF for writing though no send gave 0"
            )
        return
    if view.eofs == 1:
        view.eofs = 2  # told
    elif what & BEV_EVENT_WRITING and view.write_zeros:
        return  # the end of writing; reading has another cause in the same call
    elif view.eofs == 2:
        run.violate("E-4", view.name, index, f"{view.name} got EOF a second time")
    else:
        run.violate(
            "E-3",
            view.name,
            index,
            f"{view.name} got EOF though the kernel told no end of the stream",
        )


def mask_after(run: Run, view: View, index: int, what: int, enabled: int) -> None:
    """E-6, of EOF, ERROR and TIMEOUT with a direction. `view.enabled` already lacks what the
    kernel's failures took; what a timeout takes is taken here."""
    run.checked["E-6"] += 1
    expected = view.enabled
    free = 0  # directions that may be either way
    if what & BEV_EVENT_TIMEOUT:
        if what & BEV_EVENT_READING:
            expected &= ~EV_READ
            if view.deferred and run.passes - view.enable_read_pass <= 1:
                free |= EV_READ  # it may have been enabled again before the deferred event ran
        if what & BEV_EVENT_WRITING:
            expected &= ~EV_WRITE
            if view.deferred and run.passes - view.enable_write_pass <= 1:
                free |= EV_WRITE
        if what & _ENDS and what & _DIRECTIONS == _DIRECTIONS:
            free |= EV_READ | EV_WRITE  # which direction timed out is not told
    if view.below is not None and view.below.encrypted and view.below.dead:
        free |= EV_READ | EV_WRITE  # completion: what else fails below TLS then may be told or not
    if view.timed_out_unheard() or view.unwatched is not None:
        free |= (EV_READ | EV_WRITE) & ~enabled  # by what nobody was told, or not yet
    if run.foreign and view.tls is not None and what & _ENDS:
        free |= EV_READ | EV_WRITE  # libevent stops both, and leaves the mask as it is
    if view.deferred:
        # A timeout of the other direction may have fired and wait for its event.
        if view.read_timeout is not None and not enabled & EV_READ:
            free |= EV_READ
        if view.write_timeout is not None and not enabled & EV_WRITE:
            free |= EV_WRITE
    if (enabled ^ expected) & (EV_READ | EV_WRITE) & ~free and not view.refused:
        run.violate(
            "E-6",
            view.name,
            index,
            f"{view.name} has {_mask_name(enabled)} enabled in its {event_name(what)} event,"
            f" where {_mask_name(expected)} is due",
        )


def _mask_name(mask: int) -> str:
    names = [name for bit, name in ((EV_READ, "READ"), (EV_WRITE, "WRITE")) if mask & bit]
    return "|".join(names) or "nothing"
