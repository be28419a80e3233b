"""Simulated TCP: endpoints, the segments between them, and what the application sees of it.

An `Endpoint` is a TCP socket in any state. The semantics are Linux's as measured on 6.18, by the
net/ipv4 functions named at the rules; the kernels above (`sim.epoll`, `sim.iocp`) and the raw
peers share it. Calls are non-blocking and outcomes are values.

Bytes on their way. `send` puts bytes into the *outbox* as far as `sndbuf` allows; the outbox is
transmitted as far as the other side's receive window allows; a segment is on the *wire* until it
arrives, then in the *inbox*. `queued` counts what was sent and not acknowledged: outbox plus wire.
Segments of one direction arrive in order. Without latency (the dull case) a segment arrives inside
the call that sent it, with no event, no copy and no decision: that path is the first thing in
`send` and `recv`.

The window. The receiver offers `rcvbuf` minus what it holds. A sender that is stopped by the window
goes on when the receiver has read everything or has freed at least half its buffer or one
loopback segment (tcp_select_window's avoidance of silly windows), not after every read.

Space. `writable` (and so EPOLLOUT) means that at most two thirds of `sndbuf` are queued, while
`send` takes bytes whenever `queued < sndbuf` (sk_stream_is_writeable, sk_stream_memory_free). The
wake for space comes only after somebody saw that there was none: `nospace` is SOCK_NOSPACE.

Watchers are woken with the keys of the kernel: see `sim.files` and `wake` in each function here.

For NT (`network.nt`) received data that nobody has read is dropped by a reset, there are no
short writes and no free short reads. `write` takes everything whatever the buffer says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from model.errors import Errno
from model.kernel import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLPRI,
    EPOLLRDHUP,
    Buffer,
    Shutdown,
)
from sim.files import KEY_IN, KEY_OUT, KEY_STATE, MASK_IN, MASK_OUT, File
from sim.network import SEGMENTS, Network

# Connection states (include/net/tcp_states.h); the closing states are told apart by the flags
# `fin_queued`, `fin_acked` and `eof`.
CLOSED, LISTEN, SYN_SENT, ESTABLISHED = "CLOSED", "LISTEN", "SYN_SENT", "ESTABLISHED"

# struct socket's own idea of a connect in progress (enum socket_state).
UNCONNECTED, CONNECTING, CONNECTED = "UNCONNECTED", "CONNECTING", "CONNECTED"

LOOPBACK_MSS = 65_483
SYN_RETRY_NS = 1_000_000_000  # TCP_TIMEOUT_INIT, doubled each time
SYN_RETRIES = 6  # net.ipv4.tcp_syn_retries
SHORT_WRITE_PAUSE_NS = 1_000

_FIN, _RST, _ACK = object(), object(), object()
_Segment: TypeAlias = bytes | object


class Endpoint(File):
    """A TCP socket: fresh, listening, connecting, connected or dead.

    Readable by everyone: `state`, `error` (pending, read once), `eof` (a FIN arrived), `reset` (a
    RST arrived), `closed` (by its owner), `rcv_shut` and `snd_shut`, `inbox_size`, `queued`,
    `local_port`, `peer_port`, `peer`. `sndbuf`, `rcvbuf` and `rcvlowat` may be set by the owner
    (then call `refresh`).
    """

    __slots__ = (
        "accept_queue",
        "backlog",
        "closed",
        "connecting",
        "eof",
        "error",
        "fin_acked",
        "fin_queued",
        "fin_sent",
        "flight",
        "handshakes",
        "inbox",
        "inbox_size",
        "local_port",
        "network",
        "nospace",
        "outbox",
        "peer",
        "peer_port",
        "plain",
        "queued",
        "rcv_shut",
        "rcvbuf",
        "rcvlowat",
        "reset",
        "snd_shut",
        "sndbuf",
        "state",
        "transmitting",
        "urgent",
        "urgent_at",
        "wire",
        "wire_due",
    )

    def __init__(self, network: Network) -> None:
        self.watchers = ()
        self.exclusive = ()
        self.registrations = ()
        self.refs = 1
        self.network = network
        self.state = CLOSED
        self.connecting = UNCONNECTED
        self.plain = False  # established, nothing shut, pending or special: the fast paths
        self.error: Errno | None = None
        self.eof = False
        self.reset = False
        self.closed = False
        self.rcv_shut = False
        self.snd_shut = False
        self.fin_queued = False
        self.fin_sent = False
        self.fin_acked = False
        self.nospace = False
        self.local_port = 0
        self.peer_port = 0
        self.peer: Endpoint | None = None
        self.sndbuf = network.sndbuf
        self.rcvbuf = network.rcvbuf
        self.rcvlowat = 1
        self.inbox: deque[bytes] = deque()
        self.inbox_size = 0
        self.outbox: deque[bytes] | None = None  # made when something does not go at once
        self.queued = 0  # bytes sent and not acknowledged
        self.flight = 0  # those of them that are on the wire
        self.wire: deque[tuple[_Segment, int]] | None = None
        self.wire_due = 0  # ns; when the last segment on the wire arrives
        self.transmitting = False
        self.urgent: bytes | None = None  # the urgent byte, until it was read out of band
        self.urgent_at = -1  # bytes of the inbox before the urgent mark; -1: no mark
        self.accept_queue: deque[Endpoint] | None = None
        self.backlog = 0
        self.handshakes = 0  # connections on their way into the accept queue

    # -- state and mask ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Recomputes `plain`. After every change of what it depends on."""
        self.plain = (
            self.state is ESTABLISHED
            and self.error is None
            and not (self.rcv_shut or self.snd_shut or self.closed)
            and self.urgent_at < 0
            and self.urgent is None
            and self.rcvlowat == 1
        )

    def poll(self) -> int:
        """The current events: tcp_poll (net/ipv4/tcp.c). Notes when there is no send space."""
        if self.plain:
            queued = self.queued
            if not queued or self.sndbuf - queued >= queued >> 1:
                return MASK_IN | MASK_OUT if self.inbox_size else MASK_OUT
            self.nospace = True
            return MASK_IN if self.inbox_size else 0
        state = self.state
        if state is LISTEN:
            return MASK_IN if self.accept_queue else 0
        mask = 0
        if state is CLOSED or (self.rcv_shut and self.snd_shut):
            mask |= EPOLLHUP
        if self.rcv_shut:
            mask |= MASK_IN | EPOLLRDHUP
        if state is not SYN_SENT:
            if self.readable():
                mask |= MASK_IN
            if self.snd_shut or self.writable():
                mask |= MASK_OUT
            else:
                self.nospace = True
            if self.urgent is not None:
                mask |= EPOLLPRI
        if self.error is not None:
            mask |= EPOLLERR
        return mask

    def writable(self) -> bool:
        """At most two thirds of the send buffer are queued: __sk_stream_is_writeable."""
        return self.sndbuf - self.queued >= self.queued >> 1

    def readable(self) -> bool:
        """Enough received for SO_RCVLOWAT: tcp_epollin_ready. The urgent byte does not count."""
        target = min(self.rcvlowat, max(self.rcvbuf >> 1, 1))
        return self.inbox_size >= (target + 1 if self.urgent_at == 0 else target)

    def take_error(self) -> Errno | None:
        """SO_ERROR: reads and clears the pending error (sock_error)."""
        error = self.error
        if error is not None:
            self.error = None
            self.refresh()
        return error

    # -- names ------------------------------------------------------------------------------

    def bind(self, port: int) -> int | Errno:
        """bind(2) to 127.0.0.1:`port`, 0 for any. Gives the port."""
        if self.local_port:
            return Errno.EINVAL
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
            return Errno.ENOTCONN
        return self.peer_port

    # -- connections ------------------------------------------------------------------------

    def listen(self, backlog: int) -> Errno | None:
        """listen(2), bound or not. At most `backlog` + 1 connections wait to be accepted."""
        if self.state is LISTEN:
            self.backlog = backlog
            return None
        if self.state is not CLOSED or self.connecting is not UNCONNECTED:
            return Errno.EINVAL
        if not self.local_port:
            bound = self.bind(0)
            if isinstance(bound, Errno):
                return bound
        if self.local_port in self.network.listeners:
            return Errno.EADDRINUSE
        self.network.listeners[self.local_port] = self
        self.state = LISTEN
        self.backlog = backlog
        self.accept_queue = deque()
        return None

    def connect(self, port: int) -> Errno | None:
        """connect(2): __inet_stream_connect (net/ipv4/af_inet.c).

        EINPROGRESS first, even when the outcome is known before the call returns, as on loopback.
        """
        if self.connecting is CONNECTED:
            return Errno.EISCONN
        if self.connecting is CONNECTING:
            if self.state is SYN_SENT:
                return Errno.EALREADY
            if self.state is CLOSED:
                error = self.take_error()
                self._disconnect()
                return Errno.ECONNABORTED if error is None else error
            self.connecting = CONNECTED
            return None
        if self.state is not CLOSED:
            return Errno.EISCONN
        if not self.local_port:
            allocated = self.network.allocate_port()
            if isinstance(allocated, Errno):
                return allocated
            self.local_port = allocated
        self.connecting = CONNECTING
        self.state = SYN_SENT
        self.peer_port = port
        self._later(self.network.latency("tcp.connect_latency"), lambda: self._syn(port, 0))
        return Errno.EINPROGRESS

    def accept(self) -> Endpoint | Errno:
        """The oldest connection in the queue, even one that was reset since; EAGAIN, EINVAL."""
        if self.state is not LISTEN:
            return Errno.EINVAL
        if not self.accept_queue:
            return Errno.EAGAIN
        return self.accept_queue.popleft()

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
                delay = SYN_RETRY_NS << retries
                self.network.scheduler.call_later(delay, lambda: self._syn(port, retries + 1))
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
        self.wake_all(KEY_STATE)
        self._transmit((_ACK, 0), "tcp.accept_latency")

    def _arrive_ack(self) -> None:
        """The last segment of the handshake: this child joins the accept queue."""
        listener = self.network.listeners.get(self.local_port)
        if listener is None or listener.accept_queue is None:
            self._abort()  # the listener went away in the meantime
            return
        listener.handshakes -= 1
        listener.accept_queue.append(self)
        listener.wake(KEY_IN)

    # -- receiving --------------------------------------------------------------------------

    def recv(self, size: int) -> bytes | Errno:
        """recv(2) of at most `size` bytes (tcp_recvmsg_locked). Empty bytes are end of file.

        What was received comes first, also after a FIN and after a RST; then end of file, if there
        was a FIN; then the pending error, once; then end of file.
        """
        if not self.inbox_size:
            return self._recv_nothing()
        if self.network.live or self.urgent_at >= 0:
            return self._recv_drawn(size)
        inbox = self.inbox
        if len(inbox) == 1 and self.inbox_size <= size:
            self.inbox_size = 0
            data = inbox.popleft()
        else:
            data = self._take(size)
        peer = self.peer
        if peer is not None and peer.outbox:
            peer._window_opened()
        return data

    def peek(self, size: int) -> bytes | Errno:
        """recv(2) with MSG_PEEK."""
        if not self.inbox_size:
            return self._recv_nothing()
        data = b"".join(self.inbox)
        return data[: min(size, self.urgent_at) if self.urgent_at > 0 else size]

    def recv_urgent(self) -> bytes | Errno:
        """recv(2) of one byte with MSG_OOB (tcp_recv_urg)."""
        if self.urgent_at < 0 and self.urgent is None:
            return Errno.EINVAL
        data = self.urgent
        if data is None:
            return Errno.EINVAL
        self.urgent = None
        return data

    def _recv_nothing(self) -> bytes | Errno:
        if self.state is LISTEN:
            return Errno.ENOTCONN
        if self.eof:
            return b""
        error = self.take_error()
        if error is not None:
            return error
        if self.rcv_shut:
            return b""
        if self.state is CLOSED:
            return Errno.ENOTCONN
        return Errno.EAGAIN

    def _take(self, size: int) -> bytes:
        """Removes `size` bytes, or what there is, from the inbox."""
        inbox = self.inbox
        if size >= self.inbox_size:
            self.inbox_size = 0
            data = b"".join(inbox)
            inbox.clear()
            return data
        self.inbox_size -= size
        parts = []
        while size:
            chunk = inbox.popleft()
            if len(chunk) > size:
                inbox.appendleft(chunk[size:])
                chunk = chunk[:size]
            size -= len(chunk)
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _recv_drawn(self, size: int) -> bytes | Errno:
        """`recv` where something is special: an urgent mark, or a read that may be cut short.

        A short read stands for bytes that arrive only after it: so it is followed by their wake.
        """
        network = self.network
        if self.urgent_at >= 0:
            if self.urgent_at == 0 and size:
                self._pass_mark()
                if not self.inbox_size:
                    return self._recv_nothing()
            elif self.urgent_at > 0:
                size = min(size, self.urgent_at)
                self.urgent_at -= min(size, self.inbox_size)
        available = min(size, self.inbox_size)
        kept_back = False
        if available > 1 and network.live and not network.nt and self.urgent_at < 0:
            drawn = network.draw("tcp.short_read", 4)
            size = (available, 1, available >> 1, available - 1)[drawn]
            kept_back = size < available
        data = self._take(size)
        if self.peer is not None and self.peer.outbox:
            self.peer._window_opened()
        if kept_back:
            self.wake(KEY_IN)
        return data

    def _pass_mark(self) -> None:
        """Ordinary reading goes over the urgent byte, and forgets it."""
        self._take(1)
        self.urgent = None
        self.urgent_at = -1
        self.refresh()

    # -- sending ----------------------------------------------------------------------------

    def send(self, chunks: Sequence[Buffer]) -> int | Errno:
        """sendmsg(2) of `chunks` in one: the number of bytes taken, EAGAIN, or an error.

        Bytes objects are kept as they are, other buffers copied.
        """
        if not self.plain:
            error = self.send_error()
            if error is not None:
                return error
        if len(chunks) == 1:
            data = chunks[0]
            if type(data) is not bytes:
                data = bytes(data)
        else:
            data = b"".join(chunks)
        size = len(data)
        peer = self.peer
        if (
            peer is not None
            and peer.plain
            and not self.queued
            and not self.wire
            and 0 < size <= peer.rcvbuf - peer.inbox_size
            and size <= LOOPBACK_MSS
            and not self.network.live
        ):
            peer.inbox.append(data)
            peer.inbox_size += size
            for watcher in peer.watchers:
                watcher(KEY_IN)
            if peer.exclusive:
                for watcher in peer.exclusive:
                    if watcher(KEY_IN):
                        break
            return size
        return self._send_slowly(data)

    def send_error(self) -> Errno | None:
        """What a send gives instead of taking bytes, if anything. Consumes the pending error."""
        if self.state is SYN_SENT:
            return Errno.EAGAIN
        if self.state is ESTABLISHED and self.error is None and not self.snd_shut:
            return None
        error = self.take_error()
        return Errno.EPIPE if error is None else error

    def write(self, data: bytes) -> None:
        """Takes all of `data`, beyond `sndbuf` if need be. Only when `send_error` gave None."""
        if not data:
            return
        outbox = self.outbox
        if outbox is None:
            outbox = self.outbox = deque()
        size = len(data)
        if size <= LOOPBACK_MSS:
            outbox.append(data)
        else:
            starts = range(0, size, LOOPBACK_MSS)
            outbox.extend([data[start : start + LOOPBACK_MSS] for start in starts])
        self.queued += size
        self._flush()

    def send_urgent(self, data: bytes) -> int | Errno:
        """send(2) with MSG_OOB: the last byte of `data` is the urgent one."""
        taken = self.send((data,))
        peer = self.peer
        if isinstance(taken, int) and taken and peer is not None and not peer.closed:
            peer._arrive_urgent(data[taken - 1 : taken], self.queued)
        return taken

    def _send_slowly(self, data: bytes) -> int | Errno:
        """`send` where the buffer or the tape may have a say."""
        network = self.network
        room = self.sndbuf - self.queued
        peer = self.peer
        if peer is not None and not self.outbox:
            room += max(peer.rcvbuf - peer.inbox_size - self.flight, 0) if not self.wire else 0
        size = len(data)
        if not size:
            return 0
        if room <= 0:
            self.nospace = True
            return Errno.EAGAIN
        taken = min(size, room)
        if taken > 1 and network.live and not network.nt:
            cut = network.draw("tcp.short_write", 4)
            if cut:
                taken = (taken, 1, taken >> 1, taken - 1)[cut]
                network.scheduler.call_later(SHORT_WRITE_PAUSE_NS, self._space)
        if taken < size:
            self.nospace = True
            data = data[:taken]
        self.write(data)
        return taken

    def _flush(self) -> None:
        """Puts the outbox on the wire as far as the window goes, then the FIN."""
        peer = self.peer
        if self.transmitting or peer is None:
            return
        self.transmitting = True
        outbox = self.outbox
        while outbox:
            window = peer.rcvbuf - peer.inbox_size - self.flight
            if peer.closed:
                window = len(outbox[0])
            if window <= 0:
                break
            chunk = outbox.popleft()
            network = self.network
            cut = SEGMENTS[network.draw("tcp.segment", len(SEGMENTS))] if network.live else 0
            if cut:
                window = min(window, cut)
            if len(chunk) > window:
                outbox.appendleft(chunk[window:])
                chunk = chunk[:window]
            self.flight += len(chunk)
            self._transmit((chunk, len(chunk)), "tcp.latency")
        self.transmitting = False
        if self.fin_queued and not self.fin_sent and not outbox and self.state is ESTABLISHED:
            self.fin_sent = True
            self._transmit((_FIN, 0), "tcp.latency")

    def _window_opened(self) -> None:
        """The receiver has read: it offers a new window when that is worth a segment."""
        peer = self.peer
        if peer is None:
            return
        free = peer.rcvbuf - peer.inbox_size
        if free >= min(peer.rcvbuf >> 1, LOOPBACK_MSS) or not peer.inbox_size:
            self._flush()

    def _space(self) -> None:
        """Send space came back: tcp_check_space, sk_stream_write_space."""
        if self.nospace and self.writable():
            self.nospace = False
            self.wake(KEY_OUT)

    # -- the wire ---------------------------------------------------------------------------

    def _later(self, delay: int, action: Callable[[], None]) -> None:
        """Now, or after `delay` ns."""
        if delay:
            self.network.scheduler.call_later(delay, action)
        else:
            action()

    def _transmit(self, segment: tuple[_Segment, int], latency_name: str) -> None:
        """One segment to the peer: at once, or behind those that are on the wire."""
        delay = self.network.latency(latency_name)
        wire = self.wire
        if not wire and not delay:
            self._arrived(segment)
            return
        scheduler = self.network.scheduler
        self.wire_due = max(scheduler.now + delay, self.wire_due)
        if wire is None:
            wire = self.wire = deque()
        wire.append(segment)
        scheduler.call_later(self.wire_due - scheduler.now, self._deliver)

    def _deliver(self) -> None:
        """The oldest segment on the wire arrives (unless a reset emptied the wire)."""
        if self.wire:
            self._arrived(self.wire.popleft())

    def _arrived(self, segment: tuple[_Segment, int]) -> None:
        kind, size = segment
        peer = self.peer
        if peer is None:
            return
        if isinstance(kind, bytes):
            self.flight -= size
            peer._arrive_data(kind, size)
            self._later(self.network.latency("tcp.ack_latency"), lambda: self._acked(size))
        elif kind is _FIN:
            peer._arrive_fin()
            self._fin_acked()
        elif kind is _RST:
            peer._arrive_rst()
        else:
            peer._arrive_ack()

    def _acked(self, size: int) -> None:
        """The peer's kernel has `size` bytes more (0 if a reset came first)."""
        if self.queued:
            self.queued -= min(size, self.queued)
            self._space()

    def _arrive_data(self, data: bytes, size: int) -> None:
        """tcp_data_queue. Data for a closed socket, or after FIN-WAIT with reading shut: RST."""
        if self.closed or (self.rcv_shut and self.snd_shut and not self.eof):
            if self.state is ESTABLISHED:
                self._abort()
            elif self.peer is not None and self.peer.state is ESTABLISHED:
                self._transmit((_RST, 0), "tcp.latency")
            return
        if self.state is not ESTABLISHED:
            return
        self.inbox.append(data)
        self.inbox_size += size
        if self.plain or self.eof or self.readable():
            self.wake(KEY_IN)

    def _arrive_urgent(self, data: bytes, behind: int) -> None:
        """The urgent mark: on the last byte sent, of which `behind` are still on their way."""
        self.urgent = data
        self.urgent_at = self.inbox_size + behind - 1
        self.refresh()
        self.wake(KEY_IN)

    def _arrive_fin(self) -> None:
        """tcp_fin: end of file for the reader, and the end of the socket if ours went before."""
        if self.state is not ESTABLISHED or self.eof:
            return
        self.eof = True
        self.rcv_shut = True
        if self.fin_acked:
            self._finish()
            return
        self.refresh()
        self.wake_all(KEY_STATE)
        self.wake(KEY_IN)

    def _fin_acked(self) -> None:
        """Our FIN was acknowledged: FIN-WAIT-2, or the end if the peer's came before."""
        if self.state is not ESTABLISHED:
            return
        self.fin_acked = True
        if self.eof:
            self._finish()
        else:
            self.wake_all(KEY_STATE)

    def _finish(self) -> None:
        """Both directions ended in order: TIME-WAIT or CLOSED, the same for the owner."""
        self.state = CLOSED
        self.rcv_shut = self.snd_shut = True
        self.refresh()
        self.wake_all(KEY_STATE)

    def _arrive_rst(self) -> None:
        """tcp_reset (net/ipv4/tcp_input.c)."""
        if self.state is SYN_SENT:
            self._die(Errno.ECONNREFUSED)
        elif self.state is ESTABLISHED:
            self.reset = True
            half_closed = self.eof and not self.fin_queued  # CLOSE-WAIT
            self._die(Errno.EPIPE if half_closed else Errno.ECONNRESET)

    def _die(self, error: Errno) -> None:
        """The connection is gone, with `error` for whoever asks first."""
        self.error = error
        self._purge()
        if self.network.nt:
            self.inbox.clear()
            self.inbox_size = 0
        self.state = CLOSED
        self.rcv_shut = self.snd_shut = True
        self.refresh()
        if not self.closed:
            self.wake_all(KEY_STATE)
            self.wake(EPOLLERR)

    def _purge(self) -> None:
        """Forgets what was not transmitted; what is on the wire still arrives."""
        if self.outbox:
            self.outbox.clear()
        self.queued = 0

    def _abort(self) -> None:
        """Ends the connection with a RST for the peer, behind what is on the wire."""
        self._purge()
        self.state = CLOSED
        self.rcv_shut = self.snd_shut = True
        self.refresh()
        self._transmit((_RST, 0), "tcp.latency")

    # -- the end ----------------------------------------------------------------------------

    def shutdown(self, how: Shutdown) -> Errno | None:
        """shutdown(2): inet_shutdown. Wakes with key 0, whatever it did."""
        state = self.state
        result = None
        if state is LISTEN:
            if how != "WR":
                self._stop_listening()
                self.connecting = UNCONNECTED
        elif state is SYN_SENT:
            self._disconnect()
            self.error = Errno.ECONNRESET
        else:
            if state is CLOSED:
                result = Errno.ENOTCONN
            if how != "WR":
                self.rcv_shut = True
            if how != "RD":
                self.snd_shut = True
                if state is ESTABLISHED and not self.fin_queued:
                    self.fin_queued = True
                    self.refresh()
                    self._flush()
        self.refresh()
        self.wake_all(KEY_STATE)
        return result

    def release(self) -> None:
        self.close()

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
            if unread or linger_zero:
                self._abort()
            else:
                self.rcv_shut = self.snd_shut = self.fin_queued = True
                self._flush()
        self.refresh()

    def _stop_listening(self) -> None:
        """Resets the connections nobody accepted: inet_csk_listen_stop."""
        self.state = CLOSED
        self.network.listeners.pop(self.local_port, None)
        for child in self.accept_queue or ():
            child.close(linger_zero=True)
        self.accept_queue = None

    def _disconnect(self) -> None:
        """Back to a fresh socket that keeps its port: tcp_disconnect."""
        self.state = CLOSED
        self.connecting = UNCONNECTED
        self.rcv_shut = self.snd_shut = self.eof = self.reset = False
        self.fin_queued = self.fin_sent = self.fin_acked = False
        self.refresh()
