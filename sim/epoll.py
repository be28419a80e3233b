"""SimEpoll: the simulated readiness kernel, `model.kernel.ReadinessKernel` over `sim.tcp`.

This is the system call layer: descriptors, the checks that come before a file is reached, and
waiting. What a socket does is in `sim.tcp`, what an epoll does in `sim.eventpoll`, other kinds of
file in `sim.unix` and `sim.pipes`; `sim.calls` adds the calls that the port does not have.

A descriptor is the lowest free number, as in every Unix, so numbers are reused at once: that is a
behaviour that programs under test should meet.

Calls take no virtual time, and a wait that finds something returns without letting other threads
run. Two rules keep that honest. While the tape lasts a wait may first let the others run
("sched.yield"). And a thread that never blocks is slowed: every 64th wait in a row that did not
block takes 64 us, so timers expire and other threads run beside a program that always has
something to do.

Decisions: "epoll_wait.late" (0: a timeout is exact, otherwise later by the kernel's timer slack,
never early), "sched.yield" (0: go on).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from model.errors import Errno
from model.files import File as OpenFile
from model.kernel import Accepted, Buffer, Shutdown
from sim.eventpoll import Epoll
from sim.files import File
from sim.network import Network
from sim.pipes import EventFd
from sim.scheduler import Scheduler
from sim.stream import scatter
from sim.tcp import LISTEN, Endpoint

FIRST_FD = 3
BUSY_WAITS = 64  # waits in a row that may find something at once
BUSY_NS = 64_000  # what they take together
_ONE = (1).to_bytes(8, "little")
LATE_NS = (0, 50_000, 1_000_000, 10_000_000)


class SimEpoll:
    """Linux's sockets and epoll on one simulated host.

    `fd_limit`: the number of descriptors that may be open at once; beyond it EMFILE.
    """

    __slots__ = ("_busy", "_files", "_free", "_network", "_next", "_scheduler", "fd_limit")

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        self._scheduler = scheduler
        self._network = network
        self._files: dict[int, File] = {}
        self._free: list[int] = []  # a heap of numbers below `_next`
        self._next = FIRST_FD
        self._busy = 0
        self.fd_limit: int | None = None

    # -- descriptors ------------------------------------------------------------------------

    def _install(self, file: File) -> int | Errno:
        """Gives `file` the lowest free descriptor."""
        if self._limited():
            return Errno.EMFILE  # rule FD5
        if self._free:
            fd = heappop(self._free)
        else:
            fd = self._next
            self._next = fd + 1
        self._files[fd] = file
        return fd

    def _limited(self) -> bool:
        return self.fd_limit is not None and len(self._files) >= self.fd_limit

    def _endpoint(self, fd: int) -> Endpoint | Errno:
        file = self._files.get(fd)
        if isinstance(file, Endpoint):
            return file
        return Errno.EBADF if file is None else Errno.ENOTSOCK

    def endpoint(self, fd: int) -> Endpoint | None:
        """The TCP socket behind a descriptor; None if there is none."""
        file = self._files.get(fd)
        return file if isinstance(file, Endpoint) else None

    def close(self, fd: int) -> Errno | None:
        """close(2): the file goes when its last descriptor does."""
        file = self._files.pop(fd, None)
        if file is None:
            return Errno.EBADF
        heappush(self._free, fd)
        file.unref()
        return None

    # -- sockets ----------------------------------------------------------------------------

    def socket(self) -> int | Errno:
        """socket(2)."""
        return self._install(Endpoint(self._network))

    def connect(self, fd: int, port: int) -> Errno | None:
        """connect(2)."""
        endpoint = self._endpoint(fd)
        return endpoint if isinstance(endpoint, Errno) else endpoint.connect(port)

    def listen(self, fd: int, port: int, backlog: int) -> int | Errno:
        """bind(2) and listen(2)."""
        endpoint = self._endpoint(fd)
        if isinstance(endpoint, Errno):
            return endpoint
        if port or not endpoint.local_port:
            bound = endpoint.bind(port)
            if isinstance(bound, Errno):
                return bound
        error = endpoint.listen(backlog)
        return endpoint.local_port if error is None else error

    def accept(self, fd: int) -> Accepted | Errno:
        """accept4(2): the descriptor is allocated first, so EMFILE leaves the queue alone."""
        listener = self._endpoint(fd)
        if listener is not Errno.EBADF and self._limited():
            return Errno.EMFILE  # rule FD5
        if isinstance(listener, Errno):
            return listener
        endpoint = listener.accept()
        if isinstance(endpoint, Errno):
            return endpoint
        accepted = self._install(endpoint)
        return accepted if isinstance(accepted, Errno) else Accepted(accepted, endpoint.peer_port)

    def recv(self, fd: int, size: int) -> bytes | Errno:
        """recv(2)."""
        file = self._files.get(fd)
        if type(file) is Endpoint:
            return file.recv(size)
        return Errno.EBADF if file is None else Errno.ENOTSOCK

    def send(self, fd: int, chunks: Sequence[Buffer]) -> int | Errno:
        """sendmsg(2)."""
        file = self._files.get(fd)
        if type(file) is Endpoint:
            return file.send(chunks)
        return Errno.EBADF if file is None else Errno.ENOTSOCK

    def bytes_readable(self, fd: int) -> int | Errno:
        """ioctl(FIONREAD); EINVAL for a listener (tcp_ioctl)."""
        endpoint = self._endpoint(fd)
        if isinstance(endpoint, Errno):
            return endpoint
        return Errno.EINVAL if endpoint.state is LISTEN else endpoint.inbox_size

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int | Errno:
        """readv(2)."""
        data = self.recv(fd, sum(len(buffer) for buffer in buffers))
        return scatter(data, buffers) if isinstance(data, bytes) else data

    def sendfile(self, fd: int, file: OpenFile, offset: int, size: int) -> int | Errno:
        """sendfile(2): 0 at the end of the file."""
        data = file.read(offset, size)
        if not isinstance(data, bytes):
            return data
        return self.send(fd, (data,))

    def so_error(self, fd: int) -> Errno | None:
        """getsockopt(SO_ERROR)."""
        endpoint = self._endpoint(fd)
        return endpoint if isinstance(endpoint, Errno) else endpoint.take_error()

    def getsockname(self, fd: int) -> int | Errno:
        """The local port, 0 when there is none."""
        endpoint = self._endpoint(fd)
        return endpoint if isinstance(endpoint, Errno) else endpoint.local_port

    def getpeername(self, fd: int) -> int | Errno:
        """The peer's port."""
        endpoint = self._endpoint(fd)
        return endpoint if isinstance(endpoint, Errno) else endpoint.getpeername()

    def shutdown(self, fd: int, how: Shutdown) -> Errno | None:
        """shutdown(2)."""
        endpoint = self._endpoint(fd)
        return endpoint if isinstance(endpoint, Errno) else endpoint.shutdown(how)

    # -- epoll ------------------------------------------------------------------------------

    def eventfd(self, count: int = 0) -> int | Errno:
        """eventfd(2)."""
        return self._install(EventFd(count))

    def eventfd_write(self, fd: int) -> Errno | None:
        """write(2) of 1 to an eventfd."""
        file = self._files.get(fd)
        if not isinstance(file, EventFd):
            return Errno.EBADF if file is None else Errno.EINVAL
        result = file.write(_ONE)
        return result if isinstance(result, Errno) else None

    def eventfd_read(self, fd: int) -> int | Errno:
        """read(2) of an eventfd."""
        file = self._files.get(fd)
        if not isinstance(file, EventFd):
            return Errno.EBADF if file is None else Errno.EINVAL
        result = file.read(len(_ONE))
        return result if isinstance(result, Errno) else int.from_bytes(result, "little")

    def epoll_create(self) -> int | Errno:
        """epoll_create1(2)."""
        return self._install(Epoll(self._scheduler))

    def epoll_ctl(self, epfd: int, op: int, fd: int, mask: int) -> Errno | None:
        """epoll_ctl(2) with the descriptor as data."""
        return self.epoll_ctl_data(epfd, op, fd, mask, fd)

    def epoll_ctl_data(self, epfd: int, op: int, fd: int, mask: int, data: int) -> Errno | None:
        """epoll_ctl(2) with data of the caller's."""
        files = self._files
        epoll = files.get(epfd)
        file = files.get(fd)
        if epoll is None or file is None:
            return Errno.EBADF  # rule EW1
        if not file.pollable:
            return Errno.EPERM  # rule EW2
        if type(epoll) is not Epoll:
            return Errno.EINVAL  # rule EW3
        return epoll.control(op, file, fd, mask, data)

    def epoll_wait(
        self, epfd: int, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        """epoll_wait(2). EINTR only if nothing is ready."""
        epoll = self._files.get(epfd)
        if type(epoll) is not Epoll:
            return Errno.EBADF if epoll is None else Errno.EINVAL  # rule EW4
        if maxevents <= 0:
            return Errno.EINVAL  # rule EW5
        self._busy += 1
        if self._busy > BUSY_WAITS:
            self._busy = 0
            self._scheduler.park(BUSY_NS)
        elif (
            self._network.live and self._scheduler.runnable and self._network.draw("sched.yield", 2)
        ):
            self._scheduler.pass_turn()
        if epoll.ready:
            events = epoll.harvest(maxevents)
            if events:
                return events  # rule EW6
        if timeout_ns == 0:
            self._scheduler.pass_turn()
            return epoll.harvest(maxevents)  # rule EW7
        return self._block(epoll, maxevents, timeout_ns)

    def _block(
        self, epoll: Epoll, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        """ep_poll: waits, and waits again when another thread was quicker."""
        epoll.refs += 1  # closing the descriptor does not end a wait; rule EW8
        try:
            return self._wait(epoll, maxevents, timeout_ns)
        finally:
            epoll.unref()

    def _wait(
        self, epoll: Epoll, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        self._busy = 0
        scheduler = self._scheduler
        task = scheduler.current
        deadline = None
        if timeout_ns is not None:
            late = LATE_NS[self._network.draw("epoll_wait.late", len(LATE_NS))]
            deadline = scheduler.now + timeout_ns + late  # rule EW9
        while True:
            if task is not None:
                epoll.waiters.append(task)
            scheduler.park(None if deadline is None else deadline - scheduler.now)
            if task in epoll.waiters:
                epoll.waiters.remove(task)
            events = epoll.harvest(maxevents) if epoll.ready else []
            if events:
                return events  # rule EW10
            if task is not None and task.interrupted:
                task.interrupted = False
                return Errno.EINTR  # rule EW11
            if scheduler.ending or (deadline is not None and scheduler.now >= deadline):
                return []  # rule EW12
