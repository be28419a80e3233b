"""Plays the cases of tests/cases/epoll*.jsonl on the simulated Linux.

A case is a list of steps `[operation, argument, ...]` and a list of what each gives; the names in
it are labels. `Player` has one method an operation, found through `OPERATIONS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from model.choices import Choices
from model.errors import Errno
from model.kernel import EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, mask_name, mask_of
from sim.calls import SimLinux
from sim.network import Network
from sim.scheduler import Scheduler, Task
from sim.tcp import Endpoint
from sim.unix import UnixStream

CASES = Path(__file__).parent.parent / "cases"
NOBODY = 9_999  # a descriptor that is never open
MS = 1_000_000
SETTLE_NS = 20 * MS
PIECE = b"x" * 65_536


def load_cases() -> list[dict[str, Any]]:
    """All cases, in the order of the files."""
    texts = (CASES / name for name in ("epoll.jsonl", "epoll_found.jsonl"))
    return [json.loads(line) for path in texts for line in path.read_text("utf-8").splitlines()]


def matches(expected: Any, got: Any) -> bool:
    """Whether `got` is what a case expects: null is anything, `any` one of, `set` in any order."""
    if expected is None:
        return True
    if isinstance(expected, dict) and set(expected) == {"any"}:
        return got in expected["any"]
    if isinstance(expected, dict) and set(expected) == {"set"}:
        return sorted(map(repr, expected["set"])) == sorted(map(repr, got))
    return bool(expected == got)


def play(steps: Sequence[Sequence[Any]], tape: Sequence[int] = ()) -> list[Any]:
    """The results of all steps, in a world of their own."""
    scheduler = Scheduler(Choices(tape))
    player = Player(scheduler, Network(scheduler))
    results: list[Any] = []

    def main() -> None:
        for operation, *arguments in steps:
            results.append(OPERATIONS[operation](player, *arguments))

    scheduler.run(main)
    return results


def outcome(result: Any) -> Any:
    """`None` is "ok", an errno its name, bytes their number."""
    if result is None:
        return "ok"
    if isinstance(result, Errno):
        return result.name
    return len(result) if isinstance(result, bytes) else result


def mask_text(mask: int) -> str:
    return mask_name(mask) if mask else ""


class Player:
    """One case's labels, threads and kernel."""

    def __init__(self, scheduler: Scheduler, network: Network) -> None:
        self.scheduler = scheduler
        self.network = network
        self.kernel = SimLinux(scheduler, network)
        self.fds: dict[str, int] = {}
        self.stale: dict[str, int] = {}
        self.ports: dict[str, int] = {}
        self.labels: list[str] = []  # an event's data is a place in this list
        self.threads: dict[str, Task] = {}
        self.results: dict[str, Any] = {}

    # -- names ------------------------------------------------------------------------------

    def fd(self, name: str) -> int:
        if name.startswith("stale:"):
            return self.stale[name[6:]]
        return self.fds.get(name, NOBODY)

    def name_them(self, names: Sequence[str], fds: Any) -> Any:
        if isinstance(fds, Errno):
            return fds.name
        for name, fd in zip(names, fds, strict=True):
            self.fds[name] = fd
        return "ok"

    def name_it(self, name: str, fd: Any) -> Any:
        return self.name_them((name,), fd if isinstance(fd, Errno) else (fd,))

    def data(self, label: str) -> int:
        self.labels.append(label)
        return len(self.labels) - 1

    def endpoint(self, name: str) -> Endpoint:
        file = self.kernel.file(self.fd(name))
        assert isinstance(file, Endpoint)
        return file

    # -- epoll ------------------------------------------------------------------------------

    def epoll_create(self, name: str) -> Any:
        return self.name_it(name, self.kernel.epoll_create())

    def control(self, op: int, e: str, x: str, mask: str = "-", label: str | None = None) -> Any:
        bits = 0 if mask == "-" else mask_of(mask)
        data = self.data(x if label is None else label)
        return outcome(self.kernel.epoll_ctl_data(self.fd(e), op, self.fd(x), bits, data))

    def control_without_event(self, e: str, x: str, mask: str = "-") -> Any:
        epfd, fd = self.fd(e), self.fd(x)
        return outcome(self.kernel.epoll_ctl_without_event(epfd, EPOLL_CTL_ADD, fd))

    def wait(self, e: str, timeout_ms: int = 0, maxevents: int = 16) -> Any:
        timeout = None if timeout_ms < 0 else timeout_ms * MS
        events = self.kernel.epoll_wait(self.fd(e), maxevents, timeout)
        if isinstance(events, Errno):
            return events.name
        return [[self.labels[data], mask_text(mask)] for data, mask in events]

    def wait_timed(self, e: str, timeout_ms: int) -> Any:
        before = self.scheduler.now
        events = self.wait(e, timeout_ms)
        early = self.scheduler.now - before < timeout_ms * MS
        return [events, "early" if early else "elapsed>=timeout"]

    def wait_count(self, e: str, times: int, maxevents: int) -> Any:
        counts: dict[str, int] = {}
        for _ in range(times):
            for label, _mask in self.wait(e, 0, maxevents):
                counts[label] = counts.get(label, 0) + 1
        return counts

    def poll(self, name: str, mask: str) -> Any:
        result = self.kernel.poll(self.fd(name), mask_of(mask))
        return outcome(result) if isinstance(result, Errno) else mask_text(result)

    # -- threads ----------------------------------------------------------------------------

    def start_wait(
        self, thread: str, e: str, timeout_ms: int = 0, maxevents: int = 16, via: str = "epoll"
    ) -> Any:
        epfd = self.fd(e)
        self.fds[f" {thread}"] = epfd  # the name may be closed while the thread waits

        def body() -> None:
            if via != "poll":
                self.results[thread] = self.wait(f" {thread}", timeout_ms, maxevents)
                return
            timeout = None if timeout_ms < 0 else timeout_ms * MS
            woken = self.kernel.poll(epfd, mask_of("IN"), timeout)
            if isinstance(woken, Errno):
                self.results[thread] = woken.name
            else:
                self.results[thread] = self.wait(f" {thread}", 0, maxevents) if woken else []

        self.threads[thread] = self.scheduler.spawn(thread, body)
        self.scheduler.park(MS)  # until it waits
        return "ok"

    def join(self, thread: str) -> Any:
        while self.threads[thread].alive:
            self.scheduler.park(MS)
        return self.results[thread]

    def join_count(self, *threads: str) -> Any:
        return sum(bool(self.join(thread)) for thread in threads)

    def blocked(self, thread: str) -> Any:
        self.scheduler.park(MS)
        return self.threads[thread].alive

    def signal(self, thread: str) -> Any:
        self.scheduler.interrupt(self.threads[thread])
        return "ok"

    def settle(self, ms: int = 20) -> Any:
        self.scheduler.park(ms * MS)
        return "ok"

    # -- files ------------------------------------------------------------------------------

    def pair(self, family: str, a: str, b: str) -> Any:
        if family == "unix":
            return self.name_them((a, b), self.kernel.unix_pair())
        return self.tcp_pair(a, b)

    def tcp_pair(self, a: str, b: str, options: dict[str, int] | None = None) -> Any:
        """The accepted end is `b`, the client end `a`; buffers as setsockopt doubles them."""
        kernel = self.kernel
        listener, client = kernel.socket(), kernel.socket()
        assert isinstance(listener, int)
        assert isinstance(client, int)
        port = kernel.listen(listener, 0, 1)
        assert isinstance(port, int)
        kernel.connect(client, port)
        accepted = kernel.accept(listener)
        assert not isinstance(accepted, Errno)
        kernel.connect(client, port)
        kernel.close(listener)
        self.name_them((a, b), (client, accepted.fd))
        for name, size in (options or {}).items():
            for end in (a, b):
                setattr(self.endpoint(end), name, 2 * size)
        return "ok"

    def socket(self, name: str, family: str = "tcp") -> Any:
        kernel = self.kernel
        return self.name_it(name, kernel.unix_socket() if family == "unix" else kernel.socket())

    def bind(self, name: str) -> Any:
        port = self.kernel.on_socket(self.fd(name), lambda tcp: tcp.bind(0), self._bind_unix)
        if isinstance(port, Errno):
            return port.name
        assert isinstance(port, int)
        self.ports[name] = port
        return "ok"

    def _bind_unix(self, socket: UnixStream) -> int | Errno:
        if socket.address:
            return Errno.EINVAL
        socket.address = len(self.ports) + 1
        return socket.address

    def listen(self, name: str, backlog: int = 128) -> Any:
        file = self.kernel.file(self.fd(name))
        if isinstance(file, UnixStream):
            if not file.address:
                self.bind(name)
            return outcome(file.listen(backlog))
        port = self.kernel.listen(self.fd(name), 0, backlog)
        if isinstance(port, Errno):
            return port.name
        self.ports[name] = port
        return "ok"

    def connect(self, name: str, to: str) -> Any:
        file = self.kernel.file(self.fd(name))
        if isinstance(file, UnixStream):
            listener = self.kernel.file(self.fd(to))
            return outcome(file.connect(listener if isinstance(listener, UnixStream) else None))
        return outcome(self.kernel.connect(self.fd(name), self.ports[to]))

    def closed_port(self, name: str) -> Any:
        port = self.network.allocate_port()
        assert isinstance(port, int)
        self.ports[name] = port
        return "ok"

    def accept(self, name: str, new: str) -> Any:
        file = self.kernel.file(self.fd(name))
        if isinstance(file, UnixStream):
            child = file.accept()
            return outcome(child) if isinstance(child, Errno) else self.install(new, child)
        accepted = self.kernel.accept(self.fd(name))
        return self.name_it(new, accepted if isinstance(accepted, Errno) else accepted.fd)

    def install(self, name: str, file: UnixStream) -> Any:
        return self.name_it(name, self.kernel.install(file))

    def close(self, name: str) -> Any:
        return self._closed(name, self.kernel.close(self.fd(name)))

    def close_rst(self, name: str) -> Any:
        return self._closed(name, self.kernel.close_reset(self.fd(name)))

    def _closed(self, name: str, result: Errno | None) -> Any:
        if name in self.fds:
            self.stale[name] = self.fds.pop(name)
        return outcome(result)

    def reuse_fd(self, new: str, old: str) -> Any:
        number = self.stale[old]
        before = self.fd(new)
        if before != number:
            self.kernel.dup2(before, number)
            self.kernel.close(before)
        self.fds[new] = number
        return "ok"

    def fd_limit(self, on: bool) -> Any:
        self.kernel.fd_limit = 0 if on else None
        return "ok"

    # -- bytes ------------------------------------------------------------------------------

    def send(self, name: str, size: int) -> Any:
        return outcome(self.kernel.write(self.fd(name), b"x" * size))

    def send_partial(self, name: str, size: int) -> Any:
        sent = self.kernel.write(self.fd(name), b"x" * size)
        return "partial" if isinstance(sent, int) and sent < size else outcome(sent)

    def send_oob(self, name: str, size: int) -> Any:
        return outcome(self.endpoint(name).send_urgent(b"x" * size))

    def recv(self, name: str, size: int) -> Any:
        return outcome(self.kernel.read(self.fd(name), size))

    def recv_oob(self, name: str, size: int = 1) -> Any:
        return outcome(self.endpoint(name).recv_urgent())

    def peek(self, name: str, size: int) -> Any:
        return outcome(
            self.kernel.on_socket(
                self.fd(name), lambda tcp: tcp.peek(size), lambda unix: unix.recv(size, peek=True)
            )
        )

    def write_ev(self, name: str, value: int) -> Any:
        return outcome(self.kernel.write(self.fd(name), value.to_bytes(8, "little")))

    def fill(self, name: str) -> Any:
        """Until EAGAIN twice in a row, with time for the network in between."""
        while True:
            while isinstance(result := self.kernel.write(self.fd(name), PIECE), int):
                pass
            self.settle()
            result = self.kernel.write(self.fd(name), b"x")
            if isinstance(result, Errno):
                return result.name

    def drain(self, name: str) -> Any:
        while True:
            data = self.kernel.read(self.fd(name), len(PIECE))
            if not data or isinstance(data, Errno):
                return outcome(data)

    def drain_all(self, name: str) -> Any:
        while True:
            result = self.drain(name)
            self.settle()
            data = self.kernel.read(self.fd(name), len(PIECE))
            if not data or isinstance(data, Errno):
                return result

    # -- options ----------------------------------------------------------------------------

    def so_error(self, name: str) -> Any:
        error = self.kernel.on_socket(
            self.fd(name), lambda tcp: tcp.take_error(), lambda unix: unix.take_error()
        )
        return 0 if error is None else outcome(error)

    def getpeername(self, name: str) -> Any:
        result = self.kernel.getpeername(self.fd(name))
        return result.name if isinstance(result, Errno) else "ok"

    def rcvlowat(self, name: str, size: int) -> Any:
        self.endpoint(name).set_rcvlowat(size)
        return "ok"


