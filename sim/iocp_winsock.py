"""What Winsock and Win32 have beside the contract: for cases and differential runs.

Plain blocking calls on overlapped sockets, socket options, DisconnectEx, CancelIo, the end of a
thread, and the status block of an overlapped. A subject never needs them; hand-written cases and
random differential runs do. Keeping status blocks costs memory for every overlapped ever used, so
it is this class that switches it on.
"""

from __future__ import annotations

from model.errors import WSA_ERROR_OF_STATUS, Errno, NtStatus, Win32Error
from model.kernel import Buffer, Completion
from sim.iocp_handles import WSA_ERROR_OF_ERRNO
from sim.iocp_pool import PooledIocp
from sim.iocp_profile import NT, Profile
from sim.iocp_socket import Socket
from sim.iocp_stream import SUCCESS
from sim.network import Network
from sim.scheduler import Scheduler
from sim.task import Task
from sim.tcp import ESTABLISHED, LISTEN, SYN_SENT

TF_REUSE_SOCKET = 2
LEAST_BUFFER = 2_304  # SOCK_MIN_RCVBUF (include/net/sock.h): what Linux makes of less

#: RtlNtStatusToDosError: what GetQueuedCompletionStatus and GetOverlappedResult report
DOS_ERROR_OF_STATUS = {
    NtStatus.CANCELLED: Win32Error.ERROR_OPERATION_ABORTED,
    NtStatus.CONNECTION_RESET: Win32Error.ERROR_NETNAME_DELETED,
    NtStatus.LOCAL_DISCONNECT: Win32Error.ERROR_NETNAME_DELETED,
    NtStatus.CONNECTION_ABORTED: Win32Error.ERROR_CONNECTION_ABORTED,
    NtStatus.CONNECTION_REFUSED: Win32Error.ERROR_CONNECTION_REFUSED,
    NtStatus.HANDLES_CLOSED: Win32Error.ERROR_HANDLES_CLOSED,
    NtStatus.INVALID_HANDLE: Win32Error.ERROR_INVALID_HANDLE,
    NtStatus.OBJECT_TYPE_MISMATCH: Win32Error.ERROR_INVALID_HANDLE,
    NtStatus.INVALID_CONNECTION: Win32Error.ERROR_UNEXP_NET_ERR,
    NtStatus.IO_TIMEOUT: Win32Error.ERROR_SEM_TIMEOUT,
    NtStatus.PENDING: Win32Error.ERROR_IO_INCOMPLETE,
    NtStatus.INVALID_PARAMETER: Win32Error.ERROR_INVALID_PARAMETER,
}


