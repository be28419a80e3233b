"""Explaining a trace of a completion kernel: its calls, made again on the simulated one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from harness.inclusion.iocp_bounds import (
    BY_ITSELF,
    CALLS,
    NO_MEMORY,
    PACKETS_MAX,
    PENDING,
    SUCCESS,
    Operation,
)
from harness.inclusion.iocp_packets import IocpPackets
from harness.inclusion.life import Life
from harness.inclusion.says import outcome
from harness.words import count, plain
from model.errors import NtStatus, Win32Error
from sim.iocp_port import Port
from sim.iocp_socket import Socket
from sim.segments import Connection


def _causes(kind: str, status: NtStatus, data: bytes | None) -> Collection[str]:
    """What another thread may just be calling when an operation ends like that."""
    if status is NtStatus.CANCELLED:
        return ("close", "cancel_io_ex")
    if kind == "recv":
        return ("wsa_send",) if data else ("close", "shutdown")
    return {"accept": ("connect_ex",), "send": ("close",)}.get(kind, ())


class IocpReplay(IocpPackets):
    """One attempt to explain a trace of IOCP."""

    # -- sockets and ports ------------------------------------------------------------------------

    def _call_socket(self, result: int | Win32Error) -> None:
        if isinstance(result, Win32Error):
            self.must(result in NO_MEMORY, result, "a handle, or an error of memory")
            return
        self.network.answers["iocp.handle_reuse"] = int(result in self.closed)
        self._install(result, self.kernel.socket())
        sock = self._sock(result)
        if sock is not None:
            self.lives[sock.endpoint] = self.bounds.opened.get(self.at) or Life(
                f"handle {result}", result, self.at
            )

    def _install(self, fd: int, mine: int) -> None:
        self.must(fd not in self.handles, f"the new handle {fd}", f"{fd} is still open")
        self.handles[fd] = mine

    def _call_create_port(self, result: int | Win32Error) -> None:
        if isinstance(result, Win32Error):
            self.must(False, result, "a port")
            return
        mine = self.kernel.create_port(1)
        self._install(result, mine)
        port = self.kernel._ports[mine]
        port.limit = 0  # one thread makes all calls
        self.taken[port] = 0
        self.packets[port] = self.bounds.packets.get(result, [])
        self.servers[port] = len(self.bounds.servers.get(result, ())) or 1

    def _call_close_port(self, port: int, result: Win32Error | None) -> None:
        given = self.kernel.close_port(self._handle(port))
        self.must(given == result, result, outcome(given))
        self.handles.pop(port, None)

    def _call_bind(self, fd: int, port: int, result: int | Win32Error) -> None:
        given = self.kernel.bind(self._handle(fd), 0)
        same = given is result if isinstance(result, Win32Error) else isinstance(given, int)
        self.must(same, result, outcome(given))
        if isinstance(given, int) and isinstance(result, int):
            self.ports[result] = given
            name = self.bounds.listens_of.get(self.at)
            if name is not None:
                self.named_ports[name] = given

    def _call_listen(self, fd: int, port: Any, backlog: int, result: Win32Error | None) -> None:
        self._same(self.kernel.listen(self._handle(fd), backlog), result, fd)

    def _call_shutdown(self, fd: int, how: Any, result: Win32Error | None) -> None:
        self._same(self.kernel.shutdown(self._handle(fd), how), result, fd)

    def _call_close(self, fd: int, result: Win32Error | None) -> None:
        sock = self._sock(fd)
        self.network.answers["iocp.close_loses"] = accepts = 0
        if sock is not None and sock.endpoint.accept_queue is not None:
            self.crowded = True
            self.connect_before(sock.endpoint)
            self.crowded = False
            self._may_take(sock)
        for each in () if sock is None else sock.pending():
            operation = self.flights.get(each.overlapped)
            if sock is None or operation is None or operation.status not in BY_ITSELF:
                continue
            if operation.kind == "send" and operation.status is not SUCCESS:
                continue
            has = self._has_for(sock, operation) if operation.kind == "recv" else False
            if operation.kind == "accept":
                has = self._joined(sock, accepts := accepts + 1)
            if operation.kind == "recv" and operation.status is not SUCCESS and not has:
                continue  # a reset may still come before its packet
            self.network.answers["iocp.close_loses"] = 1
            self.must(
                has,
                f"the {operation.kind} of overlapped {each.overlapped} ends with"
                f" {operation.status.name}",
                f"it was pending when its handle was closed: {self._state(fd)}",
                self._life(sock),
            )
        self._same(self.kernel.closesocket(self._handle(fd)), result, fd)
        self.handles.pop(fd, None)
        self.closed.add(fd)

    def _may_take(self, sock: Socket) -> None:
        """A connection of which no AcceptEx told, and that was not reset: one had taken it."""
        queue = sock.endpoint.accept_queue
        operation = self.flights.get(sock.accepts[0].overlapped) if sock.accepts else None
        cancelled = operation is not None and operation.status is NtStatus.CANCELLED
        peers = [child.peer for child in queue or ()]
        kept = [each for each in peers if each and self.life(each).terminal != "reset"]
        taken = int(cancelled and bool(kept))
        self.network.answers["iocp.close_loses"] = taken
        self.network.answers["iocp.close_takes"] = taken

    def _joined(self, sock: Socket, wanted: int) -> bool:
        """Whether that many connections wait, at last."""
        queue = sock.endpoint.accept_queue
        life = self.life(sock.endpoint)
        self.crowded = True
        while queue is not None and len(queue) < wanted and self.press(life, sock.endpoint):
            pass
        self.crowded = False
        return queue is not None and len(queue) >= wanted

    def _call_associate(self, fd: int, port: int, key: int, result: Win32Error | None) -> None:
        self._same(self.kernel.associate(self._handle(fd), self._handle(port), key), result, fd)

    def _call_skip_on_success(self, fd: int, result: Win32Error | None) -> None:
        self._same(self.kernel.set_skip_on_success(self._handle(fd)), result, fd)

    def _call_update_context(self, fd: int, result: Win32Error | None) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        listeners = [
            each.handle
            for each in self.kernel._sockets.values()
            if life is not None and life in self.life(each.endpoint).accepted
        ]
        if listeners:
            given = self.kernel.update_accept_context(self._handle(fd), listeners[0])
        else:
            given = self.kernel.update_connect_context(self._handle(fd))
        self._same(given, result, fd)

    def _same(self, given: Any, result: Any, fd: int) -> None:
        if given != result:
            self.must(False, result, f"{outcome(given)}: {self._state(fd)}")

    # -- operations -------------------------------------------------------------------------------

    def _submitted(self) -> Operation | None:
        operation = self.bounds.submissions.get(self.at)
        if operation is not None:
            self.flights[operation.overlapped] = operation
        return operation

    def _call_wsa_recv(self, fd: int, overlapped: int, size: int, result: int | Win32Error) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        operation = self._submitted()
        if sock is not None and life is not None and isinstance(result, int):
            endpoint = sock.endpoint
            while endpoint.inbox_size < result and self.press(life, endpoint):
                pass
            while not result and size and endpoint.plain and self.press(life, endpoint):
                pass
        elif sock is not None and life is not None and result is Win32Error.WSAECONNRESET:
            while not sock.endpoint.reset and self.press(life, sock.endpoint):
                pass
        self.network.answers["iocp.sync"] = int(result is PENDING)
        self.network.answers["iocp.reset_told"] = int(result is Win32Error.WSAECONNRESET)
        before = self._state(fd)
        buffer = self.buffers[overlapped] = bytearray(size)
        given = self.kernel.wsa_recv(self._handle(fd), overlapped, memoryview(buffer))
        self.must(given == result, result, f"{outcome(given)}: {before}", life)
        told = None if operation is None else operation.data
        if isinstance(result, int) and isinstance(told, bytes) and operation is not None:
            same = told == bytes(buffer[:result])
            if operation.turn is None:
                self.must(same, told, outcome(bytes(buffer[:result])), life, ahead=1)

    def _call_wsa_send(self, fd: int, overlapped: int, size: int, result: int | Win32Error) -> None:
        sock = self._sock(fd)
        life = self._life(sock)
        operation = self._submitted()
        if isinstance(result, int):
            whole = result == size
            self.must(whole, result, f"all of the {count(size, 'byte')}, or pending", life)
        elif result is not PENDING and sock is not None and life is not None:
            while sock.endpoint.plain and self.press(life, sock.endpoint):
                pass
        data = b"" if operation is None or operation.data is None else operation.data
        self.must(len(data) <= size, outcome(data), f"at most the {count(size, 'byte')} offered")
        data += bytes(size - len(data))
        self.network.answers["iocp.sync"] = int(result is PENDING)
        before = self._state(fd)
        given = self.kernel.wsa_send(self._handle(fd), overlapped, (data,))
        self.must(given == result, result, f"{outcome(given)}: {before}", life)

    def _call_accept_ex(
        self, fd: int, acceptor: int, overlapped: int, result: int | Win32Error
    ) -> None:
        self._submitted()
        self.network.answers["iocp.accept_sync"] = int(result == 0)
        given = self.kernel.accept_ex(self._handle(fd), self._handle(acceptor), overlapped)
        self._same(given, result, fd)

    def _call_connect_ex(
        self, fd: int, port: int, overlapped: int, result: int | Win32Error
    ) -> None:
        self._submitted()
        name = self.bounds.calls_of.get(self.at, "c")
        mine = self.ports.get(port, self.named_ports.get("s" + name[1:], 0))
        self._same(self.kernel.connect_ex(self._handle(fd), mine, overlapped), result, fd)

    def _call_cancel_io_ex(
        self, fd: int, overlapped: int | None, result: Win32Error | None
    ) -> None:
        sock = self._sock(fd)
        pending = [] if sock is None else [self.flights.get(o.overlapped) for o in sock.pending()]
        ended = any(each is not None and each.status is SUCCESS for each in pending)
        self.network.answers["iocp.cancel_loses"] = int(ended)
        self._same(self.kernel.cancel_io_ex(self._handle(fd), overlapped), result, fd)

    def _call_post(
        self, port: int, key: int, overlapped: int | None, result: Win32Error | None
    ) -> None:
        if self.turns.threaded and result is None:
            if self.at not in self.posted:
                self.posts.append((port, key, overlapped))  # see `_post_for`
            return
        given = self.kernel.post_queued_completion_status(self._handle(port), 0, key, overlapped)
        self.must(given == result, result, outcome(given))

    def _post_for(self, port: Port, overlapped: int | None) -> None:
        """A thread's post is made when its packet is taken: nobody knows what went in before it.
        The thread that takes it may be faster than the one that records it."""
        if not self._posts_of(port, overlapped):
            self._post_ahead(port, overlapped)
        for post in self._posts_of(port, overlapped):
            self.posts.remove(post)
            self.kernel.post_queued_completion_status(self._handle(post[0]), 0, *post[1:])
            return

    def _posts_of(self, port: Port, overlapped: int | None) -> list[tuple[int, int, int | None]]:
        ports = self.kernel._ports
        return [
            post
            for post in self.posts
            if post[2] == overlapped and ports.get(self._handle(post[0])) is port
        ]

    def _post_ahead(self, port: Port, overlapped: int | None) -> None:
        for later in range(self.at + 1, len(self.records)):
            record = self.records[later]
            if record[1] == "post" and record[4] == overlapped and later not in self.posted:
                if self.kernel._ports.get(self._handle(record[2])) is port:
                    self.posted.add(later)
                    self.posts.append((record[2], record[3], overlapped))
                    return

    # -- packets ----------------------------------------------------------------------------------

    def _call_gqcs(self, port: int, timeout_ns: int | None, result: int | Win32Error) -> None:
        mine = self.kernel._ports.get(self._handle(port))
        if mine is None or (
            isinstance(result, Win32Error) and result is not Win32Error.WAIT_TIMEOUT
        ):
            given = self.kernel.get_queued_completion_status(self._handle(port), 1, 0)
            self.must(given == result, result, "packets" if isinstance(given, list) else given.name)
            return
        if isinstance(result, Win32Error):
            queued = ", ".join(str(each.overlapped) for each in mine.packets)
            self.must(not mine.packets, "no packet", f"packets of overlapped {queued}")
            if timeout_ns:
                self.check_timeout(timeout_ns)
            return
        for place in range(result):
            if self.at + place + 1 == len(self.records):
                return  # the trace ends between them
            self._packet(mine, place)
        extra = len(mine.packets)
        self.must(
            not extra or result == PACKETS_MAX or self.at in self.turns.foreign,
            count(result, "packet"),
            f"{count(extra, 'packet')} more",
        )

    def _packet(self, port: Port, place: int) -> None:
        """The packet of the record that is `place` behind that of the dequeue, and one."""
        ahead = place + 1
        record = self.records[self.at + ahead]
        self.must(record[1] == "completion", "too few packets", "as many as it says", ahead=place)
        fd, overlapped, kind, status, data = record[2:]
        if kind == "post" and self.turns.threaded:
            self._post_for(port, overlapped)
        causes = _causes(kind, status, data)
        while not self._is_there(port, overlapped):
            if not self._press_for(overlapped) and not self._make_running(causes):
                break
        self._bring_forward(port, overlapped)
        found = f"overlapped {overlapped} ({kind}) ends with {status.name}"
        if data is not None:
            found += f", {outcome(data)}"
        if not port.packets:
            self.must(False, found, self._why_not(overlapped, fd), ahead=ahead)
        packet = port.packets.popleft()
        self.taken[port] += 1
        operation = self.flights.get(overlapped)
        nbytes = len(data) if isinstance(data, bytes) else 0
        counted = operation is None or operation.kind != "send" or status is SUCCESS
        same = (packet.overlapped, packet.status) == (overlapped, status)
        same = same and (packet.nbytes == nbytes or not counted or kind == "post")
        possible = f"overlapped {packet.overlapped} with {packet.status.name}"
        possible += f", {count(packet.nbytes, 'byte')}"
        self.must(same, found, possible, None if operation is None else operation.life, ahead)
        if kind == "recv" and isinstance(data, bytes):
            got = bytes(self.buffers[overlapped][:nbytes])
            self.must(got == data, found, outcome(got), ahead=ahead)
        self.flights.pop(overlapped, None)
        self.settle()

    def _is_there(self, port: Port, overlapped: int | None) -> bool:
        servers = self.servers.get(port, 1)
        if servers == 1:
            return bool(port.packets)
        return any(each.overlapped == overlapped for each in list(port.packets)[:servers])

    def _bring_forward(self, port: Port, overlapped: int | None) -> None:
        """Threads that take packets record that in any order."""
        for packet in list(port.packets)[: self.servers.get(port, 1)]:
            if packet.overlapped == overlapped:
                port.packets.remove(packet)
                port.packets.appendleft(packet)
                return

    def _make_running(self, causes: Collection[str]) -> bool:
        """Makes one of the calls that other threads have begun and not recorded yet."""
        writers = self.turns.writers
        seen = {writers[self.at]}
        for later in range(self.at + 1, len(self.records) if self.turns.threaded else 0):
            kind = self.records[later][1]
            if kind not in CALLS or later in self.made or writers[later] in seen:
                continue
            seen.add(writers[later])
            if kind in causes:
                self._make(later)
                return True
        return False

    def _press_for(self, overlapped: int) -> bool:
        """One thing more that may end an operation."""
        operation = self.flights.get(overlapped)
        if operation is None or operation.life is None or operation.life.fd is None:
            return False
        endpoint = self._endpoint_of(operation.life)
        return endpoint is not None and self.press(operation.life, endpoint)

    def _endpoint_of(self, life: Life) -> Connection | None:
        sock = None if life.fd is None else self._sock(life.fd)
        return None if sock is None else sock.endpoint

    def _why_not(self, overlapped: int, fd: int) -> str:
        if overlapped not in self.flights:
            return f"nothing is in flight with overlapped {plain(overlapped, 20)}"
        return f"it is pending: {self._state(fd)}"
