"""Overlapped operations in flight: what the kernel remembers between submission and packet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from model.errors import Errno, NtStatus
from sim.iocp_profile import Profile
from sim.network import Network
from sim.scheduler import Scheduler
from sim.task import Task
from sim.tcp import Endpoint

if TYPE_CHECKING:
    from sim.iocp_pool import Pool
    from sim.iocp_socket import Socket

#: ns between what an operation waited for and its packet ("iocp.completion_delay")
DELAYS = (0, 1_000, 50_000, 1_000_000, 40_000_000)

#: why a ConnectEx failed
STATUS_OF_CONNECT = {
    Errno.ECONNREFUSED: NtStatus.CONNECTION_REFUSED,
    Errno.ETIMEDOUT: NtStatus.IO_TIMEOUT,
    Errno.EHOSTUNREACH: NtStatus.HOST_UNREACHABLE,
    Errno.ENETUNREACH: NtStatus.NETWORK_UNREACHABLE,
}


class Host:
    """What all sockets of a kernel share.

    `blocks`: status blocks by overlapped, if kept; `pool`: kernel memory, if it has an end;
    `aborts`: whether a listener's connection is gone when AcceptEx takes it, if that happens.
    """

    __slots__ = ("aborts", "blocks", "network", "pool", "profile", "scheduler")

    def __init__(self, scheduler: Scheduler, network: Network, profile: Profile) -> None:
        self.scheduler = scheduler
        self.network = network
        self.profile = profile
        self.blocks: dict[int, tuple[NtStatus, int]] | None = None
        self.pool: Pool | None = None
        self.aborts: Callable[[int], bool] | None = None  # asked with the listener's handle

    def delay(self) -> int:
        """Draws how long a packet takes, in ns."""
        return DELAYS[self.network.draw("iocp.completion_delay", len(DELAYS))]


#: operations are numbered, since an order of submission is all that some rules ask
_next_serial = count().__next__


class Receive:
    """A pending receive of `size` bytes. `marked`: a cancel is on its way."""

    __slots__ = ("buffer", "marked", "overlapped", "peek", "serial", "size", "task")

    def __init__(
        self, overlapped: int, buffer: memoryview, size: int, task: Task | None, peek: bool
    ) -> None:
        self.overlapped = overlapped
        self.buffer = buffer
        self.size = size
        self.task = task
        self.peek = peek
        self.marked = False
        self.serial = _next_serial()


class Send:
    """A pending send of `size` bytes, `written` of them handed to TCP.

    `buffered`: there was room, so its end does not wait for acknowledgements. `silent`: its event
    has the low bit set, so there is no packet.
    """

    __slots__ = (
        *("buffered", "data", "marked", "overlapped", "serial", "silent", "size", "task"),
        "written",
    )

    def __init__(
        self, overlapped: int, data: bytes, written: int, task: Task | None, silent: bool
    ) -> None:
        self.overlapped = overlapped
        self.data = data
        self.size = len(data)
        self.written = written
        self.task = task
        self.silent = silent
        self.buffered = False
        self.marked = False
        self.serial = _next_serial()


class Accept:
    """A pending AcceptEx into `acceptor`; `child` is the connection it got, if any."""

    __slots__ = ("acceptor", "buffer", "child", "marked", "overlapped", "serial", "task")

    def __init__(
        self, overlapped: int, acceptor: Socket, buffer: memoryview | None, task: Task | None
    ) -> None:
        self.overlapped = overlapped
        self.acceptor = acceptor
        self.buffer = buffer
        self.task = task
        self.child: Endpoint | None = None
        self.marked = False
        self.serial = _next_serial()


class Connect:
    """A pending ConnectEx, with the data that it sends first."""

    __slots__ = ("data", "marked", "overlapped", "serial", "task")

    def __init__(self, overlapped: int, data: bytes, task: Task | None) -> None:
        self.overlapped = overlapped
        self.data = data
        self.task = task
        self.marked = False
        self.serial = _next_serial()


Operation: TypeAlias = Receive | Send | Accept | Connect
