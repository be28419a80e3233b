"""The two directions of an overlapped socket: its receives and sends in flight.

The base of `sim.iocp_socket.Socket`. Rules are stated in `sim.iocp_rules`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from model.errors import Errno, NtStatus
from model.kernel import Completion
from sim.iocp_operation import Accept, Connect, Host, Operation, Receive, Send
from sim.iocp_port import Port
from sim.segments import CONNECTING
from sim.task import Task
from sim.tcp import CLOSED, ESTABLISHED, Endpoint

if TYPE_CHECKING:
    from sim.iocp_socket import Socket

SUCCESS = NtStatus.SUCCESS
_RESET = NtStatus.CONNECTION_RESET
_new = tuple.__new__  # NamedTuple's own constructor takes twice as long


class Stream:
    """An overlapped socket without its connections.

    `receivable` and `sendable` say that nothing on our side speaks against it: connected (its
    ConnectEx or AcceptEx has ended) and not shut down.
    """

    __slots__ = (
        "accepting",
        "accepts",
        "accepts_due",
        "bound",
        "connect",
        "connect_due",
        "connect_error",
        "connected",
        "context",
        "endpoint",
        "fin_wanted",
        "handle",
        "host",
        "idle",
        "key",
        "nonblocking",
        "port",
        "receivable",
        "receive_due",
        "receives",
        "send_due",
        "sendable",
        "sends",
        "skip",
        "waiting",
    )

    def __init__(self, host: Host, handle: int, endpoint: Endpoint) -> None:
        self.host = host
        self.handle = handle
        self.port: Port | None = None
        self.key = 0
        self.skip = False  # FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
        self.nonblocking = False  # FIONBIO: of no concern to overlapped operations
        self.bound = False
        self.connected = False
        self.context = True  # SO_UPDATE_*_CONTEXT was done or is not needed
        self.receivable = False
        self.sendable = False
        self.fin_wanted = False  # S3
        self.receives: deque[Receive] = deque()
        self.sends: deque[Send] = deque()
        self.accepts: deque[Accept] = deque()
        self.connect: Connect | None = None
        self.connect_error: Errno | None = None  # why the last connect failed: O4
        self.idle: tuple[Receive | Send, ...] = ()  # on a listening socket: U8
        self.accepting: tuple[Socket, Accept] | None = None  # the AcceptEx that we are for
        self.receive_due = False  # a timer or a caller further up sees to the queue
        self.send_due = False
        self.accepts_due = False
        self.connect_due = False
        self.waiting: Task | None = None  # in a plain blocking call
        self.endpoint = endpoint

    # -- ends -----------------------------------------------------------------------------------

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Now, or after `delay_ns`."""
        if delay_ns:
            self.host.scheduler.call_later(delay_ns, action)
        else:
            action()

    def finish(
        self, operation: Operation, nbytes: int, status: NtStatus, silent: bool = False
    ) -> None:
        """`operation` has ended: its status block, and P1."""
        host = self.host
        if host.blocks is not None:
            host.blocks[operation.overlapped] = (status, nbytes)
        if host.pool is not None:
            host.pool.unlock(operation.overlapped)
        port = self.port
        if port is None or silent:
            return
        packet = _new(Completion, (self.key, operation.overlapped, nbytes, status))
        if host.network.live:
            apart = host.profile.threads_complete_apart
            port.add_drawn(packet, (self, operation.task if apart else None))
        elif port.waiters or port.closed:
            port.add(packet)
        else:
            port.packets.append(packet)  # rule P1

    @property
    def refused(self) -> bool:
        """A connect has failed, and no other was tried since."""
        endpoint = self.endpoint
        return endpoint.state is CLOSED and endpoint.connecting is CONNECTING and not self.connected

    # -- receiving ------------------------------------------------------------------------------

    def receive_end(self) -> NtStatus | None:
        """How a receive ends that finds no data (R3, R4); None: it does not."""
        endpoint = self.endpoint
        if endpoint.plain:
            return None
        if endpoint.reset:
            return _RESET  # rule R4
        if endpoint.eof:
            return SUCCESS  # rule R3
        if endpoint.state is ESTABLISHED:
            return None
        return NtStatus.CONNECTION_ABORTED

    def pump_receives(self) -> None:
        """Ends the receives that can end, oldest first: R1 to R4."""
        endpoint = self.endpoint
        receives = self.receives
        self.receive_due = True  # reading may open the peer's window and wake us again
        while receives:
            receive = receives[0]
            if endpoint.inbox_size:
                size = receive.size
                if receive.peek or not size:
                    size = self.fill(receive.buffer, receive.peek)
                else:
                    data = endpoint.recv(size)
                    if type(data) is not bytes:
                        break
                    size = len(data)
                    receive.buffer[:size] = data
                receives.popleft()
                self.finish(receive, size, SUCCESS)  # rule R1
                continue
            status = self.receive_end()
            if status is None:
                break
            receives.popleft()
            self.finish(receive, 0, status)
        self.receive_due = False

    def fill(self, buffer: memoryview, peek: bool) -> int:
        """Reads what there is into `buffer`; the number of bytes."""
        size = len(buffer)
        if not size:
            return 0  # rule R2
        if peek:
            data = self.endpoint.peek(size)  # rule R5
        else:
            data = self.endpoint.recv(size)
        if not isinstance(data, bytes):
            return 0
        size = len(data)
        buffer[:size] = data
        return size

    # -- sending --------------------------------------------------------------------------------

    def send_may_end(self) -> bool:
        """Whether the oldest send would end, if it were looked at now (S1, S2)."""
        endpoint = self.endpoint
        send = self.sends[0]
        if endpoint.state is not ESTABLISHED:
            return True
        if self.host.profile.send_waits_for_ack:
            return send.written == send.size and (send.buffered or not endpoint.queued)
        return send.written == send.size or endpoint.queued < endpoint.sndbuf

    def pump_sends(self) -> None:
        """Hands the sends to TCP, oldest first, and ends those that can end: S1 to S3."""
        sends = self.sends
        self.send_due = True
        while sends:
            send = sends[0]
            if self.endpoint.state is not ESTABLISHED and not send.buffered:
                if self.endpoint.eof and self._reset_unseen():
                    break  # rule S9
                sends.popleft()
                self.fail_send(send, _RESET)  # rule S6
                if self.receives and self.host.profile.sends_fail_first:
                    self._fail_receives()  # rule S8
                continue
            if send.written < send.size and not self._write(send):
                break
            if self._unacknowledged(send):
                break
            sends.popleft()
            self.finish(send, send.size, SUCCESS, send.silent)  # rule S1
        self.send_due = False
        if self.fin_wanted and not sends:
            self.fin_wanted = False  # rule S3
            self.endpoint.shutdown("WR")

    def _reset_unseen(self) -> bool:
        """Wine 8, after the peer's FIN: whether the reset came too late to be looked at."""
        network = self.host.network
        if not self.host.profile.reset_after_fin_unseen:
            return False
        return not (network.live and network.draw("iocp.reset_seen", 2))

    def _fail_receives(self) -> None:
        """The receives after the oldest send: a send that took the error leaves end of file."""
        network = self.host.network
        if network.live and network.draw("iocp.reset_taken", 2):
            while self.receives:
                self.finish(self.receives.popleft(), 0, SUCCESS)
        self.pump_receives()

    def _write(self, send: Send) -> bool:
        """Hands `send` to TCP: all of it (NT), or what fits. Whether it has all of it."""
        endpoint = self.endpoint
        if self.host.profile.send_waits_for_ack:
            rest = send.data[send.written :]
            send.written = send.size
            endpoint.write(rest)  # rule S2
            return True
        while send.written < send.size:  # until EAGAIN: a wake within `send` finds us busy
            taken = endpoint.send((send.data[send.written :],))
            if not isinstance(taken, int):
                return False  # rule S2
            send.written += taken
        return True

    def _unacknowledged(self, send: Send) -> bool:
        """S2: whether a send that was not buffered still waits; asks for the next wake."""
        if send.buffered or not self.host.profile.send_waits_for_ack:
            return False
        endpoint = self.endpoint
        if endpoint.queued and endpoint.state is ESTABLISHED:
            endpoint.nospace = True
            return True
        return False

    def copied(self) -> int:
        """Bytes of sends that were copied and are not acknowledged; others follow behind them."""
        own = sum(send.written for send in self.sends if not send.buffered)
        return max(0, self.endpoint.queued - own)

    def fail_send(self, send: Send, status: NtStatus) -> None:
        counted = send.written if self.host.profile.failed_send_counts_written else 0  # rule C5
        self.finish(send, counted, status, send.silent)
