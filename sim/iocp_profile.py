"""Where completion kernels differ: named switches, each with its source.

`NT` is what Microsoft's documentation and Wine's conformance tests say of Windows; where they are
silent the value is inferred, and its source says so. `WINE_8` is Wine 8.0, whose sockets stand on
Linux TCP: observed on Debian's build, or read from its source where the switch says "source only".
Nothing here was run on real Windows. `duopoll worlds` lists the switches, and `duopoll conform`
holds the second column to Wine. A switch is an answer to one question; no code asks which
profile it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from model.errors import NtStatus, UsageError, Win32Error


def _switch(source: str) -> Any:
    return field(metadata={"source": source})


@dataclass(frozen=True, slots=True)
class Profile:
    """A completion kernel's answers. Field order is that of the table in `switches`."""

    name: str
    waiters_lifo: bool = _switch(
        "the newest waiter gets the packet: Microsoft, 'I/O Completion Ports'; Wine queues them"
        " in order"
    )
    threads_complete_apart: bool = _switch(
        "operations of one socket that end at once may have their packets in another order when"
        " different threads issued them: on Wine 8 each thread completes its own (observed);"
        " inferred not to be so on NT"
    )
    concurrency_enforced: bool = _switch(
        "a waiter is held back while as many threads run as the port allows: Microsoft, 'I/O"
        " Completion Ports'; dropped in Wine's server/completion.c (source only)"
    )
    close_port_wakes_waiters: bool = _switch(
        "ERROR_ABANDONED_WAIT_0 at once: Microsoft, GetQueuedCompletionStatus, and Wine's test"
        " of completion ports; on Wine 8 the waiter runs into its timeout"
    )
    close_status: NtStatus = _switch(
        "what closesocket makes of a pending receive or send: Wine's"
        " iocp_async_read_closesocket (todo_wine)"
    )
    close_send_status: NtStatus = _switch(
        "what closesocket makes of a pending send: as for receives on NT; Wine 8 looks for its"
        " handle, which is gone or something else's by then (observed)"
    )
    sends_fail_first: bool = _switch(
        "order of the packets of one reset or close, undocumented: observed on Wine 8, a reset"
        " fails the oldest send, the receives, the other sends, and a close all sends first"
    )
    closed_forgets_peer: bool = _switch(
        "getpeername after a reset, or after FIN both ways, gives WSAENOTCONN: ENOTCONN of Linux on"
        " Wine 8, observed; inferred for NT, which keeps the address"
    )
    reset_after_fin_unseen: bool = _switch(
        "a send that pends when a reset follows the peer's FIN never ends, mostly: observed on"
        " Wine 8, which looks no more at a socket that has hung up"
    )
    reset_fails_receives: bool = _switch(
        "a receive after a reset fails with WSAECONNRESET and no packet: Wine's test_tcp_reset"
        " (todo_wine); on Wine 8 it is end of file"
    )
    reset_discards_unread: bool = _switch(
        "data not yet received is gone after a reset: inferred for NT; Linux, and so Wine 8,"
        " delivers it"
    )
    cancel_nothing_fails: bool = _switch(
        "CancelIoEx without an overlapped and with nothing pending gives ERROR_NOT_FOUND:"
        " Microsoft, CancelIoEx"
    )
    cancel_all_newest_first: bool = _switch(
        "order of the packets of one CancelIoEx for the whole handle: undocumented; observed on"
        " Wine 8"
    )
    failed_send_counts_written: bool = _switch(
        "a failed send's packet counts the bytes already written: unspecified, 0 assumed for"
        " NT; observed on Wine 8"
    )
    send_unconnected: Win32Error = _switch(
        "a send on a socket that never was connected: inferred for NT; EPIPE of Linux on Wine 8"
    )
    listener_pends: bool = _switch(
        "a receive or send on a listening socket pends until it is cancelled: observed on Wine 8,"
        " which waits for poll(2) to say something; WSAENOTCONN: Microsoft, WSARecv"
    )
    refused_reads_eof: bool = _switch(
        "a receive on a socket whose connect was refused is end of file: observed on Wine 8, where"
        " Linux says so; WSAENOTCONN: Microsoft, WSARecv"
    )
    connect_error_stays: bool = _switch(
        "SO_ERROR tells a failed connect until one succeeds: observed on Wine 8; reading it clears"
        " it: Microsoft, getsockopt"
    )
    accept_checks_sockets: bool = _switch(
        "AcceptEx on a socket that does not listen, or into one that is bound or connected, gives"
        " WSAEINVAL: Wine's test_AcceptEx (todo_wine); pending on Wine 8"
    )
    context_needed: bool = _switch(
        "getpeername, getsockname and shutdown give WSAENOTCONN until SO_UPDATE_*_CONTEXT:"
        " Microsoft, AcceptEx and ConnectEx; on Wine 8 that option always succeeds and does"
        " nothing (observed)"
    )
    connect_again_after_refusal: bool = _switch(
        "ConnectEx on a socket that was refused: inferred for NT; ECONNABORTED of Linux on Wine 8"
    )
    send_overshoots: bool = _switch(
        "a send is taken whole while less than SO_SNDBUF is buffered, and none while more is:"
        " inferred for NT from its refusal of short sends (comment in Wine's sock_send); Linux"
        " takes what fits"
    )
    send_waits_for_ack: bool = _switch(
        "a send that could not be buffered ends when all of it is acknowledged: Wine's"
        " test_send and inferred; on Wine 8 when Linux has taken its last byte"
    )
    close_aborts_sends: bool = _switch(
        "closesocket with sends that TCP has not delivered resets the connection: inferred for"
        " NT, which unlocks their buffers; Wine 8 leaves what Linux took to be delivered"
    )
    memory_limited: bool = _switch(
        "locked pages and non-paged pool have an end, WSAENOBUFS: Microsoft, WSARecv and WSASend;"
        " Wine locks nothing (source only)"
    )
    disconnect_always_queues: bool = _switch(
        "DisconnectEx queues a packet in spite of skip-on-success: Wine's"
        " test_shutdown_completion_port (todo_wine, source only)"
    )
    accept_connects_early: bool = _switch(
        "an AcceptEx that still waits for first data has connected its acceptor, which stays so"
        " when the AcceptEx ends otherwise: observed on Wine 8; inferred not to be so on NT"
    )
    accept_of_reset_fails: bool = _switch(
        "AcceptEx of a connection that was reset while it was queued fails with"
        " INVALID_CONNECTION: observed on Wine 8, which asks for the peer's name; inferred not to"
        " be so on NT"
    )
    reuse_makes_fresh: bool = _switch(
        "TF_REUSE_SOCKET makes a handle as new: Microsoft, DisconnectEx; Wine 8 only disconnects"
        " (observed)"
    )
    accept_may_be_synchronous: bool = _switch(
        "AcceptEx may take a waiting connection at once and return TRUE: Microsoft, AcceptEx;"
        " Wine's server always answers STATUS_PENDING (source only)"
    )


