"""Raw sockets for peers: blocking calls on plain sockets, each with a bound, on any platform.

A peer runs on a thread of its own, and a blocked thread cannot be ended from outside. So every
blocking call waits in slices, looks between two of them whether the world has ended, and gives up
after `LIMIT_NS`. When the world ends it also shuts the connections down, which wakes a blocked
call at once; a listener cannot be woken so everywhere, and its slice runs out.

Errors are given by their errno name; Winsock's (WSAECONNRESET) lose their prefix.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import TypeVar

from model.errors import Errno, SimulatorError

HOST = "127.0.0.1"
LIMIT_NS = 5_000_000_000  # no call of a peer blocks for longer: then ETIMEDOUT
_SLICE_S = 0.05
# struct linger: two ints (socket(7)), on Windows two unsigned shorts (winsock2.h).
_LINGER_0 = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)

T = TypeVar("T")


def outcome(error: OSError) -> Errno:
    """The errno of a failed socket call. Raises `SimulatorError` for one we do not name."""
    number = error.errno or 0
    name = errno.errorcode.get(number, "").removeprefix("WSA")
    name = {"EWOULDBLOCK": "EAGAIN"}.get(name, name)
    try:
        return Errno[name]
    except KeyError:
        raise SimulatorError(
            f"a raw socket said error {number} ({name or os.strerror(number)}),"
            " which model.errors.Errno does not name: add it there"
        ) from error


class Peers:
    """The raw sockets of one world, so that its end can wake and close them all."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def add(self, made: socket.socket) -> None:
        """Takes charge of a socket: sliced waits, and closed at the end."""
        made.settimeout(_SLICE_S)
        with self._lock:
            self._sockets.add(made)

    def drop(self, closed: socket.socket) -> None:
        """Closes a socket that its owner is done with."""
        with self._lock:
            self._sockets.discard(closed)
        closed.close()

    def wake(self) -> None:
        """Ends all blocking calls: they return ECONNABORTED."""
        self.ended.set()
        with self._lock:
            for each in self._sockets:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:  # a listener, or not connected: its slice runs out instead
                    continue

    def close(self) -> None:
        """Closes what is left, after the threads have ended."""
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    def blocking(self, call: Callable[[], T]) -> T | Errno:
        """The result of `call`, repeated while it times out: for `LIMIT_NS`, or to the end."""
        deadline = perf_counter_ns() + LIMIT_NS
        while not self.ended.is_set():
            try:
                result = call()
            except TimeoutError:
                if perf_counter_ns() > deadline:
                    return Errno.ETIMEDOUT
            except OSError as error:
                return Errno.ECONNABORTED if self.ended.is_set() else outcome(error)
            else:
                # The end itself looks like end of file to a blocked recv.
                return Errno.ECONNABORTED if self.ended.is_set() else result
        return Errno.ECONNABORTED


class RealRawSocket:
    """Implements `model.world.RawSocket`."""

    __slots__ = ("_peers", "_socket", "local_port")

    def __init__(self, peers: Peers, connected: socket.socket) -> None:
        self._peers = peers
        self._socket = connected
        self.local_port: int = connected.getsockname()[1]
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> int | Errno:
        """Blocks until all is taken: its size, or the error that ended it."""
        rest = memoryview(data)
        while rest:
            taken = self._peers.blocking(lambda: self._socket.send(rest))  # noqa: B023 - at once
            if isinstance(taken, Errno):
                return taken
            rest = rest[taken:]
        return len(data)

    def recv(self, size: int) -> bytes | Errno:
        """Blocks for 1 to `size` bytes; empty at end of file."""
        return self._peers.blocking(lambda: self._socket.recv(size))

    def shutdown(self) -> Errno | None:
        """shutdown(SHUT_WR)."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            return Errno.ECONNABORTED if self._peers.ended.is_set() else outcome(error)
        return None

    def close(self) -> None:
        """close(2)."""
        self._peers.drop(self._socket)

    def reset(self) -> None:
        """close(2) after SO_LINGER with a time of 0."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        except OSError as error:
            # Closed before (EBADF), or on Windows reset by the other end: nothing is left to do.
            if outcome(error) not in {Errno.EBADF, Errno.ENOTSOCK, Errno.EINVAL}:
                raise
        self._peers.drop(self._socket)


class RealRawListener:
    """Implements `model.world.RawListener`."""

    __slots__ = ("_peers", "_socket", "port")

    def __init__(self, peers: Peers, listening: socket.socket) -> None:
        self._peers = peers
        self._socket = listening
        self.port: int = listening.getsockname()[1]

    def accept(self) -> RealRawSocket | Errno:
        """Blocks until a connection arrives."""
        taken = self._peers.blocking(self._socket.accept)
        if isinstance(taken, Errno):
            return taken
        self._peers.add(taken[0])
        return RealRawSocket(self._peers, taken[0])

    def close(self) -> None:
        """Stops listening."""
        self._peers.drop(self._socket)


def connect(peers: Peers, port: int) -> RealRawSocket | Errno:
    """A raw socket connected to 127.0.0.1:`port`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peers.add(made)
    made.settimeout(LIMIT_NS / 1e9)  # a connect cannot be taken up again: one wait, not slices
    try:
        made.connect((HOST, port))
        made.settimeout(_SLICE_S)
        return RealRawSocket(peers, made)
    except TimeoutError:
        peers.drop(made)
        return Errno.ETIMEDOUT
    except OSError as error:
        peers.drop(made)
        return Errno.ECONNABORTED if peers.ended.is_set() else outcome(error)


def listen(peers: Peers, backlog: int) -> RealRawListener:
    """A raw listener on a free port of 127.0.0.1."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peers.add(made)
    made.bind((HOST, 0))
    made.listen(backlog)
    return RealRawListener(peers, made)


def unused_port(peers: Peers) -> int:
    """A port that is bound, so that nobody else gets it, and on which nobody listens."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peers.add(made)
    made.bind((HOST, 0))
    port: int = made.getsockname()[1]
    return port
