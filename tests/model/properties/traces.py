"""Traces written by hand, a record a line: what the wrappers would write, without a kernel.

`Tape` appends records at its own clock. Its shorthands write what one thing in the life of a
bufferevent looks like over readiness (`arrive`, `leave`) or over completion (`complete`), and the
callbacks with the lengths that follow from it, so that a test says only what matters to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from model.content import content
from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, EPOLLOUT
from model.properties import Verdicts, check
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS, EV_READ, EV_WRITE
from model.trace import Record

MS = 1_000_000
RW = EV_READ | EV_WRITE
DEFERRED = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS
FD, LISTENER_FD, EPFD, PORT = 5, 4, 3, 256
PEER_STREAM, OWN_STREAM = 0, 1


class Tape:
    """A trace of one server bufferevent `s0` (or client, after `connects`) and its raw peer."""

    def __init__(self, *, completion: bool = False, name: str = "s0", options: int = 1) -> None:
        self.records: list[Record] = []
        self.completion = completion
        self.now = 0
        self.name = name
        self.options = options
        self.peer_name = ("c" if name[0] == "s" else "s") + name[1:]
        self.enabled = EV_WRITE
        self.input = self.output = 0
        self.peer_sent = self.own_written = self.own_sent = self.peer_got = 0

    def add(self, kind: str, *fields: Any) -> Tape:
        self.records.append((self.now, kind, *fields))
        return self

    def at(self, time_ms: float) -> Tape:
        self.now = int(time_ms * MS)
        return self

    # The subject.

    def accepted(self, mask: int = RW) -> Tape:
        """A bufferevent of an accepted connection; its descriptor is opened and polled."""
        if self.completion:
            self.add("socket", FD)
        else:
            self.add("accept", LISTENER_FD, FD, 40_001)
        self.add("new", self.name, "socket", self.options, FD)
        return self.enable(mask) if mask else self

    def connects(self, mask: int = RW, result: int = 0) -> Tape:
        """A bufferevent that has called connect; the kernel has not answered."""
        self.add("new", self.name, "socket", self.options, None).op("enable", mask)
        self.enabled |= mask
        self.op("connect", 40_000).add("socket", FD)
        if self.completion:
            self.add("connect_ex", FD, 40_000, 7, Win32Error.WSA_IO_PENDING)
        else:
            self.add("connect", FD, 40_000, Errno.EINPROGRESS).poll(EPOLLIN | EPOLLOUT)
        self.add("ret", self.name, "connect", result)
        return self.add("attach", self.name, FD)

    def connected(self) -> Tape:
        """The kernel says that it is connected, and the application is told."""
        self.wait()
        if self.completion:
            self.add("completion", FD, 7, "connect", NtStatus.SUCCESS, None).ask()
        else:
            self.add("so_error", FD, None).poll(EPOLLIN)
        return self.event(0x80)

    def op(self, name: str, *args: Any) -> Tape:
        return self.add("op", self.name, name, args)

    def enable(self, mask: int) -> Tape:
        self.enabled |= mask
        self.op("enable", mask)
        if mask & EV_READ:
            self.ask() if self.completion else self.poll(EPOLLIN)
        return self

    def disable(self, mask: int) -> Tape:
        self.enabled &= ~mask
        return self.op("disable", mask)

    def write(self, size: int) -> Tape:
        data = content(OWN_STREAM, self.own_written, size)
        self.own_written += size
        self.output += size
        return self.add("write", self.name, data, 0)

    def read(self, size: int | None = None, data: bytes | None = None) -> Tape:
        """The application reads what the peer sent, in order, or `data` in its place."""
        size = self.input if size is None else size
        place = getattr(self, "_taken", 0)
        self._taken = place + size
        self.input -= size
        if data is None:
            data = content(PEER_STREAM, place, size)
        return self.add("read", self.name, 0, data)

    def callback(self, which: str, what: int = 0, error: object = None) -> Tape:
        lengths = (self.input, self.output)
        return self.add("cb", self.name, which, what, error, *lengths, self.enabled)

    def end(self, which: str) -> Tape:
        return self.add("cb_end", self.name, which, self.input, self.output)

    def read_callback(self, reads: bool = True) -> Tape:
        self.callback("read")
        if reads and self.input:
            self.read()
        return self.end("read")

    def write_callback(self) -> Tape:
        return self.callback("write").end("write")

    def event(self, what: int, error: object = None) -> Tape:
        return self.callback("event", what, error).end("event")

    # The kernel.

    def poll(self, mask: int) -> Tape:
        return self.add("epoll_ctl", EPFD, EPOLL_CTL_ADD, FD, mask, None)

    def ask(self, size: int = 16_384, overlapped: int = 1) -> Tape:
        return self.add("wsa_recv", FD, overlapped, size, Win32Error.WSA_IO_PENDING)

    def wait(self, *ready: tuple[int, int], timeout_ns: int | None = None) -> Tape:
        if self.completion:
            return self.add("gqcs", PORT, timeout_ns, 1)
        return self.add("epoll_wait", EPFD, timeout_ns, list(ready))

    def arrive(self, size: int, data: bytes | None = None, asked: int = 16_384) -> Tape:
        """Bytes of the peer's stream come into the input."""
        place = getattr(self, "_arrived", 0)
        self._arrived = place + size
        self.input += size
        if data is None:
            data = content(PEER_STREAM, place, size)
        if self.completion:
            return self.add("completion", FD, 1, "recv", NtStatus.SUCCESS, data)
        return self.add("recv", FD, asked, data)

    def leave(self, size: int) -> Tape:
        """The kernel takes bytes of the output."""
        data = content(OWN_STREAM, self.own_sent, size)
        self.own_sent += size
        self.output -= size
        if self.completion:
            self.add("wsa_send", FD, 2, size, Win32Error.WSA_IO_PENDING)
            return self.add("completion", FD, 2, "send", NtStatus.SUCCESS, data)
        return self.add("send", FD, size, data)

    def eof(self) -> Tape:
        """The kernel tells the end of the stream; over readiness READ is taken away."""
        if self.completion:
            return self.add("completion", FD, 1, "recv", NtStatus.SUCCESS, b"")
        self.enabled &= ~EV_READ
        return self.add("recv", FD, 16_384, b"")

    def recv_fails(self, error: Errno | NtStatus) -> Tape:
        if self.completion:
            return self.add("completion", FD, 1, "recv", error, None)
        self.enabled &= ~EV_READ
        return self.add("recv", FD, 16_384, error)

    # The peer.

    def peer(self, operation: str, size: int = 0, result: object = None) -> Tape:
        return self.add("peer", self.peer_name, operation, size, result)

    def peer_sends(self, size: int) -> Tape:
        place, self.peer_sent = self.peer_sent, self.peer_sent + size
        return self.peer("send", size, content(PEER_STREAM, place, size))

    def peer_receives(self, size: int) -> Tape:
        place, self.peer_got = self.peer_got, self.peer_got + size
        return self.peer("recv", size, content(OWN_STREAM, place, size))

    # The verdict.

    def verdicts(
        self, *, simulated: bool = True, tolerance_ns: int = 0, foreign: bool = False
    ) -> Verdicts:
        verdicts = check(
            self.records,
            completion=self.completion,
            simulated=simulated,
            close_tolerance_ns=tolerance_ns,
            foreign=foreign,
        )
        assert not verdicts.unreadable
        return verdicts


def broken(tape: Tape, *, foreign: bool = False) -> list[str]:
    """The ids of the properties that `tape` breaks."""
    return [violation.property for violation in tape.verdicts(foreign=foreign).violations]


Builder: TypeAlias = Callable[[], Tape]
