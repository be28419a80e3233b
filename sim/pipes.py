"""Pipes, eventfds and regular files, as epoll sees them (fs/pipe.c, fs/eventfd.c).

A pipe has 16 pages. A write of at most one page fits whole or not at all; small writes share the
last page if they fit in what is left of it. Its ends are separate files with a wait queue each: a
write wakes readers every time, also when it gives EAGAIN; a read wakes writers only when the pipe
had been full.

An eventfd is a counter: every write wakes readers, even when it was readable already, so an
edge-triggered reader hears of each.
"""

from __future__ import annotations

from model.errors import Errno
from model.kernel import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT
from sim.files import KEY_STATE, MASK_IN, MASK_OUT, File

PAGE = 4_096
PIPE_PAGES = 16
EVENTFD_MAX = 2**64 - 1


class RegularFile(File):
    """A file that epoll refuses: always ready, nothing to wait for."""

    __slots__ = ()

    pollable = False

    def poll(self) -> int:
        return MASK_IN | MASK_OUT


class Pipe:
    """What the two ends share: the pages in use, as bytes."""

    __slots__ = ("pages", "reader", "writer")

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.reader: PipeReader | None = PipeReader(self)
        self.writer: PipeWriter | None = PipeWriter(self)


class PipeReader(File):
    """The read end."""

    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.pipe = pipe

    def poll(self) -> int:
        """pipe_poll for FMODE_READ."""
        mask = MASK_IN if self.pipe.pages else 0
        if self.pipe.writer is None:
            mask |= EPOLLHUP  # rule PI1
        return mask

    def read(self, size: int) -> bytes | Errno:
        """pipe_read."""
        pages = self.pipe.pages
        if not size:
            return b""  # rule PI2
        if not pages:
            if self.pipe.writer is None:
                return b""  # rule PI3
            return Errno.EAGAIN  # rule PI4
        was_full = len(pages) == PIPE_PAGES
        parts = []
        while size and pages:
            page = pages[0]
            parts.append(page[:size])
            if len(page) > size:
                pages[0] = page[size:]
                break
            size -= len(page)
            del pages[0]
        if was_full and self.pipe.writer is not None and len(pages) < PIPE_PAGES:
            self.pipe.writer.wake(MASK_OUT)  # rule PI5
        return b"".join(parts)

    def release(self) -> None:
        self.pipe.reader = None
        if self.pipe.writer is not None:
            self.pipe.writer.wake_all(KEY_STATE)  # rule PI6


class PipeWriter(File):
    """The write end."""

    __slots__ = ("filled", "pipe")

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.pipe = pipe
        self.filled = 0  # bytes ever put on the last page: what was read frees no room on it

    def poll(self) -> int:
        """pipe_poll for FMODE_WRITE."""
        mask = MASK_OUT if len(self.pipe.pages) < PIPE_PAGES else 0
        if self.pipe.reader is None:
            mask |= EPOLLERR  # rule PI7
        return mask

    def write(self, data: bytes) -> int | Errno:
        """pipe_write."""
        if not data:
            return 0  # rule PI2
        if self.pipe.reader is None:
            return Errno.EPIPE  # rule PI8
        pages = self.pipe.pages
        sent = 0
        odd = len(data) % PAGE
        if pages and odd and self.filled + odd <= PAGE:
            pages[-1] += data[:odd]  # rule PI9
            self.filled += odd
            sent = odd
        while sent < len(data) and len(pages) < PIPE_PAGES:
            page = data[sent : sent + PAGE]
            pages.append(page)  # rule PI10
            self.filled = len(page)
            sent += len(page)
        self.pipe.reader.wake(MASK_IN)  # even when nothing fitted: pipe->poll_usage; rule PI11
        if sent:
            return sent
        return Errno.EAGAIN  # rule PI12

    def release(self) -> None:
        self.pipe.writer = None
        if self.pipe.reader is not None:
            self.pipe.reader.wake_all(KEY_STATE)  # rule PI6


class EventFd(File):
    """eventfd(2) without EFD_SEMAPHORE."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def poll(self) -> int:
        """eventfd_poll; the bits are IN and OUT alone."""
        mask = EPOLLIN if self.count else 0
        if self.count == EVENTFD_MAX:
            mask |= EPOLLERR
        return mask | EPOLLOUT if self.count < EVENTFD_MAX - 1 else mask  # rule EV1

    def read(self, size: int) -> bytes | Errno:
        """Eight bytes, and the counter is zero."""
        if size < 8:
            return Errno.EINVAL  # rule EV2
        if not self.count:
            return Errno.EAGAIN  # rule EV3
        count, self.count = self.count, 0
        self.wake(EPOLLOUT)  # rule EV4
        return count.to_bytes(8, "little")

    def write(self, data: bytes) -> int | Errno:
        """Adds; EAGAIN when the sum would not stay below the greatest value."""
        value = int.from_bytes(data[:8], "little")
        if len(data) < 8 or value == EVENTFD_MAX:
            return Errno.EINVAL  # rule EV2
        if value >= EVENTFD_MAX - self.count:
            return Errno.EAGAIN  # rule EV5
        self.count += value
        self.wake(EPOLLIN)  # rule EV6
        return 8
