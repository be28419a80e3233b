"""Raw peers: plain blocking sockets of a simulated host, for the far end of a connection.

A blocking call is a loop around the non-blocking one of `sim.tcp`: as long as it gives EAGAIN the
task parks, until the endpoint's wait queue wakes it. One watcher a socket serves all its calls.
When the run is over, every call gives ECONNABORTED.
"""

from __future__ import annotations

from model.errors import Errno
from sim.network import Network
from sim.scheduler import Scheduler
from sim.task import Task
from sim.tcp import SYN_SENT, Endpoint


class _Blocking:
    """An endpoint whose owners can wait for it."""

    __slots__ = ("_endpoint", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler, endpoint: Endpoint) -> None:
        self._scheduler = scheduler
        self._endpoint = endpoint
        self._waiters: list[Task] = []
        endpoint.watch(self._wake)

    def _wake(self, key: int) -> bool:
        waiters = self._waiters
        if not waiters:
            return False
        for waiter in waiters:
            self._scheduler.unpark(waiter)
        waiters.clear()
        return True

    def _wait(self) -> bool:
        """Parks until something changes; False when the run is over."""
        scheduler = self._scheduler
        if scheduler.current is not None:
            self._waiters.append(scheduler.current)
        scheduler.park(None)
        return not scheduler.ending

    def _over(self) -> bool:
        """Whether the run is over; if so, the task has one call less before it is ended."""
        return self._scheduler.ending and not self._scheduler.park(None)

    def close(self) -> None:
        """close(2): orderly, or a reset when there is unread data."""
        self._endpoint.close()


class SimRawSocket(_Blocking):
    """model.world.RawSocket."""

    __slots__ = ()

    @property
    def local_port(self) -> int:
        """This end's TCP port."""
        return self._endpoint.local_port

    def connect(self, port: int) -> Errno | None:
        """Blocks until connected, refused or timed out."""
        endpoint = self._endpoint
        error = endpoint.connect(port)
        if error is not Errno.EINPROGRESS:
            return error
        while endpoint.state is SYN_SENT:
            if not self._wait():
                return Errno.ECONNABORTED
        return endpoint.connect(port)

    def send(self, data: bytes) -> int | Errno:
        """Blocks until all is taken; fewer when an error came after some of it."""
        if self._over():
            return Errno.ECONNABORTED
        sent = 0
        while True:
            taken = self._endpoint.send((data[sent:],) if sent else (data,))
            if isinstance(taken, int):
                sent += taken
                if sent == len(data):
                    return sent
            elif taken is not Errno.EAGAIN:
                return sent or taken
            elif not self._wait():
                return Errno.ECONNABORTED

    def recv(self, size: int) -> bytes | Errno:
        """Blocks until there is something, or end of file, or an error."""
        if self._over():
            return Errno.ECONNABORTED
        while True:
            data = self._endpoint.recv(size)
            if data is not Errno.EAGAIN:
                return data
            if not self._wait():
                return Errno.ECONNABORTED

    def shutdown(self) -> Errno | None:
        """shutdown(SHUT_WR)."""
        return Errno.ECONNABORTED if self._over() else self._endpoint.shutdown("WR")

    def reset(self) -> None:
        """close(2) with SO_LINGER 0."""
        self._endpoint.close(linger_zero=True)


class SimRawListener(_Blocking):
    """model.world.RawListener."""

    __slots__ = ()

    @property
    def port(self) -> int:
        """Where to connect."""
        return self._endpoint.local_port

    def accept(self) -> SimRawSocket | Errno:
        """Blocks until a connection arrives."""
        if self._over():
            return Errno.ECONNABORTED
        while True:
            endpoint = self._endpoint.accept()
            if isinstance(endpoint, Endpoint):
                return SimRawSocket(self._scheduler, endpoint)
            if endpoint is not Errno.EAGAIN:
                return endpoint
            if not self._wait():
                return Errno.ECONNABORTED


def raw_listen(scheduler: Scheduler, network: Network, backlog: int) -> SimRawListener:
    """A raw listener on a free port."""
    endpoint = Endpoint(network)
    error = endpoint.listen(backlog)
    if error is not None:
        raise network.exhausted(error)
    return SimRawListener(scheduler, endpoint)
