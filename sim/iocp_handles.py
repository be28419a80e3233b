"""Handles of the simulated completion kernel: sockets, ports, and the calls that end at once.

The base of `sim.iocp.SimIocp`, which adds the overlapped operations. See there for how the kernel
behaves.
"""

from __future__ import annotations

from collections.abc import Callable

from model.errors import Errno, Win32Error
from model.kernel import Completion, Shutdown
from sim.iocp_operation import Host
from sim.iocp_port import Port
from sim.iocp_profile import NT, Profile
from sim.iocp_socket import Socket
from sim.iocp_stream import SUCCESS
from sim.network import Network
from sim.scheduler import Scheduler
from sim.segments import Connection
from sim.tcp import ESTABLISHED, Endpoint

INVALID_HANDLE_VALUE = -1
FIRST_HANDLE = 0x100  # handles are multiples of 4
LEAST_SNDBUF = 16_384  # Linux takes about as much with SO_SNDBUF 0 (measured under Wine 8)

_NOTSOCK = Win32Error.WSAENOTSOCK

#: how outcomes of `sim.tcp` read in Winsock's terms
WSA_ERROR_OF_ERRNO = {
    Errno.EAGAIN: Win32Error.WSAEWOULDBLOCK,
    Errno.EINVAL: Win32Error.WSAEINVAL,
    Errno.EISCONN: Win32Error.WSAEISCONN,
    Errno.ENOTCONN: Win32Error.WSAENOTCONN,
    Errno.EPIPE: Win32Error.WSAECONNRESET,
    Errno.ECONNRESET: Win32Error.WSAECONNRESET,
    Errno.ECONNABORTED: Win32Error.WSAECONNABORTED,
    Errno.ECONNREFUSED: Win32Error.WSAECONNREFUSED,
    Errno.ETIMEDOUT: Win32Error.WSAETIMEDOUT,
    Errno.EADDRINUSE: Win32Error.WSAEADDRINUSE,
    Errno.EADDRNOTAVAIL: Win32Error.WSAEADDRNOTAVAIL,
    Errno.EALREADY: Win32Error.WSAEINVAL,
}


