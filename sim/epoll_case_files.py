"""The operations of the epoll cases on files: sockets, pipes, eventfds, descriptors and bytes.

The half of `sim.epoll_cases` that knows nothing of epoll. A name that no step has made, or that
was closed, is a descriptor that is never open: EBADF from Linux. `stale:x` is the number that the
closed `x` had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from model.errors import Errno, UsageError
from model.kernel import Shutdown
from sim.calls import SimLinux
from sim.network import Network
from sim.scheduler import Scheduler
from sim.tcp import Endpoint
from sim.unix import UnixStream

NOBODY = 9_999  # a descriptor that is never open
MS = 1_000_000
SETTLE_MS = 50  # longer than any latency, and than what Linux delays an acknowledgement
PIECE = b"x" * 65_536
ROUNDS = 64  # of fill and drain_all, at most


def plain(outcome: Any) -> Any:
    """An outcome as the cases write it: "ok", an errno's name, a number (of bytes)."""
    if outcome is None:
        return "ok"
    if isinstance(outcome, Errno):
        return outcome.name
    return len(outcome) if isinstance(outcome, bytes) else outcome


class Files:
    """What the names of a case stand for, and the calls on files."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.network = Network(scheduler)
        self.kernel = SimLinux(scheduler, self.network)
        self.fds: dict[str, int] = {}
        self.stale: dict[str, int] = {}
        self.ports: dict[str, int] = {}

    def fd(self, name: str) -> int:
        """The descriptor that a name stands for."""
        if name.startswith("stale:"):
            return self.stale.get(name[6:], NOBODY)
        return self.fds.get(name, NOBODY)

    def port(self, name: str) -> int:
        """The TCP port that a name was bound to."""
        if name not in self.ports:
            raise UsageError(f"{name!r} has no address: bind, listen or closed_port makes one")
        return self.ports[name]

    def name_them(self, names: Sequence[str], fds: Any) -> Any:
        """Gives names to new descriptors, or the errno that came instead."""
        if isinstance(fds, Errno):
            return fds.name
        for name, fd in zip(names, fds, strict=True):
            self.fds[name] = fd
            self.ports.pop(name, None)
        return "ok"

    def name_it(self, name: str, fd: Any) -> Any:
        """Gives a name to a new descriptor."""
        return self.name_them((name,), fd if isinstance(fd, Errno) else (fd,))

    def on_tcp(self, name: str, call: Callable[[Endpoint], Any]) -> Any:
        """A call that only TCP sockets have here."""
        return plain(self.kernel.on_socket(self.fd(name), call, lambda unix: Errno.EOPNOTSUPP))

    def do_settle(self, ms: int = SETTLE_MS) -> Any:
        self.scheduler.park(max(ms, SETTLE_MS) * MS)
        return "ok"

    # -- making ---------------------------------------------------------------------------------

    def do_pair(self, family: str, a: str, b: str) -> Any:
        return self.do_unix_pair(a, b) if family == "unix" else self.do_tcp_pair(a, b)

    def do_unix_pair(self, a: str, b: str) -> Any:
        return self.name_them((a, b), self.kernel.unix_pair())

    def do_tcp_pair(self, a: str, b: str, sizes: dict[str, int] | None = None) -> Any:
        """The client end is `a`."""
        kernel = self.kernel
        listener = Endpoint(self.network)
        client = kernel.socket()
        if isinstance(client, Errno):
            return client.name
        listener.listen(1)
        kernel.connect(client, listener.local_port)
        while isinstance(child := listener.accept(), Errno):
            self.scheduler.park(MS)
        kernel.connect(client, listener.local_port)
        listener.close()
        accepted = kernel.install(child)
        if isinstance(accepted, Errno):
            kernel.close(client)
            return accepted.name
        for fd in (client, accepted):
            sizes = sizes or {}
            kernel.set_buffers(fd, sizes.get("sndbuf"), sizes.get("rcvbuf"))
        return self.name_them((a, b), (client, accepted))

    def do_tcp_pair_opt(self, a: str, b: str, sizes: dict[str, int]) -> Any:
        return self.do_tcp_pair(a, b, sizes)

    def do_pipe(self, r: str, w: str) -> Any:
        return self.name_them((r, w), self.kernel.pipe())

    def do_eventfd(self, x: str, value: int) -> Any:
        return self.name_it(x, self.kernel.eventfd(value & 0xFFFFFFFF))

    def do_regular_file(self, x: str) -> Any:
        return self.name_it(x, self.kernel.regular_file())

    def do_socket(self, s: str, family: str = "tcp") -> Any:
        kernel = self.kernel
        return self.name_it(s, kernel.unix_socket() if family == "unix" else kernel.socket())

    def do_dup(self, old: str, new: str) -> Any:
        return self.name_it(new, self.kernel.dup(self.fd(old)))

    def do_reuse_fd(self, new: str, old: str) -> Any:
        number, before = self.stale.get(old, NOBODY), self.fd(new)
        if before not in {number, NOBODY} and number != NOBODY:
            self.kernel.dup2(before, number)
            self.kernel.close(before)
            self.fds[new] = number
        return "ok"

    def do_fd_limit_here(self) -> Any:
        self.kernel.fd_limit = 0
        return "ok"

    def do_fd_limit_off(self) -> Any:
        self.kernel.fd_limit = None
        return "ok"

    # -- beginning and ending -------------------------------------------------------------------

    def do_bind(self, s: str) -> Any:
        port = self.kernel.on_socket(self.fd(s), lambda tcp: tcp.bind(0), self._bind_unix)
        if isinstance(port, int):
            self.ports[s] = port
            return "ok"
        return plain(port)

    def _bind_unix(self, socket: UnixStream) -> int | Errno:
        """An address of the kernel's choice; the second time, the same (unix_autobind)."""
        if not socket.address:
            socket.address = self.network.next_port
            self.network.next_port += 1
        return socket.address

    def do_listen(self, s: str, backlog: int = 128) -> Any:
        file = self.kernel.file(self.fd(s))
        if isinstance(file, UnixStream):
            if not file.address and not file.connected:
                self.do_bind(s)
            return plain(file.listen(backlog))
        result = self.on_tcp(s, lambda tcp: tcp.listen(backlog))
        if isinstance(file, Endpoint) and file.local_port:
            self.ports[s] = file.local_port
        return result

    def do_connect(self, c: str, to: str) -> Any:
        file = self.kernel.file(self.fd(c))
        if isinstance(file, UnixStream):
            listener = self.kernel.file(self.fd(to))
            return plain(file.connect(listener if isinstance(listener, UnixStream) else None))
        port = self.port(to) if isinstance(file, Endpoint) else 0
        return plain(self.kernel.connect(self.fd(c), port))

    def do_closed_port(self, name: str) -> Any:
        if self.kernel.fd_limit is not None:
            return "EMFILE"  # to find the port takes a socket
        self.ports[name] = self.network.next_port
        self.network.next_port += 1
        return "ok"

    def do_accept(self, listener: str, new: str) -> Any:
        file = self.kernel.file(self.fd(listener))
        if isinstance(file, UnixStream):
            if self.kernel.fd_limit is not None:
                return "EMFILE"
            child = file.accept()
            return self.name_it(
                new, child if isinstance(child, Errno) else self.kernel.install(child)
            )
        accepted = self.kernel.accept(self.fd(listener))
        return self.name_it(new, accepted if isinstance(accepted, Errno) else accepted.fd)

    def do_shutdown(self, x: str, how: Shutdown) -> Any:
        return plain(self.kernel.shutdown(self.fd(x), how))

    def do_close(self, x: str) -> Any:
        return self._closed(x, self.kernel.close(self.fd(x)))

    def do_close_rst(self, x: str) -> Any:
        return self._closed(x, self.kernel.close_reset(self.fd(x)))

    def _closed(self, name: str, result: Errno | None) -> Any:
        if name in self.fds:
            self.stale[name] = self.fds.pop(name)
        return plain(result)

    # -- bytes ----------------------------------------------------------------------------------

    def do_send(self, x: str, size: int) -> Any:
        data = b"x" * size
        return plain(
            self.kernel.on_socket(
                self.fd(x), lambda tcp: tcp.send((data,)), lambda unix: unix.send(data)
            )
        )

    def do_send_partial(self, x: str, size: int) -> Any:
        sent = self.do_send(x, size)
        return "partial" if isinstance(sent, int) and sent < size else sent

    def do_send_oob(self, x: str, size: int) -> Any:
        data = b"x" * size
        return plain(
            self.kernel.on_socket(
                self.fd(x),
                lambda tcp: tcp.send_urgent(data),
                lambda unix: unix.send_urgent(data),
            )
        )

    def do_recv(self, x: str, size: int) -> Any:
        return plain(
            self.kernel.on_socket(
                self.fd(x), lambda tcp: tcp.recv(size), lambda unix: unix.recv(size)
            )
        )

    def do_recv_oob(self, x: str, size: int = 1) -> Any:
        return plain(
            self.kernel.on_socket(
                self.fd(x), lambda tcp: tcp.recv_urgent(), lambda unix: unix.recv_urgent()
            )
        )

    def do_peek(self, x: str, size: int) -> Any:
        return plain(
            self.kernel.on_socket(
                self.fd(x), lambda tcp: tcp.peek(size), lambda unix: unix.recv(size, peek=True)
            )
        )

    def do_read(self, x: str, size: int) -> Any:
        return plain(self.kernel.read(self.fd(x), size))

    def do_write(self, x: str, size: int) -> Any:
        return plain(self.kernel.write(self.fd(x), b"x" * size))

    def do_write_ev(self, x: str, value: int) -> Any:
        return plain(self.kernel.write(self.fd(x), (value % (1 << 64)).to_bytes(8, "little")))

    def do_fill(self, x: str) -> Any:
        """Until EAGAIN twice in a row, with time for the network in between."""
        result: Any = None
        for _ in range(ROUNDS):
            while isinstance(self.kernel.write(self.fd(x), PIECE), int):
                pass
            self.do_settle()
            result = self.kernel.write(self.fd(x), b"x")
            if isinstance(result, Errno):
                break
        return plain(result)

    def do_drain(self, x: str) -> Any:
        while True:
            data = self.kernel.read(self.fd(x), len(PIECE))
            if not data or isinstance(data, Errno):
                return plain(data)

    def do_drain_all(self, x: str) -> Any:
        result: Any = None
        for _ in range(ROUNDS):
            result = self.do_drain(x)
            self.do_settle()
            data = self.kernel.read(self.fd(x), len(PIECE))
            if not data or isinstance(data, Errno):
                break
        return result

    # -- options --------------------------------------------------------------------------------

    def do_so_error(self, x: str) -> Any:
        error = self.kernel.on_socket(
            self.fd(x),
            lambda tcp: (tcp.take_error(),),
            lambda unix: (unix.take_error(),),
        )
        if isinstance(error, tuple):
            return 0 if error[0] is None else plain(error[0])
        return plain(error)

    def do_getpeername(self, x: str) -> Any:
        result = self.kernel.on_socket(
            self.fd(x),
            lambda tcp: tcp.getpeername(),
            lambda unix: 0 if unix.peer is not None else Errno.ENOTCONN,
        )
        return "ok" if isinstance(result, int) else plain(result)

    def do_rcvlowat(self, x: str, size: int) -> Any:
        return plain(
            self.kernel.on_socket(self.fd(x), lambda tcp: tcp.set_rcvlowat(size), lambda unix: None)
        )
