"""Random programs in the vocabulary of the epoll cases, for comparing kernels.

A program (`harness.conform.drawing`) first makes things (pairs, listeners, pipes,
eventfds, epolls), then does some twenty operations on them, and ends with a look at everything.

What the operations may race with is settled before the next one: after an operation that moves
something over TCP, or that may wake a thread, comes a `settle`. What is left to chance even so is
named in `harness.conform.epoll_looseness`; never drawn are reads of full TCP buffers that are not
small or whole, and filling a buffer beside a waiting thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.conform.drawing import OPERATIONS_MAX, THREADS_MAX, Drawing, Pick

SMALL = {"sndbuf": 16384, "rcvbuf": 16384}

_BITS = ("IN", "OUT", "RDHUP", "PRI", "HUP", "RDNORM", "WRNORM")
_SIZES = (1, 3, 10, 1000, 0, 5000)
_READS = (5000, 1, 2, 5, 0, 70000)
_READS_OF_FULL = (5, 1, 2, 10, 0)  # how many bytes full buffers hold is Linux's own business
_WRITES = (1, 4096, 10, 5000, 70000, 0)
_TIMEOUTS = (0, 0, 0, 0, 0, 3)
_MAXEVENTS = (16, 16, 1, 2)
_HOW = ("WR", "RD", "RDWR")


class Program(Drawing):
    """A program that is being drawn: its steps, and what its names stand for."""

    def __init__(self, pick: Pick) -> None:
        super().__init__(pick)
        self.epolls: list[str] = []
        self.tcp: list[str] = []
        self.unix: list[str] = []
        self.listeners: list[str] = []
        self.others: list[str] = []
        self.closed: list[str] = []
        self.same: dict[str, tuple[str, str]] = {}  # a TCP end, or a dup of it -> its pair
        self.full: set[tuple[str, str]] = set()  # pairs whose buffers were filled

    # -- making ---------------------------------------------------------------------------------

    def make(self) -> None:
        """One more thing."""
        self.one(
            (
                self.make_tcp,
                self.make_tcp,
                self.make_tcp,
                self.make_unix,
                self.make_listener,
                self.make_pipe,
                self.make_eventfd,
                self.make_small,
            )
        )()

    def make_tcp(self) -> None:
        a, b = self.new("a"), self.new("b")
        self.add("tcp_pair", a, b)
        self.tcp += [a, b]

    def make_small(self) -> None:
        a, b = self.new("a"), self.new("b")
        self.add("tcp_pair_opt", a, b, dict(SMALL))
        self.tcp += [a, b]
        self.same |= {a: (a, b), b: (a, b)}

    def make_unix(self) -> None:
        a, b = self.new("u"), self.new("v")
        self.add("unix_pair", a, b)
        self.unix += [a, b]

    def make_listener(self) -> None:
        s, c = self.new("l"), self.new("c")
        family = self.one(("tcp", "tcp", "unix"))
        self.add("socket", s, family)
        self.add("socket", c, family)
        self.add("listen", s, self.one((128, 0, 1)))
        self.listeners.append(s)
        (self.tcp if family == "tcp" else self.unix).append(c)

    def make_pipe(self) -> None:
        r, w = self.new("r"), self.new("w")
        self.add("pipe", r, w)
        self.others += [r, w]

    def make_eventfd(self) -> None:
        x = self.new("x")
        self.add("eventfd", x, self.one((0, 1)))
        self.others.append(x)

    # -- operations -----------------------------------------------------------------------------

    def everything(self) -> list[str]:
        """The names of all files but epolls."""
        return [*self.tcp, *self.unix, *self.listeners, *self.others]

    def sockets(self) -> list[str]:
        return [*self.tcp, *self.unix]

    def mask(self) -> str:
        """An interest: IN first, often edge-triggered."""
        bits = [bit for bit in _BITS if not self.pick(2 if bit in {"IN", "OUT"} else 6)]
        bits += ["ET"] if self.pick(2) else []
        bits += ["ONESHOT"] if self.pick(7) == 6 else []
        if self.pick(14) == 13:
            bits = [bit for bit in bits if bit in {"IN", "OUT", "ET"}] + ["EXCLUSIVE"]
        return "|".join(bits) or "-"

    def watch(self) -> None:
        nested = len(self.epolls) > 1 and self.pick(4) == 3
        things = self.epolls if nested else self.everything()
        self.add("ctl_add", self.one(self.epolls), self.one(things), self.mask())

    def modify(self) -> None:
        self.add("ctl_mod", self.one(self.epolls), self.one(self.everything()), self.mask())

    def forget(self) -> None:
        things = self.everything() + [f"stale:{name}" for name in self.closed]
        self.add("ctl_del", self.one(self.epolls), self.one(things))

    def wait(self) -> None:
        e, timeout, most = self.one(self.epolls), self.one(_TIMEOUTS), self.one(_MAXEVENTS)
        self.add("wait", e, timeout, most)

    def put(self) -> None:
        """Bytes into something."""
        x = self.one(self.everything())
        if x in self.others:
            if x.startswith("x"):
                self.add("write_ev", x, self.one((1, 3, 0, (1 << 64) - 2)))
            else:
                self.add("write", x, self.one(_WRITES))
        else:
            self.add("send", x, self.one(_SIZES), moves=True)

    def get(self) -> None:
        """Bytes out of something."""
        x = self.one(self.everything())
        if x in self.others:
            self.add("read", x, 8 if x.startswith("x") else self.one(_READS))
        else:
            full = self.same.get(x) in self.full
            self.add("recv", x, self.one(_READS_OF_FULL if full else _READS), moves=True)

    def shut(self) -> None:
        self.add("shutdown", self.one(self.sockets()), self.one(_HOW), moves=True)

    def close(self) -> None:
        things = self.everything()
        if len(things) < 2:
            return
        x = self.one(things)
        operation = "close_rst" if x in self.tcp and self.pick(3) == 2 else "close"
        for group in (self.tcp, self.unix, self.listeners, self.others):
            if x in group:
                group.remove(x)
        self.closed.append(x)
        self.add(operation, x, moves=True)
        if x.startswith(("a", "b", "u")) and self.pick(4) == 3:
            y = self.one(self.everything())
            self.add("reuse_fd", y, x)

    def duplicate(self) -> None:
        for group in (self.tcp, self.unix, self.others):
            if group and not self.pick(2):
                old = self.one(group)
                new = old[0] + self.new("d")
                self.add("dup", old, new)
                group.append(new)
                if old in self.same:
                    self.same[new] = self.same[old]
                return

    def ask(self) -> None:
        operation = self.one(("so_error", "getpeername"))
        self.add(operation, self.one([*self.sockets(), *self.listeners]))

    def poll(self) -> None:
        things = self.everything() + self.epolls
        self.add("poll", self.one(things), self.one(("IN", "OUT", "IN|OUT|RDHUP|PRI|RDNORM")))

    def urgent(self) -> None:
        sockets = self.sockets()
        if sockets:
            x = self.one(sockets)
            if self.pick(2):
                self.add("recv_oob", x)
            else:
                self.add("send_oob", x, self.one((1, 3)), moves=True)

    def low_water(self) -> None:
        if self.tcp:
            self.add("rcvlowat", self.one(self.tcp), self.one((1, 2, 4, 0)), moves=True)

    def peek(self) -> None:
        x = self.one(self.sockets())
        self.add("peek", x, self.one((5, 1) if self.same.get(x) in self.full else (5, 1, 5000)))

    def fill(self) -> None:
        """Sends until there is no space, over small buffers or AF_UNIX; never beside a thread."""
        ends = [x for x in self.sockets() if x in self.same or x in self.unix]
        if ends and not self.threads:
            x = self.one(ends)
            self.add("fill", x)
            if x in self.same:
                self.full.add(self.same[x])

    def drain(self) -> None:
        """Receives everything."""
        x = self.one([*self.sockets(), *(x for x in self.others if not x.startswith("x"))])
        self.add("drain_all", x)

    def connect(self) -> None:
        if self.listeners:
            listener = self.one(self.listeners)
            family = next(step[2] for step in self.steps if step[:2] == ["socket", listener])
            clients = self.tcp if family == "tcp" else self.unix
            if clients and not self.pick(2):
                self.add("connect", self.one(clients), listener, moves=True)
            elif not self.pick(2):
                c = self.new("c")
                self.add("socket", c, family)
                (self.tcp if family == "tcp" else self.unix).append(c)
                self.add("connect", c, listener, moves=True)
        elif self.tcp and not self.pick(2):
            port = self.new("q")
            self.add("closed_port", port)
            self.add("connect", self.one(self.tcp), port, moves=True)

    def accept(self) -> None:
        if self.listeners:
            listener = self.one(self.listeners)
            family = next(step[2] for step in self.steps if step[:2] == ["socket", listener])
            new = self.new("b")
            limited = self.pick(8) == 7
            if limited:
                self.add("fd_limit_here")
            self.add("accept", listener, new, moves=True)
            if limited:
                self.add("fd_limit_off")
            (self.tcp if family == "tcp" else self.unix).append(new)

    def thread(self) -> None:
        if len(self.threads) < THREADS_MAX:
            name = self.new("T")
            via = self.one(("epoll", "epoll", "poll"))
            e, most = self.one(self.epolls), self.one(_MAXEVENTS)
            self.threads.append(name)
            self.add("start_wait", name, e, -1, most, via)

    def signal(self) -> None:
        if self.threads:
            self.add(self.one(("blocked", "signal")), self.one(self.threads))

    # -- the whole ------------------------------------------------------------------------------

    def end(self) -> None:
        """A look at everything that is left."""
        for name in self.threads:
            self.steps += [["blocked", name], ["signal", name], ["join", name]]
        self.threads.clear()
        for e in self.epolls:
            self.add("wait", e)
        for x in self.sockets():
            self.add("poll", x, "IN|OUT|RDHUP|PRI")


_ACTIONS: tuple[tuple[int, Callable[[Program], None]], ...] = (
    (20, Program.wait),
    (16, Program.watch),
    (14, Program.put),
    (11, Program.get),
    (6, Program.modify),
    (6, Program.shut),
    (3, Program.forget),
    (4, Program.close),
    (3, Program.connect),
    (3, Program.accept),
    (3, Program.ask),
    (3, Program.poll),
    (2, Program.duplicate),
    (2, Program.urgent),
    (2, Program.low_water),
    (2, Program.peek),
    (1, Program.fill),
    (2, Program.drain),
    (2, Program.thread),
    (2, Program.signal),
)


def program(pick: Pick) -> list[list[Any]]:
    """A program of `OPERATIONS_MAX` operations at most, beside making things and a last look."""
    made = Program(pick)
    made.make_tcp() if not pick(2) else made.make()
    for _ in range(pick(3)):
        made.make()
    if not made.sockets():
        made.make_unix()
    for _ in range((1, 1, 2, 3)[pick(4)]):
        e = made.new("e")
        made.add("epoll_create", e)
        made.epolls.append(e)
    made.watch()
    for _ in range(4 + pick(OPERATIONS_MAX - 4)):
        made.weighed(_ACTIONS)(made)
        if not made.sockets():
            made.make_unix()
    made.end()
    return made.steps