class Handles:
    """Sockets and ports by number, over `network`, whose NT switch follows the profile."""

    __slots__ = (
        "_closed",
        "_host",
        "_next",
        "_ports",
        "_sockets",
        "_whole",
        "network",
        "scheduler",
    )

    def __init__(self, scheduler: Scheduler, network: Network, profile: Profile = NT) -> None:
        self.scheduler = scheduler
        self.network = network
        network.nt = profile.reset_discards_unread
        self._host = Host(scheduler, network, profile)
        self._whole = profile.send_overshoots  # asked on the hot path
        self._sockets: dict[int, Socket] = {}
        self._ports: dict[int, Port] = {}
        self._closed: list[int] = []  # numbers of closed sockets, newest last
        self._next = FIRST_HANDLE

    @property
    def profile(self) -> Profile:
        """Whose semantics these are."""
        return self._host.profile

    def endpoint(self, handle: int) -> Endpoint | None:
        """The TCP socket behind a handle; None if there is none."""
        sock = self._sockets.get(handle)
        return None if sock is None else sock.endpoint

    def connections(self) -> list[tuple[int, Connection]]:
        """The established connections, by handle."""
        return [
            (handle, sock.endpoint)
            for handle, sock in self._sockets.items()
            if sock.endpoint.state is ESTABLISHED
        ]

    def abort_accepts(self, aborts: Callable[[int], bool]) -> None:
        """`aborts(listener)` says of each connection whether it is gone when AcceptEx takes it.

        The packet is then a failure with CONNECTION_RESET, for which Microsoft's AcceptEx has
        WSAECONNRESET: the peer ended a connection that had been indicated.
        """
        self._host.aborts = aborts

    # -- sockets --------------------------------------------------------------------------------

    def socket(self) -> int:
        """WSASocket(WSA_FLAG_OVERLAPPED)."""
        handle = self._number()
        self._sockets[handle] = Socket(self._host, handle, Endpoint(self.network))
        return handle

    def _number(self) -> int:
        """A handle value: new, or that of the socket closed last ("iocp.handle_reuse")."""
        if self._closed and self.network.live and self.network.draw("iocp.handle_reuse", 2):
            return self._closed.pop()
        self._next += 4
        return self._next - 4

    def bind(self, handle: int, port: int) -> int | Win32Error:
        """bind to 127.0.0.1:`port` (0: any); WSAEINVAL when bound or connected."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        bound = sock.endpoint.bind(port)
        if isinstance(bound, Errno):
            return WSA_ERROR_OF_ERRNO[bound]  # rule H6
        sock.bound = True
        return bound

    def listen(self, handle: int, backlog: int) -> Win32Error | None:
        """listen; WSAEINVAL when not bound."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.bound:
            return Win32Error.WSAEINVAL
        if sock.connected:
            return Win32Error.WSAEISCONN
        error = sock.endpoint.listen(backlog)
        return None if error is None else WSA_ERROR_OF_ERRNO[error]

    def getsockname(self, handle: int) -> int | Win32Error:
        """The local TCP port; WSAEINVAL without one, WSAENOTCONN without the accept context."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.context and not sock.bound:
            return Win32Error.WSAENOTCONN
        return sock.endpoint.local_port or Win32Error.WSAEINVAL

    def getpeername(self, handle: int) -> int | Win32Error:
        """The peer's TCP port; WSAENOTCONN until connected and the context updated."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.connected:
            return Win32Error.WSAENOTCONN  # rule H5
        if not sock.context:
            return Win32Error.WSAENOTCONN  # rule K1
        if self._host.profile.closed_forgets_peer and sock.endpoint.state is not ESTABLISHED:
            return Win32Error.WSAENOTCONN  # rule H5
        return sock.endpoint.peer_port

    def shutdown(self, handle: int, how: Shutdown) -> Win32Error | None:
        """shutdown. Queues no packet; SD_SEND's FIN goes behind pending sends."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.connected:
            return Win32Error.WSAENOTCONN  # rule B1
        if not sock.context:
            return Win32Error.WSAENOTCONN  # rule K1
        if how != "WR":
            sock.receivable = False
        if how != "RD" and sock.sendable:
            sock.sendable = False
            if sock.sends:
                sock.fin_wanted = True  # rule S3
            elif sock.endpoint.state is ESTABLISHED:
                sock.endpoint.shutdown("WR")
        return None

    def set_send_buffer(self, handle: int, size: int) -> Win32Error | None:
        """SO_SNDBUF. On NT 0 means that nothing is copied; Wine has Linux's least buffer."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        sock.endpoint.sndbuf = size if self._whole else max(size, LEAST_SNDBUF)  # rule S10
        return None

    def closesocket(self, handle: int) -> Win32Error | None:
        """closesocket; every pending operation still yields exactly one failed packet."""
        sock = self._sockets.pop(handle, None)
        if sock is None:
            return _NOTSOCK  # rule H3
        self._closed.append(handle)
        sock.close()
        return None

    # -- ports ----------------------------------------------------------------------------------

    def create_port(self, concurrency: int) -> int:
        """CreateIoCompletionPort(INVALID_HANDLE_VALUE)."""
        number = self._next
        self._next += 4
        self._ports[number] = Port(self.scheduler, self.network, self._host.profile, concurrency)
        return number

    def close_port(self, port: int) -> Win32Error | None:
        """CloseHandle on a port; queued packets are dropped, waiters abandoned."""
        found = self._ports.pop(port, None)
        if found is None:
            return Win32Error.ERROR_INVALID_HANDLE
        found.close()
        return None

    def associate(self, handle: int, port: int, key: int) -> Win32Error | None:
        """CreateIoCompletionPort(handle, port): ERROR_INVALID_PARAMETER the second time."""
        found = self._ports.get(port)
        if found is None:
            return Win32Error.ERROR_INVALID_HANDLE
        if handle == INVALID_HANDLE_VALUE:
            return Win32Error.ERROR_INVALID_PARAMETER  # rule H2
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.ERROR_INVALID_HANDLE
        if sock.port is not None:
            return Win32Error.ERROR_INVALID_PARAMETER  # rule H1
        sock.port = found
        sock.key = key
        return None

    def set_skip_on_success(self, handle: int) -> Win32Error | None:
        """FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, for good."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.ERROR_INVALID_HANDLE
        sock.skip = True
        return None

    def get_queued_completion_status(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        """GetQueuedCompletionStatusEx. Packets that are queued are taken without blocking."""
        found = self._ports.get(port)
        if found is None:
            return Win32Error.ERROR_INVALID_HANDLE  # rule H4
        packets = found.packets
        if found.limit:
            threads = found.threads  # the only running thread may take the next packet at once
            if not packets or len(threads) != 1 or threads[0] is not self.scheduler.current:
                return found.dequeue_limited(max_entries, timeout_ns)
        if packets:
            if max_entries == 1 or len(packets) == 1:
                return [packets.popleft()]  # rule P2
            return found.take(max_entries)
        return found.wait(max_entries, timeout_ns)

    def post_queued_completion_status(
        self, port: int, nbytes: int, key: int, overlapped: int | None
    ) -> Win32Error | None:
        """PostQueuedCompletionStatus: anything goes."""
        found = self._ports.get(port)
        if found is None:
            return Win32Error.ERROR_INVALID_HANDLE
        found.add(Completion(key, overlapped, nbytes, SUCCESS))  # rule P12
        return None
