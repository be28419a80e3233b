"""Simulated TCP sockets: how connections begin and end (net/ipv4/af_inet.c, tcp.c).

An `Endpoint` is a TCP socket in any state: fresh, listening, connecting, connected or dead. The
semantics are Linux's, by the functions named at the rules; the kernels above (`sim.epoll`,
`sim.iocp`) and the raw peers share it. It stands on `sim.stream` (bytes) and `sim.segments`
(buffers and the network). Calls are non-blocking and outcomes are values.

For NT (`network.nt`) received data that nobody has read is dropped by a reset, there are no
short writes and no free short reads, and `write` takes everything whatever the buffer says.

Decisions: "tcp.connect_latency" (until the SYN is answered), "tcp.accept_latency" (until the
listener has the connection), "tcp.latency", "tcp.ack_latency" and "tcp.segment" for what follows.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from model.errors import Errno
from model.kernel import EPOLLERR, Shutdown
from sim.files import KEY_IN, KEY_STATE
from sim.segments import (
    CLOSED,
    CONNECTED,
    CONNECTING,
    DISCONNECTING,
    ESTABLISHED,
    LISTEN,
    SYN_SENT,
    UNCONNECTED,
)
from sim.stream import Stream

__all__ = ["CLOSED", "ESTABLISHED", "LISTEN", "SYN_RETRIES", "SYN_RETRY_NS", "SYN_SENT", "Endpoint"]

SYN_RETRY_NS = 1_000_000_000  # TCP_TIMEOUT_INIT, doubled each time
SYN_RETRIES = 6  # net.ipv4.tcp_syn_retries


class Endpoint(Stream):
    """A TCP socket.

    Readable by everyone: `state`, `error` (pending, read once), `eof` (a FIN arrived), `reset` (a
    RST arrived), `closed` (by its owner), `rcv_shut` and `snd_shut`, `inbox_size`, `queued`,
    `local_port`, `peer_port`, `peer`. `sndbuf` and `rcvbuf` may be set by the owner.
    """

    __slots__ = ()

    def bind(self, port: int) -> int | Errno:
        """bind(2) to 127.0.0.1:`port`, 0 for any. Gives the port."""
        if self.local_port:
            return Errno.EINVAL  # rule TC1
        if port == 0:
            allocated = self.network.allocate_port()
            if isinstance(allocated, Errno):
                return allocated
            port = allocated
        elif port in self.network.listeners:
            return Errno.EADDRINUSE
        self.local_port = port
        return port

    def getpeername(self) -> int | Errno:
        """The peer's port: ENOTCONN unless connected (inet_getname)."""
        if self.state is not ESTABLISHED:
            return Errno.ENOTCONN  # rule TC2
        return self.peer_port  # rule TC3

    # -- beginning -------------------------------------------------------------------------------

    def listen(self, backlog: int) -> Errno | None:
        """listen(2), bound or not. At most `backlog` + 1 connections wait to be accepted."""
        if self.state is LISTEN:
            self.backlog = backlog  # rule TQ1
            return None
        if self.state is not CLOSED or self.connecting is not UNCONNECTED:
            return Errno.EINVAL  # rule TQ2
        if not self.local_port:
            bound = self.bind(0)
            if isinstance(bound, Errno):
                return bound
        if self.local_port in self.network.listeners:
            return Errno.EADDRINUSE
        self.network.listeners[self.local_port] = self
        self.state = LISTEN
        self.backlog = backlog
        self.accept_queue = deque()  # rule TQ3
        return None

    def connect(self, port: int) -> Errno | None:
        """connect(2): __inet_stream_connect (net/ipv4/af_inet.c).

        EINPROGRESS first, even when the outcome is known before the call returns, as on loopback.
        """
        if self.connecting is CONNECTED:
            return Errno.EISCONN  # rule TC4
        if self.connecting is CONNECTING:
            if self.state is SYN_SENT:
                return Errno.EALREADY  # rule TC5
            if self.state is CLOSED:
                error = self.take_error()
                self._disconnect()
                if error is not None:
                    return error  # rule TC6
                return Errno.ECONNABORTED  # rule TC7
            self.connecting = CONNECTED  # rule TC8
            return None
        if self.connecting is DISCONNECTING:
            return Errno.EINVAL  # rule TC9
        if self.state is not CLOSED:
            return Errno.EISCONN  # rule TC4
        if not self.local_port:
            allocated = self.network.allocate_port()
            if isinstance(allocated, Errno):
                return allocated
            self.local_port = allocated
        self.connecting = CONNECTING
        self.state = SYN_SENT
        self.peer_port = port
        self._later(self.network.latency("tcp.connect_latency"), partial(self._syn, port, 0))
        return Errno.EINPROGRESS  # rule TC10

    def connect_now(self) -> Errno | None:
        """The outcome of a connect in progress before the call returns, as FreeBSD's connect(2)
        gives it on the loopback interface; EINPROGRESS still where a full queue drops the SYN."""
        self._syn(self.peer_port, 0)
        return self.connect(self.peer_port) if self.state is not SYN_SENT else Errno.EINPROGRESS

    def accept(self) -> Endpoint | Errno:
        """The oldest connection in the queue, even one that was reset since; EAGAIN, EINVAL."""
        if self.state is not LISTEN:
            return Errno.EINVAL  # rule TQ4
        if not self.accept_queue:
            return Errno.EAGAIN  # rule TQ5
        return self.accept_queue.popleft()  # rule TQ6

    def _syn(self, port: int, retries: int) -> None:
        """The SYN arrives (tcp_conn_request): refused, dropped by a full queue, or accepted."""
        if self.state is not SYN_SENT or self.peer_port != port:
            return
        listener = self.network.listeners.get(port)
        if listener is None:
            self._arrive_rst()
            return
        if len(listener.accept_queue or ()) + listener.handshakes > listener.backlog:
            if retries == SYN_RETRIES:
                self._die(Errno.ETIMEDOUT)
            else:
                delay = SYN_RETRY_NS << retries  # rule TQ7
                self.network.scheduler.call_later(delay, partial(self._syn, port, retries + 1))
            return
        child = Endpoint(self.network)
        child.sndbuf, child.rcvbuf, child.rcvlowat = (
            listener.sndbuf,
            listener.rcvbuf,
            listener.rcvlowat,
        )
        child.local_port = port
        child.peer_port = self.local_port
        child.peer = self
        self.peer = child
        child.state = self.state = ESTABLISHED
        child.connecting = CONNECTED
        child.refresh()
        self.refresh()
        listener.handshakes += 1
        self.wake_all(KEY_STATE)  # rule TK5
        self._transmit((partial(child._join, listener), 0), "tcp.accept_latency")

    def _join(self, listener: Endpoint) -> None:
        """The last segment of the handshake: this child joins the accept queue."""
        listener.handshakes -= 1
        if listener.accept_queue is None:
            self.close(linger_zero=True)  # the listener went away in the meantime
            return
        listener.accept_queue.append(self)
        listener.wake(KEY_IN)  # rule TK6

    # -- ending ----------------------------------------------------------------------------------

    def shutdown(self, how: Shutdown) -> Errno | None:
        """shutdown(2): inet_shutdown. Wakes with key 0, whatever it did."""
        state = self.state
        result = None
        if self.connecting is CONNECTING:
            self.connecting = CONNECTED if state is ESTABLISHED else DISCONNECTING  # rule TC9
        if state is LISTEN:
            if how != "WR":
                self._stop_listening()  # rule TX8
                self.connecting = UNCONNECTED
        elif state is SYN_SENT:
            self._disconnect()
            self.error = Errno.ECONNRESET  # rule TX9
        else:
            if state is CLOSED:
                result = Errno.ENOTCONN  # rule TX10
            if how != "WR":
                self.rcv_shut = True  # rule TX11
            if how != "RD":
                self.snd_shut = True  # rule TX12
                if state is ESTABLISHED and not self.fin_queued:
                    self.fin_queued = True
                    self.refresh()
                    self._flush()
        self.refresh()
        self.wake_all(KEY_STATE)  # rule TK7
        return result

    def release(self) -> None:
        self.close(self.linger_zero)

    def close(self, linger_zero: bool = False) -> None:
        """The last close(2): FIN, or RST with unread data or SO_LINGER 0 (tcp_close)."""
        if self.closed:
            return
        self.closed = True
        self.watchers = self.exclusive = ()
        if self.state is LISTEN:
            self._stop_listening()
        elif self.state is SYN_SENT:
            self.state = CLOSED
        elif self.state is ESTABLISHED:
            unread = self.inbox_size > 0
            self.inbox.clear()
            self.inbox_size = 0
            if unread:
                self._abort()  # rule TX13
            elif linger_zero:
                self._abort()  # rule TX14
            else:
                self.rcv_shut = self.snd_shut = self.fin_queued = True  # rule TX15
                self._flush()
        self.refresh()

    def _stop_listening(self) -> None:
        """Resets the connections nobody accepted: inet_csk_listen_stop."""
        self.state = CLOSED
        self.network.listeners.pop(self.local_port, None)
        for child in self.accept_queue or ():
            child.close(linger_zero=True)  # rule TX16
        self.accept_queue = None

    def _disconnect(self) -> None:
        """Back to a fresh socket that keeps its port: tcp_disconnect."""
        self.state = CLOSED
        self.connecting = UNCONNECTED
        self.rcv_shut = self.snd_shut = self.eof = self.reset = False
        self.fin_queued = self.fin_sent = self.fin_acked = False
        self.refresh()
        self.wake(EPOLLERR)  # rule TK8
