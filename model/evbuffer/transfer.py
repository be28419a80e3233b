"""Between a buffer and a kernel: reading, writing, and what is lent to a completion kernel
(libevent: buffer.c, evbuffer_read, evbuffer_write_atmost; buffer_iocp.c).
"""

from __future__ import annotations

from model.errors import Errno
from model.evbuffer.chain import (
    DANGLING,
    IMMUTABLE,
    PINNED_R,
    PINNED_W,
    SENDFILE,
    Chain,
    pin,
    release_all,
    unpin,
)
from model.evbuffer.segments import Segments
from model.evbuffer.space import Iovec
from model.kernel import Buffer, ReadinessKernel

MAX_READ = 4_096  # EVBUFFER_MAX_READ: bytes of one read where nothing else says how many
READ_IOVECS = 4  # NUM_READ_IOVEC
WRITE_IOVECS = 128  # NUM_WRITE_IOVEC on everything but Windows
OVERLAPPED_IOVECS = 16  # MAX_WSABUFS of buffer_iocp.c


class Launch:
    """Memory of a buffer's that is lent to a completion kernel, until it is committed."""

    __slots__ = ("chains", "pieces")

    def __init__(self, chains: list[Chain], pieces: list[Buffer]) -> None:
        self.chains = chains
        self.pieces = pieces  # what to submit


class Evbuffer(Segments):
    """A byte queue. `length` is the number of bytes in it; read it, never write it."""

    __slots__ = ()

    # Readiness.

    def read(self, kernel: ReadinessKernel, fd: int, size: int = -1) -> int | Errno:
        """evbuffer_read: one readv of at most `size` bytes (-1: 4,096) into up to four chains.

        The number of bytes, 0 at the end of the file, the kernel's failure, or -1 when the tail is
        frozen or there is no memory.
        """
        if self.end_frozen:
            return -1
        if size < 0 or size > MAX_READ:
            size = MAX_READ
        if not size:
            return 0
        pieces = self._room(size, READ_IOVECS, exact=True)
        if pieces is None:
            return -1
        taken = kernel.readv(fd, [piece.base for piece in pieces])
        if isinstance(taken, int) and taken:
            self._filled(pieces, taken)
        return taken

    def _filled(self, pieces: list[Iovec], size: int) -> None:
        """`size` bytes were written into `pieces`, front to back."""
        left = size
        for piece in pieces:
            taken = min(len(piece.base), left)
            if not taken:
                break
            piece.chain.off += taken
            self.last_with_data = piece.chain
            left -= taken
        self.length += size
        self._changed(size, 0)

    def write(self, kernel: ReadinessKernel, fd: int) -> int | Errno:
        """evbuffer_write: `write_atmost` of everything."""
        return self.write_atmost(kernel, fd, -1)

    def write_atmost(self, kernel: ReadinessKernel, fd: int, size: int) -> int | Errno:
        """evbuffer_write_atmost: one send of at most `size` bytes (-1: all), drained if taken.

        Up to 128 chains, or one SENDFILE chain alone. The number of bytes, the kernel's failure, or
        -1 when the head is frozen.
        """
        if self.start_frozen:
            return -1
        if size < 0 or size > self.length:
            size = self.length
        if not size:
            return 0
        chunks = self.peek(size, WRITE_IOVECS)
        taken = kernel.send(fd, chunks) if chunks else self.sendfile_head(kernel, fd, size)
        if isinstance(taken, int):
            self.drain_frozen(taken)
        return taken

    def sendfile_head(self, kernel: ReadinessKernel, fd: int, size: int) -> int | Errno:
        """evbuffer_write_sendfile: at most `size` bytes of the SENDFILE chain at the head.

        What was taken is still to be drained.
        """
        chain = self.first
        while chain is not None and not chain.off:
            chain = chain.next
        assert chain is not None and chain.flags & SENDFILE, "the head is no piece of a file"
        segment = chain.more().segment
        assert segment is not None
        return kernel.sendfile(fd, segment.file, chain.misalign, min(chain.off, size))

    # Completion.

    def launch_read(self, size: int, pieces: int = OVERLAPPED_IOVECS) -> Launch | None:
        """evbuffer_launch_read_: lends room for `size` bytes and freezes the tail.

        None when the tail is frozen (a read is in flight) or there is no memory.
        """
        vectors = None if self.end_frozen else self._room(size, pieces, exact=True)
        if vectors is None:
            return None
        for vector in vectors:
            pin(vector.chain, PINNED_R)
        if vectors:  # nothing behind them: what is pinned is the tail
            last = self.last = vectors[-1].chain
            behind, last.next = last.next, None
            release_all(behind)
        self.end_frozen = True
        self.refcnt += 1
        return Launch([vector.chain for vector in vectors], [vector.base for vector in vectors])

    def commit_read(self, launch: Launch, size: int) -> None:
        """evbuffer_commit_read_: the kernel has done with it and has written `size` bytes."""
        self.end_frozen = False
        left = size
        for chain, piece in zip(launch.chains, launch.pieces, strict=True):
            taken = min(len(piece), left)
            if taken:
                chain.off += taken
                self.last_with_data = chain
                left -= taken
            unpin(chain, PINNED_R)
        self.length += size
        self._changed(size, 0)
        self.decref()

    def launch_write(self, size: int, pieces: int = OVERLAPPED_IOVECS) -> Launch | None:
        """evbuffer_launch_write_: lends at most `size` bytes at the head, and freezes it.

        None when the head is frozen (a write is in flight) or there is nothing to lend.
        """
        if self.start_frozen:
            return None
        chain = self.first
        if chain is not None and chain.flags == IMMUTABLE and chain is self.last_with_data:
            if chain.off == len(chain.storage) <= size:  # the usual case, quickly
                chain.flags = IMMUTABLE | PINNED_W
                self.start_frozen = True
                self.refcnt += 1
                return Launch([chain], [chain.storage])
        chunks = self.peek(size, pieces)
        if not chunks:
            return None
        chains: list[Chain] = []
        while len(chains) < len(chunks):
            assert chain is not None
            if chain.off:
                pin(chain, PINNED_W)
                chains.append(chain)
            chain = chain.next
        self.start_frozen = True
        self.refcnt += 1
        return Launch(chains, chunks)

    def commit_write(self, launch: Launch, size: int) -> None:
        """evbuffer_commit_write_: the kernel has done with it and has taken `size` bytes."""
        self.start_frozen = False
        self._unpin_write(launch)
        if size:
            self.drain_frozen(size)
        self._drop_launch()

    def give_back(self, launch: Launch) -> None:
        """The kernel has done with what it was lent, whose bytes are no more in the buffer."""
        self._unpin_write(launch)
        self._drop_launch()

    @staticmethod
    def _unpin_write(launch: Launch) -> None:
        for chain in launch.chains:
            if chain.flags & DANGLING:
                unpin(chain, PINNED_W)
            else:
                chain.flags &= ~PINNED_W

    def _drop_launch(self) -> None:
        if self.refcnt > 1:
            self.refcnt -= 1
        else:
            self.decref()
