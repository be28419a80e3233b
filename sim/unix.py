"""AF_UNIX stream sockets (net/unix/af_unix.c), where they differ from TCP in what epoll shows.

* There is no network: a write is a packet (skb) in the peer's queue at once, charged to the sender
  by its true size until the reader has consumed all of it. A partial read frees nothing.
* Space: writable while four times the charge fits in the send buffer; and every packet that the
  peer consumes wakes the sender for OUT, asked for or not (unix_write_space has no SOCK_NOSPACE
  gate as TCP has).
* An urgent byte (MSG_OOB) is a packet of its own in the queue: a read stops before it, and the next
  one passes over it. Read out of band it stays there, empty, and still counts for IN.
* A peer's close is both directions at once: HUP, and ECONNRESET if it left our data unread.
"""

from __future__ import annotations

from collections import deque

from model.errors import Errno
from model.kernel import EPOLLERR, EPOLLHUP, EPOLLPRI, EPOLLRDHUP, EPOLLWRBAND, Shutdown
from sim.files import KEY_IN, KEY_OUT, KEY_STATE, MASK_IN, MASK_OUT, File

SNDBUF = 212_992  # net.core.wmem_default
PACKET_MAX = 36_544  # SKB_MAX_ALLOC + UNIX_SKB_FRAGS_SZ
_HEADER = 256  # sizeof(struct sk_buff), as allocated
_SHARED = 320  # sizeof(struct skb_shared_info), as aligned
_PAGE = 4_096


