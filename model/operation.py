"""Overlapped operations: what is submitted, and how its completion reaches its owner.

An operation is a long-lived object with a number of its own, which is its OVERLAPPED: a bufferevent
has one for reading, one for writing and one for connecting, each used for one submission at a
time. A submission that succeeds at once has no packet (the socket skips it) and runs from the
active queue like a packet would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from model.errors import NtStatus, SimulatorError, Win32Error
from model.event_base import Event
from model.subject import EV_READ

if TYPE_CHECKING:
    from model.completion import CompletionPoller

DONE = EV_READ  # `Event.result` of an operation that completed


class Operation(Event):
    """One overlapped operation. `pending` from an accepted submission to its completion."""

    __slots__ = ("nbytes", "overlapped", "pending", "poller", "status")

    def __init__(self, poller: CompletionPoller) -> None:
        super().__init__(poller.base)
        self.poller = poller
        self.overlapped = poller.register(self)
        self.pending = False
        self.nbytes = 0
        self.status = NtStatus.SUCCESS

    def submitted(self, answer: int | Win32Error) -> Win32Error | None:
        """Takes a submission's answer: None when a completion will come, else the failure."""
        if isinstance(answer, int):
            self.pending = True
            self.poller.count_in_flight(1)
            self.nbytes = answer
            self.status = NtStatus.SUCCESS
            self.base.activate_soon(self, DONE)
            return None
        if answer is Win32Error.WSA_IO_PENDING:
            self.pending = True
            self.poller.count_in_flight(1)
            return None
        return answer

    def run(self) -> None:
        if self.result:
            self.result = 0
            self.last_pass = self.base.pass_number
            self.finish()

    def claim(self) -> Callable[[], object] | None:
        if not self.result:
            return None
        self.result = 0
        self.last_pass = self.base.pass_number
        return self.finish

    def finish(self) -> None:
        """It is no more in flight."""
        self.pending = False
        self.poller.count_in_flight(-1)
        self.complete()

    def complete(self) -> None:
        """The operation ended with `status` and `nbytes`."""
        raise SimulatorError(f"{type(self).__name__} does not say what its completion does")

    def forget(self) -> None:
        """Its owner is gone. A second time does nothing."""
        self.poller.operations.pop(self.overlapped, None)
