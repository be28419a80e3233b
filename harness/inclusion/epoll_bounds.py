"""What the records of a readiness kernel say about the sockets of their trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.inclusion.life import Life
from harness.inclusion.turns import Turns
from model.errors import Errno
from model.kernel import (
    EPOLL_CTL_DEL,
    EPOLLERR,
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
)
from model.trace import Record

MAX_EVENTS = 256  # of one epoll_wait, as the model asks; the record does not tell
CALLS = frozenset(
    {
        *("socket", "listen", "shutdown", "close", "connect", "accept", "recv", "send"),
        *("so_error", "epoll_create", "epoll_ctl", "epoll_wait"),
    }
)
NO_MEMORY = frozenset({Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM})
RESETS = frozenset({Errno.ECONNRESET, Errno.EPIPE, Errno.ECONNREFUSED, Errno.ETIMEDOUT})


class Bounds:
    """Reads a trace once: the sockets that it has, with what bounds them."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.opened: dict[int, Life] = {}  # by the record that opened it
        self.calls_of: dict[int, str] = {}  # record of a connect: the end that asked for it
        self.listens_of: dict[int, str] = {}  # record of a listen: its server end
        self._open: dict[int, Life] = {}
        self._interest: dict[int, int] = {}
        self._connecting: set[int] = set()
        self._shut: set[int] = set()
        self._asked: str | None = None
        self._listener: str | None = None
        self._turns = Turns(records, CALLS)
        self._records = records
        for number, record in enumerate(records):
            reader = getattr(self, f"_{record[1]}", None)
            if reader is not None:
                reader(number, *record[2:])

    def _begin(self, number: int, fd: int) -> Life:
        life = self.opened[number] = self._open[fd] = Life(f"fd {fd}", fd, number)
        self._interest.pop(fd, None)
        self._connecting.discard(fd)
        return life

    def _op(self, number: int, name: str, operation: str, args: tuple[Any, ...]) -> None:
        if operation == "connect":
            self._asked = name

    def _new(self, number: int, name: str, kind: str, options: int, fd: Any) -> None:
        if kind == "listener":
            self._listener = name

    def _socket(self, number: int, result: int | Errno) -> None:
        if not isinstance(result, Errno):
            self._begin(number, result)

    def _listen(self, number: int, fd: int, port: int, backlog: int, result: int | Errno) -> None:
        if self._listener is not None:
            self.listens_of[number] = "s" + self._listener[1:]

    def _connect(self, number: int, fd: int, port: int, result: Errno | None) -> None:
        if self._asked is not None:
            self.calls_of[number] = self._asked
        if result is Errno.EINPROGRESS:
            self._connecting.add(fd)

    def _accept(self, number: int, fd: int, result: int | Errno, peer_port: int | None) -> None:
        life = self._open.get(fd)
        if life is None:
            return
        if result is Errno.EAGAIN:
            life.joins.append((number, len(life.accepted)))
        elif not isinstance(result, Errno):
            life.accepted.append(self._begin(number, result))

    def _recv(self, number: int, fd: int, size: int, result: bytes | Errno) -> None:
        life = self._open.get(fd)
        if life is None:
            return
        if result is Errno.EAGAIN:
            life.is_quiet(number)
        elif isinstance(result, Errno):
            life.is_drained(number)
            life.no_fin = number
            life.is_reset()
        elif result:
            life.has_read(result)
            if len(result) < size:
                life.is_drained(number)
        elif size:
            life.is_drained(number)
            life.is_ended()

    def _send(self, number: int, fd: int, size: int, result: bytes | Errno) -> None:
        life = self._open.get(fd)
        if life is None:
            return
        if isinstance(result, Errno) and result is not Errno.EAGAIN:
            self._told(number, life, result)
            return
        life.is_sound(number)
        if result is Errno.EAGAIN and fd in self._connecting:
            life.unconnected = number
        elif result is Errno.EAGAIN or len(result) < size:
            life.pressure.append((number, True))
        else:
            life.pressure.append((number, False))

    def _so_error(self, number: int, fd: int, result: Errno | None) -> None:
        life = self._open.get(fd)
        if life is not None:
            self._connecting.discard(fd)
            if result is None:
                life.is_sound(number)
            else:
                self._told(number, life, result)

    def _told(self, number: int, life: Life, error: Errno) -> None:
        """The error of a reset: ECONNRESET where no end of file had come before it."""
        life.is_reset()
        if error is Errno.ECONNRESET and life.fd not in self._shut:
            life.no_fin = number

    def _shutdown(self, number: int, fd: int, how: str, result: Errno | None) -> None:
        self._shut.add(fd)

    def _close(self, number: int, fd: int, result: Errno | None) -> None:
        self._shut.discard(fd)
        life = self._open.pop(fd, None)
        if life is not None:
            life.closed = number
        self._interest.pop(fd, None)

    def _epoll_ctl(
        self, number: int, epfd: int, op: int, fd: int, mask: int, result: Errno | None
    ) -> None:
        if result is not None:
            return
        if op == EPOLL_CTL_DEL:
            self._interest.pop(fd, None)
        else:
            self._interest[fd] = mask

    def _epoll_wait(self, number: int, epfd: int, timeout_ns: int | None, result: Any) -> None:
        if isinstance(result, Errno):
            return
        found = dict(result)
        doubtful = {self._records[call][4] for call in self._controls(number)}
        for fd, interest in self._interest.items():
            if fd in doubtful:
                continue
            life = self._open.get(fd)
            if life is None or interest & (EPOLLET | EPOLLONESHOT):
                continue
            if fd in found or len(result) < MAX_EVENTS:
                self._watched(number, life, interest, found.get(fd, 0))

    def _controls(self, number: int) -> list[int]:
        """Calls of epoll_ctl by other threads, of which nobody knows whether this wait saw them."""
        around = self._turns.around.get(number, ())
        return [call for call in around if self._records[call][1] == "epoll_ctl"]

    def _watched(self, number: int, life: Life, interest: int, mask: int) -> None:
        """A level-triggered interest, and the events that a wait gave for it."""
        if life.fd in self._connecting:
            if not mask:
                life.unconnected = number
                return
            self._connecting.discard(life.fd)
        if interest & EPOLLIN and not mask & EPOLLIN:
            life.joins.append((number, len(life.accepted)))
            life.is_drained(number)
            life.no_fin = number
        if interest & EPOLLOUT:
            life.pressure.append((number, not mask & EPOLLOUT))
        if mask & EPOLLERR:
            life.reset_seen = True
        elif not mask & EPOLLHUP:
            life.is_sound(number)