def true_size(size: int) -> int:
    """What a packet of `size` bytes costs (unix_stream_sendmsg, sock_alloc_send_pskb).

    What does not fit in a page beside the kernel's own data goes to pages of its own; the rest is
    rounded as kmalloc does. The sums are Linux's own (SO_MEMINFO), for sizes to 106,000.
    """
    paged = min(size, max(-(-(size - _PAGE + _SHARED) // _PAGE), 0) * _PAGE)
    rounded = 512
    while rounded < size - paged + _SHARED:
        rounded *= 2
    return _HEADER + rounded + -(-paged // _PAGE) * _PAGE


class Packet:
    """A packet in a queue: what is left of its bytes, and its true size."""

    __slots__ = ("charge", "data")

    def __init__(self, data: bytes, charge: int) -> None:
        self.data = data
        self.charge = charge


class UnixStream(File):
    """One end of a connected pair, or a socket that is not connected."""

    __slots__ = (
        "accept_queue",
        "address",
        "backlog",
        "charged",
        "connected",
        "error",
        "inbox",
        "oob",
        "peer",
        "rcv_shut",
        "snd_shut",
        "sndbuf",
    )

    def __init__(self) -> None:
        super().__init__()
        self.peer: UnixStream | None = None
        self.connected = False
        self.error: Errno | None = None
        self.rcv_shut = False
        self.snd_shut = False
        self.sndbuf = SNDBUF
        self.charged = 0
        self.inbox: deque[Packet] = deque()
        self.oob: Packet | None = None  # the urgent one of them
        self.address = 0
        self.backlog = 0
        self.accept_queue: deque[UnixStream] | None = None

    def pair_with(self, peer: UnixStream) -> None:
        """socketpair(2)."""
        self.peer, peer.peer = peer, self
        self.connected = peer.connected = True

    def poll(self) -> int:
        """unix_poll."""
        mask = 0
        if self.error is not None:
            mask |= EPOLLERR  # rule UX2
        listening = self.accept_queue is not None
        if not (self.connected or listening) or (self.rcv_shut and self.snd_shut):
            mask |= EPOLLHUP  # rule UX3
        if self.rcv_shut:
            mask |= MASK_IN | EPOLLRDHUP  # rule UX4
        if self.inbox:
            mask |= MASK_IN  # rule UX5
        if self.accept_queue:
            mask |= MASK_IN  # rule UX1
        if self.oob is not None:
            mask |= EPOLLPRI  # rule UX31
        if self.writable() and not listening:
            mask |= MASK_OUT | EPOLLWRBAND  # rule UX6
        return mask

    def writable(self) -> bool:
        """unix_writable: three quarters of the buffer are free."""
        return self.charged << 2 <= self.sndbuf

    def send(self, data: bytes) -> int | Errno:
        """unix_stream_sendmsg: packets of at most half the send buffer."""
        peer = self.peer
        if peer is None:
            return Errno.ENOTCONN  # rule UX7
        if self.snd_shut or peer.rcv_shut:
            return Errno.EPIPE  # rule UX8
        sent = 0
        while sent < len(data) and self.charged < self.sndbuf:
            part = data[sent : sent + min((self.sndbuf >> 1) - 64, PACKET_MAX)]
            size = true_size(len(part))
            self.charged += size  # rule UX9
            peer.inbox.append(Packet(part, size))
            sent += len(part)
            peer.wake(KEY_IN)  # rule UX10
        if sent or not data:
            return sent
        return Errno.EAGAIN  # rule UX11

    def send_urgent(self, data: bytes) -> int | Errno:
        """send(2) with MSG_OOB: the last byte is the urgent one (queue_oob)."""
        if not data:
            return Errno.EOPNOTSUPP
        sent = self.send(data[:-1])
        if isinstance(sent, Errno) or sent < len(data) - 1:
            return sent
        before = self.peer.inbox[-1] if self.peer is not None and self.peer.inbox else None
        last = self.send(data[-1:])
        if isinstance(last, Errno):
            return sent or last
        if self.peer is not None and self.peer.inbox[-1] is not before:
            self.peer.oob = self.peer.inbox[-1]
        return sent + last

    def recv_urgent(self) -> bytes | Errno:
        """recv(2) with MSG_OOB (unix_stream_recv_urg)."""
        packet, self.oob = self.oob, None
        if packet is None:
            return Errno.EINVAL  # rule UX33
        data, packet.data = packet.data, b""
        return data

    def recv(self, size: int, peek: bool = False) -> bytes | Errno:
        """unix_stream_read_generic: data, then the pending error once, then end of file."""
        if not self.connected:
            return Errno.EINVAL  # rule UX12
        parts: list[bytes] = []
        for packet in tuple(self.inbox):
            if packet is self.oob or not packet.data:
                if parts:
                    break  # rule UX32
            else:
                parts.append(packet.data[:size])
                if peek:
                    size -= len(parts[-1])  # rule UX13
                    continue
                if len(packet.data) > size:
                    packet.data = packet.data[size:]  # rule UX14
                    break
                size -= len(packet.data)
            if not peek:
                self._consume(packet)
            if parts and not size:
                break
        return b"".join(parts) if parts else self._recv_nothing()

    def _consume(self, packet: Packet) -> None:
        """The packet at the head of the queue is gone."""
        self.inbox.popleft()
        if packet is self.oob:
            self.oob = None
        if self.peer is not None:
            self.peer._freed(packet.charge)

    def _recv_nothing(self) -> bytes | Errno:
        error = self.take_error()
        if error is not None:
            return error  # rule UX15
        if self.rcv_shut:
            return b""  # rule UX16
        return Errno.EAGAIN  # rule UX17

    def _freed(self, charge: int) -> None:
        """The peer consumed a whole packet: sock_wfree, unix_write_space."""
        self.charged -= charge
        if self.writable():
            self.wake(KEY_OUT)  # rule UX18

    def take_error(self) -> Errno | None:
        """SO_ERROR."""
        error, self.error = self.error, None
        return error

    def shutdown(self, how: Shutdown) -> Errno | None:
        """unix_shutdown: each direction for both ends; never an error."""
        self._shut(how != "WR", how != "RD")
        self.wake_all(KEY_STATE)
        if self.peer is not None:
            self.peer._shut(how != "RD", how != "WR")  # rule UX19
            self.peer.wake_all(KEY_STATE)
        return None

    def _shut(self, receive: bool, send: bool) -> None:
        self.rcv_shut = self.rcv_shut or receive
        self.snd_shut = self.snd_shut or send

    def listen(self, backlog: int) -> Errno | None:
        """unix_listen: needs an address."""
        if not self.address or self.connected:
            return Errno.EINVAL  # rule UX20
        self.backlog = backlog
        if self.accept_queue is None:
            self.accept_queue = deque()
        return None

    def connect(self, listener: UnixStream | None) -> Errno | None:
        """unix_stream_connect: done at once; the listener is looked at first."""
        if listener is None or listener.accept_queue is None or listener.rcv_shut:
            return Errno.ECONNREFUSED  # rule UX21
        if len(listener.accept_queue) > listener.backlog:
            return Errno.EAGAIN  # rule UX22
        if self.connected:
            return Errno.EISCONN  # rule UX23
        if self.accept_queue is not None:
            return Errno.EINVAL  # rule UX24
        child = UnixStream()
        self.pair_with(child)
        listener.accept_queue.append(child)
        listener.wake(KEY_IN)  # rule UX25
        return None

    def accept(self) -> UnixStream | Errno:
        """unix_accept."""
        if self.accept_queue is None:
            return Errno.EINVAL  # rule UX26
        if not self.accept_queue:
            return Errno.EAGAIN  # rule UX26
        return self.accept_queue.popleft()

    def release(self) -> None:
        """unix_release_sock."""
        peer = self.peer
        if peer is not None:
            peer._shut(True, True)  # rule UX27
            if any(packet.data for packet in self.inbox):
                peer.error = Errno.ECONNRESET  # rule UX28
            peer.wake_all(KEY_STATE)
            peer.peer = None if not peer.connected else peer.peer
            for packet in self.inbox:
                peer._freed(packet.charge)  # rule UX29
        for child in self.accept_queue or ():
            child.inbox.append(Packet(b" ", 0))  # an embryo: its client sees a reset
            child.release()  # rule UX30
        self.inbox.clear()
        self.connected = False
