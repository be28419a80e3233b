"""Lines of JSON over a socket, for `harness.worker`."""

from __future__ import annotations

import json
import socket
from collections import deque
from time import monotonic

SEND_S = 60.0  # a line that nobody takes
LINE_MAX = 1 << 28  # bytes of one line: no run's records have more


class Lines:
    """Lines of JSON over a socket, with deadlines."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._ready: deque[bytes] = deque()

    def send(self, value: object) -> None:
        self._connection.settimeout(SEND_S)
        self._connection.sendall(json.dumps(value).encode() + b"\n")

    def receive(self, deadline: float) -> str:
        """The next line. Raises TimeoutError, ConnectionError or ValueError."""
        while not self._ready:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            self._connection.settimeout(left)
            data = self._connection.recv(1 << 18)
            if not data:
                raise ConnectionError("the connection was closed")
            *complete, self._buffer = (self._buffer + data).split(b"\n")
            if len(self._buffer) > LINE_MAX:
                raise ValueError("a line without an end")
            self._ready.extend(complete)
        return self._ready.popleft().decode()

    def close(self) -> None:
        self._connection.close()
