"""The kernel ports with faults in front: thin wrappers that fail a call, or let it through.

A fault leaves the kernel as a real one would. Where a call only pretends that there is nothing
(EAGAIN, EINTR), the wake that a real kernel would give later is given too, so that subjects which
wait for edges are not cheated. A connection that accept finds gone *is* gone. A reset is made
first and then met by the call itself.

Spurious readiness is never EPOLLOUT of a connect in progress: SO_ERROR would then read as success
(connect(2)), which Linux's tcp_poll does not do.

The pool (completion) is the kernel's own: `sim.iocp_pool`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.errors import Errno, Win32Error
from model.faults import CALLS
from model.files import File
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLLIN,
    EPOLLOUT,
    Accepted,
    Buffer,
    Completion,
)
from sim.epoll import SimEpoll
from sim.faults import Injector, break_connection
from sim.files import KEY_IN
from sim.iocp_pool import PooledIocp
from sim.segments import ESTABLISHED, LISTEN, Connection
from sim.stream import SHORT_WRITE_PAUSE_NS, scatter
from sim.tcp import Endpoint

if TYPE_CHECKING:
    from model.kernel import CompletionKernel, ReadinessKernel

_NOTHING_YET = (Errno.EAGAIN, Errno.EINTR)


class FaultyReadiness:
    """model.kernel.ReadinessKernel over `SimEpoll`, with faults."""

    def __init__(self, kernel: SimEpoll, injector: Injector) -> None:
        self._kernel = kernel
        self._injector = injector
        self._interest: dict[tuple[int, int], int] = {}  # (epfd, fd) -> mask
        self.listen = kernel.listen
        self.bytes_readable = kernel.bytes_readable
        self.so_error = kernel.so_error
        self.getsockname = kernel.getsockname
        self.shutdown = kernel.shutdown
        self.eventfd = kernel.eventfd
        self.eventfd_write = kernel.eventfd_write
        self.eventfd_read = kernel.eventfd_read
        self.epoll_create = kernel.epoll_create

    def socket(self) -> int | Errno:
        """socket(2), or EMFILE."""
        outcome = self._injector.nth("socket", None)
        if outcome is not None:
            return outcome
        if self._injector.short_of_descriptors(None):
            return Errno.EMFILE
        return self._kernel.socket()

    def connect(self, fd: int, port: int) -> Errno | None:
        """connect(2)."""
        outcome = self._injector.nth("connect", fd)
        if outcome is not None:
            return outcome
        outcome = self._kernel.connect(fd, port)
        endpoint = self._kernel.endpoint(fd)
        if outcome is Errno.EINPROGRESS and endpoint is not None:
            if self._injector.draw("connect_at_once", 2) == 1:
                self._injector.injected("connect_at_once", fd)
                return endpoint.connect_now()
        return outcome

    def close(self, fd: int) -> Errno | None:
        """close(2)."""
        for watched in [each for each in self._interest if fd in each]:
            del self._interest[watched]
        return self._kernel.close(fd)

    def accept(self, fd: int) -> Accepted | Errno:
        """accept4(2), or the fault of a connection that waits to be accepted."""
        outcome = self._injector.nth("accept", fd)
        listener = self._kernel.endpoint(fd)
        if outcome is None and listener is not None and listener.accept_queue:
            outcome = self._accept_fault(fd)
        if outcome is None or listener is None:
            return self._kernel.accept(fd)
        if outcome in _NOTHING_YET:
            listener.wake(KEY_IN)
        elif outcome is Errno.ECONNABORTED and listener.state is LISTEN:
            child = listener.accept()
            if isinstance(child, Endpoint):
                child.close(linger_zero=True)
        return outcome

    def _accept_fault(self, fd: int) -> Errno | None:
        injector = self._injector
        if injector.short_of_descriptors(fd):
            return Errno.EMFILE
        if injector.drawn("econnaborted", fd):
            return Errno.ECONNABORTED
        return Errno.EAGAIN if injector.drawn("eagain", fd) else None

    def recv(self, fd: int, size: int) -> bytes | Errno:
        """recv(2)."""
        outcome = self._injector.nth("recv", fd)
        endpoint = self._kernel.endpoint(fd)
        if endpoint is None:
            return self._kernel.recv(fd, size)
        self._injector.connection(endpoint, fd, receiving=True)
        if outcome is None and endpoint.inbox_size and self._injector.drawn("eagain", fd):
            outcome = Errno.EAGAIN
        if outcome in _NOTHING_YET:
            endpoint.wake(KEY_IN)
        if outcome is Errno.ECONNRESET:
            break_connection(endpoint)
        elif outcome is not None:
            return outcome
        return self._kernel.recv(fd, size)

    def send(self, fd: int, chunks: Sequence[Buffer]) -> int | Errno:
        """sendmsg(2)."""
        outcome = self._injector.nth("send", fd)
        endpoint = self._kernel.endpoint(fd)
        if endpoint is None:
            return self._kernel.send(fd, chunks)
        self._injector.connection(endpoint, fd, receiving=False)
        if outcome is None and endpoint.state is ESTABLISHED:
            if self._injector.drawn("eagain", fd):
                outcome = Errno.EAGAIN
            elif self._injector.drawn("enobufs", fd):
                outcome = Errno.ENOBUFS
        if outcome in _NOTHING_YET:
            endpoint.nospace = True
            endpoint._later(SHORT_WRITE_PAUSE_NS, endpoint._space)
        if outcome is Errno.ECONNRESET:
            break_connection(endpoint)
        elif outcome is not None:
            return outcome
        return self._kernel.send(fd, chunks)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int | Errno:
        """readv(2), with the faults of recv."""
        data = self.recv(fd, sum(len(buffer) for buffer in buffers))
        return scatter(data, buffers) if isinstance(data, bytes) else data

    def sendfile(self, fd: int, file: File, offset: int, size: int) -> int | Errno:
        """sendfile(2), with the faults of send."""
        data = file.read(offset, size)
        return self.send(fd, (data,)) if isinstance(data, bytes) else data

    def epoll_ctl(self, epfd: int, op: int, fd: int, mask: int) -> Errno | None:
        """epoll_ctl(2). ENOSPC and ENOMEM are of new registrations."""
        outcome = self._injector.nth("epoll_ctl", fd) if op == EPOLL_CTL_ADD else None
        if outcome is not None:
            return outcome
        error = self._kernel.epoll_ctl(epfd, op, fd, mask)
        if error is None:
            if op == EPOLL_CTL_DEL:
                self._interest.pop((epfd, fd), None)
            else:
                self._interest[epfd, fd] = mask
        return error

    def epoll_wait(
        self, epfd: int, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        """epoll_wait(2). Interrupted, it still tells what is ready; else EINTR."""
        injector = self._injector
        nth = injector.nth("wait", None)
        if injector.network.live:
            injector.reset_one(self._connections(epfd))
            spurious = self._spurious(epfd)
            if spurious:
                return spurious
        if nth is not None:
            return nth
        if timeout_ns != 0 and injector.draw("eintr") == 1:
            events = self._kernel.epoll_wait(epfd, maxevents, 0)
            if events:
                return events
            injector.injected("eintr", None)
            return Errno.EINTR
        return self._kernel.epoll_wait(epfd, maxevents, timeout_ns)

    def _connections(self, epfd: int) -> list[tuple[int, Connection]]:
        """The connections that an epoll watches."""
        watched = [(fd, self._kernel.endpoint(fd)) for of, fd in self._interest if of == epfd]
        return [(fd, each) for fd, each in watched if each and each.state is ESTABLISHED]

    def _spurious(self, epfd: int) -> list[tuple[int, int]]:
        """A descriptor that is watched and not ready, as if it were; mostly none."""
        answer = self._injector.draw("spurious")
        if not answer:
            return []
        unready = [
            (fd, mask)
            for (of, fd), interest in self._interest.items()
            if of == epfd and (mask := self._unready(fd, interest))
        ]
        if answer > len(unready):
            return []
        fd, mask = unready[answer - 1]
        self._injector.injected("spurious", fd)
        return [(fd, mask)]

    def _unready(self, fd: int, interest: int) -> int:
        """The events asked for that a spurious wakeup may claim."""
        endpoint = self._kernel.endpoint(fd)
        if endpoint is None or endpoint.state not in (ESTABLISHED, LISTEN):
            return 0
        return interest & (EPOLLIN | EPOLLOUT) & ~endpoint.poll()


class FaultyCompletion:
    """model.kernel.CompletionKernel over `PooledIocp`, with faults; `pool_pages`: its pool."""

    def __init__(self, kernel: PooledIocp, injector: Injector, pool_pages: int | None) -> None:
        self._kernel = kernel
        self._injector = injector
        if pool_pages is not None:
            kernel.limit(pool_pages, lambda handle: injector.injected("pool", handle))
        if "econnaborted" in injector.kinds:
            kernel.abort_accepts(lambda listener: injector.drawn("econnaborted", listener))
        self.bind = kernel.bind
        self.listen = kernel.listen
        self.getsockname = kernel.getsockname
        self.getpeername = kernel.getpeername
        self.shutdown = kernel.shutdown
        self.create_port = kernel.create_port
        self.associate = kernel.associate
        self.closesocket = kernel.closesocket
        self.set_send_buffer = kernel.set_send_buffer
        self.set_skip_on_success = kernel.set_skip_on_success
        self.update_accept_context = kernel.update_accept_context
        self.update_connect_context = kernel.update_connect_context
        self.cancel_io_ex = kernel.cancel_io_ex
        self.post_queued_completion_status = kernel.post_queued_completion_status

    def close_port(self, port: int) -> Win32Error | None:
        """CloseHandle on a port; the pool's record is written here, near the end of a run."""
        pool = self._kernel.pool
        if pool is not None:
            self._injector.emit("pool", pool.size, pool.high, pool.locked)
        return self._kernel.close_port(port)

    def _nth(self, call: str, handle: int | None) -> Win32Error | None:
        """The outcome of an n-th call, in Winsock's terms; None too where there is no such."""
        outcome = self._injector.nth(call, handle)
        return None if outcome is None else CALLS[call][outcome]

    def socket(self) -> int | Win32Error:
        """WSASocket, or WSAEMFILE."""
        outcome = self._nth("socket", None)
        if outcome is not None:
            return outcome
        if self._injector.short_of_descriptors(None):
            return Win32Error.WSAEMFILE
        return self._kernel.socket()

    def wsa_recv(self, handle: int, overlapped: int, buffer: memoryview) -> int | Win32Error:
        """WSARecv."""
        failure = self._transfer_fault("recv", handle)
        return self._kernel.wsa_recv(handle, overlapped, buffer) if failure is None else failure

    def wsa_send(self, handle: int, overlapped: int, chunks: Sequence[Buffer]) -> int | Win32Error:
        """WSASend."""
        failure = self._transfer_fault("send", handle)
        return self._kernel.wsa_send(handle, overlapped, chunks) if failure is None else failure

    def _transfer_fault(self, call: str, handle: int) -> Win32Error | None:
        outcome = self._nth(call, handle)
        endpoint = self._kernel.endpoint(handle)
        if endpoint is None:
            return outcome
        if outcome is Win32Error.WSAECONNRESET:
            break_connection(endpoint)
            return None  # the call meets it
        if outcome is None:
            self._injector.connection(endpoint, handle, receiving=call == "recv")
            if self._injector.drawn("enobufs", handle):
                return Win32Error.WSAENOBUFS
        return outcome

    def accept_ex(self, listener: int, acceptor: int, overlapped: int) -> int | Win32Error:
        """AcceptEx."""
        failure = self._nth("accept", listener)
        return failure or self._kernel.accept_ex(listener, acceptor, overlapped)

    def connect_ex(self, handle: int, port: int, overlapped: int) -> int | Win32Error:
        """ConnectEx."""
        failure = self._nth("connect", handle)
        return failure or self._kernel.connect_ex(handle, port, overlapped)

    def get_queued_completion_status(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        """GetQueuedCompletionStatusEx."""
        if self._injector.network.live:
            self._injector.reset_one(self._kernel.connections())
        return self._kernel.get_queued_completion_status(port, max_entries, timeout_ns)


if TYPE_CHECKING:

    def _ports(
        readiness: FaultyReadiness, completion: FaultyCompletion
    ) -> tuple[ReadinessKernel, CompletionKernel]:
        return readiness, completion
