"""Peers: the raw ends of connections, each played on a thread of its own.

A server peer listens before anything connects and accepts its first connection, and as many more as
its client end may make by reconnecting, each with a player of its own; later ones stay in the
backlog and idle. A client peer plays its program on its first connection; further ones are
made when the first was accepted, so that both ends mean the same one, and idle. A program ends at
its last step, at `close` or `reset`, or when the connection could not be made; then the connection
stays as it is until the world ends. Failed calls are results: the program goes on behind them, as
a careless program would.

What a peer sends is its end's own stream of `model.content`; `echo` sends what it received.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.scenario import PeerEnd
from model.content import content
from model.errors import Errno
from model.trace import Trace
from model.world import RawListener, RawSocket, World

RECEIVE_SIZE = 65_536  # bytes that one recv asks for at most
BACKLOG = 16


class Peer:
    """One raw end.

    `pausing` is true while its program rests, `rested_ns` is when it last stopped to: a run is not
    quiet in a rest, nor right after it.
    """

    __slots__ = ("end", "name", "pausing", "rested_ns", "sent", "stream", "trace", "world")

    def __init__(self, name: str, stream: int, end: PeerEnd, world: World, trace: Trace) -> None:
        self.name = name
        self.stream = stream
        self.end = end
        self.world = world
        self.trace = trace
        self.sent = 0  # bytes of the stream
        self.pausing = False
        self.rested_ns = 0

    def listen(self, others: Sequence[Peer] = ()) -> int:
        """Starts a server end: the port to connect to, on which nobody may listen. `others` take
        the second connection and further ones."""
        if not self.end.listens:
            return self.world.raw_unused_port()
        listener = self.world.raw_listen(BACKLOG)
        self.world.spawn(self.name, lambda: self._serve(listener, others))
        return listener.port

    def connect(self, port: int) -> None:
        """Starts a client end."""
        self.world.spawn(self.name, lambda: self._call(port))

    def _record(self, operation: str, size: int, result: object) -> None:
        trace = self.trace
        trace.append((trace.now_ns(), "peer", self.name, operation, size, result))

    def _serve(self, listener: RawListener, others: Sequence[Peer]) -> None:
        accepted = listener.accept()
        failed = isinstance(accepted, Errno)
        self._record("accept", 0, accepted if failed else None)
        if not isinstance(accepted, Errno):
            if others:
                self.world.spawn(others[0].name, lambda: others[0]._serve(listener, others[1:]))
            self._play(accepted)

    def connect_again(self, port: int) -> None:
        """Starts the further connections of a client end."""
        if self.end.connects > 1:
            self.world.spawn(f"{self.name}.more", lambda: self._call_again(port))

    def _call(self, port: int) -> None:
        connection = self._connection(port)
        if connection is not None:
            self._play(connection)

    def _call_again(self, port: int) -> None:
        for _ in range(self.end.connects - 1):
            self._connection(port)

    def _connection(self, port: int) -> RawSocket | None:
        connection = self.world.raw_connect(port)
        failed = isinstance(connection, Errno)
        self._record("connect", 0, connection if failed else None)
        return None if isinstance(connection, Errno) else connection

    def _play(self, connection: RawSocket) -> None:
        for step in self.end.steps:
            _STEPS[step.do](self, connection, *step.args)
            if step.do in _LAST:
                return

    def _send(self, connection: RawSocket, sizes: tuple[int, ...]) -> None:
        for size in sizes:
            taken = self._send_all(connection, content(self.stream, self.sent, size))
            self.sent += taken
            if taken < size:
                return

    def _send_all(self, connection: RawSocket, data: bytes) -> int:
        result = connection.send(data)
        if isinstance(result, Errno):
            self._record("send", len(data), result)
            return 0
        self._record("send", len(data), data[:result])
        return result

    def _receive(self, connection: RawSocket, size: int) -> bytes:
        """One recv; empty bytes at end of file and after an error."""
        data = connection.recv(size if size < RECEIVE_SIZE else RECEIVE_SIZE)
        self._record("recv", size, data)
        return b"" if isinstance(data, Errno) else data

    def _recv(self, connection: RawSocket, size: int) -> None:
        while size > 0:
            received = len(self._receive(connection, size))
            size = size - received if received else 0

    def _recv_all(self, connection: RawSocket) -> None:
        while self._receive(connection, RECEIVE_SIZE):
            pass

    def _echo(self, connection: RawSocket, size: int) -> None:
        while size > 0:
            data = self._receive(connection, size)
            if not data or self._send_all(connection, data) < len(data):
                return
            size -= len(data)

    def _pause(self, connection: RawSocket, duration_ns: int) -> None:
        self.pausing = True
        self.world.sleep(duration_ns)
        self.rested_ns = self.world.now_ns()
        self.pausing = False

    def _shutdown(self, connection: RawSocket) -> None:
        self._record("shutdown", 0, connection.shutdown())

    def _close(self, connection: RawSocket) -> None:
        connection.close()
        self._record("close", 0, None)

    def _reset(self, connection: RawSocket) -> None:
        connection.reset()
        self._record("reset", 0, None)


_STEPS: dict[str, Callable[..., None]] = {
    "send": Peer._send,
    "recv": Peer._recv,
    "recv_all": Peer._recv_all,
    "echo": Peer._echo,
    "pause": Peer._pause,
    "shutdown": Peer._shutdown,
    "close": Peer._close,
    "reset": Peer._reset,
}
_LAST = ("close", "reset")
