"""Measures the send space of TCP over the loopback of this Linux: python -m bench.send_space.

For each pair of buffer sizes: how full the send buffer is when a send gives EAGAIN for good, how
full when epoll shows OUT again while the peer reads, and how many bytes the receiver holds when
full. Sizes are the kernel's own sums (SO_MEMINFO, sock_diag(7)): the buffers as setsockopt(2)
doubled them and the true size of what is queued. The table is kept in `sim.epoll_rules`.
"""

from __future__ import annotations

import array
import fcntl
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

assert sys.platform == "linux", "bench.send_space measures Linux"

SIZES = ((16_384, 16_384), (65_536, 16_384), (65_536, 65_536), (200_000, 200_000))
PIECES = (65_536, 1_000)
SO_MEMINFO = 55  # asm-generic/socket.h
RCVBUF, SNDBUF, WMEM_QUEUED = 1, 3, 5  # SK_MEMINFO_*: linux/sock_diag.h
FIONREAD = 0x541B
QUIET_S = 0.03


def pair(sndbuf: int, rcvbuf: int) -> tuple[socket.socket, socket.socket]:
    """A connection over the loopback, non-blocking: the sending and the receiving end."""
    with socket.socket() as listener:
        sender = socket.socket()
        for end in (listener, sender):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        sender.connect(listener.getsockname())
        receiver, _ = listener.accept()
    for end in (sender, receiver):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setblocking(False)
    return sender, receiver


def until_it_would_block(call: Callable[[], object]) -> None:
    """Calls until EAGAIN."""
    try:
        while True:
            call()
    except BlockingIOError:
        pass


def memory(end: socket.socket, which: int) -> int:
    """One of the kernel's sums for a socket, in bytes."""
    sums: tuple[int, ...] = struct.unpack("9I", end.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    return sums[which]


def received(end: socket.socket) -> int:
    """Bytes that can be read."""
    number = array.array("i", [0])
    fcntl.ioctl(end, FIONREAD, number)
    return number[0]


def fullness(sender: socket.socket) -> float:
    """What is queued, in true sizes, by the send buffer."""
    return memory(sender, WMEM_QUEUED) / memory(sender, SNDBUF)


def measure(sndbuf: int, rcvbuf: int, piece: int) -> str:
    """One line of the table."""
    sender, receiver = pair(sndbuf, rcvbuf)
    with sender, receiver, select.epoll() as poll:
        for _ in range(20):
            until_it_would_block(lambda: sender.send(b"x" * piece))
            time.sleep(QUIET_S)
        full, held = fullness(sender), received(receiver)
        poll.register(sender, select.EPOLLOUT)
        deadline = time.monotonic() + 5
        while not poll.poll(0) and time.monotonic() < deadline:
            try:
                receiver.recv(512)
            except BlockingIOError:
                time.sleep(0.001)
        rcvbuf_now = memory(receiver, RCVBUF)
        return (
            f"{sndbuf:8,} {rcvbuf:8,} {piece:7,} {full:6.2f} {fullness(sender):6.2f}"
            f" {held:9,} of {rcvbuf_now:9,}"
        )


def main() -> None:
    """Prints the table."""
    print(
        f"{'SNDBUF':>8} {'RCVBUF':>8} {'send of':>7} {'full':>6} {'OUT at':>6} received when full"
    )
    for sndbuf, rcvbuf in SIZES:
        for piece in PIECES:
            print(measure(sndbuf, rcvbuf, piece))


if __name__ == "__main__":
    main()
