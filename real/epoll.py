"""The readiness kernel of a running Linux: one method, one system call.

There is no policy here: a call is made, and what the kernel said is handed on. The methods on the
path of every byte (recv, send, epoll_wait) go through the functions of `os` and `select` on plain
descriptor numbers, which are the shortest way from Python to the kernel; calls that need an address
or an option borrow a socket object for the duration of the call. Nothing is kept for a connection
but one byte in a table of open descriptors, so that a world can release what a crashed run left.

`os.write` on a socket is send(2) without MSG_NOSIGNAL: CPython ignores SIGPIPE from its start, so
EPIPE is returned in either case. Interrupted calls (EINTR) are repeated by CPython (PEP 475).

A receive allocates what it may fill (up to 64 KiB and more), and glibc gives memory of that size
back to the kernel as soon as it is freed, to fault it in again at the next receive. It stops doing
so once a larger block was freed (mallopt(3), M_MMAP_THRESHOLD is dynamic), so the kernel frees one
when it is made: twice the throughput at 64 KiB, for memory that the process keeps.

epoll_wait(2) counts in milliseconds. A wait is rounded up to the next one, so it never ends early.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import sys
import termios
from collections.abc import Callable, Sequence
from os import read as _read
from os import write as _write
from typing import TypeVar

from model.errors import Errno, SimulatorError
from model.files import File
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    Accepted,
    Buffer,
    Shutdown,
)

assert sys.platform == "linux", "real.epoll needs Linux: the worlds that run here: duopoll worlds"

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_HOST = "127.0.0.1"
_IOV_MAX = 1024  # include/uapi/linux/uio.h: UIO_MAXIOV; writev(2) refuses more pieces
_LONGEST_NS = 86_400_000_000_000  # a day: the kernel's int of milliseconds ends after 24 of them
_HOW = {"RD": socket.SHUT_RD, "WR": socket.SHUT_WR, "RDWR": socket.SHUT_RDWR}
_KEPT_BYTES = 1 << 20  # blocks up to this size are kept by malloc once freed
T = TypeVar("T")
_ERRNO = {member.value: member for member in Errno}


def errno_of(number: int) -> Errno:
    """The outcome that an errno number names. Raises `SimulatorError` for one we do not know."""
    try:
        return _ERRNO[number]
    except KeyError:
        raise SimulatorError(
            f"the kernel said errno {number} ({os.strerror(number)}),"
            " which model.errors.Errno does not name: add it there"
        ) from None


def _outcome(error: OSError) -> Errno:
    return errno_of(error.errno or 0)


class RealEpoll:
    """Implements `model.kernel.ReadinessKernel`. Threads may share it."""

    __slots__ = ("_listeners", "_open", "_polls")

    def __init__(self) -> None:
        self._listeners: dict[int, socket.SocketType] = {}
        self._polls: dict[int, select.epoll] = {}
        self._open = bytearray(64)  # by descriptor: 1 where it is ours
        bytes(_KEPT_BYTES)  # made and freed at once: see above

    # Sockets.

    def socket(self) -> int | Errno:
        """socket(2), TCP_NODELAY set; the number is the lowest free one."""
        try:
            made = socket.SocketType(socket.AF_INET, _STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:
            return _outcome(error)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._opened(made.detach())

    def connect(self, fd: int, port: int) -> Errno | None:
        """connect(2) to 127.0.0.1."""
        number = _borrow(fd, lambda borrowed: borrowed.connect_ex((_HOST, port)))
        if isinstance(number, Errno):
            return number
        return errno_of(number) if number else None

    def listen(self, fd: int, port: int, backlog: int) -> int | Errno:
        """bind(2) and listen(2), without SO_REUSEADDR; the port."""
        listener = self._listeners.get(fd)
        try:
            if listener is None:
                listener = socket.SocketType(socket.AF_INET, _STREAM, 0, fd)
                self._listeners[fd] = listener
            listener.bind((_HOST, port))
            listener.listen(backlog)
            bound: int = listener.getsockname()[1]
        except OSError as error:
            return _outcome(error)
        return bound

    def accept(self, fd: int) -> Accepted | Errno:
        """accept4(2). The connection inherits the listener's TCP_NODELAY (tcp(7))."""
        listener = self._listeners.get(fd)
        try:
            taken = _accept(listener) if listener is not None else _borrow(fd, _accept)
        except OSError as error:
            return _outcome(error)
        if isinstance(taken, Errno):
            return taken
        os.set_blocking(taken[0], False)
        return Accepted(self._opened(taken[0]), taken[1])

    def recv(self, fd: int, size: int) -> bytes | Errno:
        """recv(2); `size` bytes are allocated for the call."""
        try:
            return _read(fd, size)
        except BlockingIOError:
            return Errno.EAGAIN
        except OSError as error:
            return _outcome(error)

    def send(self, fd: int, chunks: Sequence[Buffer]) -> int | Errno:
        """write(2) or writev(2); of more than 1,024 chunks the first 1,024 are offered."""
        try:
            if len(chunks) == 1:
                return _write(fd, chunks[0])
            return os.writev(fd, chunks if len(chunks) <= _IOV_MAX else chunks[:_IOV_MAX])
        except BlockingIOError:
            return Errno.EAGAIN
        except OSError as error:
            return _outcome(error)

    def bytes_readable(self, fd: int) -> int | Errno:
        """ioctl(FIONREAD)."""
        size = bytearray(4)
        try:
            fcntl.ioctl(fd, termios.FIONREAD, size)
        except OSError as error:
            return _outcome(error)
        return int.from_bytes(size, sys.byteorder)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int | Errno:
        """readv(2)."""
        try:
            return os.readv(fd, buffers)
        except BlockingIOError:
            return Errno.EAGAIN
        except OSError as error:
            return _outcome(error)

    def sendfile(self, fd: int, file: File, offset: int, size: int) -> int | Errno:
        """sendfile(2)."""
        try:
            return os.sendfile(fd, file.fd, offset, size)
        except BlockingIOError:
            return Errno.EAGAIN
        except OSError as error:
            return _outcome(error)

    def so_error(self, fd: int) -> Errno | None:
        """getsockopt(SO_ERROR). A failure of the call itself is given as the error."""
        number = _borrow(
            fd, lambda borrowed: borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        )
        if isinstance(number, Errno):
            return number
        return errno_of(number) if number else None

    def getsockname(self, fd: int) -> int | Errno:
        """The local TCP port; 0 before the socket is bound."""
        return _borrow(fd, _bound_port)

    def shutdown(self, fd: int, how: Shutdown) -> Errno | None:
        """shutdown(2)."""
        return _borrow(fd, lambda borrowed: borrowed.shutdown(_HOW[how]))

    def close(self, fd: int) -> Errno | None:
        """close(2). An epoll instance's number is given back with it."""
        listener = self._listeners.pop(fd, None)
        if listener is not None:
            listener.detach()
        if 0 <= fd < len(self._open):
            self._open[fd] = 0  # before the close: then the number may be another thread's
        try:
            if fd in self._polls:
                self._polls.pop(fd).close()
            else:
                os.close(fd)
        except OSError as error:
            return _outcome(error)
        return None

    # The poller.

    def eventfd(self) -> int | Errno:
        """eventfd2(EFD_NONBLOCK | EFD_CLOEXEC)."""
        try:
            return self._opened(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        except OSError as error:
            return _outcome(error)

    def eventfd_write(self, fd: int) -> Errno | None:
        """eventfd_write(3) of 1."""
        try:
            os.eventfd_write(fd, 1)
        except OSError as error:
            return _outcome(error)
        return None

    def eventfd_read(self, fd: int) -> int | Errno:
        """eventfd_read(3)."""
        try:
            return os.eventfd_read(fd)
        except OSError as error:
            return _outcome(error)

    def epoll_create(self) -> int | Errno:
        """epoll_create1(EPOLL_CLOEXEC)."""
        try:
            poll = select.epoll()
        except OSError as error:
            return _outcome(error)
        fd = poll.fileno()
        self._polls[fd] = poll
        return self._opened(fd)

    def epoll_ctl(self, epfd: int, op: int, fd: int, mask: int) -> Errno | None:
        """epoll_ctl(2); `mask` is not looked at for EPOLL_CTL_DEL."""
        poll = self._polls.get(epfd)
        if poll is None:
            return _not_an_epoll(epfd)
        try:
            if op == EPOLL_CTL_MOD:
                poll.modify(fd, mask)
            elif op == EPOLL_CTL_ADD:
                poll.register(fd, mask)
            elif op == EPOLL_CTL_DEL:
                poll.unregister(fd)
            else:
                return Errno.EINVAL
        except ValueError:  # CPython refuses a negative descriptor before the kernel can
            return Errno.EBADF
        except OSError as error:
            return _outcome(error)
        return None

    def epoll_wait(
        self, epfd: int, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        """epoll_wait(2), the wait rounded up to milliseconds."""
        try:
            poll = self._polls[epfd]
            if not timeout_ns:
                return poll.poll(timeout_ns, maxevents)
            if timeout_ns > _LONGEST_NS:
                found = poll.poll(_LONGEST_NS / 1e9, maxevents)
                return found or self.epoll_wait(epfd, maxevents, timeout_ns - _LONGEST_NS)
            # Half a millisecond less, since CPython rounds up as well: no float can add one.
            return poll.poll((-(-timeout_ns // 1_000_000) - 0.5) * 1e-3, maxevents)
        except KeyError:
            return _not_an_epoll(epfd)
        except ValueError:  # maxevents: CPython refuses it before the kernel can
            return Errno.EINVAL
        except OSError as error:
            return _outcome(error)

    # For the world.

    def close_all(self) -> int:
        """Closes what is still open, and says how many that were: for a run that crashed."""
        left = [fd for fd, ours in enumerate(self._open) if ours]
        for fd in left:
            self.close(fd)
        return len(left)

    def _opened(self, fd: int) -> int:
        if fd >= len(self._open):
            self._open.extend(bytes(fd))  # doubles, or more
        self._open[fd] = 1
        return fd


def _borrow(fd: int, call: Callable[[socket.SocketType], T]) -> T | Errno:
    """The result of `call` on a socket object that has `fd` for as long as the call lasts."""
    try:
        borrowed = socket.SocketType(socket.AF_INET, _STREAM, 0, fd)
    except OSError as error:
        return _outcome(error)
    try:
        return call(borrowed)
    except OSError as error:
        return _outcome(error)
    finally:
        borrowed.detach()


def _accept(listener: socket.SocketType) -> tuple[int, int]:
    """accept4(2) without the socket object that `socket.accept` makes around it: fd, peer port."""
    fd, address = listener._accept()  # type: ignore[attr-defined]  # typeshed leaves it out
    return fd, address[1]


def _bound_port(borrowed: socket.SocketType) -> int:
    port: int = borrowed.getsockname()[1]
    return port


def _not_an_epoll(fd: int) -> Errno:
    """What epoll_ctl(2) and epoll_wait(2) say of a descriptor that is not an epoll instance."""
    try:
        os.fstat(fd)
    except OSError:
        return Errno.EBADF
    return Errno.EINVAL
