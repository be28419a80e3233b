"""The contract of `ReadinessKernel`, as the running Linux keeps it through `real.epoll`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from time import perf_counter_ns

import pytest

from model.errors import Errno, SimulatorError
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    Accepted,
)

if sys.platform == "linux":
    from real import epoll
else:
    pytest.skip("epoll is Linux's", allow_module_level=True)
assert sys.platform == "linux"  # for mypy

SOON_NS = 2_000_000_000
ALL = EPOLLIN | EPOLLOUT | EPOLLRDHUP


class Pair:
    """A loopback connection, `client` and `server`, and an epoll instance."""

    def __init__(self, kernel: epoll.RealEpoll) -> None:
        self.kernel = kernel
        self.epfd = number(kernel.epoll_create())
        self.listener = number(kernel.socket())
        self.port = number(kernel.listen(self.listener, 0, 5))
        self.client = number(kernel.socket())
        assert kernel.connect(self.client, self.port) is Errno.EINPROGRESS
        self.wait(self.listener, EPOLLIN)
        accepted = kernel.accept(self.listener)
        assert isinstance(accepted, Accepted)
        assert accepted.peer_port == kernel.getsockname(self.client)
        self.server = accepted.fd

    def wait(self, fd: int, mask: int) -> int:
        """The mask with which `fd` becomes ready for `mask`; 0 if it does not."""
        kernel = self.kernel
        assert kernel.epoll_ctl(self.epfd, EPOLL_CTL_ADD, fd, mask) is None
        ready = kernel.epoll_wait(self.epfd, 8, SOON_NS)
        assert kernel.epoll_ctl(self.epfd, EPOLL_CTL_DEL, fd, 0) is None
        assert isinstance(ready, list)
        return dict(ready).get(fd, 0)


def number(result: int | Errno) -> int:
    assert isinstance(result, int), result
    return result


@pytest.fixture
def kernel() -> Iterator[epoll.RealEpoll]:
    before = len(os.listdir("/proc/self/fd"))
    made = epoll.RealEpoll()
    yield made
    made.close_all()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def pair(kernel: epoll.RealEpoll) -> Pair:
    return Pair(kernel)


def test_bytes_go_both_ways_and_gather(pair: Pair) -> None:
    kernel = pair.kernel
    assert kernel.send(pair.client, [b"one"]) == 3
    assert kernel.send(pair.client, [b"two", bytearray(b"three"), memoryview(b"-four")[1:]]) == 12
    assert pair.wait(pair.server, EPOLLIN) == EPOLLIN
    assert kernel.recv(pair.server, 3) == b"one"
    assert kernel.recv(pair.server, 4096) == b"twothreefour"
    assert kernel.send(pair.server, [b"back"]) == 4
    assert pair.wait(pair.client, EPOLLIN) == EPOLLIN
    assert kernel.recv(pair.client, 4096) == b"back"


def test_nothing_there_would_block(pair: Pair) -> None:
    assert pair.kernel.recv(pair.server, 10) is Errno.EAGAIN
    assert pair.kernel.accept(pair.listener) is Errno.EAGAIN


def test_a_full_buffer_is_a_short_send_and_then_would_block(pair: Pair) -> None:
    kernel = pair.kernel
    big = bytes(1 << 20)
    taken = 0
    while isinstance(count := kernel.send(pair.client, [big]), int):
        taken += count
    assert count is Errno.EAGAIN
    assert taken % len(big), "no send was short"
    read = 0
    while read < taken:
        assert pair.wait(pair.server, EPOLLIN)
        data = kernel.recv(pair.server, 1 << 20)
        assert isinstance(data, bytes)
        read += len(data)
    assert pair.wait(pair.client, EPOLLOUT) == EPOLLOUT


def test_more_chunks_than_writev_takes(pair: Pair) -> None:
    assert pair.kernel.send(pair.client, [b"x"] * 2_000) == 1_024


def test_half_close_is_end_of_file_after_the_data(pair: Pair) -> None:
    kernel = pair.kernel
    kernel.send(pair.client, [b"last"])
    assert kernel.shutdown(pair.client, "WR") is None
    assert kernel.send(pair.client, [b"x"]) is Errno.EPIPE
    assert pair.wait(pair.server, ALL) & (EPOLLIN | EPOLLRDHUP)
    assert kernel.recv(pair.server, 100) == b"last"
    assert pair.wait(pair.server, ALL) == EPOLLIN | EPOLLOUT | EPOLLRDHUP
    assert kernel.recv(pair.server, 100) == b""
    assert kernel.send(pair.server, [b"still"]) == 5
    assert pair.wait(pair.client, EPOLLIN)
    assert kernel.recv(pair.client, 100) == b"still"


def test_a_close_with_unread_data_resets(pair: Pair) -> None:
    kernel = pair.kernel
    kernel.send(pair.client, [b"unread"])
    assert pair.wait(pair.server, EPOLLIN)
    assert kernel.close(pair.server) is None
    mask = pair.wait(pair.client, ALL)
    assert mask == EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP
    assert kernel.recv(pair.client, 10) is Errno.ECONNRESET
    assert kernel.recv(pair.client, 10) == b""
    assert kernel.send(pair.client, [b"x"]) is Errno.EPIPE


def test_a_refused_connect(kernel: epoll.RealEpoll) -> None:
    pair = Pair(kernel)
    assert kernel.close(pair.listener) is None
    fd = number(kernel.socket())
    assert kernel.connect(fd, pair.port) is Errno.EINPROGRESS
    mask = pair.wait(fd, ALL)
    assert mask == EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP
    assert kernel.so_error(fd) is Errno.ECONNREFUSED
    assert kernel.so_error(fd) is None


def test_connecting_and_listening_twice(pair: Pair) -> None:
    kernel = pair.kernel
    assert pair.wait(pair.client, EPOLLOUT) == EPOLLOUT
    assert kernel.connect(pair.client, pair.port) is None
    assert kernel.connect(pair.client, pair.port) is Errno.EISCONN
    other = number(kernel.socket())
    assert kernel.listen(other, pair.port, 1) is Errno.EADDRINUSE
    assert kernel.getsockname(pair.listener) == pair.port


def test_unconnected(kernel: epoll.RealEpoll) -> None:
    fd = number(kernel.socket())
    assert kernel.recv(fd, 1) is Errno.ENOTCONN
    assert kernel.send(fd, [b"x"]) is Errno.EPIPE
    assert kernel.shutdown(fd, "RDWR") is Errno.ENOTCONN
    assert kernel.accept(fd) is Errno.EINVAL


def test_a_closed_descriptor_is_bad_everywhere(kernel: epoll.RealEpoll) -> None:
    epfd = number(kernel.epoll_create())
    fd = number(kernel.socket())
    assert kernel.close(fd) is None
    assert kernel.close(fd) is Errno.EBADF
    assert kernel.recv(fd, 1) is Errno.EBADF
    assert kernel.send(fd, [b"x"]) is Errno.EBADF
    assert kernel.connect(fd, 1) is Errno.EBADF
    assert kernel.listen(fd, 0, 1) is Errno.EBADF
    assert kernel.accept(fd) is Errno.EBADF
    assert kernel.so_error(fd) is Errno.EBADF
    assert kernel.getsockname(fd) is Errno.EBADF
    assert kernel.shutdown(fd, "WR") is Errno.EBADF
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLIN) is Errno.EBADF
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, -1, EPOLLIN) is Errno.EBADF
    assert kernel.epoll_ctl(fd, EPOLL_CTL_ADD, epfd, EPOLLIN) is Errno.EBADF
    assert kernel.epoll_wait(fd, 1, 0) is Errno.EBADF


def test_registrations(pair: Pair) -> None:
    kernel, epfd, fd = pair.kernel, pair.epfd, pair.client
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_MOD, fd, EPOLLIN) is Errno.ENOENT
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, 0) is Errno.ENOENT
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLIN) is None
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLIN) is Errno.EEXIST
    assert kernel.epoll_wait(epfd, 8, 0) == []
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_MOD, fd, EPOLLOUT) is None
    assert kernel.epoll_wait(epfd, 8, 0) == [(fd, EPOLLOUT)]
    assert kernel.epoll_ctl(epfd, 9, fd, 0) is Errno.EINVAL
    assert kernel.epoll_ctl(fd, EPOLL_CTL_ADD, epfd, EPOLLIN) is Errno.EINVAL
    assert kernel.epoll_wait(fd, 8, 0) is Errno.EINVAL
    assert kernel.epoll_wait(epfd, 0, 0) is Errno.EINVAL


def test_maxevents_bounds_a_wait_and_keeps_the_order(pair: Pair) -> None:
    kernel = pair.kernel
    for fd in (pair.client, pair.server):
        assert kernel.epoll_ctl(pair.epfd, EPOLL_CTL_ADD, fd, EPOLLOUT) is None
    first = kernel.epoll_wait(pair.epfd, 1, 0)
    second = kernel.epoll_wait(pair.epfd, 1, 0)
    assert [first, second] == [[(pair.client, EPOLLOUT)], [(pair.server, EPOLLOUT)]]


@pytest.mark.parametrize("timeout_ns", [1, 999_999, 1_000_000, 1_000_001, 7_300_000, 20_000_000])
def test_a_wait_never_ends_early(kernel: epoll.RealEpoll, timeout_ns: int) -> None:
    epfd = number(kernel.epoll_create())
    start = perf_counter_ns()
    assert kernel.epoll_wait(epfd, 1, timeout_ns) == []
    took = perf_counter_ns() - start
    assert took >= timeout_ns
    assert took < timeout_ns + 1_000_000_000  # a busy machine may be late by that much


def test_a_wait_of_zero_returns_at_once(kernel: epoll.RealEpoll) -> None:
    epfd = number(kernel.epoll_create())
    start = perf_counter_ns()
    assert kernel.epoll_wait(epfd, 1, 0) == []
    assert perf_counter_ns() - start < 500_000_000


def test_sockets_are_tcp_nodelay_and_non_blocking(pair: Pair) -> None:
    import socket

    for fd in (pair.client, pair.server, pair.listener):
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)
        borrowed = socket.socket(fileno=fd)
        assert borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        borrowed.detach()


def test_many_descriptors_are_all_closed(kernel: epoll.RealEpoll) -> None:
    made = {number(kernel.socket()) for _ in range(200)}
    assert kernel.close(made.pop()) is None
    assert kernel.close_all() == 199
    assert kernel.close_all() == 0


def test_an_eventfd_wakes_a_wait_in_another_thread(kernel: epoll.RealEpoll) -> None:
    epfd, fd = number(kernel.epoll_create()), number(kernel.eventfd())
    assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLIN) is None
    assert kernel.eventfd_read(fd) is Errno.EAGAIN
    found: list[object] = []
    waits = threading.Thread(target=lambda: found.append(kernel.epoll_wait(epfd, 8, 10 * SOON_NS)))
    waits.start()
    assert kernel.eventfd_write(fd) is None
    waits.join(SOON_NS / 1e9)
    assert found == [[(fd, EPOLLIN)]]
    assert kernel.eventfd_write(fd) is None
    assert kernel.eventfd_read(fd) == 2
    assert kernel.close(fd) is None
    assert kernel.eventfd_write(fd) is Errno.EBADF is kernel.eventfd_read(fd)


def test_an_unknown_errno_is_named() -> None:
    assert epoll.errno_of(104) is Errno.ECONNRESET
    with pytest.raises(SimulatorError, match="errno 71"):
        epoll.errno_of(71)
