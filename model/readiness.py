"""The base's readiness side: which descriptors are watched for what, and how a poll activates
events (libevent: evmap.c, epoll.c).

Level-triggered. EPOLLERR, and EPOLLHUP without EPOLLRDHUP, count as readable and writable, so that
whoever is there finds the error (epoll.c:epoll_dispatch). Of one descriptor's two events the write
event runs first: libevent keeps them most recently added first, and a bufferevent adds reading
before writing.
"""

from __future__ import annotations

from model.bufferevent import Bufferevent
from model.bufferevent_sock import SocketBufferevent
from model.errors import Errno, SimulatorError
from model.event_base import Event, EventBase
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    ReadinessKernel,
)
from model.listener import Listener, ReadinessListener
from model.subject import EV_READ, EV_WRITE, AcceptCallback, KernelError

MAX_EVENTS = 256  # of one epoll_wait


class _Watch:
    """What one descriptor is watched for."""

    __slots__ = ("mask", "read", "write")

    def __init__(self) -> None:
        self.read: Event | None = None
        self.write: Event | None = None
        self.mask = 0  # as the kernel has it; 0: not registered


class ReadinessPoller:
    """Implements `model.event_base.Poller` over a readiness kernel."""

    def __init__(self, base: EventBase, kernel: ReadinessKernel) -> None:
        self.base = base
        self.kernel = kernel
        epfd = kernel.epoll_create()
        if isinstance(epfd, Errno):
            raise SimulatorError(f"epoll_create1 gave {epfd.name}: raise the descriptor limit")
        self.epfd: int = epfd
        self._watches: dict[int, _Watch] = {}

    def watch_read(self, fd: int, event: Event) -> None:
        """Activates `event` with EV_READ whenever `fd` is readable."""
        watch = self._watches.get(fd)
        if watch is None:
            watch = self._watches[fd] = _Watch()
        watch.read = event
        self._update(fd, watch, watch.mask | EPOLLIN)

    def watch_write(self, fd: int, event: Event) -> None:
        """Activates `event` with EV_WRITE whenever `fd` is writable."""
        watch = self._watches.get(fd)
        if watch is None:
            watch = self._watches[fd] = _Watch()
        watch.write = event
        self._update(fd, watch, watch.mask | EPOLLOUT)

    def unwatch_read(self, fd: int) -> None:
        watch = self._watches.get(fd)
        if watch is not None and watch.read is not None:
            watch.read = None
            self._update(fd, watch, watch.mask & ~EPOLLIN)

    def unwatch_write(self, fd: int) -> None:
        watch = self._watches.get(fd)
        if watch is not None and watch.write is not None:
            watch.write = None
            self._update(fd, watch, watch.mask & ~EPOLLOUT)

    def _update(self, fd: int, watch: _Watch, mask: int) -> None:
        if mask == watch.mask:
            return
        if not mask:
            op = EPOLL_CTL_DEL
            del self._watches[fd]
        else:
            op = EPOLL_CTL_MOD if watch.mask else EPOLL_CTL_ADD
        watch.mask = mask
        error = self.kernel.epoll_ctl(self.epfd, op, fd, mask)
        if error is not None:
            raise SimulatorError(f"epoll_ctl({op}, fd {fd}, {mask:#x}) gave {error.name}")

    def poll(self, timeout_ns: int | None) -> None:
        self.dispatch(self.kernel.epoll_wait(self.epfd, MAX_EVENTS, timeout_ns))

    def dispatch(self, ready: list[tuple[int, int]] | Errno) -> None:
        """Activates the events of what is ready."""
        if isinstance(ready, Errno):
            if ready is Errno.EINTR:
                return
            raise SimulatorError(f"epoll_wait gave {ready.name}")
        watches = self._watches
        activate = self.base.activate
        for fd, mask in ready:
            watch = watches.get(fd)
            if watch is None:
                continue  # EPOLL_CTL_DEL came between the kernel's answer and now
            if mask == EPOLLIN:  # which is most of what comes
                if watch.read is not None:
                    activate(watch.read, EV_READ)
                continue
            broken = mask & EPOLLERR or mask & (EPOLLHUP | EPOLLRDHUP) == EPOLLHUP
            if (mask & EPOLLOUT or broken) and watch.write is not None:
                activate(watch.write, EV_WRITE)
            if (mask & (EPOLLIN | EPOLLHUP) or broken) and watch.read is not None:
                activate(watch.read, EV_READ)

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent:
        return SocketBufferevent(self, fd, options)

    def listener(
        self, callback: AcceptCallback | None, port: int, backlog: int, flags: int
    ) -> Listener | KernelError:
        return ReadinessListener.bind(self, callback, port, backlog, flags)

    def close_fd(self, fd: int) -> None:
        self.kernel.close(fd)

    def close(self) -> None:
        self.kernel.close(self.epfd)
