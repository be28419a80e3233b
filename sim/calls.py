"""The system calls that the readiness port does not have, for cases and comparisons.

`SimLinux` is `SimEpoll` with AF_UNIX sockets, pipes, eventfds, duplicated descriptors, poll(2),
urgent data, low-water marks and signals: what the case files about the kernel speak of. Nothing
of it is on the path of a run.
"""

from __future__ import annotations

from collections.abc import Callable

from model.errors import Errno
from model.kernel import EPOLL_CTL_DEL, EPOLLERR, EPOLLHUP, Shutdown
from sim.epoll import SimEpoll
from sim.files import File
from sim.pipes import EventFd, Pipe, PipeReader, PipeWriter, RegularFile
from sim.tcp import Endpoint
from sim.unix import UnixStream

LEAST_SNDBUF = 4_608  # SOCK_MIN_SNDBUF
LEAST_RCVBUF = 2_304  # SOCK_MIN_RCVBUF


class SimLinux(SimEpoll):
    """SimEpoll and more. Descriptors may be of any kind of file."""

    __slots__ = ()

    def install(self, file: File) -> int | Errno:
        """A descriptor for a new file."""
        return self._install(file)

    def file(self, fd: int) -> File | None:
        """What a descriptor refers to."""
        return self._files.get(fd)

    def unix_socket(self) -> int | Errno:
        """socket(AF_UNIX, SOCK_STREAM)."""
        return self._install(UnixStream())

    def unix_pair(self) -> tuple[int, int] | Errno:
        """socketpair(2)."""
        one, other = UnixStream(), UnixStream()
        one.pair_with(other)
        return self._install_two(one, other)

    def pipe(self) -> tuple[int, int] | Errno:
        """pipe(2): the read end and the write end."""
        pipe = Pipe()
        if pipe.reader is None or pipe.writer is None:
            return Errno.ENFILE
        return self._install_two(pipe.reader, pipe.writer)

    def _install_two(self, one: File, other: File) -> tuple[int, int] | Errno:
        first = self._install(one)
        if isinstance(first, Errno):
            return first
        second = self._install(other)
        if isinstance(second, Errno):
            self.close(first)
            return second
        return first, second

    def regular_file(self) -> int | Errno:
        """open(2) of a file on a disk."""
        return self._install(RegularFile())

    def dup(self, fd: int) -> int | Errno:
        """dup(2)."""
        file = self._files.get(fd)
        if file is None:
            return Errno.EBADF
        new = self._install(file)
        if isinstance(new, int):
            file.refs += 1  # rule FD6
        return new

    def dup2(self, fd: int, new: int) -> int | Errno:
        """dup2(2): `new` refers to what `fd` does."""
        file = self._files.get(fd)
        if file is None:
            return Errno.EBADF
        if fd == new:
            return new
        if new in self._files:
            self._files[new].unref()
        elif new in self._free:
            self._free.remove(new)
            self._free.sort()
        else:
            self._free.extend(range(self._next, new))
            self._next = max(self._next, new + 1)
        self._files[new] = file
        file.refs += 1
        return new

    def set_buffers(self, fd: int, sndbuf: int | None, rcvbuf: int | None) -> None:
        """SO_SNDBUF and SO_RCVBUF: doubled, and not below the least (net/core/sock.c).

        Of a receive buffer three quarters hold bytes when segments are large, the rest is what
        the kernel keeps with them (measured on Linux 6.18: 24,576 of 32,768).
        """
        file = self._files.get(fd)
        if isinstance(file, Endpoint):
            if sndbuf is not None:
                file.sndbuf = max(2 * sndbuf, LEAST_SNDBUF)
            if rcvbuf is not None:
                file.rcvbuf = max(2 * rcvbuf, LEAST_RCVBUF) * 3 // 4  # rule TW7

    def close_reset(self, fd: int) -> Errno | None:
        """close(2) with SO_LINGER 0."""
        file = self._files.get(fd)
        if isinstance(file, Endpoint):
            file.linger_zero = True
        return self.close(fd)

    def epoll_ctl_without_event(self, epfd: int, op: int, fd: int) -> Errno | None:
        """epoll_ctl(2) with a null event: copied, where it is used, before all other checks."""
        return self.epoll_ctl(epfd, op, fd, 0) if op == EPOLL_CTL_DEL else Errno.EFAULT  # rule EW13

    def poll(self, fd: int, mask: int, timeout_ns: int | None = 0) -> int | Errno:
        """poll(2) on one descriptor: the events, 0 after the timeout, or EINTR."""
        file = self._files.get(fd)
        if file is None:
            return Errno.EBADF
        wanted = mask | EPOLLERR | EPOLLHUP
        scheduler = self._scheduler
        task = scheduler.current
        deadline = None if timeout_ns is None else scheduler.now + timeout_ns

        def wake(key: int) -> bool:
            return (not key or bool(key & wanted)) and task is not None and scheduler.unpark(task)

        file.watch(wake)
        file.refs += 1
        try:
            while True:
                now = file.poll() & wanted
                if now or scheduler.ending:
                    return now  # rule EW15
                if task is not None and task.interrupted:
                    task.interrupted = False
                    return Errno.EINTR  # rule EW14
                if deadline is not None and scheduler.now >= deadline:
                    return 0
                scheduler.park(None if deadline is None else deadline - scheduler.now)
        finally:
            file.unwatch(wake)
            file.unref()

    def read(self, fd: int, size: int) -> bytes | Errno:
        """read(2) of any file."""
        file = self._files.get(fd)
        if isinstance(file, (Endpoint, UnixStream)):
            return file.recv(size)
        if isinstance(file, (PipeReader, EventFd)):
            return file.read(size)
        if isinstance(file, RegularFile):
            return b""  # a new file: where the last write ended, so does the file
        return Errno.EBADF if file is None or isinstance(file, PipeWriter) else Errno.EINVAL

    def write(self, fd: int, data: bytes) -> int | Errno:
        """write(2) to any file."""
        file = self._files.get(fd)
        if isinstance(file, Endpoint):
            return file.send((data,))
        if isinstance(file, UnixStream):
            return file.send(data)
        if isinstance(file, (PipeWriter, EventFd)):
            return file.write(data)
        if isinstance(file, RegularFile):
            return len(data)
        return Errno.EBADF if file is None or isinstance(file, PipeReader) else Errno.EINVAL

    def on_socket(
        self,
        fd: int,
        tcp: Callable[[Endpoint], object],
        unix: Callable[[UnixStream], object],
    ) -> object:
        """One call for either family."""
        file = self._files.get(fd)
        if isinstance(file, Endpoint):
            return tcp(file)
        if isinstance(file, UnixStream):
            return unix(file)
        return Errno.EBADF if file is None else Errno.ENOTSOCK

    def shutdown(self, fd: int, how: Shutdown) -> Errno | None:
        """shutdown(2) of either family."""
        file = self._files.get(fd)
        return file.shutdown(how) if isinstance(file, UnixStream) else super().shutdown(fd, how)
