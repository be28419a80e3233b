"""A TCP socket as a stream of bytes: recv(2), send(2) and poll(2) on it (net/ipv4/tcp.c).

The paths that every byte takes when nothing is special come first in `recv`, `send` and `poll`:
`plain` says that the connection is established with nothing shut or pending, and the network's
`live` that the tape may have a say. Then a segment is handed over inside the call that sends
it, without an event, a copy or a decision.

`send` takes bytes whenever `queued < sndbuf` (sk_stream_memory_free), so it may succeed while
EPOLLOUT is not reported.

Decisions: "tcp.short_write" and "tcp.short_read" (0: all). A short read stands for bytes that
arrive just after it, a short write for memory that was wanting for a moment; so each is followed by
the wake that Linux would give. NT (`network.nt`) has neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.errors import Errno
from model.kernel import EPOLLERR, EPOLLHUP, EPOLLPRI, EPOLLRDHUP, Buffer
from sim.files import KEY_IN, MASK_IN, MASK_OUT
from sim.segments import CLOSED, ESTABLISHED, LISTEN, LOOPBACK_MSS, SYN_SENT, Connection

SHORT_WRITE_PAUSE_NS = 1_000


def scatter(data: bytes, buffers: Sequence[memoryview]) -> int:
    """Fills `buffers` with `data`, front to back (readv(2)); the number of bytes."""
    start = 0
    for buffer in buffers:
        piece = data[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        start += len(piece)
    return start


class Stream(Connection):
    """A connection, with the calls that move its bytes. Non-blocking; outcomes are values."""

    __slots__ = ()

    def poll(self) -> int:
        """The current events: tcp_poll (net/ipv4/tcp.c). Notes when there is no send space."""
        if self.plain:
            queued = self.queued
            if not queued or self.sndbuf - queued >= (queued >> 1 or 1):
                return MASK_IN | MASK_OUT if self.inbox_size else MASK_OUT  # rule TM1
            self.nospace = True  # rule TM2
            return MASK_IN if self.inbox_size else 0
        state = self.state
        if state is LISTEN:
            return MASK_IN if self.accept_queue else 0  # rule TM3
        if state is SYN_SENT:
            return EPOLLERR if self.error is not None else 0  # rule TM4
        mask = 0
        if state is CLOSED or (self.rcv_shut and self.snd_shut):
            mask |= EPOLLHUP  # rule TM5
        if self.rcv_shut:
            mask |= MASK_IN | EPOLLRDHUP  # rule TM6
        if self.readable():
            mask |= MASK_IN  # rule TM7
        if self.snd_shut or self.writable():
            mask |= MASK_OUT  # rule TM8
        else:
            self.nospace = True  # rule TM2
        if self.urgent is not None:
            mask |= EPOLLPRI  # rule TM9
        if self.error is not None:
            mask |= EPOLLERR  # rule TM10
        return mask

    def take_error(self) -> Errno | None:
        """SO_ERROR: reads and clears the pending error (sock_error)."""
        error = self.error
        if error is not None:
            self.error = None  # rule TE1
            self.refresh()
        return error  # rule TR6

    def set_rcvlowat(self, size: int) -> None:
        """SO_RCVLOWAT; wakes if that makes the socket readable (tcp_set_rcvlowat)."""
        self.rcvlowat = max(size, 1)
        self.refresh()
        if self.eof or self.lowat_met():
            self.wake(KEY_IN)  # rule TR1

    # -- receiving -------------------------------------------------------------------------------

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
            peer._window_opened(len(data))
        return data  # rule TR2

    def peek(self, size: int) -> bytes | Errno:
        """recv(2) with MSG_PEEK."""
        if not self.inbox_size:
            return self._recv_nothing()
        data = b"".join(self.inbox)
        if self.urgent_at > 0:
            return data[: min(size, self.urgent_at)]  # rule TR3
        if self.urgent_at == 0:  # the urgent byte is not part of the stream
            data = data[1:]  # rule TU1
        return data[:size] if data else self._recv_nothing()  # rule TR3

    def recv_urgent(self) -> bytes | Errno:
        """recv(2) of one byte with MSG_OOB (tcp_recv_urg)."""
        if self.urgent_at < 0 and self.urgent is None:
            return Errno.EINVAL  # rule TU2
        data = self.urgent
        if data is None:
            return Errno.EINVAL  # rule TU2
        if self.state is CLOSED and not self.eof:
            return Errno.ENOTCONN  # rule TU3
        self.urgent = None  # rule TU4
        return data

    def _recv_nothing(self) -> bytes | Errno:
        if self.state is LISTEN:
            return Errno.ENOTCONN  # rule TR4
        if self.eof:
            return b""  # rule TR5
        error = self.take_error()
        if error is not None:
            return error
        if self.rcv_shut:
            return b""  # rule TR7
        if self.state is CLOSED:
            return Errno.ENOTCONN  # rule TR4
        return Errno.EAGAIN  # rule TR8

    def _take(self, size: int) -> bytes:
        """Removes `size` bytes, or what there is, from the inbox."""
        inbox = self.inbox
        if size >= self.inbox_size:
            self.inbox_size = 0
            data = b"".join(inbox)
            inbox.clear()
            return data  # rule TR2
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
                size = min(size, self.urgent_at)  # rule TU5
                self.urgent_at -= min(size, self.inbox_size)
        available = min(size, self.inbox_size)
        kept_back = False
        if available > 1 and network.live and not network.nt and self.urgent_at < 0:
            drawn = network.draw("tcp.short_read", 4)
            size = (available, 1, available >> 1, available - 1)[drawn]
            kept_back = size < available
        data = self._take(size)
        if self.peer is not None and self.peer.outbox:
            self.peer._window_opened(len(data))
        if kept_back:
            self.wake(KEY_IN)
        return data

    def _pass_mark(self) -> None:
        """Ordinary reading goes over the urgent byte, and forgets it."""
        self._take(1)  # rule TU1
        self.urgent = None
        self.urgent_at = -1
        self.refresh()

    # -- sending ---------------------------------------------------------------------------------

    def send(self, chunks: Sequence[Buffer]) -> int | Errno:
        """sendmsg(2) of `chunks` in one: the number of bytes taken, EAGAIN, or an error.

        Bytes objects are kept as they are, other buffers copied.
        """
        if not self.plain:
            error = self.send_error()
            if error is not None:
                return error  # rule TS2
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
            peer.inbox_size += size  # rule TK1
            for watcher in peer.watchers:
                watcher(KEY_IN)
            if peer.exclusive:
                for watcher in peer.exclusive:
                    if watcher(KEY_IN):
                        break  # rule FD2
            return size
        return self._send_slowly(data)

    def send_error(self) -> Errno | None:
        """What a send gives instead of taking bytes, if anything. Consumes the pending error."""
        if self.state is SYN_SENT:
            return Errno.EAGAIN  # rule TS1
        if self.state is ESTABLISHED and self.error is None and not self.snd_shut:
            return None
        error = self.take_error()
        if error is not None:
            return error
        return Errno.EPIPE  # rule TS3

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
        size = len(data)
        if not size:
            return 0  # rule TS4
        if room <= 0:
            self.nospace = True
            return Errno.EAGAIN  # rule TS5
        taken = min(size, room)
        cut = 0
        if taken > 1 and network.live and not network.nt:
            cut = network.draw("tcp.short_write", 4)
            taken = (taken, 1, taken >> 1, taken - 1)[cut]
        if taken == size:
            self.write(data)  # rule TS6
            return size
        self.nospace = self.nospace or not cut  # acknowledged at once, space is told at once
        self.write(data[:taken])  # rule TS7
        self.nospace = True
        self._later(SHORT_WRITE_PAUSE_NS if cut else 0, self._space)
        return taken
