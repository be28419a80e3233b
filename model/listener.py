"""Listeners over both kernels (libevent: listener.c).

Over readiness the listener accepts until nothing is queued; over completion it keeps a few AcceptEx
outstanding on sockets made beforehand. Once disabled, in its own callback too, it calls back no
more: what is queued stays in the kernel's backlog, and what AcceptEx has already taken is kept
until the listener is enabled again, or closed with it. A connection nobody wants is closed.

Where the kernel cannot give what an accept needs (a descriptor, memory), the listener rests for a
while and tries again, each time for twice as long. libevent calls its error callback and leaves it
at that; then over readiness the loop spins, since the connection stays in the queue, and over
completion nobody ever accepts again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from model.errors import Errno, NtStatus, Win32Error
from model.event_base import Event, EventBase, TimerEvent
from model.operation import Operation
from model.subject import AcceptCallback

if TYPE_CHECKING:
    from model.completion import CompletionPoller
    from model.readiness import ReadinessPoller

PAUSE_NS = 10_000_000  # the first pause while descriptors or memory are wanting
PAUSE_MAX_NS = 320_000_000
_WANTING = frozenset({Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM})
ACCEPTS_OUTSTANDING = 4  # listener.c: N_SOCKETS_PER_LISTENER


class Listener(Protocol):
    """See `model.subject.Listener`."""

    @property
    def port(self) -> int: ...

    def enable(self) -> int: ...

    def disable(self) -> int: ...

    def free(self) -> None: ...


class _Pause(TimerEvent):
    """A timer that waits longer each time, until `over` says that what was wanting is there."""

    __slots__ = ("next_ns",)

    def __init__(self, base: EventBase, callback: Callable[[], None]) -> None:
        super().__init__(base, callback)
        self.next_ns = PAUSE_NS

    def begin(self) -> None:
        if not self.added:
            self.start(self.next_ns)
            self.next_ns = min(2 * self.next_ns, PAUSE_MAX_NS)

    def over(self) -> None:
        self.stop()
        self.next_ns = PAUSE_NS


class ReadinessListener(Event):
    """evconnlistener over accept4: its own read event."""

    __slots__ = ("callback", "enabled", "fd", "pause", "poller", "port")

    def __init__(
        self, poller: ReadinessPoller, callback: AcceptCallback | None, fd: int, port: int
    ) -> None:
        super().__init__(poller.base)
        self.poller = poller
        self.callback = callback
        self.fd: int | None = fd
        self.port = port
        self.enabled = False
        self.pause = _Pause(poller.base, self._resume)

    @classmethod
    def bind(
        cls, poller: ReadinessPoller, callback: AcceptCallback | None, port: int, backlog: int
    ) -> ReadinessListener | Errno:
        """evconnlistener_new_bind."""
        kernel = poller.kernel
        fd = kernel.socket()
        if isinstance(fd, Errno):
            return fd
        bound = kernel.listen(fd, port, backlog)
        if isinstance(bound, Errno):
            kernel.close(fd)
            return bound
        listener = cls(poller, callback, fd, bound)
        listener.enable()
        return listener

    def enable(self) -> int:
        if self.fd is None:
            return -1
        self.enabled = True
        if not self.added:
            self.added = True
            self.base.event_count += 1
            self.poller.watch_read(self.fd, self)
        return 0

    def disable(self) -> int:
        self.enabled = False
        if self.added and self.fd is not None:
            self.added = False
            self.base.event_count -= 1
            self.poller.unwatch_read(self.fd)
        self.result = 0
        self.pause.over()
        return 0

    def free(self) -> None:
        self.disable()
        self.callback = None
        if self.fd is not None:
            self.poller.kernel.close(self.fd)
            self.fd = None

    def fire(self, result: int) -> None:
        """listener_read_cb."""
        while self.enabled and self.fd is not None:
            accepted = self.poller.kernel.accept(self.fd)
            if isinstance(accepted, Errno):
                if accepted in _WANTING:
                    self.poller.unwatch_read(self.fd)
                    self.pause.begin()
                return
            self.pause.over()
            if self.callback is None:
                self.poller.kernel.close(accepted.fd)
            else:
                self.callback(self, accepted.fd, accepted.peer_port)

    def _resume(self) -> None:
        """The pause is over: what waits in the queue makes the descriptor readable again."""
        if self.added and self.fd is not None:
            self.poller.watch_read(self.fd, self)


class _Accept(Operation):
    """One AcceptEx and the socket it will fill."""

    __slots__ = ("acceptor", "listener")

    def __init__(self, listener: CompletionListener) -> None:
        super().__init__(listener.poller)
        self.listener = listener
        self.acceptor: int | None = None

    def complete(self) -> None:
        self.listener.on_accepted(self)


class CompletionListener:
    """evconnlistener over AcceptEx (listener.c: accepting_socket)."""

    __slots__ = (
        *("callback", "enabled", "fd", "handing", "held"),
        *("pause", "poller", "port", "slots"),
    )

    def __init__(
        self, poller: CompletionPoller, callback: AcceptCallback | None, fd: int, port: int
    ) -> None:
        self.poller = poller
        self.callback = callback
        self.fd: int | None = fd
        self.port = port
        self.enabled = False
        self.slots = [_Accept(self) for _ in range(ACCEPTS_OUTSTANDING)]
        self.held: list[int] = []  # accepted while disabled
        self.handing = False  # the callback is running
        self.pause = _Pause(poller.base, self._start_all)

    @classmethod
    def bind(
        cls, poller: CompletionPoller, callback: AcceptCallback | None, port: int, backlog: int
    ) -> CompletionListener | Win32Error:
        """evconnlistener_new_async, bound."""
        kernel = poller.kernel
        fd = kernel.socket()
        if isinstance(fd, Win32Error):
            return fd
        bound = kernel.bind(fd, port)
        failure = bound if isinstance(bound, Win32Error) else kernel.listen(fd, backlog)
        failure = failure or poller.adopt(fd)
        if failure is not None or isinstance(bound, Win32Error):
            kernel.closesocket(fd)
            return failure or Win32Error.WSAEINVAL
        listener = cls(poller, callback, fd, bound)
        listener.enable()
        return listener

    def enable(self) -> int:
        if self.fd is None:
            return -1
        if not self.enabled:
            self.enabled = True
            self.poller.base.virtual_events += 1
        self._hand_over_held()
        self._start_all()
        return 0

    def disable(self) -> int:
        self.pause.over()
        if self.enabled:
            self.enabled = False
            self.poller.base.virtual_events -= 1
        return 0

    def free(self) -> None:
        if self.fd is None:
            return
        self.disable()
        self.callback = None
        self.poller.kernel.closesocket(self.fd)  # every outstanding AcceptEx fails now
        self.fd = None
        for handle in self.held:
            self.poller.kernel.closesocket(handle)
        self.held.clear()
        for slot in self.slots:
            if not slot.pending:
                self._retire(slot)

    def _start_all(self) -> None:
        for slot in self.slots:
            if self.enabled:
                self._start(slot)

    def _start(self, slot: _Accept) -> None:
        """start_accepting. The callback may have done it already, by enabling the listener.

        A failure is one of resources: whatever it is called, it is tried again after a pause.
        """
        if slot.pending:
            return
        kernel = self.poller.kernel
        if slot.acceptor is None:
            acceptor = kernel.socket()
            if isinstance(acceptor, Win32Error):
                self._start_failed()
                return
            slot.acceptor = acceptor
        assert self.fd is not None
        if slot.submitted(kernel.accept_ex(self.fd, slot.acceptor, slot.overlapped)) is not None:
            self._start_failed()
        else:
            self.pause.over()

    def _start_failed(self) -> None:
        """Nothing is given up while another accept is outstanding: its end tries again."""
        if not any(slot.pending for slot in self.slots):
            self.pause.begin()

    def on_accepted(self, slot: _Accept) -> None:
        """accepted_socket_cb: a new connection, an aborted one, or the end of the listener."""
        kernel = self.poller.kernel
        acceptor, slot.acceptor = slot.acceptor, None
        assert acceptor is not None
        if (
            self.fd is None
            or slot.status is not NtStatus.SUCCESS
            or kernel.update_accept_context(acceptor, self.fd) is not None
        ):
            kernel.closesocket(acceptor)
        elif self.enabled:
            self._hand_over(acceptor)
        else:
            self.held.append(acceptor)
        if self.fd is None:
            self._retire(slot)
        elif self.enabled:
            self._hand_over_held()
            self._start_all()

    def _hand_over_held(self) -> None:
        """Those kept while disabled, one after the other: never a callback inside a callback."""
        while self.held and self.enabled and not self.handing:
            self._hand_over(self.held.pop(0))

    def _hand_over(self, acceptor: int) -> None:
        peer_port = self.poller.kernel.getpeername(acceptor)
        if self.callback is None:
            self.poller.kernel.closesocket(acceptor)
        else:
            self.handing = True
            try:
                self.callback(self, acceptor, peer_port if isinstance(peer_port, int) else 0)
            finally:
                self.handing = False

    def _retire(self, slot: _Accept) -> None:
        """The slot will not be used again."""
        if slot.acceptor is not None:
            self.poller.kernel.closesocket(slot.acceptor)
            slot.acceptor = None
        slot.forget()
