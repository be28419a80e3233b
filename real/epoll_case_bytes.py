"""The operations of the epoll cases that move bytes or ask a socket, on a running Linux.

`fill` and `drain_all` repeat until the network is quiet too, within `DRAIN_MAX_S`: with tiny
receive buffers the sender may wait for its persist timer, which doubles.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import time
from ctypes import byref, c_int, c_size_t, c_ssize_t, c_void_p
from typing import Any

from real import epoll_case_files as files

assert sys.platform == "linux", "real.epoll_cases needs Linux (duopoll worlds)"

DRAIN_MAX_S = 3.0
PIECE = b"x" * 65_536

_getpeername = files.function("getpeername", c_int, c_void_p, c_void_p)
_send = files.function("send", c_int, c_void_p, c_size_t, c_int, result=c_ssize_t)
_recv = files.function("recv", c_int, c_void_p, c_size_t, c_int, result=c_ssize_t)
_read = files.function("read", c_int, c_void_p, c_size_t, result=c_ssize_t)
_write = files.function("write", c_int, c_void_p, c_size_t, result=c_ssize_t)


class Bytes(files.Files):
    """Sending, receiving and options."""

    def do_send(self, x: str, size: int) -> Any:
        return _send(self.fd(x), b"x" * size, size, socket.MSG_NOSIGNAL)

    def do_send_partial(self, x: str, size: int) -> Any:
        sent = self.do_send(x, size)
        return "partial" if isinstance(sent, int) and sent < size else sent

    def do_send_oob(self, x: str, size: int) -> Any:
        return _send(self.fd(x), b"x" * size, size, socket.MSG_NOSIGNAL | socket.MSG_OOB)

    def receive(self, x: str, size: int, flags: int) -> Any:
        """recv(2); the number of bytes."""
        return _recv(self.fd(x), ctypes.create_string_buffer(max(size, 1)), size, flags)

    def do_recv(self, x: str, size: int) -> Any:
        return self.receive(x, size, 0)

    def do_recv_oob(self, x: str, size: int = 1) -> Any:
        return self.receive(x, size, socket.MSG_OOB)

    def do_peek(self, x: str, size: int) -> Any:
        return self.receive(x, size, socket.MSG_PEEK)

    def do_read(self, x: str, size: int) -> Any:
        return _read(self.fd(x), ctypes.create_string_buffer(max(size, 1)), size)

    def do_write(self, x: str, size: int) -> Any:
        return _write(self.fd(x), b"x" * size, size)

    def do_write_ev(self, x: str, value: int) -> Any:
        return _write(self.fd(x), struct.pack("=Q", value % (1 << 64)), 8)

    def do_fill(self, x: str) -> Any:
        deadline = time.monotonic() + DRAIN_MAX_S * self.pace
        result: int | str = 0
        while isinstance(result, int) and time.monotonic() < deadline:
            while isinstance(_write(self.fd(x), PIECE, len(PIECE)), int):
                pass
            self.do_settle()
            result = _write(self.fd(x), PIECE, 1)
        return result

    def do_drain(self, x: str) -> Any:
        buffer = ctypes.create_string_buffer(len(PIECE))
        while True:
            result = _read(self.fd(x), buffer, len(PIECE))
            if not result or isinstance(result, str):
                return result

    def do_drain_all(self, x: str) -> Any:
        deadline = time.monotonic() + DRAIN_MAX_S * self.pace
        buffer = ctypes.create_string_buffer(len(PIECE))
        while True:
            result = self.do_drain(x)
            self.do_settle()
            more = _read(self.fd(x), buffer, len(PIECE))
            if not more or isinstance(more, str) or time.monotonic() > deadline:
                return result

    def do_so_error(self, x: str) -> Any:
        value, size = c_int(), c_int(4)
        result = files.getsockopt(
            self.fd(x), socket.SOL_SOCKET, socket.SO_ERROR, byref(value), byref(size)
        )
        if isinstance(result, str):
            return result
        return files.errno_name(value.value) if value.value else 0

    def do_getpeername(self, x: str) -> Any:
        address = files.address_of(self.fd(x), _getpeername)
        return address if isinstance(address, str) else "ok"

    def do_rcvlowat(self, x: str, size: int) -> Any:
        value = struct.pack("i", size)
        return files.plain(
            files.setsockopt(self.fd(x), socket.SOL_SOCKET, socket.SO_RCVLOWAT, value, 4)
        )
