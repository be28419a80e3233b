"""Real worlds: peers, the end of a run, and that nothing stays behind."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from model.errors import Errno, SimulatorError, UsageError, WorldUnavailable
from model.kernel import ReadinessKernel
from model.world import World
from real.world import RealWorld, why_not

if sys.platform != "linux":
    pytest.skip("the iocp world is judged by test_iocp", allow_module_level=True)


@pytest.fixture
def world() -> Iterator[RealWorld]:
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    yield RealWorld("epoll")
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


def nothing() -> None:
    """A main that has nothing to do."""


def joined(world: World, *peers: Callable[[], None]) -> None:
    """Runs a main that waits until all `peers` have finished."""
    done = threading.Semaphore(0)

    def play(peer: Callable[[], None]) -> None:
        try:
            peer()
        finally:
            done.release()

    def main() -> None:
        for index, peer in enumerate(peers):
            world.spawn(f"p{index}", partial(play, peer))
        for _ in peers:
            assert done.acquire(timeout=10)

    world.run(main)


def test_it_says_what_it_is(world: RealWorld) -> None:
    assert world.name == "epoll"
    assert re.fullmatch(r"Linux \d+(\.\d+)+", world.kernel_version)
    assert world.readiness is not None
    assert world.completion is None
    assert world.now_ns() <= world.now_ns()
    world.run(nothing)


def test_peers_talk(world: RealWorld) -> None:
    said: list[object] = []
    listener = world.raw_listen(4)

    def server() -> None:
        connection = listener.accept()
        assert not isinstance(connection, Errno)
        said.append(connection.recv(100))
        said.append(connection.send(bytes(1 << 20)))
        said.append(connection.shutdown())
        said.append(connection.recv(100))
        connection.close()

    def client() -> None:
        connection = world.raw_connect(listener.port)
        assert not isinstance(connection, Errno)
        assert connection.send(b"hello") == 5
        size = 0
        while data := connection.recv(1 << 16):
            assert isinstance(data, bytes)
            size += len(data)
        said.append(size)
        connection.close()

    joined(world, server, client)
    assert said[:1] == [b"hello"]
    assert sorted(map(str, said[1:])) == sorted(map(str, [1 << 20, None, 1 << 20, b""]))


def test_reset_and_refusal(world: RealWorld) -> None:
    listener = world.raw_listen(4)
    said: list[object] = []

    def server() -> None:
        connection = listener.accept()
        assert not isinstance(connection, Errno)
        connection.recv(1)  # or the reset could overtake the connect
        connection.reset()
        connection.reset()  # nothing is left to reset
        said.append(connection.recv(1))

    def client() -> None:
        said.append(world.raw_connect(world.raw_unused_port()))
        connection = world.raw_connect(listener.port)
        assert not isinstance(connection, Errno)
        connection.send(b"x")
        said.append(connection.recv(1))

    joined(world, server, client)
    assert sorted(map(str, said)) == ["Errno.EBADF", "Errno.ECONNREFUSED", "Errno.ECONNRESET"]


def test_the_end_wakes_blocked_peers(world: RealWorld) -> None:
    """In recv, in accept, in a full send and in a sleep: all end with the run, in a moment."""
    said: list[object] = []
    listener = world.raw_listen(4)
    idle = world.raw_listen(4)
    ready = threading.Barrier(5, timeout=10)

    def server() -> None:
        connection = listener.accept()
        assert not isinstance(connection, Errno)
        ready.wait()
        said.append(connection.recv(1))

    def client() -> None:
        connection = world.raw_connect(listener.port)
        assert not isinstance(connection, Errno)
        ready.wait()
        said.append(connection.send(bytes(1 << 26)))

    def accepting() -> None:
        ready.wait()
        said.append(idle.accept())

    def sleeping() -> None:
        ready.wait()
        world.sleep(3_600_000_000_000)
        said.append(world.raw_connect(idle.port))

    def main() -> None:
        for index, peer in enumerate((server, accepting, sleeping)):
            world.spawn(f"p{index}", peer)
        world.spawn("client", client)
        ready.wait()
        world.sleep(50_000_000)

    start = world.now_ns()
    world.run(main)
    assert world.now_ns() - start < 4_000_000_000  # less than any peer's own bound
    assert len(said) == 4
    # the server's recv may have got a byte of the client's stream before the end
    assert all(result is Errno.ECONNABORTED for result in said if result != b"\0")


def test_sleep_is_never_early(world: RealWorld) -> None:
    start = world.now_ns()
    world.sleep(3_700_000)
    assert world.now_ns() - start >= 3_700_000
    world.run(nothing)


def test_what_main_raises_comes_out_after_the_release(world: RealWorld) -> None:
    kernel: ReadinessKernel | None = world.readiness
    assert kernel is not None
    listener = world.raw_listen(1)

    def blocked() -> None:
        listener.accept()

    def main() -> None:
        assert isinstance(kernel.socket(), int)  # left open
        assert isinstance(kernel.epoll_create(), int)
        world.spawn("blocked", blocked)
        raise ZeroDivisionError("main")

    with pytest.raises(ZeroDivisionError, match="main"):
        world.run(main)


def test_what_a_peer_raises_comes_out_too(world: RealWorld) -> None:
    def peer() -> None:
        raise KeyError("in the peer")

    with pytest.raises(KeyError, match="in the peer") as caught:
        joined(world, peer)
    assert "raised by the peer 'p0'" in caught.value.__notes__


def test_names_of_peers_are_unique(world: RealWorld) -> None:
    world.spawn("twice", nothing)
    with pytest.raises(SimulatorError, match="'twice'"):
        world.run(lambda: world.spawn("twice", nothing))


def test_worlds_that_do_not_exist_or_do_not_run_here() -> None:
    assert why_not("epoll") is None
    assert "epol" in (why_not("epol") or "")
    with pytest.raises(UsageError, match="'epol'"):
        RealWorld("epol")
    with pytest.raises(WorldUnavailable):
        RealWorld("iocp")
