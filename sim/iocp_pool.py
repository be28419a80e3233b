"""Kernel memory behind overlapped operations: a pool of pages that has an end.

Two things take pages, and here they share one pool, as the machine's memory is one:

* an operation that pends on the application's own buffer locks the pages of that buffer: receives,
  and sends that are not copied;
* a send that finds room in SO_SNDBUF is copied, and the copy stays until TCP has it acknowledged,
  though the send has long ended.

So there are two ways to need less. A receive of no bytes locks nothing, and tells when there is
something; the receive after it finds the data, and a receive that ends in its call locks nothing
either. And SO_SNDBUF 0 saves the copies, not the locks: a send then takes the pages that it has
itself, and ends when they are free again, so that an application with one send at a time never
has more than that one in the pool; with a buffer as many may pile up as SO_SNDBUF allows.

Windows keeps two books, for locked pages and for non-paged pool, and each driver charges some
hundred bytes an operation; both ends look the same, WSAENOBUFS, and the hundreds of bytes are left
out. Pages are counted as if buffers began at one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model.errors import NtStatus, Win32Error
from model.faults import PAGE
from model.kernel import Buffer
from sim.iocp import SimIocp
from sim.iocp_socket import Socket

_PENDING = Win32Error.WSA_IO_PENDING


def pages(size: int) -> int:
    """Pages that a page-aligned buffer touches."""
    return -(-size // PAGE)


def _nobody(_handle: int) -> None:
    """Nobody wants to know."""


class Pool:
    """`size` pages. `high` is the most that was ever taken; `full` hears of what does not fit."""

    __slots__ = ("_copies", "_locked", "full", "high", "locked", "size")

    def __init__(self, size: int, full: Callable[[int], object] = _nobody) -> None:
        self.size = size
        self.full = full
        self.high = 0
        self.locked = 0  # pages of operations that pend
        self._locked: dict[int, int] = {}  # overlapped -> pages
        self._copies: dict[Socket, None] = {}  # sockets that may have copies: a set with an order

    @property
    def held(self) -> int:
        """Pages taken now."""
        return self.locked + self._copied()

    def _copied(self) -> int:
        """Pages of the copies that are not acknowledged."""
        total = 0
        for sock in tuple(self._copies):
            size = sock.copied()
            if size:
                total += pages(size)  # rule M4
            else:
                del self._copies[sock]
        return total

    def admits(self, count: int, handle: int) -> bool:
        """Whether `count` more pages fit; if so they count for `high`."""
        wanted = self.held + count
        if wanted > self.size:
            self.full(handle)
            return False  # rule M6
        self.high = max(self.high, wanted)
        return True

    def lock(self, overlapped: int, count: int) -> None:
        """Takes pages for an operation that pends."""
        self._locked[overlapped] = count
        self.locked += count

    def copy(self, sock: Socket) -> None:
        """`sock` has something copied."""
        self._copies[sock] = None

    def unlock(self, overlapped: int) -> None:
        """An operation has ended; those that never took pages may end too."""
        self.locked -= self._locked.pop(overlapped, 0)


class PooledIocp(SimIocp):
    """`SimIocp` with a pool that may end, if the profile has such: `limit`."""

    __slots__ = ()

    def limit(self, size: int, full: Callable[[int], object] = _nobody) -> None:
        """The pool has `size` pages from now on. `full(handle)` is called before a WSAENOBUFS."""
        if self._host.profile.memory_limited:
            self._host.pool = Pool(size, full)

    @property
    def pool(self) -> Pool | None:
        """The pool; None when it has no end."""
        return self._host.pool

    def wsa_recv(
        self, handle: int, overlapped: int, buffer: memoryview, peek: bool = False
    ) -> int | Win32Error:
        """WSARecv; WSAENOBUFS when it would pend and its buffer does not fit."""
        outcome = super().wsa_recv(handle, overlapped, buffer, peek)
        pool = self._host.pool
        if pool is None or outcome is not _PENDING:
            return outcome  # rule M3
        count = pages(len(buffer))  # rule M2
        if pool.admits(count, handle):
            pool.lock(overlapped, count)  # rule M1
            return outcome
        self._sockets[handle].receives.pop()
        return self._refused(overlapped)

    def wsa_send(
        self, handle: int, overlapped: int, chunks: Sequence[Buffer], silent: bool = False
    ) -> int | Win32Error:
        """WSASend; WSAENOBUFS when neither a copy nor its own pages fit."""
        pool = self._host.pool
        sock = self._sockets.get(handle)
        if pool is None or sock is None or not sock.sendable:
            return super().wsa_send(handle, overlapped, chunks, silent)
        copied = not sock.sends and sock.endpoint.queued < sock.endpoint.sndbuf
        sizes = [len(chunk) for chunk in chunks]
        count = pages(sum(sizes)) if copied else sum(map(pages, sizes))
        if not pool.admits(count, handle):
            return self._refused(overlapped)
        if copied:
            outcome = super().wsa_send(handle, overlapped, chunks, silent)
            pool.copy(sock)
            return outcome
        pool.lock(overlapped, count)  # rule M5
        outcome = super().wsa_send(handle, overlapped, chunks, silent)
        if outcome is not _PENDING:
            pool.unlock(overlapped)
        return outcome

    def accept_ex(
        self, listener: int, acceptor: int, overlapped: int, buffer: memoryview | None = None
    ) -> int | Win32Error:
        """AcceptEx; WSAENOBUFS when the page for its buffer and addresses does not fit."""
        pool = self._host.pool
        if pool is None:
            return super().accept_ex(listener, acceptor, overlapped, buffer)
        count = max(1, pages(len(buffer or ())))
        if not pool.admits(count, listener):
            return self._refused(overlapped)
        pool.lock(overlapped, count)  # rule M7
        outcome = super().accept_ex(listener, acceptor, overlapped, buffer)
        if outcome is not _PENDING:
            pool.unlock(overlapped)
        return outcome

    def _refused(self, overlapped: int) -> Win32Error:
        """An operation that had no memory: no packet comes."""
        if self._host.blocks is not None:
            self._host.blocks[overlapped] = (NtStatus.INSUFFICIENT_RESOURCES, 0)
        return Win32Error.WSAENOBUFS