NT = Profile(
    name="nt",
    waiters_lifo=True,
    threads_complete_apart=False,
    concurrency_enforced=True,
    close_port_wakes_waiters=True,
    close_status=NtStatus.CONNECTION_ABORTED,
    close_send_status=NtStatus.CONNECTION_ABORTED,
    sends_fail_first=False,
    closed_forgets_peer=False,
    reset_after_fin_unseen=False,
    reset_fails_receives=True,
    reset_discards_unread=True,
    cancel_nothing_fails=True,
    cancel_all_newest_first=False,
    failed_send_counts_written=False,
    send_unconnected=Win32Error.WSAENOTCONN,
    listener_pends=False,
    refused_reads_eof=False,
    connect_error_stays=False,
    accept_checks_sockets=True,
    context_needed=True,
    connect_again_after_refusal=True,
    send_overshoots=True,
    send_waits_for_ack=True,
    close_aborts_sends=True,
    memory_limited=True,
    disconnect_always_queues=True,
    accept_connects_early=False,
    accept_of_reset_fails=False,
    reuse_makes_fresh=True,
    accept_may_be_synchronous=True,
)

WINE_8 = Profile(
    name="wine-8",
    waiters_lifo=False,
    threads_complete_apart=True,
    concurrency_enforced=False,
    close_port_wakes_waiters=False,
    close_status=NtStatus.HANDLES_CLOSED,
    close_send_status=NtStatus.INVALID_HANDLE,
    sends_fail_first=True,
    closed_forgets_peer=True,
    reset_after_fin_unseen=True,
    reset_fails_receives=False,
    reset_discards_unread=False,
    cancel_nothing_fails=False,
    cancel_all_newest_first=True,
    failed_send_counts_written=True,
    send_unconnected=Win32Error.WSAECONNRESET,
    listener_pends=True,
    refused_reads_eof=True,
    connect_error_stays=True,
    accept_checks_sockets=False,
    context_needed=False,
    connect_again_after_refusal=False,
    send_overshoots=False,
    send_waits_for_ack=False,
    close_aborts_sends=False,
    memory_limited=False,
    disconnect_always_queues=False,
    accept_connects_early=True,
    accept_of_reset_fails=True,
    reuse_makes_fresh=False,
    accept_may_be_synchronous=False,
)

PROFILES = {profile.name: profile for profile in (NT, WINE_8)}


def find_profile(name: str) -> Profile:
    """The profile of that name. Raises `UsageError`."""
    if name not in PROFILES:
        raise UsageError(f"profile {name[:40]!r} does not exist: name one of {', '.join(PROFILES)}")
    return PROFILES[name]


class Switch(NamedTuple):
    """One row of the table of differences; values as text."""

    name: str
    nt: str
    wine_8: str
    source: str


def switches() -> tuple[Switch, ...]:
    """Every switch with its value in both profiles and its source."""
    return tuple(
        Switch(
            each.name,
            _text(getattr(NT, each.name)),
            _text(getattr(WINE_8, each.name)),
            each.metadata["source"],
        )
        for each in fields(Profile)
        if each.metadata
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(getattr(value, "name", value))
