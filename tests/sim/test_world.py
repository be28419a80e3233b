"""Whole simulated worlds: raw peers, the end of a run, determinism."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, cast

import pytest
from greenlet import greenlet
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices
from model.content import content
from model.errors import Errno, UsageError
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, ReadinessKernel
from sim.peers import SimRawListener, SimRawSocket
from sim.world import SimWorld

tapes = st.lists(st.integers(0, 9), max_size=60)


def run(body: Callable[[SimWorld], None], tape: list[int] | None = None) -> SimWorld:
    """A world that ran `body` as main."""
    world = SimWorld("epoll", Choices(tape or ()))
    world.run(lambda: body(world))
    return world


def connect(world: SimWorld, listener: SimRawListener) -> tuple[SimRawSocket, SimRawSocket]:
    """A pair of raw sockets."""
    client = world.raw_connect(listener.port)
    server = listener.accept()
    assert isinstance(client, SimRawSocket)
    assert isinstance(server, SimRawSocket)
    return client, server


@given(
    tape=tapes,
    sizes=st.lists(st.integers(1, 60_000), max_size=6),
    room=st.integers(2_000, 200_000),
    read=st.integers(1_000, 100_000),
)
def test_raw_peers_echo(tape: list[int], sizes: list[int], room: int, read: int) -> None:
    """Blocking calls on two threads, with buffers smaller than what is sent."""
    world = SimWorld("epoll", Choices(tape), sndbuf=room, rcvbuf=room)
    want = content(1, 0, sum(sizes))
    got = bytearray()
    ends: list[object] = []

    def main() -> None:
        listener = world.raw_listen(1)

        def echo() -> None:
            socket = listener.accept()
            assert isinstance(socket, SimRawSocket)
            while (data := socket.recv(read)) and isinstance(data, bytes):
                assert socket.send(data) == len(data)
            ends.append(data)
            ends.append(socket.shutdown())

        world.spawn("echo", echo)
        client = world.raw_connect(listener.port)
        assert isinstance(client, SimRawSocket)

        def reader() -> None:
            while (data := client.recv(read)) and isinstance(data, bytes):
                got.extend(data)
            ends.append(data)

        world.spawn("reader", reader)
        offset = 0
        for size in sizes:
            assert client.send(want[offset : offset + size]) == size
            offset += size
        client.shutdown()
        world.sleep(10**13)

    world.run(main)
    assert got == want
    assert ends == [b"", None, b""]  # both ended long before the run did


def test_calls_that_are_blocked_when_the_run_ends() -> None:
    results: dict[str, object] = {}

    def body(world: SimWorld) -> None:
        listener = world.raw_listen(1)
        client, _server = connect(world, listener)

        def fill() -> None:
            results["send"] = client.send(bytes(10_000_000))
            results["shutdown"] = client.shutdown()

        def read() -> None:
            results["recv"] = client.recv(1)
            results["again"] = client.recv(1)

        def accept() -> None:
            results["accept"] = listener.accept()

        def sleep() -> None:
            world.sleep(10**15)
            results["slept"] = world.now_ns()

        for task in (read, accept, sleep):
            world.spawn(task.__name__, task)
        world.sleep(1)
        world.spawn("fill", fill)
        world.sleep(1)
        assert results == {}

    world = run(body)
    aborted = Errno.ECONNABORTED
    assert results == {
        "send": aborted,
        "shutdown": aborted,
        "recv": aborted,
        "again": aborted,
        "accept": aborted,
        "slept": 2,
    }
    assert not any(task.alive for task in world.scheduler.tasks)


def test_no_greenlet_outlives_the_run() -> None:
    gc.collect()
    before = sum(isinstance(thing, greenlet) for thing in gc.get_objects())

    def body(world: SimWorld) -> None:
        for number in range(20):
            world.spawn(f"p{number}", lambda: world.sleep(10**9))
        world.sleep(1)

    world = run(body)
    assert all(cast(Any, task.greenlet).dead for task in world.scheduler.tasks)
    del world
    gc.collect()
    assert sum(isinstance(thing, greenlet) for thing in gc.get_objects()) == before


def test_a_refused_connection_and_ports() -> None:
    def body(world: SimWorld) -> None:
        assert world.raw_connect(world.raw_unused_port()) is Errno.ECONNREFUSED
        listener = world.raw_listen(1)
        client, server = connect(world, listener)
        assert client.local_port != listener.port == server.local_port
        listener.close()
        assert world.raw_connect(listener.port) is Errno.ECONNREFUSED

    run(body)


def test_a_reset_reaches_a_blocked_reader() -> None:
    seen: list[object] = []

    def body(world: SimWorld) -> None:
        client, server = connect(world, world.raw_listen(1))
        world.spawn("reader", lambda: seen.append(client.recv(1)))
        world.sleep(1)
        server.reset()
        world.sleep(1)

    run(body)
    assert seen == [Errno.ECONNRESET]


def test_a_peer_that_fails_fails_the_run() -> None:
    def body(world: SimWorld) -> None:
        def peer() -> None:
            raise LookupError("nothing there")

        world.spawn("peer", peer)
        world.sleep(1)

    with pytest.raises(LookupError, match="nothing there"):
        run(body)


def play(tape: list[int]) -> tuple[Any, ...]:
    """A readiness loop that echoes for two raw peers: everything that it sees."""
    seen: list[object] = []
    total = 2 * (1 + 500 + 30_000)

    def body(world: SimWorld) -> None:
        kernel = cast(ReadinessKernel, world.readiness)
        listener = cast(int, kernel.socket())
        port = cast(int, kernel.listen(listener, 0, 5))
        epfd = cast(int, kernel.epoll_create())
        kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, listener, EPOLLIN)

        def peer(number: int) -> Callable[[], None]:
            def body() -> None:
                socket = world.raw_connect(port)
                assert isinstance(socket, SimRawSocket)
                for size in (1, 500, 30_000):
                    socket.send(content(number, 0, size))
                    left = size
                    while left and isinstance(data := socket.recv(left), bytes):
                        left -= len(data)
                        seen.append((world.now_ns(), number, len(data)))
                socket.close()

            return body

        for number in range(2):
            world.spawn(f"peer{number}", peer(number))
        open_ends = 2
        echoed = 0
        for _ in range(100_000):
            if not open_ends:
                break
            events = kernel.epoll_wait(epfd, 4, 10**9)
            seen.append((world.now_ns(), events))
            for fd, _ in cast("list[tuple[int, int]]", events):
                if fd == listener:
                    accepted = kernel.accept(fd)
                    if not isinstance(accepted, Errno):
                        kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, accepted.fd, EPOLLIN)
                    continue
                data = kernel.recv(fd, 4_096)
                if data:
                    while data and isinstance(data, bytes):
                        taken = cast(int, kernel.send(fd, (data,)))  # there is always room
                        data = data[taken:]
                        echoed += taken
                else:
                    kernel.close(fd)
                    open_ends -= 1
        assert echoed == total

    world = run(body, tape)
    return seen, world.choices.decisions, world.now_ns()


@given(tape=tapes)
def test_a_tape_is_a_run(tape: list[int]) -> None:
    first, again = play(tape), play(tape)
    assert first == again
    longer = play([*tape, *([0] * 20)])  # zeros are what a tape that has ended answers
    assert longer[0] == first[0]


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(UsageError, match="kqueue"):
        SimWorld(cast(Any, "kqueue"))
