"""Random programs in the vocabulary of the iocp cases, for comparing kernels.

A program (`harness.conform.drawing`) makes a port, a pair or two and perhaps a listener,
does some twenty operations on them, and ends with a look at every packet that is left.

An operation that moves something, and every one while a thread waits, is followed by a `settle`.
What is left to chance even so is named in `harness.conform.iocp_looseness`. Never drawn are calls
that may block for ever, and closing a socket with a large send pending: Wine's packets then come
when Linux next looks at the socket, any time. Large sends have SO_SNDBUF 0: with a send buffer of a
megabyte or Linux's own, Wine 8 ends one that pends with success and a short count when a pending
receive meets the peer's FIN (observed), which the simulated kernel does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.conform.drawing import OPERATIONS_MAX, THREADS_MAX, Drawing, Pick

LARGE = 8_000_000  # bytes; no buffers of Linux take so much
ENDLESS_MS = 60_000
NEEDED = frozenset({"sndbuf"})  # operations that shrinking leaves in: they make others comparable

_SIZES = (8, 1, 3, 100, 0, 1_000, 5_000)
_KEYS = (7, 0, 1, 1 << 40)
_HOW = ("WR", "RD", "RDWR")


class Program(Drawing):
    """A program that is being drawn: its steps, and what its names stand for."""

    def __init__(self, pick: Pick) -> None:
        super().__init__(pick)
        self.add("port", "p")
        self.streams: list[str] = []
        self.plain: set[str] = set()  # non-blocking: plain calls on them come back
        self.large: set[str] = set()  # with a large send pending, perhaps
        self.listeners: list[str] = []
        self.fresh: list[str] = []  # sockets not yet connected
        self.operations: list[tuple[str, str, int]] = []  # socket, overlapped, size

    def submit(self, operation: str, s: str, *args: Any, size: int = 0, moves: bool = True) -> None:
        """An overlapped operation with an overlapped of its own, before the last arguments."""
        o = self.new("o")
        self.operations.append((s, o, size))
        self.add(operation, s, *(o if arg is Program else arg for arg in args), moves=moves)

    # -- making ---------------------------------------------------------------------------------

    def make_pair(self) -> None:
        a, b = self.new("s"), self.new("s")
        self.add("tcp_pair", a, b)
        for s in (a, b):
            if self.pick(6) != 5:
                self.add("assoc", "p", s, self.one(_KEYS))
            if self.pick(4) == 3:
                self.add("nonblocking", s)
                self.plain.add(s)
        self.streams += [a, b]

    def make_listener(self) -> None:
        s = self.new("l")
        self.add("socket", s)
        self.add("listen", s)
        self.add("assoc", "p", s, self.one(_KEYS))
        self.listeners.append(s)

    def make_socket(self) -> None:
        s = self.new("s")
        self.add("socket", s)
        if self.pick(2):
            self.add("bind", s)
        if self.pick(3):
            self.add("assoc", "p", s, self.one(_KEYS))
        self.fresh.append(s)

    # -- operations -----------------------------------------------------------------------------

    def recv(self) -> None:
        s, size = self.one(self.streams), self.one(_SIZES)
        flags = (2,) if size and self.pick(8) == 7 else ()
        self.submit("recv", s, Program, size, *flags, size=size)

    def sender(self) -> str:
        """A stream to send on: what a large send leaves of the buffers is Linux's own business."""
        if all(s in self.large for s in self.streams):
            self.make_pair()
        return str(self.one([s for s in self.streams if s not in self.large]))

    def send(self) -> None:
        s = self.sender()
        kind = "send_event_lowbit" if self.pick(12) == 11 else "send"
        self.submit(kind, s, Program, self.one(_SIZES))

    def send_large(self) -> None:
        s = self.one(self.streams)
        if s not in self.large:
            self.add("sndbuf", s, 0)
            self.submit("send", s, Program, LARGE)
            self.large.add(s)

    def plain_send(self) -> None:
        self.add("raw_send", self.sender(), 1 + self.pick(20), moves=True)

    def plain_recv(self) -> None:
        s = self.one(self.streams)
        if s in self.plain:
            self.add("raw_recv", s, self.one((9, 1, 3)), moves=True)

    def dequeue(self) -> None:
        self.add(*self.one((["get", "p", 0], ["getex", "p", 8, 0], ["getex", "p", 2, 0])))

    def cancel(self) -> None:
        if self.operations and self.pick(3):
            s, o, _ = self.one(self.operations)
            self.add("cancel", s, o, moves=True)
        else:
            s = self.one(self.streams + self.listeners + self.fresh)
            self.add(self.one(("cancel", "cancelio")), s, moves=True)

    def ask(self) -> None:
        if self.operations:
            s, o, size = self.one(self.operations)
            what = self.one(("internal", "result", "gresult", "data" if size else "internal"))
            args = (o, min(size, 8)) if what == "data" else (o,) if what == "internal" else (s, o)
            self.add(what, *args)

    def shut(self) -> None:
        self.add("shutdown", self.one(self.streams), self.one(_HOW), moves=True)

    def close(self) -> None:
        s = self.one(self.streams + self.listeners + self.fresh)
        if s not in self.large:
            self.add(self.one(("close", "close", "close_rst")), s, moves=True)
            if s in self.listeners:
                self.listeners.remove(s)

    def option(self) -> None:
        s = self.one(self.streams + self.fresh)
        self.add(self.one(("getpeername", "so_error", "skip_on_success")), s)

    def disconnect(self) -> None:
        s = self.one(self.streams + self.fresh)
        self.submit("disconnectex", s, self.one((Program, Program, None)), self.pick(2))

    def post(self) -> None:
        o = self.one((None, self.new("x")))
        self.add("post", "p", self.one(_SIZES), self.one(_KEYS), o)

    def tie(self) -> None:
        self.add("assoc", "p", self.one(self.streams + self.fresh), self.one(_KEYS))

    def accept(self) -> None:
        if self.listeners:
            if not self.fresh or not self.pick(2):
                self.make_socket()
            acceptor = self.one(self.fresh)
            size = self.one((0, 0, 8))
            self.submit("acceptex", self.one(self.listeners), acceptor, Program, size, size=size)
            self.streams.append(acceptor)

    def connect(self) -> None:
        if not self.listeners:
            return self.make_listener()
        self.make_socket()
        s, to = self.one(self.fresh), self.one(self.listeners)
        kind = self.pick(4)
        if kind == 3:
            self.add("nonblocking", s)
            self.plain.add(s)
        if kind > 1:
            self.add("connect", s, to, moves=True)
        else:
            self.submit("connectex", s, to, Program, self.one((0, 0, 5)))
        self.fresh.remove(s)
        self.streams.append(s)
        return None

    def refuse(self) -> None:
        nobody, s = self.new("n"), self.new("s")
        self.steps += [["closed_port", nobody], ["socket", s], ["bind", s]]
        self.add("assoc", "p", s, self.one(_KEYS))
        if self.pick(2):
            self.add("connect", s, nobody, moves=True)
        else:
            self.submit("connectex", s, nobody, Program, 0)
        if self.pick(2):
            self.add("nonblocking", s)
            self.plain.add(s)
        self.streams.append(s)

    def listening(self) -> None:
        """A receive or send on a listening socket."""
        if self.listeners:
            kind = self.one(("recv", "recv", "send", "send_event_lowbit", "recv_in_thread"))
            s, size = self.one(self.listeners), self.one(_SIZES)
            self.submit(kind, s, Program, size, size=size if kind.startswith("recv") else 0)

    def update(self) -> None:
        s = self.one(self.streams)
        if self.listeners and self.pick(2):
            self.add("update_accept", s, self.one(self.listeners))
        else:
            self.add("update_connect", s)

    def thread(self) -> None:
        if len(self.threads) < THREADS_MAX:
            name = self.new("T")
            self.threads.append(name)
            self.add("start_get", name, "p", ENDLESS_MS)

    def die(self) -> None:
        s, size = self.one(self.streams), self.one(_SIZES)
        self.submit("recv_in_thread", s, Program, size, size=size)

    # -- the whole ------------------------------------------------------------------------------

    def end(self) -> None:
        """Ends the threads, and looks at every packet that is left."""
        for _ in self.threads:
            self.add("post", "p", 0, 99)
        for name in self.threads:
            self.add("join", name)
        self.steps += [["settle"], ["getex", "p", 64, 0]]


_ACTIONS: tuple[tuple[int, Callable[[Program], None]], ...] = (
    (20, Program.recv),
    (14, Program.send),
    (14, Program.plain_send),
    (14, Program.dequeue),
    (8, Program.cancel),
    (6, Program.shut),
    (5, Program.close),
    (4, Program.ask),
    (4, Program.connect),
    (4, Program.accept),
    (4, Program.plain_recv),
    (3, Program.option),
    (3, Program.post),
    (2, Program.send_large),
    (2, Program.disconnect),
    (2, Program.update),
    (2, Program.refuse),
    (2, Program.listening),
    (2, Program.thread),
    (1, Program.tie),
    (1, Program.die),
)


def program(pick: Pick) -> list[list[Any]]:
    """A program of `OPERATIONS_MAX` operations at most, beside making things and a last look."""
    made = Program(pick)
    made.make_pair()
    if pick(4) == 3:
        made.make_pair()
    if pick(3) == 2:
        made.make_listener()
    for _ in range(4 + pick(OPERATIONS_MAX - 4)):
        made.weighed(_ACTIONS)(made)
    made.end()
    return made.steps
