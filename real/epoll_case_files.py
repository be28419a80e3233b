"""The operations of the epoll cases on files, on a running Linux: the half without epoll.

Calls go to the C library through ctypes, one operation, one system call: Python's own functions
repeat what a signal interrupted, hide a receive of no bytes and keep descriptors in objects.

Descriptors are moved to numbers from `FIRST_FD` up, so that the number a case gets is the lowest
that it has not in use, whatever else the process has open.

`settle` waits until the network is quiet. On the loopback that is soon: segments are handed over
inside the call that sends them. What remains are acknowledgements that the kernel delays for up to
40 ms; asking for quick ones (TCP_QUICKACK) has them sent. Then it looks at the state, the queues
and the unacknowledged segments of all TCP sockets until two looks see the same and nothing is on
its way, but no longer than `SETTLE_MAX_S`: a peer that does not read keeps bytes on their way.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from ctypes import byref, c_int, c_void_p
from typing import Any

from model.errors import UsageError

assert sys.platform == "linux", (
    "real.epoll_cases needs Linux: the worlds that run here: duopoll worlds"
)

FIRST_FD = 500
NOBODY = 999_999  # a descriptor that is never open
LOOK_S = 0.000_4
SETTLE_MAX_S = 0.06

_libc = ctypes.CDLL(None, use_errno=True)
_HOW = {"RD": socket.SHUT_RD, "WR": socket.SHUT_WR, "RDWR": socket.SHUT_RDWR}
_LINGER_ZERO = struct.pack("ii", 1, 0)
_ONE = struct.pack("i", 1)
_SIOCOUTQ, _FIONREAD = 0x5411, 0x541B  # asm-generic/ioctls.h
_F_DUPFD_CLOEXEC = 1030
_TCP_STATES_MOVING = {4, 9, 11}  # FIN_WAIT1, LAST_ACK, CLOSING: include/net/tcp_states.h
_TCP_LISTEN = 10


def errno_name(number: int) -> str:
    """The name of an errno; of two names for one number that which the kernel's sources use."""
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode[number]


def function(name: str, *types: Any, result: Any = c_int) -> Callable[..., int | str]:
    """A function of the C library that gives its result, or the name of the errno."""
    called = getattr(_libc, name)
    called.argtypes, called.restype = types, result

    def call(*args: Any) -> int | str:
        returned: int = called(*args)
        return errno_name(ctypes.get_errno()) if returned == -1 else returned

    return call


_socket = function("socket", c_int, c_int, c_int)
_bind = function("bind", c_int, c_void_p, c_int)
_listen = function("listen", c_int, c_int)
_connect = function("connect", c_int, c_void_p, c_int)
_accept4 = function("accept4", c_int, c_void_p, c_void_p, c_int)
_shutdown = function("shutdown", c_int, c_int)
_close = function("close", c_int)
_dup = function("dup", c_int)
_dup3 = function("dup3", c_int, c_int, c_int)
_fcntl = function("fcntl", c_int, c_int, c_int)
_ioctl = function("ioctl", c_int, ctypes.c_ulong, c_void_p)
_socketpair = function("socketpair", c_int, c_int, c_int, c_void_p)
_pipe2 = function("pipe2", c_void_p, c_int)
_eventfd = function("eventfd", ctypes.c_uint, c_int)
setsockopt = function("setsockopt", c_int, c_int, c_int, c_void_p, c_int)
getsockopt = function("getsockopt", c_int, c_int, c_int, c_void_p, c_void_p)
_getsockname = function("getsockname", c_int, c_void_p, c_void_p)

_NONBLOCK = os.O_NONBLOCK | os.O_CLOEXEC


def plain(outcome: int | str) -> Any:
    """ "ok" for a call that has nothing to tell."""
    return "ok" if isinstance(outcome, int) else outcome


def address_of(fd: int, call: Callable[..., int | str] = _getsockname) -> bytes | str:
    """A socket's own address, as a sockaddr; or the errno."""
    buffer, size = ctypes.create_string_buffer(128), c_int(128)
    result = call(fd, buffer, byref(size))
    return result if isinstance(result, str) else buffer.raw[: size.value]


def _tcp_address(port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, b"\x7f\x00\x00\x01")


