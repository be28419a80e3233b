"""Listeners over both kernels (libevent: listener.c).

Over readiness the listener accepts until nothing is queued; over completion it keeps a few AcceptEx
outstanding on sockets made beforehand. Once disabled, in its own callback too, it calls back no
more: what is queued stays in the kernel's backlog, and what AcceptEx has already taken is kept
until the listener is enabled again, or closed with it. A connection nobody wants is closed.

Where an accept fails for a reason that lasts (no descriptors, no memory, no listening socket), the
error callback is told, if there is one, and the listener rests for a while and tries again, each
time for twice as long. libevent leaves it at the callback; then over readiness the loop spins,
since the connection stays in the queue, and over completion nobody ever accepts again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from model.errors import Errno, NtStatus, Win32Error
from model.event_base import Event, EventBase, TimerEvent
from model.operation import Operation
from model.subject import (
    LEV_OPT_CLOSE_ON_FREE,
    LEV_OPT_DISABLED,
    AcceptCallback,
    AcceptErrorCallback,
)

if TYPE_CHECKING:
    from model.completion import CompletionPoller
    from model.readiness import ReadinessPoller

PAUSE_NS = 10_000_000  # the first pause while descriptors or memory are wanting
PAUSE_MAX_NS = 320_000_000
_RETRIABLE = frozenset({Errno.EAGAIN, Errno.EINTR, Errno.ECONNABORTED})  # listener.c
ACCEPTS_OUTSTANDING = 4  # listener.c: N_SOCKETS_PER_LISTENER


class Listener(Protocol):
    """See `model.subject.Listener`."""

    @property
    def port(self) -> int: ...

    def enable(self) -> int: ...

    def disable(self) -> int: ...

    def set_cb(self, callback: AcceptCallback | None) -> None: ...

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None: ...

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

    __slots__ = ("callback", "enabled", "error_callback", "fd", "flags", "pause", "poller", "port")

    def __init__(
        self,
        poller: ReadinessPoller,
        callback: AcceptCallback | None,
        fd: int,
        port: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
    ) -> None:
        """evconnlistener_new: on a descriptor that listens; not enabled yet."""
        super().__init__(poller.base)
        self.poller = poller
        self.callback = callback
        self.error_callback: AcceptErrorCallback | None = None
        self.fd: int | None = fd
        self.port = port
        self.flags = flags
        self.enabled = False
        self.pause = _Pause(poller.base, self._resume)

    @classmethod
    def bind(
        cls,
        poller: ReadinessPoller,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
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
        listener = cls(poller, callback, fd, bound, flags)
        if not flags & LEV_OPT_DISABLED:
            listener.enable()
        return listener

    def enable(self) -> int:
        if self.fd is None:
            return -1
        self.enabled = True
        if not self.added:
            self.added = True
            self.base.count_events(1)
            self.poller.watch_read(self.fd, self)
        return 0

    def disable(self) -> int:
        self.enabled = False
        if self.added and self.fd is not None:
            self.added = False
            self.base.count_events(-1)
            self.poller.unwatch_read(self.fd)
        self.result = 0
        self.pause.over()
        return 0

    def set_cb(self, callback: AcceptCallback | None) -> None:
        self.callback = callback

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None:
        self.error_callback = callback

    def free(self) -> None:
        self.disable()
        self.callback = self.error_callback = None
        if self.fd is not None and self.flags & LEV_OPT_CLOSE_ON_FREE:
            self.poller.kernel.close(self.fd)
        self.fd = None

    def fire(self, result: int) -> None:
        """listener_read_cb."""
        while self.enabled and self.fd is not None:
            accepted = self.poller.kernel.accept(self.fd)
            if isinstance(accepted, Errno):
                if accepted not in _RETRIABLE:
                    self._failed(self.fd, accepted)
                return
            self.pause.over()
            if self.callback is None:
                self.poller.kernel.close(accepted.fd)
            else:
                self.callback(self, accepted.fd, accepted.peer_port)

    def _failed(self, fd: int, error: Errno) -> None:
        self.poller.unwatch_read(fd)
        self.pause.begin()
        if self.error_callback is not None:
            self.error_callback(self, error)

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
        *("callback", "enabled", "error", "error_callback", "fd", "flags", "handing", "held"),
        *("pause", "poller", "port", "slots", "telling"),
    )

    def __init__(
        self,
        poller: CompletionPoller,
        callback: AcceptCallback | None,
        fd: int,
        port: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
    ) -> None:
        """evconnlistener_new_async: on a socket that listens; not enabled yet."""
        self.poller = poller
        self.callback = callback
        self.error_callback: AcceptErrorCallback | None = None
        self.error: Win32Error | None = None  # what the error callback has yet to be told
        self.telling = TimerEvent(poller.base, self._tell_error)
        self.fd: int | None = fd
        self.port = port
        self.flags = flags
        self.enabled = False
        self.slots = [_Accept(self) for _ in range(ACCEPTS_OUTSTANDING)]
        self.held: list[int] = []  # accepted while disabled
        self.handing = False  # the callback is running
        self.pause = _Pause(poller.base, self._start_all)

    @classmethod
    def bind(
        cls,
        poller: CompletionPoller,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
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
        listener = cls(poller, callback, fd, bound, flags)
        if not flags & LEV_OPT_DISABLED:
            listener.enable()
        return listener

    def enable(self) -> int:
        if self.fd is None:
            return -1
        if not self.enabled:
            self.enabled = True
            self.poller.base.count_virtual(1)
        self._hand_over_held()
        self._start_all()
        return 0

    def disable(self) -> int:
        self.pause.over()
        self.telling.stop()
        if self.enabled:
            self.enabled = False
            self.poller.base.count_virtual(-1)
        return 0

    def set_cb(self, callback: AcceptCallback | None) -> None:
        self.callback = callback

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None:
        self.error_callback = callback

    def free(self) -> None:
        if self.fd is None:
            return
        self.disable()
        self.callback = self.error_callback = None
        if self.flags & LEV_OPT_CLOSE_ON_FREE:
            self.poller.kernel.closesocket(self.fd)  # every outstanding AcceptEx fails now
        elif any(slot.pending for slot in self.slots):
            self.poller.kernel.cancel_io_ex(self.fd, None)
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
                self._start_failed(acceptor)
                return
            slot.acceptor = acceptor
        assert self.fd is not None
        failure = slot.submitted(kernel.accept_ex(self.fd, slot.acceptor, slot.overlapped))
        if failure is not None:
            self._start_failed(failure)
        else:
            self.pause.over()

    def _start_failed(self, error: Win32Error) -> None:
        """Nothing is given up while another accept is outstanding: its end tries again."""
        if any(slot.pending for slot in self.slots):
            return
        if not self.pause.added and self.error_callback is not None:
            self.error = error
            self.telling.start(0)  # from the loop: this may be inside enable
        self.pause.begin()

    def _tell_error(self) -> None:
        """listener.c:accepted_socket_invoke_error_cb."""
        if self.error_callback is not None and self.error is not None:
            self.error_callback(self, self.error)

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
