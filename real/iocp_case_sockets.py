"""Plain Winsock calls of the iocp cases, and the names that cases give to sockets.

The base of `real.iocp_cases.Machine`, which adds ports, threads and overlapped operations.
"""

from __future__ import annotations

import ctypes
import queue
import sys
import threading
import time
from collections.abc import Callable
from ctypes import addressof, c_ulong
from typing import Any

from model.errors import UsageError
from real import winsock
from real import winsock_more as more

assert sys.platform == "win32", "real.iocp_case_sockets needs Windows, or Wine"

BLOCKED = "BLOCKED"
BLOCKED_S = 5.0  # a transfer through small buffers waits for delayed acknowledgements
CLOSED = 0x7FFF_FFF0  # a handle that is none
BACKLOG = 16


def named(things: dict[str, Any], name: str) -> Any:
    """What a name stands for. Raises `UsageError` when no step has made it."""
    try:
        return things[name]
    except KeyError:
        raise UsageError(f"the name {name!r} stands for nothing: no step before made it") from None


def plain(failed: object) -> Any:
    """ "ok", or ["err", code]."""
    return ["err", ctypes.get_last_error()] if failed else "ok"


class PlainCalls:
    """A thread that makes calls which may block."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            self._results.put(call())

    def make(self, call: Callable[[], Any], timeout_s: float) -> Any:
        """The result of `call`; raises `queue.Empty` when it does not return."""
        self._calls.put(call)
        return self._results.get(timeout=timeout_s)

    def end(self) -> None:
        self._calls.put(None)


class Sockets:
    """Names of sockets, and what can be done with them but for overlapped operations."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.handles: dict[str, int] = {}
        self.sockets: set[int] = set()
        self.addresses: dict[str, int] = {}  # TCP ports of listeners
        self.calls = PlainCalls()

    def handle(self, name: str) -> int:
        """The handle of a socket or a port."""
        return int(named(self.handles, name))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds * self.pace)

    def blocking(self, call: Callable[[], Any]) -> Any:
        """The result of a plain call, or "BLOCKED"."""
        try:
            return self.calls.make(call, BLOCKED_S * self.pace)
        except queue.Empty:
            self.calls.end()
            self.calls = PlainCalls()
            return BLOCKED

    def do_socket(self, s: str) -> Any:
        handle = winsock.WSASocketW(
            *(winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_TCP, None, 0),
            winsock.WSA_FLAG_OVERLAPPED | winsock.WSA_FLAG_NO_HANDLE_INHERIT,
        )
        if handle == winsock.INVALID_SOCKET:
            return plain(True)
        return self._made(s, handle)

    def _made(self, s: str, handle: int) -> Any:
        self.handles[s] = handle
        self.sockets.add(handle)
        on = ctypes.c_int(1)
        level, name = winsock.IPPROTO_TCP, winsock.TCP_NODELAY
        return plain(winsock.setsockopt(handle, level, name, addressof(on), ctypes.sizeof(on)))

    def do_bind(self, s: str) -> Any:
        address = winsock.loopback(0)
        handle = self.handle(s)
        bound = plain(winsock.bind(handle, addressof(address), ctypes.sizeof(address)))
        if bound == "ok":
            self.addresses[s] = winsock.port_by(winsock.getsockname, handle) or 0
        return bound

    def do_listen(self, s: str, backlog: int = BACKLOG) -> Any:
        if s not in self.addresses:
            self.do_bind(s)
        return plain(winsock.listen(self.handle(s), backlog))

    def do_closed_port(self, s: str) -> Any:
        made = self.do_socket(s)
        return self.do_bind(s) if made == "ok" else made

    def do_connect(self, c: str, listener: str) -> Any:
        handle = self.handle(c)
        address = winsock.loopback(named(self.addresses, listener))
        return self.blocking(
            lambda: plain(more.connect(handle, addressof(address), ctypes.sizeof(address)))
        )

    def do_accept(self, listener: str, s: str) -> Any:
        handle = self.handle(listener)

        def call() -> Any:
            accepted = more.accept(handle, None, None)
            return plain(True) if accepted == winsock.INVALID_SOCKET else accepted

        accepted = self.blocking(call)
        return self._made(s, accepted) if isinstance(accepted, int) else accepted

    def do_tcp_pair(self, a: str, b: str) -> Any:
        listener = "(listener)"
        steps: tuple[Callable[[], Any], ...] = (
            lambda: self.do_socket(listener),
            lambda: self.do_bind(listener),
            lambda: self.do_listen(listener),
            lambda: self.do_socket(a),
            lambda: self.do_connect(a, listener),
            lambda: self.do_accept(listener, b),
            lambda: self.do_close(listener),
        )
        for step in steps:
            outcome = step()
            if outcome != "ok":
                return outcome
        return "ok"

    def do_nonblocking(self, s: str) -> Any:
        on = c_ulong(1)
        return plain(more.ioctlsocket(self.handle(s), more.FIONBIO, addressof(on)))

    def do_close(self, s: str) -> Any:
        handle = self.handle(s)
        closed = plain(winsock.closesocket(handle))
        self.sockets.discard(handle)
        self.handles[s] = CLOSED
        return closed

    def do_close_rst(self, s: str) -> Any:
        linger = more.Linger(1, 0)
        size = ctypes.sizeof(linger)
        handle = self.handle(s)
        winsock.setsockopt(handle, more.SOL_SOCKET, more.SO_LINGER, addressof(linger), size)
        return self.do_close(s)

    def do_shutdown(self, s: str, how: str) -> Any:
        return plain(winsock.shutdown(self.handle(s), winsock.SD[how]))

    def _set(self, s: str, option: int, size: int) -> Any:
        value = ctypes.c_int(size)
        level, length = more.SOL_SOCKET, ctypes.sizeof(value)
        return plain(winsock.setsockopt(self.handle(s), level, option, addressof(value), length))

    def do_sndbuf(self, s: str, size: int) -> Any:
        return self._set(s, more.SO_SNDBUF, size)

    def do_rcvbuf(self, s: str, size: int) -> Any:
        return self._set(s, more.SO_RCVBUF, size)

    def do_pool(self, pages: int) -> Any:
        """Nothing: how much a running kernel locks is not for a program to say."""
        return "ok"

    def do_pool_used(self) -> Any:
        """Nothing: a running kernel does not tell."""
        return None

    def do_so_error(self, s: str) -> Any:
        value = more.option(self.handle(s), more.SO_ERROR)
        return ctypes.get_last_error() if value is None else value

    def do_getpeername(self, s: str) -> Any:
        return plain(winsock.port_by(winsock.getpeername, self.handle(s)) is None)

    def do_raw_send(self, s: str, size: int) -> Any:
        return self._raw_send(s, b"x" * size)

    def do_raw_send_str(self, s: str, text: str) -> Any:
        return self._raw_send(s, text.encode())

    def _raw_send(self, s: str, data: bytes) -> Any:
        handle = self.handle(s)

        def call() -> Any:
            sent = more.send(handle, data, len(data), 0)
            return plain(True) if sent < 0 else sent

        return self.blocking(call)

    def do_raw_recv(self, s: str, size: int) -> Any:
        return self._raw_recv(s, size, exact=False)

    def do_raw_recv_exact(self, s: str, size: int) -> Any:
        return self._raw_recv(s, size, exact=True)

    def _raw_recv(self, s: str, size: int, exact: bool) -> Any:
        handle = self.handle(s)

        def call() -> Any:
            buffer = ctypes.create_string_buffer(max(size, 1))
            total = 0
            while True:
                got = more.recv(handle, addressof(buffer), size - total, 0)
                if got < 0:
                    return plain(True)
                total += got
                if not (exact and got and total < size):
                    return total

        return self.blocking(call)
