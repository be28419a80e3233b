"""The two kernel contracts: a readiness port and a completion port.

They are two and not one: readiness says "you may try", completion says "it happened", and the
bugs that duopoll hunts live in the difference. Terms are those of epoll(7) and of Winsock.

Expected outcomes are values: a call gives its result or an `Errno` (`Win32Error`). An exception
means misuse of the port, or a defect of ours. Descriptors and handles are small opaque integers;
an *overlapped* is an integer that the caller chooses, unique among the operations in flight.
Addresses are TCP ports on the IPv4 loopback address: no port of this contract can name another
machine. All sockets are TCP, non-blocking (readiness) or overlapped (completion), TCP_NODELAY.

A real kernel (`real.epoll`, `real.iocp`) is a thin adapter with no policy; a simulated one
(`sim.epoll`, `sim.iocp`) is the specification of the semantics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from model.errors import Errno, NtStatus, Win32Error

if TYPE_CHECKING:
    from model.files import File

Buffer: TypeAlias = bytes | bytearray | memoryview
Shutdown: TypeAlias = Literal["RD", "WR", "RDWR"]

# epoll(7) event bits: include/uapi/linux/eventpoll.h. Plain integers, since they are the hot path.
EPOLLIN = 0x001
EPOLLPRI = 0x002
EPOLLOUT = 0x004
EPOLLERR = 0x008
EPOLLHUP = 0x010
EPOLLRDNORM = 0x040
EPOLLRDBAND = 0x080
EPOLLWRNORM = 0x100
EPOLLWRBAND = 0x200
EPOLLRDHUP = 0x2000
EPOLLEXCLUSIVE = 1 << 28
EPOLLWAKEUP = 1 << 29
EPOLLONESHOT = 1 << 30
EPOLLET = 1 << 31

EPOLL_BITS = {
    "IN": EPOLLIN,
    "PRI": EPOLLPRI,
    "OUT": EPOLLOUT,
    "ERR": EPOLLERR,
    "HUP": EPOLLHUP,
    "RDNORM": EPOLLRDNORM,
    "RDBAND": EPOLLRDBAND,
    "WRNORM": EPOLLWRNORM,
    "WRBAND": EPOLLWRBAND,
    "RDHUP": EPOLLRDHUP,
    "EXCLUSIVE": EPOLLEXCLUSIVE,
    "WAKEUP": EPOLLWAKEUP,
    "ONESHOT": EPOLLONESHOT,
    "ET": EPOLLET,
}

EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3


def mask_name(mask: int) -> str:
    """`EPOLLIN | EPOLLRDHUP` as `"IN|RDHUP"`; an empty mask as `"0"`."""
    return "|".join(name for name, bit in EPOLL_BITS.items() if mask & bit) or "0"


def mask_of(name: str) -> int:
    """The inverse of `mask_name`. Raises KeyError for an unknown bit."""
    return sum(EPOLL_BITS[part] for part in name.split("|")) if name != "0" else 0


class Accepted(NamedTuple):
    """A connection taken from a listener's queue: its descriptor and the peer's TCP port."""

    fd: int
    peer_port: int


class ReadinessKernel(Protocol):
    """Non-blocking socket calls and a poller, in the terms of socket(7), tcp(7) and epoll(7).

    `None` is success where a call has nothing to tell. Durations are nanoseconds, sizes bytes.
    """

    def socket(self) -> int | Errno:
        """A new non-blocking TCP socket."""

    def connect(self, fd: int, port: int) -> Errno | None:
        """connect(2): None when connected at once, EINPROGRESS, or a failure."""

    def listen(self, fd: int, port: int, backlog: int) -> int | Errno:
        """bind(2) to 127.0.0.1:`port` (0: any) and listen(2). Gives the port."""

    def accept(self, fd: int) -> Accepted | Errno:
        """accept4(2) with SOCK_NONBLOCK."""

    def recv(self, fd: int, size: int) -> bytes | Errno:
        """recv(2) of at most `size` > 0 bytes; empty bytes are end of file."""

    def send(self, fd: int, chunks: Sequence[Buffer]) -> int | Errno:
        """sendmsg(2) with MSG_NOSIGNAL, gathering `chunks`; the number of bytes taken."""

    def bytes_readable(self, fd: int) -> int | Errno:
        """ioctl(FIONREAD): the bytes that a recv would find."""

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int | Errno:
        """readv(2) into writable `buffers`, in order; the number of bytes, 0 at end of file."""

    def sendfile(self, fd: int, file: File, offset: int, size: int) -> int | Errno:
        """sendfile(2) of `size` bytes of `file` from `offset`; the number of bytes taken."""

    def so_error(self, fd: int) -> Errno | None:
        """getsockopt(SO_ERROR): reads and clears the pending error."""

    def getsockname(self, fd: int) -> int | Errno:
        """The local TCP port."""

    def shutdown(self, fd: int, how: Shutdown) -> Errno | None:
        """shutdown(2)."""

    def close(self, fd: int) -> Errno | None:
        """close(2), of a socket or of an epoll instance."""

    def eventfd(self) -> int | Errno:
        """eventfd2(2) with EFD_NONBLOCK: what a thread wakes another's epoll_wait with."""

    def eventfd_write(self, fd: int) -> Errno | None:
        """write(2) of 1: readable from here on."""

    def eventfd_read(self, fd: int) -> int | Errno:
        """read(2): the sum of what was written since the last read; EAGAIN when that is nothing."""

    def epoll_create(self) -> int | Errno:
        """epoll_create1(2)."""

    def epoll_ctl(self, epfd: int, op: int, fd: int, mask: int) -> Errno | None:
        """epoll_ctl(2); the event's data is `fd`."""

    def epoll_wait(
        self, epfd: int, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        """epoll_wait(2): (data, mask) in ready-list order; empty on timeout.

        `timeout_ns` None waits without end, 0 polls. Never returns early with nothing.
        """


class Completion(NamedTuple):
    """One packet of a completion port (OVERLAPPED_ENTRY)."""

    key: int
    overlapped: int | None  # None: posted without one
    nbytes: int
    status: NtStatus


class CompletionKernel(Protocol):
    """Overlapped Winsock and completion ports.

    A submission gives the number of bytes on synchronous success (its packet is still queued
    unless `set_skip_on_success`), `Win32Error.WSA_IO_PENDING` (exactly one packet will come), or
    another `Win32Error` (no packet). Buffers belong to the kernel until the packet is dequeued.
    """

    def socket(self) -> int | Win32Error:
        """WSASocket(WSA_FLAG_OVERLAPPED)."""

    def bind(self, handle: int, port: int) -> int | Win32Error:
        """bind to 127.0.0.1:`port` (0: any); gives the port. ConnectEx needs it."""

    def listen(self, handle: int, backlog: int) -> Win32Error | None:
        """listen on a bound socket."""

    def getsockname(self, handle: int) -> int | Win32Error:
        """The local TCP port."""

    def getpeername(self, handle: int) -> int | Win32Error:
        """The peer's TCP port; after AcceptEx only once the context was updated."""

    def shutdown(self, handle: int, how: Shutdown) -> Win32Error | None:
        """shutdown(SD_RECEIVE, SD_SEND, SD_BOTH)."""

    def set_send_buffer(self, handle: int, size: int) -> Win32Error | None:
        """setsockopt(SO_SNDBUF): bytes that sends may have buffered; 0: none, they are not copied.

        A send that is not copied pends until all of it is acknowledged.
        """

    def closesocket(self, handle: int) -> Win32Error | None:
        """closesocket; every pending operation still yields exactly one (failed) packet."""

    def create_port(self, concurrency: int) -> int | Win32Error:
        """CreateIoCompletionPort(INVALID_HANDLE_VALUE); 0 threads means one a processor."""

    def close_port(self, port: int) -> Win32Error | None:
        """CloseHandle on a port; waiters get ERROR_ABANDONED_WAIT_0."""

    def associate(self, handle: int, port: int, key: int) -> Win32Error | None:
        """CreateIoCompletionPort(handle, port): for life, with one key."""

    def set_skip_on_success(self, handle: int) -> Win32Error | None:
        """SetFileCompletionNotificationModes(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)."""

    def wsa_recv(self, handle: int, overlapped: int, buffer: memoryview) -> int | Win32Error:
        """WSARecv into `buffer` (writable; may be empty: a zero-byte read); 0 bytes is EOF."""

    def wsa_send(self, handle: int, overlapped: int, chunks: Sequence[Buffer]) -> int | Win32Error:
        """WSASend of all `chunks`: completes with the full length or fails."""

    def accept_ex(self, listener: int, acceptor: int, overlapped: int) -> int | Win32Error:
        """AcceptEx with no receive data; the packet goes to the listener's port."""

    def update_accept_context(self, acceptor: int, listener: int) -> Win32Error | None:
        """SO_UPDATE_ACCEPT_CONTEXT."""

    def connect_ex(self, handle: int, port: int, overlapped: int) -> int | Win32Error:
        """ConnectEx on a bound socket."""

    def update_connect_context(self, handle: int) -> Win32Error | None:
        """SO_UPDATE_CONNECT_CONTEXT."""

    def cancel_io_ex(self, handle: int, overlapped: int | None) -> Win32Error | None:
        """CancelIoEx: None: marked (the packet still comes); ERROR_NOT_FOUND: nothing to cancel."""

    def get_queued_completion_status(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        """GetQueuedCompletionStatusEx: one packet or more, WAIT_TIMEOUT, or the wait's failure."""

    def post_queued_completion_status(
        self, port: int, nbytes: int, key: int, overlapped: int | None
    ) -> Win32Error | None:
        """PostQueuedCompletionStatus."""
