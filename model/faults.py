"""What may go wrong in a simulated run: kinds of faults, each on or off, as plain data.

Two sorts of kinds take their decisions from the tape. *Conditions* are what a healthy kernel and
network do at any time (a short read, a late packet): they are on unless a run says otherwise.
*Faults* are off unless a run names them; a run that does not draws nothing for them. A run that has
some kinds and not others (a swarm) reaches what a run that has all of them cannot: a connection
that is reset at every turn never fills a window.

Call faults are beside the tape: the n-th call of a kind fails with a given outcome, whatever the
tape says. Sweeping n over 1, 2, 3, ... fails every call of a run in turn.

All of it is for simulated worlds; real kernels make their own faults. Calls are those of the
program under test: raw peers meet the network's faults, not the kernel's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from model.errors import Errno, Win32Error

#: kinds that are on by default -> the decisions of the tape that they stand for
CONDITIONS: dict[str, tuple[str, ...]] = {
    "short_read": ("tcp.short_read",),
    "short_write": ("tcp.short_write",),
    "latency": ("tcp.latency", "tcp.ack_latency", "tcp.connect_latency", "tcp.accept_latency"),
    "segments": ("tcp.segment",),
    "late_timer": ("epoll_wait.late",),
    "yield": ("sched.yield",),
    "queued_success": ("iocp.sync",),
    "accept_at_once": ("iocp.accept_sync",),
    "completion_delay": ("iocp.completion_delay",),
    "completion_order": ("iocp.completion_order",),
    "cancel_loses": ("iocp.cancel_loses",),
    "handle_reuse": ("iocp.handle_reuse",),
}

#: kinds that are off by default -> what they do; the decision is "fault." and the kind
FAULTS: dict[str, str] = {
    "spurious": "epoll_wait reports a descriptor that is not ready",
    "eintr": "epoll_wait is interrupted",
    "eagain": "accept, recv and send give EAGAIN after readiness was told",
    "econnaborted": "a connection is gone when accept takes it; AcceptEx fails with its packet",
    "emfile": "no descriptors for a while: accept and socket fail",
    "enobufs": "a send fails with ENOBUFS; WSARecv and WSASend with WSAENOBUFS",
    "reset": "both ends of a connection get a reset",
    "reordering": "a segment is overtaken by those of other connections",
    "stall": "a peer's kernel says nothing for a while",
    "zero_window": "a receiver offers no window for a while",
    "pool": "locked buffers and copies of sends share `pool_pages` of the kernel's memory",
    "connect_at_once": "a connect has its outcome at once, as on BSD kernels and Unix sockets",
}

KINDS: tuple[str, ...] = (*CONDITIONS, *FAULTS)

#: call -> outcome -> what it is for a completion kernel; None: it has no such outcome there
CALLS: dict[str, dict[Errno, Win32Error | None]] = {
    "socket": {Errno.EMFILE: Win32Error.WSAEMFILE, Errno.ENOBUFS: Win32Error.WSAENOBUFS},
    "connect": {
        Errno.ENETUNREACH: Win32Error.WSAENETUNREACH,
        Errno.EADDRNOTAVAIL: Win32Error.WSAEADDRNOTAVAIL,
        Errno.ENOBUFS: Win32Error.WSAENOBUFS,
    },
    "accept": {
        Errno.EMFILE: Win32Error.WSAENOBUFS,
        Errno.EAGAIN: None,
        Errno.EINTR: None,
        Errno.ECONNABORTED: Win32Error.WSAECONNRESET,
        Errno.ENFILE: Win32Error.WSAENOBUFS,
        Errno.ENOBUFS: Win32Error.WSAENOBUFS,
    },
    "recv": {
        Errno.EAGAIN: None,
        Errno.EINTR: None,
        Errno.ECONNRESET: Win32Error.WSAECONNRESET,
        Errno.ENOBUFS: Win32Error.WSAENOBUFS,
    },
    "send": {
        Errno.EAGAIN: None,
        Errno.EINTR: None,
        Errno.ECONNRESET: Win32Error.WSAECONNRESET,
        Errno.ENOBUFS: Win32Error.WSAENOBUFS,
    },
    "wait": {Errno.EINTR: None},
}

PAGE = 4_096  # bytes of a locked page
POOL_PAGES = 64
POOL_PAGES_MAX = 1 << 20
NTH_MAX = 100_000
CALL_FAULTS_MAX = 100  # of one run


class CallFault(NamedTuple):
    """The `n`-th (from 1) call of kind `call` ends with `outcome`, the name of an errno."""

    call: str
    n: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong in a run. `pool_pages` is the pool's size where `pool` is on."""

    kinds: tuple[str, ...] = tuple(CONDITIONS)
    calls: tuple[CallFault, ...] = ()
    pool_pages: int = POOL_PAGES


NONE = Faults()