def _control(op: int) -> Callable[..., Any]:
    return lambda player, *arguments: player.control(op, *arguments)


#: operations that are a method of their own name
_METHODS = """
    accept bind blocked close close_rst closed_port connect drain drain_all epoll_create fill
    getpeername join join_count listen pair peek poll rcvlowat recv recv_oob reuse_fd send send_oob
    send_partial settle signal so_error socket start_wait tcp_pair wait wait_count wait_timed
    write_ev
"""

OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(Player, name) for name in _METHODS.split()},
    "ctl_add": _control(EPOLL_CTL_ADD),
    "ctl_mod": _control(EPOLL_CTL_MOD),
    "ctl_del": _control(EPOLL_CTL_DEL),
    "ctl_badop": _control(42),
    "ctl_nullev": Player.control_without_event,
    "tcp_pair_opt": Player.tcp_pair,
    "unix_pair": lambda player, a, b: player.pair("unix", a, b),
    "pipe": lambda player, r, w: player.name_them((r, w), player.kernel.pipe()),
    "eventfd": lambda player, name, count: player.name_it(name, player.kernel.eventfd(count)),
    "regular_file": lambda player, name: player.name_it(name, player.kernel.regular_file()),
    "dup": lambda player, old, new: player.name_it(new, player.kernel.dup(player.fd(old))),
    "shutdown": lambda player, name, how: outcome(player.kernel.shutdown(player.fd(name), how)),
    "write": Player.send,
    "read": Player.recv,
    "fd_limit_here": lambda player: player.fd_limit(True),
    "fd_limit_off": lambda player: player.fd_limit(False),
}
