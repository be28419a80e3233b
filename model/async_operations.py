"""The three operations of an asynchronous bufferevent, each used for one submission at a time.

One that is still in flight when its bufferevent gets another descriptor becomes an *orphan*: its
packet ends it and is heard by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.evbuffer import Launch
from model.operation import Operation
from model.rate_limit import READ, WRITE

if TYPE_CHECKING:
    from model.bufferevent_async import AsyncBufferevent


class _AsyncOperation(Operation):
    """What the three have in common."""

    __slots__ = ("bev", "orphan")

    def __init__(self, bev: AsyncBufferevent) -> None:
        super().__init__(bev.poller)
        self.bev = bev
        self.orphan = False

    def finish(self) -> None:
        with self.bev.lock:
            super().finish()

    def end_orphan(self) -> None:
        """The packet of an orphan: it held a reference."""
        self.forget()
        self.bev.decref()


class ReadOperation(_AsyncOperation):
    """WSARecv into the bufferevent's read buffer."""

    __slots__ = ()

    def complete(self) -> None:
        if self.orphan:
            self.end_orphan()
        else:
            self.bev.on_read(self.status, self.nbytes)


class WriteOperation(_AsyncOperation):
    """WSASend of the output's head: of what `launch` lends, while it is in flight."""

    __slots__ = ("launch",)

    def __init__(self, bev: AsyncBufferevent) -> None:
        super().__init__(bev)
        self.launch: Launch | None = None

    def complete(self) -> None:
        if self.orphan:
            assert self.launch is not None
            self.bev.output.give_back(self.launch)
            self.end_orphan()
        else:
            self.bev.on_written(self.status, self.nbytes)


class ConnectOperation(_AsyncOperation):
    """ConnectEx."""

    __slots__ = ()

    def complete(self) -> None:
        if self.orphan:
            self.end_orphan()
        else:
            self.bev.on_connected(self.status)


def orphan_all(bev: AsyncBufferevent) -> None:
    """What is in flight belongs to a socket that was given up: `bev` gets operations of its own,
    and what the kernel was given to write is no more in its output."""
    if bev.read_op.pending:
        moved = bev.read_op.nbytes if bev.read_op.result else 0  # it may have ended, untold
        bev.read_op.orphan = True
        bev.read_op = ReadOperation(bev)
        bev.read_buffer = memoryview(b"")  # the old one is the kernel's
        if bev.limiter is not None:
            bev.limiter.settle(READ, moved)  # what still arrives there is nobody's
        bev.input.end_frozen = False
    if bev.write_op.pending:
        bev.write_op.orphan = True
        launch = bev.write_op.launch
        assert launch is not None
        bev.write_op = WriteOperation(bev)
        bev.output.start_frozen = False
        given = sum(map(len, launch.pieces))
        bev.output.drain_frozen(given)  # its chains stay pinned
        if bev.limiter is not None:
            bev.limiter.settle(WRITE, given)
    if bev.connecting and bev.connect_op is not None:
        bev.connect_op.orphan = True
        bev.connect_op = None
        bev.connecting = False
        bev.base.count_virtual(-1)
