"""The network side of a TCP connection: buffers, segments on their way, and what arrives.

`send` puts bytes into the *outbox*; the outbox is transmitted as far as the other side's receive
window allows; a segment is on the *wire* until it arrives, then in the *inbox*. `queued` counts
what was sent and not acknowledged: outbox plus wire. Segments of one direction arrive in order.
Without latency (the dull case) a segment arrives inside the call that sent it, with no event.

The window. The receiver offers `rcvbuf` minus what it holds. A sender that is stopped by the window
goes on when the receiver has read everything or has freed at least half its buffer or one
loopback segment (the avoidance of silly windows, __tcp_select_window), not after every read.

Space. `writable` (and so EPOLLOUT) means that at most two thirds of `sndbuf` are queued
(sk_stream_is_writeable). The wake for space comes only after somebody saw that there was none:
`nospace` is SOCK_NOSPACE.

Watchers are woken with the kernel's keys (`sim.files`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from model.errors import Errno
from model.kernel import EPOLLERR
from sim.files import KEY_IN, KEY_OUT, KEY_STATE, File
from sim.network import SEGMENTS, Network

if TYPE_CHECKING:
    from sim.tcp import Endpoint

# Connection states (include/net/tcp_states.h); the closing states are told apart by the flags
# `fin_queued`, `fin_acked` and `eof`.
CLOSED, LISTEN, SYN_SENT, ESTABLISHED = "CLOSED", "LISTEN", "SYN_SENT", "ESTABLISHED"

# struct socket's own idea of a connect in progress (enum socket_state).
UNCONNECTED, CONNECTING, CONNECTED = "UNCONNECTED", "CONNECTING", "CONNECTED"
DISCONNECTING = "DISCONNECTING"

LOOPBACK_MSS = 65_483
PERSIST_NS = 200_000_000  # until a stopped sender asks for the window: TCP_RTO_MIN

#: data, the end of the stream, a reset, or what the arrival of a handshake's last segment does
Segment: TypeAlias = bytes | Literal["FIN", "RST"] | Callable[[], None]


class Connection(File):
    """One end of a connection, or of one to be: its state, its buffers and its wire."""

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
        "linger_zero",
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
        "withheld",
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
        self.linger_zero = False  # SO_LINGER with no time
        self.rcv_shut = False
        self.snd_shut = False
        self.fin_queued = False
        self.fin_sent = False
        self.fin_acked = False
        self.nospace = False
        self.local_port = 0
        self.peer_port = 0
        self.peer: Connection | None = None
        self.sndbuf = network.sndbuf
        self.rcvbuf = network.rcvbuf
        self.rcvlowat = 1
        self.inbox: deque[bytes] = deque()
        self.inbox_size = 0
        self.withheld = 0  # bytes read, but not offered to the sender again
        self.outbox: deque[bytes] | None = None  # made when something does not go at once
        self.queued = 0  # bytes sent and not acknowledged
        self.flight = 0  # those of them that are on the wire
        self.wire: deque[tuple[Segment, int]] | None = None
        self.wire_due = 0  # ns; when the last segment on the wire arrives
        self.transmitting = False
        self.urgent: bytes | None = None  # the urgent byte, until it was read out of band
        self.urgent_at = -1  # bytes of the inbox before the urgent mark; -1: no mark
        self.accept_queue: deque[Endpoint] | None = None
        self.backlog = 0
        self.handshakes = 0  # connections on their way into the accept queue

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

    def writable(self) -> bool:
        """At most two thirds of the send buffer are queued: __sk_stream_is_writeable. A full buffer
        has never room, not even one of a single byte, half of which is none: Linux counts what
        segments cost."""
        return not self.queued or self.sndbuf - self.queued >= (self.queued >> 1 or 1)

    def readable(self) -> bool:
        """Enough to read for SO_RCVLOWAT; an urgent byte that is next does not count: tcp_poll."""
        return self.lowat_met(1 if self.urgent_at == 0 else 0)

    def lowat_met(self, aside: int = 0) -> bool:
        """Enough received, `aside` bytes of it not counted: tcp_epollin_ready."""
        return self.inbox_size >= min(self.rcvlowat, max(self.rcvbuf >> 1, 1)) + aside

    # -- sending ---------------------------------------------------------------------------------

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

    def _flush(self) -> None:
        """Puts the outbox on the wire as far as the window goes, then the FIN."""
        peer = self.peer
        if self.transmitting or peer is None:
            return
        self.transmitting = True
        outbox = self.outbox
        while outbox:
            window = peer.rcvbuf - peer.inbox_size - peer.withheld - self.flight
            if peer.closed:
                window = len(outbox[0])
            if window <= 0:
                break  # rule TW1
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
            self._transmit(("FIN", 0), "tcp.latency")  # rule TX1

    def _window_opened(self, size: int) -> None:
        """The receiver has read `size`: it offers a new window when that is worth a segment.

        After a shutdown of reading it does not (tcp_cleanup_rbuf); the sender has to ask.
        """
        peer = self.peer
        if peer is None:
            return
        peer.withheld += size
        if peer.rcv_shut:
            self.network.scheduler.call_later(PERSIST_NS, self._new_window)  # rule TW2
        else:
            self._new_window()

    def _new_window(self) -> None:
        """The receiver offers all that is free, if that is worth a segment."""
        peer = self.peer
        if peer is None:
            return
        free = peer.rcvbuf - peer.inbox_size
        if peer.inbox_size and free < min(peer.rcvbuf >> 1, LOOPBACK_MSS):
            return  # rule TW4
        peer.withheld = 0  # rule TW3
        self._flush()

    def _space(self) -> None:
        """Send space came back: tcp_check_space, sk_stream_write_space."""
        if self.nospace and self.writable():
            self.nospace = False
            self.wake(KEY_OUT)  # rule TW5

    def _later(self, delay: int, action: Callable[[], None]) -> None:
        """Now, or after `delay` ns."""
        if delay:
            self.network.scheduler.call_later(delay, action)
        else:
            action()

    def _transmit(self, segment: tuple[Segment, int], latency_name: str) -> None:
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

    def _arrived(self, segment: tuple[Segment, int]) -> None:
        kind, size = segment
        peer = self.peer
        if peer is None:
            return
        if isinstance(kind, bytes):
            self.flight -= size
            peer._arrive_data(kind, size)
            self._later(self.network.latency("tcp.ack_latency"), partial(self._acked, size))
        elif kind == "FIN":
            peer._arrive_fin()
            self._later(self.network.latency("tcp.ack_latency"), self._fin_acked)
        elif kind == "RST":
            peer._arrive_rst()
        else:
            kind()

    def _acked(self, size: int) -> None:
        """The peer's kernel has `size` bytes more (0 if a reset came first)."""
        if self.queued:
            self.queued -= min(size, self.queued)  # rule TW6
            self._space()

    # -- arriving --------------------------------------------------------------------------------

    def _arrive_data(self, data: bytes, size: int) -> None:
        """tcp_data_queue. Data for a closed socket, or after FIN-WAIT with reading shut: RST."""
        if self.closed or (self.rcv_shut and self.snd_shut and not self.eof):
            if self.state is ESTABLISHED:
                self._abort(Errno.ECONNRESET)  # rule TX2
            elif self.peer is not None and self.peer.state is ESTABLISHED:
                self._transmit(("RST", 0), "tcp.latency")
            return
        if self.state is not ESTABLISHED:
            return
        self._carried_ack()
        self.inbox.append(data)
        self.inbox_size += size
        if self.plain or self.eof or self.lowat_met():
            self.wake(KEY_IN)  # rule TK1

    def _arrive_urgent(self, data: bytes, behind: int) -> None:
        """The urgent mark: on the last byte sent, of which `behind` are still on their way.

        An older urgent byte that is next to be read is dropped (tcp_check_urg).
        """
        if self.urgent_at == 0 and self.inbox_size > 1:
            self._skip_byte()  # rule TU6
        self.urgent = data
        self.urgent_at = self.inbox_size + behind - 1
        self.refresh()
        self.wake(KEY_IN)  # rule TU7

    def _skip_byte(self) -> None:
        """Removes the byte that is next to be read."""
        first = self.inbox.popleft()
        if len(first) > 1:
            self.inbox.appendleft(first[1:])
        self.inbox_size -= 1

    def _arrive_fin(self) -> None:
        """tcp_fin: end of file for the reader, and the end of the socket if ours went before."""
        if self.state is not ESTABLISHED or self.eof:
            return
        self._carried_ack()
        self.eof = True
        self.rcv_shut = True
        if self.fin_acked:
            self._finish()
            return
        self.refresh()
        self.wake_all(KEY_STATE)  # rule TK2
        self.wake(KEY_IN)

    def _fin_acked(self) -> None:
        """Our FIN was acknowledged: FIN-WAIT-2, or the end if the peer's came before.

        A late acknowledgement may be overtaken by a segment of the peer's, which carries it.
        """
        if self.state is not ESTABLISHED or self.fin_acked:
            return
        self.fin_acked = True
        if self.eof:
            self._finish()
        else:
            self.wake_all(KEY_STATE)  # rule TK3

    def _carried_ack(self) -> None:
        """A segment arrives from a peer that has our FIN: it acknowledges the FIN too."""
        if self.fin_sent and not self.fin_acked and self.peer is not None and self.peer.eof:
            self._fin_acked()

    def _finish(self) -> None:
        """Both directions ended in order: TIME-WAIT or CLOSED, the same for the owner."""
        self.state = CLOSED
        self.rcv_shut = self.snd_shut = True  # rule TX3
        self.refresh()
        self.wake_all(KEY_STATE)

    def _arrive_rst(self) -> None:
        """tcp_reset (net/ipv4/tcp_input.c)."""
        if self.state is SYN_SENT:
            self._die(Errno.ECONNREFUSED)  # rule TX4
        elif self.state is ESTABLISHED:
            self.reset = True
            if self.eof and not self.fin_queued:  # CLOSE-WAIT
                self._die(Errno.EPIPE)  # rule TX5
            else:
                self._die(Errno.ECONNRESET)  # rule TX6

    def _die(self, error: Errno | None) -> None:
        """The connection is gone, with `error` for whoever asks first: tcp_done."""
        self.error = error
        self._purge()
        if self.network.nt:
            self.inbox.clear()
            self.inbox_size = 0
        self.state = CLOSED
        self.rcv_shut = self.snd_shut = True
        self.refresh()
        if error is not None and not self.closed:
            self.wake_all(KEY_STATE)  # rule TK4
            self.wake(EPOLLERR)

    def _purge(self) -> None:
        """Forgets what was not transmitted; what is on the wire still arrives."""
        if self.outbox:
            self.outbox.clear()  # rule TX7
        self.queued = 0

    def _abort(self, error: Errno | None = None) -> None:
        """Ends the connection with a RST for the peer, behind what is on the wire."""
        self._die(error)
        self._transmit(("RST", 0), "tcp.latency")
