"""The simulated completion kernel: overlapped Winsock and completion ports, as NT has them.

How it behaves, for somebody who writes a subject against it:

* A submission has three outcomes. A number: it has succeeded, *and its packet is queued all the
  same*, unless the handle skips that (`set_skip_on_success`). WSA_IO_PENDING: exactly one packet
  will come. Any other error: no packet at all.
* Buffers belong to the kernel until the packet is dequeued. A receive's buffer is written when the
  receive ends and never before.
* A cancel is a request: the packet is CANCELLED or an ordinary completion, whichever was first.
* `closesocket` returns at once; the packets of what was pending come afterwards, when the handle's
  number may already belong to another socket. Operations are known by their overlapped alone.
* A packet is the truth about its operation only; what is pending beside it may end differently.

Free decisions, by name; 0 is dull: "iocp.sync" (1: an operation that could end at once goes pending
and its packet comes later), "iocp.accept_sync" (1: AcceptEx takes a waiting connection in the
call), "iocp.completion_delay" (how long a packet takes), "iocp.completion_order" (1: overtakes the
last packet of another handle at the same instant), "iocp.cancel_loses" (1: the cancel came too
late), "iocp.handle_reuse" (1: a new socket gets the number of the socket closed last),
"iocp.reset_seen" (Wine 8; 1: a reset after the peer's FIN does end the pending sends),
"iocp.reset_taken" (Wine 8; 1: a pending send takes the error of a reset, and the receives behind
it end as at end of file), "iocp.close_number_reused" (Wine 8; 1: the number of a closed socket
with sends pending belongs to something else already), "iocp.close_loses" (1: a receive or an
AcceptEx that could end had done so before closesocket), "iocp.close_takes" (Wine 8; 1: it
has taken its connection, and is cancelled all the same), "iocp.close_meets_reset" (Wine 8; 1: a
reset after closesocket ends a receive first), "iocp.reset_told" (Wine 8; 1: a receive fails with
the error of a reset).

Operations are ruled in `sim.iocp_socket`, ports in `sim.iocp_port`; what NT and Wine 8 do otherwise
in `sim.iocp_profile`, with sources. `sim.iocp_winsock` adds the calls that the contract lacks.

Where it differs from a real NT, and why:

* Two threads never run at once, and a thread changes only where it blocks: a packet cannot arrive
  between two instructions of the subject. Its order against other packets is still free.
* Kernel memory is endless, unless limited (`sim.iocp_pool`); a concurrency value of 0 has no limit.
* A receive pending at shutdown(SD_RECEIVE) stays pending; Microsoft does not say what happens.
* closesocket with a receive pending and nothing unread sends FIN; NT may reset (inferred).
* A cancelled send that TCP has taken is still delivered; documentation leaves the prefix open.
* SO_RCVBUF 0 does not make arrival depend on a posted receive (Microsoft, SO_RCVBUF).
* A cancelled ConnectEx leaves an unconnected socket, bound as before (inferred).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from model.errors import Errno, NtStatus, Win32Error
from model.kernel import Buffer, Completion
from sim.iocp_handles import WSA_ERROR_OF_ERRNO, Handles
from sim.iocp_operation import Accept, Connect, Receive, Send
from sim.iocp_socket import Socket
from sim.iocp_stream import SUCCESS
from sim.tcp import ESTABLISHED, LISTEN

if TYPE_CHECKING:
    from model.kernel import CompletionKernel

_PENDING = Win32Error.WSA_IO_PENDING
_NOTSOCK = Win32Error.WSAENOTSOCK
_new = tuple.__new__
_serial = attrgetter("serial")


class SimIocp(Handles):
    """model.kernel.CompletionKernel: NT unless the profile says otherwise."""

    __slots__ = ()

    # -- receiving and sending ------------------------------------------------------------------

    def wsa_recv(
        self, handle: int, overlapped: int, buffer: memoryview, peek: bool = False
    ) -> int | Win32Error:
        """WSARecv; with `peek` the data stays (MSG_PEEK)."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.receivable:
            return self._recv_unconnected(sock, overlapped, buffer, peek)
        endpoint = sock.endpoint
        if (endpoint.inbox_size or not endpoint.plain) and not sock.receives:
            outcome = self._recv_at_once(sock, overlapped, buffer, peek)
            if outcome is not None:
                return outcome  # rule R6
        sock.receives.append(Receive(overlapped, buffer, len(buffer), self.scheduler.current, peek))
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (NtStatus.PENDING, 0)  # rule U5
        return _PENDING  # rule R8

    def _recv_at_once(
        self, sock: Socket, overlapped: int, buffer: memoryview, peek: bool
    ) -> int | Win32Error | None:
        """A receive that need not wait: data, end of file, or a reset; None: it must pend."""
        if not sock.endpoint.inbox_size:
            status = sock.receive_end()
            if status is None:
                return None
            if status is not SUCCESS and self._host.profile.reset_fails_receives:
                reset = status is NtStatus.CONNECTION_RESET  # rule R7
                return Win32Error.WSAECONNRESET if reset else Win32Error.WSAECONNABORTED
            if status is not SUCCESS and self._reset_told(sock):
                return Win32Error.WSAECONNRESET
        if self.network.live and self.network.draw("iocp.sync", 2):
            sock.receive_due = True
            self.scheduler.call_later(self._host.delay(), sock.pump_receives)
            return None
        nbytes = sock.fill(buffer, peek) if sock.endpoint.inbox_size else 0
        self._ended_at_once(sock, overlapped, nbytes)
        return nbytes

    def _reset_told(self, sock: Socket) -> bool:
        """Wine 8: whether a receive finds the error of a reset before its server has taken it."""
        if not self.network.live or sock.endpoint.error is None:
            return False
        if not self.network.draw("iocp.reset_told", 2):
            return False
        sock.endpoint.take_error()
        return True

    def wsa_send(
        self, handle: int, overlapped: int, chunks: Sequence[Buffer], silent: bool = False
    ) -> int | Win32Error:
        """WSASend of all `chunks`; `silent`: an event with its low bit set, so no packet."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.sendable:
            return self._send_unconnected(sock, overlapped, b"".join(chunks), silent)
        endpoint = sock.endpoint
        if (
            self._whole
            and not self.network.live
            and endpoint.plain
            and not sock.sends
            and endpoint.queued < endpoint.sndbuf
            and len(chunks) == 1
        ):
            data = chunks[0]
            if type(data) is not bytes:
                data = bytes(data)
            size = len(data)
            self._ended_at_once(sock, overlapped, size, silent)  # before what it causes; rule S4
            taken = endpoint.send((data,))
            if taken != size:
                endpoint.write(data[taken if type(taken) is int else 0 :])  # rule S5
            return size
        return self._send(sock, overlapped, b"".join(chunks), silent)

    def _send(self, sock: Socket, overlapped: int, data: bytes, silent: bool) -> int | Win32Error:
        """`wsa_send` with everything that may come up."""
        endpoint = sock.endpoint
        if not sock.sends and endpoint.state is not ESTABLISHED:
            return Win32Error.WSAECONNRESET  # rule S7
        if sock.sends or endpoint.queued >= endpoint.sndbuf:
            return self._send_later(sock, Send(overlapped, data, 0, None, silent))
        if self.network.live and self.network.draw("iocp.sync", 2):
            return self._send_but_tell_later(sock, overlapped, data, silent)
        if self._whole:
            self._ended_at_once(sock, overlapped, len(data), silent)
            taken = endpoint.send((data,))
            if taken != len(data):
                endpoint.write(data[taken if isinstance(taken, int) else 0 :])  # rule S5
            return len(data)
        return self._send_what_fits(sock, overlapped, data, silent)

    def _send_what_fits(
        self, sock: Socket, overlapped: int, data: bytes, silent: bool
    ) -> int | Win32Error:
        """Wine: TCP takes what it can of a send. Its packet goes before those that it causes."""
        port = sock.port
        before = 0
        if port is not None:
            before = len(port.packets)
            port.held = True
        taken = sock.endpoint.send((data,))
        if port is None:
            return self._sent(sock, overlapped, data, taken, silent)
        if taken == len(data) and not (sock.skip or silent):
            port.put_in_order(before, True, lambda: self._ended_at_once(sock, overlapped, taken))
            return taken  # rule S4
        port.held = False
        port.release()
        return self._sent(sock, overlapped, data, taken, silent)

    def _sent(
        self, sock: Socket, overlapped: int, data: bytes, taken: int | Errno, silent: bool
    ) -> int | Win32Error:
        """Wine: after TCP has taken `taken` bytes of a send."""
        if isinstance(taken, Errno):
            if taken is not Errno.EAGAIN:
                return Win32Error.WSAECONNRESET
            taken = 0
        if taken < len(data):
            return self._send_later(sock, Send(overlapped, data, taken, None, silent))  # rule S5
        self._ended_at_once(sock, overlapped, len(data), silent)  # rule S4
        return len(data)

    def _send_later(self, sock: Socket, send: Send) -> Win32Error:
        """A send that waits for the one before it, or for room."""
        send.task = self.scheduler.current
        if self._host.blocks is not None:
            self._host.blocks[send.overlapped] = (NtStatus.PENDING, 0)
        sock.sends.append(send)
        if len(sock.sends) == 1:
            sock.pump_sends()
        return _PENDING

    def _send_but_tell_later(
        self, sock: Socket, overlapped: int, data: bytes, silent: bool
    ) -> Win32Error:
        """A send that could have ended at once; its packet takes a while."""
        send = Send(overlapped, data, 0, self.scheduler.current, silent)
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (NtStatus.PENDING, 0)
        sock.sends.append(send)
        sock.send_due = True
        if self._whole:
            send.buffered = True
            send.written = send.size
            if data:
                sock.endpoint.write(data)
        else:
            taken = sock.endpoint.send((data,))
            send.written = taken if isinstance(taken, int) else 0
        self.scheduler.call_later(self._host.delay(), sock.pump_sends)
        return _PENDING

    def _recv_unconnected(
        self, sock: Socket, overlapped: int, buffer: memoryview, peek: bool
    ) -> int | Win32Error:
        """A receive on a socket that has, or had, no connection."""
        profile = self._host.profile
        listening = sock.endpoint.state is LISTEN
        if listening and profile.listener_pends:
            waits = any(isinstance(each, Receive) for each in sock.idle)
            if waits or not sock.endpoint.accept_queue:
                task = self.scheduler.current
                return self._idle(sock, Receive(overlapped, buffer, len(buffer), task, peek))
        if sock.refused and profile.refused_reads_eof:
            self._ended_at_once(sock, overlapped, 0)  # rule R9
            return 0
        return self._not_ready(sock, Win32Error.WSAENOTCONN)  # rule U3

    def _send_unconnected(
        self, sock: Socket, overlapped: int, data: bytes, silent: bool
    ) -> Win32Error:
        """A send on a socket that has, or had, no connection."""
        profile = self._host.profile
        if sock.endpoint.state is LISTEN and profile.listener_pends:
            return self._idle(sock, Send(overlapped, data, 0, self.scheduler.current, silent))
        return self._not_ready(sock, profile.send_unconnected)

    def _idle(self, sock: Socket, operation: Receive | Send) -> Win32Error:
        """An operation on a listening socket that only a cancel or a close ends."""
        sock.idle = (*sock.idle, operation)  # rule U8
        if self._host.blocks is not None:
            self._host.blocks[operation.overlapped] = (NtStatus.PENDING, 0)
        return _PENDING

    def _not_ready(self, sock: Socket, unconnected: Win32Error) -> Win32Error:
        """Why a socket cannot receive or send: shut down by us, or not connected."""
        if sock.connected:
            return Win32Error.WSAESHUTDOWN  # rule U7
        return unconnected  # rule U6

    def _ended_at_once(
        self, sock: Socket, overlapped: int, nbytes: int, silent: bool = False
    ) -> None:
        """Synchronous success: the packet is queued all the same, unless the handle skips it."""
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (SUCCESS, nbytes)
        port = sock.port
        if port is None or sock.skip or silent:
            return  # rule U2 U4
        packet = _new(Completion, (sock.key, overlapped, nbytes, SUCCESS))
        if port.waiters or port.closed:
            port.add(packet)
        else:
            port.packets.append(packet)  # rule U1

    # -- connections ----------------------------------------------------------------------------

    def accept_ex(
        self, listener: int, acceptor: int, overlapped: int, buffer: memoryview | None = None
    ) -> int | Win32Error:
        """AcceptEx; with `buffer` it waits for the first data of the connection."""
        sock = self._sockets.get(listener)
        accepting = self._sockets.get(acceptor)
        if sock is None or accepting is None:
            return _NOTSOCK
        checked = self._host.profile.accept_checks_sockets
        if checked and sock.endpoint.state is not LISTEN:
            return Win32Error.WSAEINVAL  # rule A6
        if accepting.accepting is not None or accepting.connect is not None:
            return Win32Error.WSAEINVAL  # rule A5
        if checked and (accepting.connected or accepting.endpoint.local_port):
            return Win32Error.WSAEINVAL  # rule A6
        accept = Accept(overlapped, accepting, buffer, self.scheduler.current)
        accepting.accepting = (sock, accept)
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (NtStatus.PENDING, 0)
        if self._accept_at_once(sock, buffer):
            sock.accept_now(accept)
            return 0
        sock.accepts.append(accept)
        if sock.endpoint.accept_queue:
            sock.woken(0)
        return _PENDING

    def _accept_at_once(self, sock: Socket, buffer: memoryview | None) -> bool:
        """Whether AcceptEx ends in the call: only a drawn one does ("iocp.accept_sync")."""
        return bool(
            self.network.live
            and self._host.profile.accept_may_be_synchronous
            and sock.endpoint.accept_queue
            and not sock.accepts
            and not buffer
            and self.network.draw("iocp.accept_sync", 2)
        )

    def update_accept_context(self, acceptor: int, listener: int) -> Win32Error | None:
        """SO_UPDATE_ACCEPT_CONTEXT; WSAENOTCONN when `acceptor` has no connection."""
        if not self._host.profile.context_needed:
            return None
        sock = self._sockets.get(acceptor)
        listening = self._sockets.get(listener)
        if sock is None or listening is None:
            return _NOTSOCK
        if not sock.connected:
            return Win32Error.WSAENOTCONN
        sock.context = True  # rule K2
        sock.endpoint.sndbuf = listening.endpoint.sndbuf  # rule K3
        return None

    def connect_ex(
        self, handle: int, port: int, overlapped: int, data: bytes = b""
    ) -> int | Win32Error:
        """ConnectEx on a bound socket (else WSAEINVAL); sends `data` when connected."""
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if sock.connected:
            return Win32Error.WSAEISCONN  # rule N4
        unfit = sock.endpoint.state is LISTEN or sock.accepting is not None
        if unfit or not sock.bound or sock.connect is not None:
            return Win32Error.WSAEINVAL  # rule N3
        connect = Connect(overlapped, data, self.scheduler.current)
        endpoint = sock.endpoint
        sock.connect_due = True
        error = endpoint.connect(port)
        if error is Errno.ECONNABORTED and self._host.profile.connect_again_after_refusal:
            error = endpoint.connect(port)  # rule N5
        sock.connect_due = False
        if error is not None and error is not Errno.EINPROGRESS:
            return WSA_ERROR_OF_ERRNO[error]
        sock.connect = connect
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (NtStatus.PENDING, 0)
        sock.woken(0)
        return _PENDING

    def update_connect_context(self, handle: int) -> Win32Error | None:
        """SO_UPDATE_CONNECT_CONTEXT; WSAENOTCONN when not connected."""
        if not self._host.profile.context_needed:
            return None
        sock = self._sockets.get(handle)
        if sock is None:
            return _NOTSOCK
        if not sock.connected:
            return Win32Error.WSAENOTCONN
        sock.context = True  # rule K2
        return None

    # -- cancelling -----------------------------------------------------------------------------

    def cancel_io_ex(self, handle: int, overlapped: int | None) -> Win32Error | None:
        """CancelIoEx: None when something was marked, ERROR_NOT_FOUND when there was nothing."""
        sock = self._sockets.get(handle)
        if sock is None:
            return Win32Error.ERROR_INVALID_HANDLE
        profile = self._host.profile
        operations = sock.pending()
        if overlapped is not None:
            operations = [each for each in operations if each.overlapped == overlapped]
        elif profile.cancel_all_newest_first:
            operations = sorted(operations, key=_serial, reverse=True)  # rule C3
        for operation in operations:
            sock.cancel(operation)
        if operations or (overlapped is None and not profile.cancel_nothing_fails):
            return None
        return Win32Error.ERROR_NOT_FOUND  # rule C2


if TYPE_CHECKING:

    def _kernel(kernel: SimIocp) -> CompletionKernel:
        return kernel