class SimWinsock(PooledIocp):
    """`SimIocp` with the rest of Winsock. Blocking calls park the current task."""

    __slots__ = ()

    def __init__(self, scheduler: Scheduler, network: Network, profile: Profile = NT) -> None:
        super().__init__(scheduler, network, profile)
        self._host.blocks = {}

    # -- status blocks --------------------------------------------------------------------------

    def _block(self, overlapped: int) -> tuple[NtStatus, int]:
        """Status and bytes; an overlapped that was never used has zeros."""
        return (self._host.blocks or {}).get(overlapped, (SUCCESS, 0))

    def internal(self, overlapped: int) -> NtStatus | None:
        """OVERLAPPED.Internal: PENDING from submission, set before the packet is dequeued."""
        block = (self._host.blocks or {}).get(overlapped)
        return None if block is None else block[0]

    def wsa_get_overlapped_result(self, handle: int, overlapped: int) -> int | Win32Error:
        """WSAGetOverlappedResult without waiting; WSAENOTSOCK once the socket is closed."""
        if handle not in self._sockets:
            return Win32Error.WSAENOTSOCK
        status, nbytes = self._block(overlapped)
        if status is NtStatus.HANDLES_CLOSED:
            return Win32Error.WSAEINVAL  # a warning, which Wine 8 has no Winsock name for
        return nbytes if status is SUCCESS else WSA_ERROR_OF_STATUS[status]  # rule O1

    def get_overlapped_result(self, handle: int, overlapped: int) -> int | Win32Error:
        """GetOverlappedResult without waiting: the same failure by its Win32 name."""
        status, nbytes = self._block(overlapped)
        return nbytes if status is SUCCESS else DOS_ERROR_OF_STATUS[status]  # rule O2

    # -- cancelling by thread -------------------------------------------------------------------

    def cancel_io(self, handle: int) -> Win32Error | None:
        """CancelIo: the calling thread's operations on `handle`; None even when there are none."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.ERROR_INVALID_HANDLE
        operations = sock.pending()
        if self.profile.cancel_all_newest_first:
            operations.sort(key=lambda operation: operation.serial, reverse=True)
        for operation in operations:
            if operation.task is self.scheduler.current:
                sock.cancel(operation)  # rule C4
        return None

    def thread_exited(self, task: Task) -> None:
        """A thread's end cancels its operations on sockets without a port (since Vista)."""
        for sock in tuple(self._sockets.values()):
            if sock.port is not None:
                continue  # rule T2
            for operation in sock.pending():
                if operation.task is task:
                    sock.end_cancelled(operation)  # rule T1

    # -- options --------------------------------------------------------------------------------

    def set_nonblocking(self, handle: int) -> Win32Error | None:
        """FIONBIO: concerns the plain calls only."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        sock.nonblocking = True
        return None

    def set_rcvbuf(self, handle: int, size: int) -> Win32Error | None:
        """SO_RCVBUF, at least Linux's least buffer: see the differences in `sim.iocp`."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        sock.endpoint.rcvbuf = max(size, LEAST_BUFFER)
        return None

    def so_error(self, handle: int) -> Win32Error | None:
        """SO_ERROR: why a connect failed; None after a reset (Wine's test_tcp_reset)."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        error = sock.connect_error
        if error is None:
            return None  # rule O3
        if not self.profile.connect_error_stays:
            sock.connect_error = None
        return WSA_ERROR_OF_ERRNO[error]  # rule O4

    def close_reset(self, handle: int) -> Win32Error | None:
        """closesocket with SO_LINGER 0: a reset for the peer."""
        sock = self._sockets.pop(handle, None)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        self._closed.append(handle)
        sock.close(linger_zero=True)
        return None

    # -- plain calls ----------------------------------------------------------------------------

    def _wait(self, sock: Socket) -> bool:
        """Parks until the endpoint changes; False when the run is over."""
        scheduler = self.scheduler
        sock.waiting = scheduler.current
        try:
            scheduler.park(None)
        finally:  # a wait that can never end raises
            sock.waiting = None
        return not scheduler.ending

    def connect(self, handle: int, port: int) -> Win32Error | None:
        """connect: blocks, or goes on alone with WSAEWOULDBLOCK. Queues no packet."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        if sock.endpoint.state is LISTEN or sock.accepting is not None:
            return Win32Error.WSAEINVAL
        if sock.connected:
            return Win32Error.WSAEISCONN
        error = sock.endpoint.connect(port)
        if error is Errno.ECONNABORTED and self.profile.connect_again_after_refusal:
            error = sock.endpoint.connect(port)  # rule N5
        if error not in {None, Errno.EINPROGRESS}:
            return WSA_ERROR_OF_ERRNO[error or Errno.EINVAL]
        sock.bound = True
        sock.connect_error = None
        if sock.nonblocking:
            sock.endpoint.watch(lambda _key: self._connected(sock))
            self._connected(sock)
            return Win32Error.WSAEWOULDBLOCK  # rule B6
        while sock.endpoint.state is SYN_SENT:
            if not self._wait(sock):
                return Win32Error.WSAECONNABORTED
        failed = self._connected(sock)
        return None if failed is None else WSA_ERROR_OF_ERRNO[failed]  # rule B4

    @staticmethod
    def _connected(sock: Socket) -> Errno | None:
        """The end of a plain connect, if it has come; its failure."""
        endpoint = sock.endpoint
        if sock.connected or endpoint.state is SYN_SENT:
            return None
        if endpoint.state is ESTABLISHED or endpoint.reset:
            sock.establish(context=True)
        elif sock.connect_error is None:
            sock.connect_error = endpoint.take_error() or Errno.ECONNREFUSED
        return sock.connect_error

    def accept(self, listener: int) -> int | Win32Error:
        """accept, blocking: the handle of the new socket, which has no port."""
        sock = self._sockets.get(listener)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        while True:
            child = sock.endpoint.accept()
            if child is not Errno.EAGAIN:
                break
            if sock.nonblocking:
                return Win32Error.WSAEWOULDBLOCK  # rule B5
            if not self._wait(sock):
                return Win32Error.WSAECONNABORTED
        if isinstance(child, Errno):
            return WSA_ERROR_OF_ERRNO[child]
        handle = self._number()
        accepted = self._sockets[handle] = Socket(self._host, handle, child)
        accepted.bound = True
        accepted.establish(context=True)
        return handle

    def recv(self, handle: int, size: int) -> bytes | Win32Error:
        """recv: blocks until there is something, unless the socket is non-blocking."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        if sock.refused and self.profile.refused_reads_eof:
            return b""  # rule R9
        if not sock.receivable:
            return Win32Error.WSAESHUTDOWN if sock.connected else Win32Error.WSAENOTCONN
        while not sock.endpoint.inbox_size:
            status = sock.receive_end()
            if status is SUCCESS or (status and not self.profile.reset_fails_receives):
                return b""
            if status is not None:
                return WSA_ERROR_OF_STATUS[status]
            if sock.nonblocking:
                return Win32Error.WSAEWOULDBLOCK  # rule B2
            if not self._wait(sock):
                return Win32Error.WSAECONNABORTED
        data = sock.endpoint.recv(size)
        return data if isinstance(data, bytes) else WSA_ERROR_OF_ERRNO[data]

    def send(self, handle: int, data: Buffer) -> int | Win32Error:
        """send: blocks until all is taken; a non-blocking socket takes all or (NT) nothing."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        if not sock.sendable:
            unconnected = self.profile.send_unconnected
            return Win32Error.WSAESHUTDOWN if sock.connected else unconnected
        rest = bytes(data)
        endpoint = sock.endpoint
        if self.profile.send_overshoots and sock.nonblocking:
            if endpoint.state is ESTABLISHED and endpoint.queued >= max(endpoint.sndbuf, 1):
                endpoint.nospace = True
                return Win32Error.WSAEWOULDBLOCK  # rule B3
        while True:
            taken = endpoint.send((rest,))
            if isinstance(taken, int):
                rest = rest[taken:]
            elif taken is not Errno.EAGAIN:
                return WSA_ERROR_OF_ERRNO[taken]
            if not rest or (sock.nonblocking and len(rest) < len(data)):
                return len(data) - len(rest)
            if sock.nonblocking:
                return Win32Error.WSAEWOULDBLOCK
            if not self._wait(sock):
                return Win32Error.WSAECONNABORTED

    # -- DisconnectEx ---------------------------------------------------------------------------

    def disconnect_ex(
        self, handle: int, overlapped: int | None, flags: int = 0
    ) -> int | Win32Error:
        """DisconnectEx: FIN behind what was sent; without an overlapped it ends in the call."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.WSAENOTSOCK
        if not sock.connected:
            return Win32Error.WSAENOTCONN  # rule D4
        sock.context = True
        port = sock.port
        tells = port is not None and (not sock.skip or self.profile.disconnect_always_queues)
        before = 0 if port is None else len(port.packets)
        if port is not None:
            port.held = tells
        self.shutdown(handle, "WR")
        if flags & TF_REUSE_SOCKET and self.profile.reuse_makes_fresh:
            self._reuse(sock)  # rule D5
        if overlapped is None:
            if port is not None:
                port.held = False
                port.release()
            return 0  # rule D2
        self._host.blocks = self._host.blocks or {}
        self._host.blocks[overlapped] = (SUCCESS, 0)
        if port is not None and tells:
            packet = Completion(sock.key, overlapped, 0, SUCCESS)
            if sock.skip:
                port.put_in_order(before, False, lambda: port.add(packet))  # rule D3
            else:
                port.put_in_order(before, False, lambda: port.add(packet))  # rule D1
        return Win32Error.WSA_IO_PENDING

    @staticmethod
    def _reuse(sock: Socket) -> None:
        """TF_REUSE_SOCKET: the handle is as new, but keeps its port and key."""
        old = sock.endpoint
        sock.renew()
        old.watchers = ()
        sock.endpoint.local_port = 0
        sock.bound = False
