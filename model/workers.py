"""Completion workers: a pool of threads on one port (libevent: event_iocp.c, loop).

Sockets are tied to the pool's port, the loop waits on its own. A worker takes one packet at a time
and ends its operation, under the bufferevent's lock. What that calls back is deferred: to the
loop's thread (mode `deferred`, as libevent does), or to the pool itself (`pooled`), where a
bufferevent, with its stack or its partner, is served by one worker at a time. A listener's accepts
end on the loop's thread in both. A submission that succeeds at once has no packet, and ends on the
loop's thread as well.

The pool ends with the base: one packet for each worker, a join, and then what is left in the port
is taken by the loop's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from model.async_operations import _AsyncOperation
from model.errors import SimulatorError, Win32Error
from model.event import Runnable
from model.kernel import Completion, CompletionKernel
from model.locked import Locked
from model.operation import DONE
from model.threaded_base import ThreadedBase, ThreadedCompletion
from model.threads import Lock

Mode: TypeAlias = Literal["deferred", "pooled"]
_DRAIN_NS = 2_000_000_000  # for packets still owed when the base is freed


@dataclass(frozen=True, slots=True)
class Workers:
    """How many threads, where user callbacks run, and the port's concurrency value."""

    count: int = 1
    mode: str = "deferred"
    concurrency: int = 0


class _Turn:
    """What the pool is to serve under one lock, in order: of a bufferevent, a stack, a pair.
    `busy`: a packet is on its way, or a worker serves."""

    __slots__ = ("busy", "lock", "overlapped", "waiting")

    def __init__(self, lock: Lock, overlapped: int) -> None:
        self.lock = lock
        self.overlapped = overlapped
        self.busy = False
        self.waiting: list[Runnable] = []


class WorkedBase(ThreadedBase):
    """A base with a pool. In the mode `pooled` what its bufferevents defer goes to the pool."""

    def schedule_deferred(self, deferred: Runnable) -> None:
        pool = self.pool
        bev = getattr(deferred, "bev", deferred)  # a filter's continuation has one
        if pool is not None and pool.pooled and isinstance(bev, Locked):
            pool.queue(bev, deferred)
        else:
            super().schedule_deferred(deferred)


class WorkedCompletion(ThreadedCompletion):
    """The poller, and the pool beside it."""

    def __init__(self, base: WorkedBase, kernel: CompletionKernel, workers: Workers) -> None:
        super().__init__(base, kernel)
        work_port = kernel.create_port(workers.concurrency)
        if isinstance(work_port, Win32Error):
            raise SimulatorError(f"CreateIoCompletionPort gave {work_port.name}")
        self.work_port: int = work_port
        self.pooled = workers.mode == "pooled"
        self.turns: dict[int, _Turn] = {}
        self.turn_of: dict[Lock, _Turn] = {}
        self.names = [f"w{number}" for number in range(workers.count)]
        self.served = dict.fromkeys(self.names, 0)  # packets; each worker counts its own
        base.pool = self
        for name in self.names:
            base.threads.spawn(name, partial(self._work, name))

    # Sockets are the pool's.

    def adopt(self, handle: int) -> Win32Error | None:
        error = self.kernel.associate(handle, self.work_port, handle)
        if error is not None and error is not Win32Error.ERROR_INVALID_PARAMETER:
            return error
        return self.kernel.set_skip_on_success(handle)

    def is_adopted(self, handle: int) -> bool:
        error = self.kernel.associate(handle, self.work_port, handle)
        return error is Win32Error.ERROR_INVALID_PARAMETER

    # The workers.

    def _work(self, name: str) -> None:
        while True:
            packets = self.kernel.get_queued_completion_status(self.work_port, 1, None)
            if isinstance(packets, Win32Error):
                return  # the port is closed, or the run is over
            for packet in packets:
                if packet.overlapped is None:
                    return
                self.serve(packet)
                self.served[name] += 1

    def serve(self, packet: Completion) -> None:
        """One packet of the pool's port."""
        assert packet.overlapped is not None
        turn = self.turns.get(packet.overlapped)
        if turn is not None:
            self.serve_turn(turn)
            return
        operation = self.operations.get(packet.overlapped)
        if operation is None:
            raise SimulatorError(
                f"a packet for overlapped {packet.overlapped}, which is not in flight"
            )
        operation.nbytes = packet.nbytes
        operation.status = packet.status
        if isinstance(operation, _AsyncOperation):
            operation.result = DONE  # a timeout that is due now does not win
            with operation.bev.lock:
                operation.result = 0
                operation.finish()
        else:
            self.base.activate(operation, DONE)

    def queue(self, bev: Locked, deferred: Runnable) -> None:
        """The pool is to serve what a bufferevent has deferred. Its lock is held."""
        turn = self.turn_of.get(bev.lock)
        if turn is None:
            number = self.number()
            turn = self.turn_of[bev.lock] = self.turns[number] = _Turn(bev.lock, number)
        self.base.count_virtual(1)
        turn.waiting.append(deferred)
        if not turn.busy:
            self._post(turn)

    def _post(self, turn: _Turn) -> None:
        turn.busy = True
        self.kernel.post_queued_completion_status(self.work_port, 0, 0, turn.overlapped)

    def serve_turn(self, turn: _Turn) -> None:
        """One worker at a time, also where the callbacks run without the lock: what a stack has
        to tell goes up in order."""
        with turn.lock:
            deferred = turn.waiting.pop(0)
        deferred.run()
        with turn.lock:
            turn.busy = False
            if turn.waiting:
                self._post(turn)
        self.base.count_virtual(-1)

    # The end.

    def close(self) -> None:
        """event_iocp_shutdown_; and what is still owed is waited for."""
        outside = self.threaded.outside
        outside(self._stop)
        deadline = self.base.now_ns() + _DRAIN_NS
        while self.in_flight and self.base.now_ns() < deadline:
            self.base.run_outstanding()
            outside(partial(self._drain, _DRAIN_NS if self.in_flight else 0))
        outside(partial(self._drain, 0))
        super().close()
        self.kernel.close_port(self.work_port)

    def _stop(self) -> None:
        for _ in self.names:
            self.kernel.post_queued_completion_status(self.work_port, 0, 0, None)
        self.threaded.threads.join(*self.names)

    def _drain(self, wait_ns: int) -> None:
        """What is in the pool's port, and what comes while nothing is there."""
        while True:
            packets = self.kernel.get_queued_completion_status(self.work_port, 1, wait_ns)
            if isinstance(packets, Win32Error):
                return
            wait_ns = 0
            for packet in packets:
                if packet.overlapped is not None:
                    self.serve(packet)
