"""The base's completion side: one port, the operations in flight, and how a packet finds its
operation (libevent: event_iocp.c).

Sockets are associated with the port and told to skip packets for what succeeds at once. The loop's
thread is the only one that takes packets here.
"""

from __future__ import annotations

from model.bufferevent import Bufferevent
from model.bufferevent_async import AsyncBufferevent
from model.errors import SimulatorError, Win32Error
from model.event_base import EventBase
from model.kernel import Completion, CompletionKernel
from model.listener import CompletionListener, Listener
from model.operation import DONE, Operation
from model.subject import AcceptCallback, KernelError

PACKETS_MAX = 64  # of one dequeue
_CLOSE_WAIT_NS = 2_000_000_000  # for packets still owed when the base is freed


class CompletionPoller:
    """Implements `model.event_base.Poller` over a completion kernel."""

    def __init__(self, base: EventBase, kernel: CompletionKernel) -> None:
        self.base = base
        self.kernel = kernel
        self.operations: dict[int, Operation] = {}
        self.in_flight = 0
        self._next_overlapped = 1
        port = kernel.create_port(1)
        if isinstance(port, Win32Error):
            raise SimulatorError(f"CreateIoCompletionPort gave {port.name}")
        self.port: int = port

    def register(self, operation: Operation) -> int:
        """A new OVERLAPPED number for `operation`."""
        overlapped = self.number()
        self.operations[overlapped] = operation
        return overlapped

    def number(self) -> int:
        """One that no OVERLAPPED has had."""
        number = self._next_overlapped
        self._next_overlapped = number + 1
        return number

    def adopt(self, handle: int) -> Win32Error | None:
        """Ties a socket to the port. One that is tied already is fine (bufferevent_async.c)."""
        error = self.kernel.associate(handle, self.port, handle)
        if error is not None and error is not Win32Error.ERROR_INVALID_PARAMETER:
            return error
        return self.kernel.set_skip_on_success(handle)

    def is_adopted(self, handle: int) -> bool:
        """Whether a socket was tied already; now it is."""
        error = self.kernel.associate(handle, self.port, handle)
        return error is Win32Error.ERROR_INVALID_PARAMETER

    def count_in_flight(self, change: int) -> None:
        """Operations began, or ended."""
        self.in_flight += change

    def poll(self, timeout_ns: int | None) -> None:
        self.dispatch(self.kernel.get_queued_completion_status(self.port, PACKETS_MAX, timeout_ns))

    def dispatch(self, packets: list[Completion] | Win32Error) -> None:
        """Activates the operations that the packets are of."""
        if isinstance(packets, Win32Error):
            if packets is not Win32Error.WAIT_TIMEOUT:
                raise SimulatorError(f"GetQueuedCompletionStatusEx gave {packets.name}")
            return
        activate = self.base.activate
        operations = self.operations
        for _, overlapped, nbytes, status in packets:
            operation = operations.get(overlapped) if overlapped is not None else None
            if operation is None or not self.in_the_air(operation.pending):
                raise SimulatorError(
                    f"a packet for overlapped {overlapped}, which is not in flight"
                )
            operation.nbytes = nbytes
            operation.status = status
            activate(operation, DONE)

    def in_the_air(self, pending: bool) -> bool:
        """Whether there can be a packet of an operation that says so."""
        return pending

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent:
        return AsyncBufferevent(self, fd, options)

    def listener(
        self, callback: AcceptCallback | None, port: int, backlog: int, flags: int
    ) -> Listener | KernelError:
        return CompletionListener.bind(self, callback, port, backlog, flags)

    def close_fd(self, fd: int) -> None:
        self.kernel.closesocket(fd)

    def close(self) -> None:
        """Waits for the packets still owed: their buffers belong to the kernel until then."""
        deadline = self.base.now_ns() + _CLOSE_WAIT_NS
        while self.in_flight and self.base.now_ns() < deadline:
            if not (self.base.active or self.base.later):
                self.poll(_CLOSE_WAIT_NS)
            self.base.run_outstanding()
        self.kernel.close_port(self.port)
