"""Contenders for the simulated kernels alone: calls a second, and the timeouts of bare SimPy.

One round sends 64 bytes over a connected pair, waits until they are told, and receives them.
Nothing is traced, no subject is above. With a tape every segment is late, cut or delivered apart as
the tape says, and most waits block, so a round takes more than its three calls; those made count.
SimPy's process waits for one timeout after the other, the cheapest thing that it can do.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from time import perf_counter
from typing import Literal

from model.choices import Choices
from model.errors import Win32Error
from model.kernel import EPOLL_CTL_ADD, EPOLLET, EPOLLIN, CompletionKernel, ReadinessKernel
from sim.world import SimWorld

_SIZE = 64
_DRAWS = 12  # of a round, at most
_RECV, _SEND, _CONNECT, _ACCEPT = 1, 2, 3, 4


def epoll(rounds: int) -> float:
    """Calls a second of `sim-epoll` whose tape has ended: send, epoll_wait, recv."""
    return _measured("epoll", rounds, ())


def epoll_taped(rounds: int) -> float:
    """The same while the tape lasts."""
    return _measured("epoll", rounds, _tape(rounds))


def iocp(rounds: int) -> float:
    """Calls a second of `sim-iocp` whose tape has ended: WSARecv, WSASend, a dequeue."""
    return _measured("iocp", rounds, ())


def iocp_taped(rounds: int) -> float:
    """The same while the tape lasts."""
    return _measured("iocp", rounds, _tape(rounds))


def _tape(rounds: int) -> tuple[int, ...]:
    """Longer than the run: everything is drawn."""
    random = Random(1)
    return tuple(random.choices(range(256), k=_DRAWS * rounds))


def _measured(kind: Literal["epoll", "iocp"], rounds: int, tape: tuple[int, ...]) -> float:
    world = SimWorld(kind, Choices(tape))
    figures = []

    def main() -> None:
        if world.readiness is not None:
            figures.append(_epoll_rounds(world.readiness, rounds))
        elif world.completion is not None:
            figures.append(_iocp_rounds(world.completion, rounds))

    world.run(main)
    assert not tape or world.network.live, "the tape was too short"
    return figures[0]


def _epoll_rounds(kernel: ReadinessKernel, rounds: int) -> float:
    """Plays the rounds; calls a second."""
    client, server = _epoll_pair(kernel)
    epfd = kernel.epoll_create()
    assert isinstance(epfd, int)
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, server, EPOLLIN | EPOLLET) is None
    message = bytes(range(_SIZE))
    calls = 0
    started = perf_counter()
    for _ in range(rounds):
        left = kernel.send(client, (message,))
        assert type(left) is int
        calls += 1
        while left:
            kernel.epoll_wait(epfd, 64, None)
            received = kernel.recv(server, 4_096)
            calls += 2
            if type(received) is bytes:
                left -= len(received)
    return calls / (perf_counter() - started)


def _epoll_pair(kernel: ReadinessKernel) -> tuple[int, int]:
    listener, client = kernel.socket(), kernel.socket()
    assert isinstance(listener, int)
    assert isinstance(client, int)
    port = kernel.listen(listener, 0, 1)
    assert isinstance(port, int)
    kernel.connect(client, port)
    epfd = kernel.epoll_create()
    assert isinstance(epfd, int)
    kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, listener, EPOLLIN)
    kernel.epoll_wait(epfd, 1, None)
    accepted = kernel.accept(listener)
    assert isinstance(accepted, tuple)
    return client, accepted.fd


def _iocp_rounds(kernel: CompletionKernel, rounds: int) -> float:
    """Plays the rounds; calls a second. A receive is posted again until all has come."""
    port = kernel.create_port(1)
    assert isinstance(port, int)
    client, server = _iocp_pair(kernel, port)
    message = bytes(range(_SIZE))
    view = memoryview(bytearray(4_096))
    calls = 0
    started = perf_counter()
    for _ in range(rounds):
        kernel.wsa_recv(server, _RECV, view)
        kernel.wsa_send(client, _SEND, (message,))
        calls += 2
        left = 2 * _SIZE  # sent and received
        while left:
            packets = kernel.get_queued_completion_status(port, 64, None)
            assert type(packets) is list
            calls += 1
            for _key, overlapped, nbytes, _status in packets:
                left -= nbytes
                if left and overlapped == _RECV and nbytes < _SIZE:
                    kernel.wsa_recv(server, _RECV, view)
                    calls += 1
    return calls / (perf_counter() - started)


def _iocp_pair(kernel: CompletionKernel, port: int) -> tuple[int, int]:
    listener, client, server = kernel.socket(), kernel.socket(), kernel.socket()
    assert isinstance(listener, int)
    assert isinstance(client, int)
    assert isinstance(server, int)
    for handle in (listener, client, server):
        assert kernel.associate(handle, port, handle) is None
    at = kernel.bind(listener, 0)
    assert isinstance(at, int)
    assert kernel.listen(listener, 1) is None
    kernel.bind(client, 0)
    assert kernel.accept_ex(listener, server, _ACCEPT) is Win32Error.WSA_IO_PENDING
    assert kernel.connect_ex(client, at, _CONNECT) is Win32Error.WSA_IO_PENDING
    for _ in range(2):
        packets = kernel.get_queued_completion_status(port, 1, None)
        assert type(packets) is list
    return client, server


def simpy_timeouts(count: int) -> float:
    """Timeouts a second of one SimPy process."""
    from simpy import Environment
    from simpy.events import Event

    environment = Environment()

    def waits() -> Generator[Event, None, None]:
        for _ in range(count):
            yield environment.timeout(1)

    environment.process(waits())
    started = perf_counter()
    environment.run()
    return count / (perf_counter() - started)