class Files:
    """What the names of a case stand for, and the calls on files. `pace` multiplies all waiting."""

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self.fds: dict[str, int] = {}
        self.stale: dict[str, int] = {}
        self.addresses: dict[str, bytes] = {}
        self.open: set[int] = set()
        self.tcp: set[int] = set()
        self.limits: tuple[int, int] | None = None

    def fd(self, name: str) -> int:
        """The descriptor that a name stands for."""
        if name.startswith("stale:"):
            return self.stale.get(name[6:], NOBODY)
        return self.fds.get(name, NOBODY)

    def own(self, fd: int) -> int:
        """Moves a new descriptor to this case's numbers, and will close it at the end."""
        moved = _fcntl(fd, _F_DUPFD_CLOEXEC, FIRST_FD)
        if isinstance(moved, int):
            _close(fd)
            fd = moved
        self.open.add(fd)
        return fd

    def name_it(self, name: str, fd: int | str, tcp: bool = False) -> Any:
        """Gives a name to a new descriptor, or the errno that came instead."""
        if isinstance(fd, str):
            return fd
        fd = self.fds[name] = self.own(fd)
        self.addresses.pop(name, None)
        if tcp:
            self.tcp.add(fd)
        return "ok"

    def close_files(self) -> None:
        """Closes everything; TCP with a reset, so that no connection lingers."""
        self.do_fd_limit_off()
        for fd in sorted(self.open):
            setsockopt(fd, socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO, 8)
            _close(fd)
        self.open.clear()
        self.tcp.clear()

    # -- quiet ----------------------------------------------------------------------------------

    def do_settle(self, ms: int = 0) -> Any:
        least = time.monotonic() + ms / 1000
        most = time.monotonic() + SETTLE_MAX_S * self.pace
        before: list[tuple[int, ...]] | None = None
        while True:
            for fd in self.tcp:
                setsockopt(fd, socket.IPPROTO_TCP, socket.TCP_QUICKACK, _ONE, 4)
            time.sleep(LOOK_S * self.pace)
            now = [self._look(fd) for fd in sorted(self.tcp)]
            moving = any(unacked or state in _TCP_STATES_MOVING for state, unacked, *_ in now)
            if (now == before and not moving) or time.monotonic() > most:
                break
            before = now
        time.sleep(max(least - time.monotonic(), 0))
        self.threads_settle()
        return "ok"

    def threads_settle(self) -> None:
        """Waits until no thread of the case is on its way out of a wait."""

    @staticmethod
    def _look(fd: int) -> tuple[int, ...]:
        """TCP state, segments on their way, bytes received, bytes sent and not acknowledged."""
        info, size = ctypes.create_string_buffer(104), c_int(104)
        if getsockopt(fd, socket.IPPROTO_TCP, socket.TCP_INFO, info, byref(size)):
            return (0, 0, 0, 0)
        state = info.raw[0]
        unacked = 0 if state == _TCP_LISTEN else struct.unpack_from("=I", info.raw, 24)[0]
        received, queued = c_int(), c_int()
        _ioctl(fd, _FIONREAD, byref(received))
        _ioctl(fd, _SIOCOUTQ, byref(queued))
        return (state, unacked, received.value, queued.value)

    # -- making ---------------------------------------------------------------------------------

    def do_pair(self, family: str, a: str, b: str) -> Any:
        return self.do_unix_pair(a, b) if family == "unix" else self.do_tcp_pair(a, b)

    def two(self, names: Sequence[str], call: Callable[[Any], int | str]) -> Any:
        """Names for the two descriptors that a call makes."""
        fds = (c_int * 2)()
        result = call(fds)
        if isinstance(result, str):
            return result
        for name, fd in zip(names, fds, strict=True):
            self.name_it(name, fd)
        return "ok"

    def do_unix_pair(self, a: str, b: str) -> Any:
        kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        return self.two((a, b), lambda fds: _socketpair(socket.AF_UNIX, kind, 0, fds))

    def do_pipe(self, r: str, w: str) -> Any:
        return self.two((r, w), lambda fds: _pipe2(fds, _NONBLOCK))

    def do_tcp_pair(self, a: str, b: str, sizes: dict[str, int] | None = None) -> Any:
        """The client end is `a`. Sizes are set before the connection, as tcp(7) advises."""
        listener, client = self._tcp_socket(), self._tcp_socket()
        if isinstance(listener, str) or isinstance(client, str):
            if isinstance(listener, int):
                _close(listener)
            return listener if isinstance(listener, str) else client
        options = {"sndbuf": socket.SO_SNDBUF, "rcvbuf": socket.SO_RCVBUF}
        for fd in (listener, client):
            for option, size in (sizes or {}).items():
                setsockopt(fd, socket.SOL_SOCKET, options[option], struct.pack("i", size), 4)
        _bind(listener, _tcp_address(0), 16)
        _listen(listener, 1)
        address = address_of(listener)
        _connect(client, address, len(address))
        accepted = _accept4(listener, None, None, _NONBLOCK)
        deadline = time.monotonic() + 1
        while isinstance(accepted, str) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            accepted = _accept4(listener, None, None, _NONBLOCK)
        _close(listener)
        _connect(client, address, len(address))  # the first after the handshake gives success
        self.name_it(a, client, tcp=True)
        return self.name_it(b, accepted, tcp=True)

    @staticmethod
    def _tcp_socket() -> int | str:
        made = _socket(socket.AF_INET, socket.SOCK_STREAM | _NONBLOCK, 0)
        if isinstance(made, int):
            setsockopt(made, socket.IPPROTO_TCP, socket.TCP_NODELAY, _ONE, 4)
        return made

    def do_tcp_pair_opt(self, a: str, b: str, sizes: dict[str, int]) -> Any:
        return self.do_tcp_pair(a, b, sizes)

    def do_eventfd(self, x: str, value: int) -> Any:
        return self.name_it(x, _eventfd(value & 0xFFFFFFFF, _NONBLOCK))

    def do_regular_file(self, x: str) -> Any:
        try:
            with tempfile.TemporaryFile() as made:
                return self.name_it(x, _dup(made.fileno()))
        except OSError as error:
            return errno_name(error.errno or 0)

    def do_socket(self, s: str, family: str = "tcp") -> Any:
        if family == "tcp":
            return self.name_it(s, self._tcp_socket(), tcp=True)
        return self.name_it(s, _socket(socket.AF_UNIX, socket.SOCK_STREAM | _NONBLOCK, 0))

    def do_dup(self, old: str, new: str) -> Any:
        return self.name_it(new, _dup(self.fd(old)), tcp=self.fd(old) in self.tcp)

    def do_reuse_fd(self, new: str, old: str) -> Any:
        number, before = self.stale.get(old, NOBODY), self.fd(new)
        if before not in {number, NOBODY} and number != NOBODY:
            _dup3(before, number, os.O_CLOEXEC)
            _close(before)
            for numbers in (self.open, self.tcp):
                if before in numbers:
                    numbers.remove(before)
                    numbers.add(number)
            self.fds[new] = number
        return "ok"

    def do_fd_limit_here(self) -> Any:
        """RLIMIT_NOFILE at the lowest free number: none can be allocated."""
        if self.limits is None:
            self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest = os.dup(2)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, self.limits[1]))
        return "ok"

    def do_fd_limit_off(self) -> Any:
        if self.limits is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)
            self.limits = None
        return "ok"

    # -- beginning and ending -------------------------------------------------------------------

    def do_bind(self, s: str) -> Any:
        """TCP: a free port of 127.0.0.1; AF_UNIX: an abstract name that the kernel chooses."""
        fd = self.fd(s)
        address = _tcp_address(0) if fd in self.tcp else struct.pack("=H", socket.AF_UNIX)
        result = _bind(fd, address, len(address))
        if isinstance(result, int):
            self._remember(s)
        return plain(result)

    def _remember(self, s: str) -> None:
        address = address_of(self.fd(s))
        if isinstance(address, bytes):
            self.addresses[s] = address

    def do_listen(self, s: str, backlog: int = 128) -> Any:
        if s not in self.addresses or self.fd(s) not in self.tcp:
            self.do_bind(s)  # an unbound socket would listen on every interface
        result = _listen(self.fd(s), backlog)
        if isinstance(result, int):
            self._remember(s)
        return plain(result)

    def do_connect(self, c: str, to: str) -> Any:
        address = self.addresses.get(to)
        if address is None:
            if self.fd(c) in self.tcp:
                raise UsageError(f"{to!r} has no address: bind, listen or closed_port makes one")
            address = struct.pack("=H", socket.AF_UNIX) + b"\0nobody"
        return plain(_connect(self.fd(c), address, len(address)))

    def do_closed_port(self, name: str) -> Any:
        made = self._tcp_socket()
        if isinstance(made, str):
            return made
        _bind(made, _tcp_address(0), 16)
        address = address_of(made)
        _close(made)
        assert isinstance(address, bytes)
        self.addresses[name] = address
        return "ok"

    def do_accept(self, listener: str, new: str) -> Any:
        fd = self.fd(listener)
        return self.name_it(new, _accept4(fd, None, None, _NONBLOCK), tcp=fd in self.tcp)

    def do_shutdown(self, x: str, how: str) -> Any:
        return plain(_shutdown(self.fd(x), _HOW[how]))

    def do_close(self, x: str) -> Any:
        fd = self.fd(x)
        self.open.discard(fd)
        self.tcp.discard(fd)
        if x in self.fds:
            self.stale[x] = self.fds.pop(x)
        return plain(_close(fd))

    def do_close_rst(self, x: str) -> Any:
        setsockopt(self.fd(x), socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO, 8)
        return self.do_close(x)
