"""A completion port: a queue of packets, the threads that wait for one, and a concurrency value.

* Packets come out in the order in which operations ended. One free decision: operations of
  different sockets (Wine 8: or threads) that the network ended at one instant may have ended in
  another order ("iocp.completion_order").
* Waiters form a stack: the newest gets the packet (NT; Wine 8 keeps a queue). A packet that finds
  a waiter is handed to it and never enters the queue, so that no other thread can take it.
* A thread that took a packet counts as running for the port until it comes back or blocks. While
  as many run as the port's concurrency value allows, packets queue up though threads wait; a
  thread that comes back takes the next at once. This is KeInsertQueue and KeRemoveQueue as
  Microsoft's "I/O Completion Ports" describes them. The value 0 (as many threads as processors)
  is no limit here: the simulated machine has a processor for every thread.
* Closing the port ends every wait with ERROR_ABANDONED_WAIT_0 (NT) and drops the queued packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from model.errors import Win32Error
from model.kernel import Completion
from sim.iocp_profile import Profile
from sim.network import Network
from sim.scheduler import Scheduler
from sim.task import Task


class Waiter:
    """A blocked call of GetQueuedCompletionStatus: it ends with a packet, or abandoned."""

    __slots__ = ("abandoned", "packet", "task")

    def __init__(self, task: Task | None) -> None:
        self.task = task
        self.packet: Completion | None = None
        self.abandoned = False


class Port:
    """A completion port. `limit` is the concurrency value that is enforced; 0: none."""

    __slots__ = (
        "closed",
        "concurrency",
        "drawn",
        "drawn_ns",
        "held",
        "limit",
        "network",
        "packets",
        "profile",
        "scheduler",
        "threads",
        "waiters",
    )

    def __init__(
        self, scheduler: Scheduler, network: Network, profile: Profile, concurrency: int
    ) -> None:
        self.scheduler = scheduler
        self.network = network
        self.profile = profile
        self.concurrency = concurrency
        self.limit = concurrency if profile.concurrency_enforced else 0
        self.packets: deque[Completion] = deque()
        self.waiters: list[Waiter] = []
        self.threads: list[Task] = []  # those that took a packet and have not come back
        self.closed = False
        self.held = False  # packets queue up although threads wait: see `put_in_order`
        self.drawn: list[tuple[Completion, object]] = []  # by the network, at `drawn_ns`: owners
        self.drawn_ns = -1

    # -- packets in ---------------------------------------------------------------------------

    def add(self, packet: Completion) -> None:
        """A packet: to a waiter if one may run, else to the end of the queue."""
        if self.waiters and not self.held and self.may_run():
            self._hand_over(packet)
        elif not self.closed:
            self.packets.append(packet)

    def add_drawn(self, packet: Completion, owner: object) -> None:
        """A packet of an operation that the network ended, while the tape lasts. The order of
        packets of one `owner` is fixed. It may overtake the last one that the network made at this
        instant; where threads complete apart, all back to its owner's own.
        """
        packets, drawn, now = self.packets, self.drawn, self.scheduler.now
        if self.drawn_ns != now:
            self.drawn_ns = now
            drawn.clear()
        elif packets and drawn and packets[-1] is drawn[-1][0] and drawn[-1][1] != owner:
            ahead = self._others(owner) if self.profile.threads_complete_apart else 1
            moved = self.network.draw("iocp.completion_order", ahead + 1)
            if moved:
                packets.insert(len(packets) - moved, packet)
                drawn.insert(len(drawn) - moved, (packet, owner))
                return
        drawn.append((packet, owner))
        self.add(packet)

    def _others(self, owner: object) -> int:
        """How many packets at the end were made by the network at this instant, not for `owner`."""
        count = 0
        for (made, its), queued in zip(reversed(self.drawn), reversed(self.packets), strict=False):
            if its == owner or queued is not made:
                break
            count += 1
        return count

    def put_in_order(self, before: int, ahead: bool, tell: Callable[[], None]) -> None:
        """Queues the packet of a call, `tell`, that has caused those from `before` on: ahead of
        them, or behind ("iocp.completion_order": so many places from there). Then hands out what
        was `held`.
        """
        tell()
        packets = self.packets
        caused = len(packets) - before - 1
        if caused > 0:
            moved = self.network.draw("iocp.completion_order", caused + 1)
            place = before + moved if ahead else before + caused - moved
            packets.insert(place, packets.pop())
        self.held = False
        self.release()

    def may_run(self) -> bool:
        """Whether the concurrency value lets another thread run."""
        limit = self.limit
        if not limit:
            return True
        return sum(task.alive and not task.parked for task in self.threads) < limit  # rule P7

    def _hand_over(self, packet: Completion) -> None:
        waiter = self.waiters.pop(-1 if self.profile.waiters_lifo else 0)  # rule P5
        waiter.packet = packet  # rule P6
        task = waiter.task
        if task is not None:
            self._enter(task)
            self.scheduler.unpark(task)

    def release(self) -> None:
        """A thread of this port blocked or ended: a waiter may take its place."""
        while self.packets and self.waiters and self.may_run():
            self._hand_over(self.packets.popleft())  # rule P8

    # -- packets out --------------------------------------------------------------------------

    def take(self, most: int) -> list[Completion]:
        """Up to `most` packets of a queue that is not empty."""
        packets = self.packets
        if most == 1 or len(packets) == 1:
            return [packets.popleft()]
        return [packets.popleft() for _ in range(min(most, len(packets)))]  # rule P3

    def dequeue_limited(self, most: int, timeout_ns: int | None) -> list[Completion] | Win32Error:
        """GetQueuedCompletionStatusEx on a port whose concurrency value counts."""
        task = self.scheduler.current
        if task is not None:
            self._leave(task)
        if not (self.packets and self.may_run()):
            return self.wait(most, timeout_ns)
        if task is not None:
            self._enter(task)
        return self.take(most)  # rule P9

    def wait(self, most: int, timeout_ns: int | None) -> list[Completion] | Win32Error:
        """Blocks until there is a packet: up to `most`, WAIT_TIMEOUT or ERROR_ABANDONED_WAIT_0."""
        if timeout_ns is not None and timeout_ns <= 0:
            return Win32Error.WAIT_TIMEOUT  # rule P4
        waiter = Waiter(self.scheduler.current)
        self.waiters.append(waiter)
        try:
            self.scheduler.park(timeout_ns)
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
        if waiter.packet is None:
            if waiter.abandoned:
                return Win32Error.ERROR_ABANDONED_WAIT_0
            return Win32Error.WAIT_TIMEOUT  # rule P4
        taken = [waiter.packet]
        if most > 1 and self.packets:
            taken += self.take(most - 1)
        return taken

    def _enter(self, task: Task) -> None:
        """`task` runs for this port from now on."""
        if self.limit:
            self.threads.append(task)
            task.on_block = self.release

    def _leave(self, task: Task) -> None:
        """`task` came back for a packet."""
        if task in self.threads:
            self.threads.remove(task)
            task.on_block = None

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """CloseHandle: drops the queued packets; ends every wait, on NT."""
        self.closed = True
        self.packets.clear()  # rule P11
        if not self.profile.close_port_wakes_waiters:
            return
        for waiter in self.waiters:
            waiter.abandoned = True  # rule P10
            if waiter.task is not None:
                self.scheduler.unpark(waiter.task)
        self.waiters = []
