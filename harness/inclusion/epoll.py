"""Explaining a trace of a readiness kernel: what its records bound, and its calls made again."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from harness.inclusion.epoll_bounds import MAX_EVENTS, Bounds
from harness.inclusion.held import ENDLESS
from harness.inclusion.life import Life
from harness.inclusion.replay import Replay
from harness.inclusion.says import outcome, state_of
from harness.inclusion.waiting import Hint
from harness.scenario import Scenario
from harness.words import count, ready_text
from model.errors import Errno
from model.kernel import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLOUT,
    Accepted,
)
from model.trace import Record
from sim.epoll import SimEpoll
from sim.eventpoll import Epoll, Item
from sim.tcp import Endpoint

CALLS = frozenset(
    {
        *("socket", "listen", "shutdown", "close", "connect", "accept", "recv", "send"),
        *("so_error", "epoll_create", "epoll_ctl", "epoll_wait"),
        *("eventfd", "eventfd_read", "eventfd_write"),
    }
)
ALWAYS = EPOLLERR | EPOLLHUP  # told whether asked for or not
NO_MEMORY = frozenset({Errno.EMFILE, Errno.ENFILE, Errno.ENOBUFS, Errno.ENOMEM})
RESETS = frozenset({Errno.ECONNRESET, Errno.EPIPE, Errno.ECONNREFUSED, Errno.ETIMEDOUT})


class EpollReplay(Replay):
    """One attempt to explain a trace of epoll."""

    LOOP_CALLS = CALLS

    def __init__(
        self,
        scenario: Scenario,
        records: Sequence[Record],
        bounds: Bounds,
        hints: Collection[Hint],
    ) -> None:
        super().__init__(scenario, records, hints, "linux")
        self.bounds = bounds
        for life in bounds.opened.values():
            life.rewind()
        self.kernel = SimEpoll(self.scheduler, self.network)
        self.fds: dict[int, int] = {}  # descriptors of the trace: those of the simulation
        self.peer_ports: dict[int, int] = {}

    # -- helpers ----------------------------------------------------------------------------------

    def _fd(self, fd: int) -> int:
        return self.fds.get(fd, -1)

    def _real(self, fd: int) -> int:
        return next((real for real, mine in self.fds.items() if mine == fd), fd)

    def _socket_of(self, fd: int) -> tuple[Endpoint | None, Life | None]:
        endpoint = self.kernel.endpoint(self._fd(fd))
        return endpoint, None if endpoint is None else self.life(endpoint)

    def _install(self, fd: int, mine: int) -> None:
        """The trace's name for a new descriptor."""
        self.must(fd not in self.fds, f"the new descriptor {fd}", f"{fd} is still open")
        self.fds[fd] = mine
        endpoint = self.kernel.endpoint(mine)
        life = self.bounds.opened.get(self.at)
        if endpoint is not None and life is not None:
            self.lives[endpoint] = life

    def call(self, number: int, record: Record) -> None:
        getattr(self, f"_call_{record[1]}")(*record[2:])

    def _state(self, fd: int) -> str:
        return state_of(self._socket_of(fd)[0], f"fd {fd}")

    # -- sockets ----------------------------------------------------------------------------------

    def _call_socket(self, result: int | Errno) -> None:
        if isinstance(result, Errno):
            self.must(result in NO_MEMORY, result, "a descriptor, or an error of memory")
            return
        mine = self.kernel.socket()
        assert isinstance(mine, int)
        self._install(result, mine)

    def _call_listen(self, fd: int, port: int, backlog: int, result: int | Errno) -> None:
        mine = self.kernel.listen(self._fd(fd), 0, backlog)
        same = mine is result if isinstance(result, Errno) else isinstance(mine, int)
        self.must(same, result, outcome(mine) if isinstance(mine, Errno) else "a port")
        if isinstance(mine, int) and isinstance(result, int):
            self.ports[result] = mine
            name = self.bounds.listens_of.get(self.at)
            if name is not None:
                self.named_ports[name] = mine

    def _call_connect(self, fd: int, port: int, result: Errno | None) -> None:
        name = self.bounds.calls_of.get(self.at, "c")
        mine = self.ports.get(port, self.named_ports.get("s" + name[1:], 0))
        given = self.kernel.connect(self._fd(fd), mine)
        self.must(given == result, result, outcome(given))

    def _call_accept(self, fd: int, result: int | Errno, peer_port: int | None) -> None:
        if isinstance(result, Errno) and result in NO_MEMORY:
            return
        endpoint, life = self._socket_of(fd)
        if endpoint is not None and life is not None and not isinstance(result, Errno):
            while endpoint.state == "LISTEN" and not endpoint.accept_queue:
                if not self.press(life, endpoint):
                    break
        before = self._state(fd)
        given = self.kernel.accept(self._fd(fd))
        if isinstance(result, Errno) or not isinstance(given, Accepted):
            same = given == result
            self.must(same, result, f"{outcome(given)}: {before}", life)
            return
        known = self.peer_ports.setdefault(peer_port or 0, given.peer_port)
        self.must(known == given.peer_port, f"peer port {peer_port}", "another connection's")
        self._install(result, given.fd)

    def _call_recv(self, fd: int, size: int, result: bytes | Errno) -> None:
        endpoint, life = self._socket_of(fd)
        if endpoint is None or life is None:
            given = self.kernel.recv(self._fd(fd), size)
            self.must(given == result, result, outcome(given))
            return
        if isinstance(result, bytes) and result:
            while endpoint.inbox_size < len(result) and self.press(life, endpoint):
                pass
        elif result is not Errno.EAGAIN:
            while not (endpoint.eof or endpoint.error) and self.press(life, endpoint):
                pass
        before = state_of(endpoint, f"fd {fd}")
        given = self.kernel.recv(self._fd(fd), size)
        self.must(given == result, result, f"{outcome(given)}: {before}", life)

    def _call_send(self, fd: int, size: int, result: bytes | Errno) -> None:
        endpoint, life = self._socket_of(fd)
        before = self._state(fd)
        taken = result if isinstance(result, bytes) else b""
        self.must(len(taken) <= size, result, f"at most the {count(size, 'byte')} offered", life)
        if endpoint is None or life is None:
            given: Any = self.kernel.send(self._fd(fd), (bytes(size),))
            self.must(given == result, result, outcome(given))
            return
        connecting = endpoint.state == "SYN_SENT"
        if isinstance(result, bytes) or (result is Errno.EAGAIN and not connecting):
            self._make_room(endpoint, size, len(taken))
        elif result is not Errno.EAGAIN:
            while endpoint.plain and self.press(life, endpoint):
                pass
        data = taken + bytes(size - len(taken))
        given = self.kernel.send(self._fd(fd), (data,))
        same = given == (len(taken) if isinstance(result, bytes) else result)
        self.must(same, result, f"{outcome(given)}: {before}", life)

    def _make_room(self, endpoint: Endpoint, size: int, taken: int) -> None:
        """How much a full buffer holds is the kernel's affair; that it holds something is not."""
        if taken == size:
            endpoint.sndbuf = ENDLESS
        elif endpoint.queued + taken:
            endpoint.sndbuf = endpoint.queued + taken
            self.loose.add("buffers")

    def _call_so_error(self, fd: int, result: Errno | None) -> None:
        endpoint, life = self._socket_of(fd)
        if endpoint is not None and life is not None and result is not None:
            while endpoint.error is None and self.press(life, endpoint):
                pass
        before = self._state(fd)
        given = self.kernel.so_error(self._fd(fd))
        self.must(given == result, result, f"{outcome(given)}: {before}", life)

    def _call_shutdown(self, fd: int, how: Any, result: Errno | None) -> None:
        life = self._socket_of(fd)[1]
        before = self._state(fd)
        given = self.kernel.shutdown(self._fd(fd), how)
        self.must(given == result, result, f"{outcome(given)}: {before}", life)

    def _call_close(self, fd: int, result: Errno | None) -> None:
        endpoint = self._socket_of(fd)[0]
        if endpoint is not None and endpoint.state == "LISTEN":
            self.connect_before(endpoint)
        given = self.kernel.close(self._fd(fd))
        self.must(given == result, result, outcome(given))
        self.fds.pop(fd, None)

    # -- epoll ------------------------------------------------------------------------------------

    def _call_epoll_create(self, result: int | Errno) -> None:
        if isinstance(result, Errno):
            self.must(result in NO_MEMORY, result, "a descriptor, or an error of memory")
            return
        mine = self.kernel.epoll_create()
        assert isinstance(mine, int)
        self._install(result, mine)

    def _call_epoll_ctl(self, epfd: int, op: int, fd: int, mask: int, result: Errno | None) -> None:
        given = self.kernel.epoll_ctl(self._fd(epfd), op, self._fd(fd), mask)
        self.must(given == result, result, outcome(given))

    def _call_epoll_wait(self, epfd: int, timeout_ns: int | None, result: Any) -> None:
        epoll = self.kernel._files.get(self._fd(epfd))
        if result is Errno.EINTR and isinstance(epoll, Epoll):
            return
        if isinstance(result, Errno) or not isinstance(epoll, Epoll):
            given = self.kernel.epoll_wait(self._fd(epfd), MAX_EVENTS, 0)
            self.must(given == result, result, outcome(given))
            return
        items = {self._real(item.fd): item for item in epoll.items.values()}
        for fd, mask in result:
            item = items.get(fd)
            self.must(
                item is not None, f"{ready_text([(fd, mask)])}", "it is not in the interest list"
            )
            if item is not None:
                self._make_ready(fd, mask, item)
        self._fill_up(items, dict(result))
        self._put_in_order(epoll, [fd for fd, _ in result])
        events = self.kernel.epoll_wait(self._fd(epfd), MAX_EVENTS, 0)
        assert isinstance(events, list)
        told = [(self._real(fd), mask) for fd, mask in events]
        if told != [tuple(pair) for pair in result]:
            extra = next((fd for fd, _ in told if fd not in dict(result)), None)
            life = None if extra is None else self._socket_of(extra)[1]
            possible = ready_text(told) or "nothing"
            if extra is not None:
                possible += f": {self._state(extra)}"
            self.must(False, ready_text(result) or "nothing is ready", possible, life)
        if not result and timeout_ns:
            self.check_timeout(timeout_ns)

    def may_see(self, record: Record) -> bool:
        """Events are of the interest list, and an eventfd is told iff something is in it. What
        else is ready was not in the list, but for buffers that may be full."""
        epoll = self.kernel._files.get(self._fd(record[2]))
        if not isinstance(epoll, Epoll) or isinstance(record[4], Errno):
            return True
        found = dict(record[4])
        items = {self._real(item.fd): item for item in epoll.items.values()}
        if any(fd not in items or m & ~(items[fd].mask | ALWAYS) for fd, m in found.items()):
            return False
        for fd, item in items.items():
            endpoint = self.kernel.endpoint(item.fd)
            ready = item.file.poll() & item.mask
            if endpoint is None and bool(ready) != (fd in found):
                return False
            if endpoint is not None and endpoint.queued:
                ready &= ~EPOLLOUT
            if ready and fd not in found:
                return False
        return True

    def _call_eventfd(self, result: int | Errno) -> None:
        mine = self.kernel.eventfd()
        self.must(not isinstance(result, Errno), result, "a descriptor")
        if not isinstance(result, Errno) and not isinstance(mine, Errno):
            self._install(result, mine)

    def _call_eventfd_read(self, fd: int, result: Any) -> None:
        given = self.kernel.eventfd_read(self._fd(fd))
        self.must(given == result, result, outcome(given))

    def _call_eventfd_write(self, fd: int, result: Errno | None) -> None:
        given = self.kernel.eventfd_write(self._fd(fd))
        self.must(given == result, result, outcome(given))

    def _make_ready(self, fd: int, mask: int, item: Item) -> None:
        """Lets happen what makes exactly these events true."""
        endpoint = self.kernel.endpoint(item.fd)
        if endpoint is None:
            return
        life = self.life(endpoint)
        self._fill(endpoint, item, mask)
        while item.file.poll() & item.mask & mask != mask:
            if mask & EPOLLOUT and endpoint.state == "ESTABLISHED" and not endpoint.writable():
                if self._make_space(endpoint):
                    continue
            if not self.press(life, endpoint):
                break
        now = item.file.poll() & item.mask
        text = ready_text([(fd, mask)])
        may = ready_text([(fd, now)]) if now else f"fd {fd} is not ready"
        self.must(now == mask, text, f"{may}: {self._state(fd)}", life)

    def _fill_up(self, items: dict[int, Item], found: dict[int, int]) -> None:
        """The sockets that a wait did not find writable have full buffers."""
        for fd, item in items.items():
            endpoint = self.kernel.endpoint(item.fd)
            if endpoint is not None and item.mask & EPOLLOUT and fd not in found:
                self._fill(endpoint, item, 0)

    def _fill(self, endpoint: Endpoint, item: Item, mask: int) -> None:
        """How much a full buffer holds is the kernel's affair: see `_make_room`."""
        wanted = item.mask & EPOLLOUT and not mask & EPOLLOUT
        if wanted and not endpoint.snd_shut and endpoint.queued and endpoint.writable():
            endpoint.sndbuf = endpoint.queued
            self.loose.add("buffers")

    def _make_space(self, endpoint: Endpoint) -> bool:
        """Space to send is back: something was acknowledged, and the buffer has its size."""
        before = endpoint.queued
        for held in tuple(self.scheduler.held):
            if held.who is endpoint and held.name == "_acked":
                self.let(held, pressed=True)
        if endpoint.queued == before:
            return False
        endpoint.sndbuf = ENDLESS
        endpoint._space()
        return True

    def _put_in_order(self, epoll: Epoll, wanted: list[int]) -> None:
        """What became ready since the last harvest may have done so in any order."""
        ready = [item for item in epoll.ready if item.file.poll() & item.mask]
        told = [self._real(item.fd) for item in ready]
        if told == wanted or sorted(told) != sorted(wanted):
            return
        ready.sort(key=lambda item: wanted.index(self._real(item.fd)))
        rest = [item for item in epoll.ready if item not in ready]
        epoll.ready = deque([*ready, *rest])
        self.loose.add("order")
