"""The operations of the iocp cases, on the simulated completion kernel.

A case is a list of operations on things that it names (`a`, `p`, `o`); every operation has a
result in plain JSON values. Here each is one method `do_...` of `Machine`; `OPERATIONS` names them.
`real.iocp_cases` has the same operations on Windows. `settle` lets virtual time pass until nothing
more happens by itself.

An overlapped is a name for the last operation that was submitted with it. A name that no step has
made is a `UsageError`; the name of a closed socket or port is an invalid handle. A plain call that
can never return gives "BLOCKED".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from model.choices import Choices
from model.errors import NtStatus, UsageError, Win32Error
from model.kernel import Completion
from sim.iocp_handles import INVALID_HANDLE_VALUE
from sim.iocp_profile import PROFILES
from sim.iocp_winsock import DOS_ERROR_OF_STATUS, SimWinsock
from sim.network import Network
from sim.scheduler import Deadlock, Scheduler
from sim.task import Task

MS = 1_000_000
SETTLE_NS = 100 * MS
MSG_PEEK = 2
BACKLOG = 16
BLOCKED = "BLOCKED"


def plain(outcome: object) -> Any:
    """An outcome as the cases write it: "ok", a number, or ["err", code]."""
    if outcome is None:
        return "ok"
    if isinstance(outcome, Win32Error):
        return ["err", outcome.value]
    return outcome


def submitted(outcome: int | Win32Error) -> Any:
    """A submission's outcome: "pending", ["sync", n] or ["err", code]."""
    if outcome is Win32Error.WSA_IO_PENDING:
        return "pending"
    if isinstance(outcome, Win32Error):
        return ["err", outcome.value]
    return ["sync", outcome]


def status_name(status: NtStatus) -> str:
    """0xc0000120 and the like."""
    return f"{status.value:#x}"


def named(things: dict[str, Any], name: str) -> Any:
    """What a name stands for. Raises `UsageError` when no step has made it."""
    try:
        return things[name]
    except KeyError:
        raise UsageError(f"the name {name!r} stands for nothing: no step before made it") from None


class Machine:
    """A kernel, and what the names of a case stand for."""

    def __init__(self, scheduler: Scheduler, profile: str) -> None:
        self.scheduler = scheduler
        self.kernel = SimWinsock(scheduler, Network(scheduler), PROFILES[profile])
        self.handles: dict[str, int] = {}
        self.ports: dict[str, int] = {}  # TCP ports of listeners
        self.overlapped: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.buffers: dict[str, bytearray] = {}
        self.threads: dict[str, tuple[Task, list[Any]]] = {}
        self.spawned = 0

    def perform(self, operation: str, args: Sequence[Any]) -> Any:
        """One operation of the vocabulary. Raises `UsageError` for a name that nothing has."""
        try:
            return OPERATIONS[operation](self, *args)
        except Deadlock:
            return BLOCKED

    def handle(self, name: str) -> int:
        """The handle of a socket or a port."""
        return int(named(self.handles, name))

    def new_ov(self, name: str) -> int:
        """A number for an operation that is being submitted."""
        number = self.overlapped[name] = 1 + len(self.names)
        self.names[number] = name
        return number

    def ov(self, name: str) -> int:
        """The number of the operation submitted last with this overlapped."""
        return self.overlapped[name] if name in self.overlapped else self.new_ov(name)

    def entry(self, packet: Completion) -> tuple[int, str | None]:
        """Key and name of a packet's overlapped."""
        name = None if packet.overlapped is None else self.names[packet.overlapped]
        return packet.key, name

    # -- ports ----------------------------------------------------------------------------------

    def do_port(self, p: str, concurrency: int = 0) -> Any:
        self.handles[p] = self.kernel.create_port(concurrency)
        return "ok"

    def do_assoc(self, p: str, s: str, key: int) -> Any:
        return plain(self.kernel.associate(self.handle(s), self.handle(p), key))

    def do_assoc_invalid(self, p: str) -> Any:
        return plain(self.kernel.associate(INVALID_HANDLE_VALUE, self.handle(p), 0))

    def do_close_port(self, p: str) -> Any:
        return plain(self.kernel.close_port(self.handle(p)))

    def do_post(self, p: str, nbytes: int, key: int, o: str | None = None) -> Any:
        overlapped = None if o is None else self.ov(o)
        return plain(
            self.kernel.post_queued_completion_status(self.handle(p), nbytes, key, overlapped)
        )

    def do_get(self, p: str, ms: int = 0) -> Any:
        got = self.kernel.get_queued_completion_status(self.handle(p), 1, ms * MS)
        if isinstance(got, Win32Error):
            return ["none", got.value]
        packet = got[0]
        key, name = self.entry(packet)
        if packet.status is NtStatus.SUCCESS:
            return ["ok", key, name, packet.nbytes]
        return ["fail", DOS_ERROR_OF_STATUS[packet.status].value, key, name, packet.nbytes]

    def do_get_n(self, p: str, count: int, ms: int = 1_000) -> Any:
        return [self.do_get(p, ms) for _ in range(count)]

    def do_getex(self, p: str, most: int, ms: int = 0) -> Any:
        got = self.kernel.get_queued_completion_status(self.handle(p), most, ms * MS)
        if isinstance(got, Win32Error):
            return ["err", got.value]
        return [[*self.entry(one), one.nbytes, status_name(one.status)] for one in got]

    # -- threads --------------------------------------------------------------------------------

    def _spawn(self, body: Callable[[list[Any]], None]) -> tuple[Task, list[Any]]:
        self.spawned += 1
        results: list[Any] = []
        task = self.scheduler.spawn(f"thread{self.spawned}", lambda: body(results))
        return task, results

    def do_start_get(self, thread: str, p: str, ms: int = 1_000, times: int = 1) -> Any:
        def body(results: list[Any]) -> None:
            results.extend(self.do_get(p, ms) for _ in range(times))

        self.threads[thread] = self._spawn(body)
        self.scheduler.park(MS)
        return "ok"

    def do_join(self, thread: str) -> Any:
        task, results = named(self.threads, thread)
        for _ in range(100):
            if not task.alive:
                return results[0] if len(results) == 1 else results
            self.scheduler.park(10 * MS)
        return "BLOCKED"

    def do_recv_in_thread(self, s: str, o: str, size: int) -> Any:
        task, results = self._spawn(lambda results: results.append(self.do_recv(s, o, size)))
        while task.alive:
            self.scheduler.park(MS)
        self.kernel.thread_exited(task)
        return results[0]

    def do_settle(self) -> Any:
        self.scheduler.park(SETTLE_NS)
        return "ok"

    def do_sleep(self, ms: int) -> Any:
        self.scheduler.park(ms * MS)
        return "ok"

    # -- sockets --------------------------------------------------------------------------------

    def do_socket(self, s: str) -> Any:
        self.handles[s] = self.kernel.socket()
        return "ok"

    def do_bind(self, s: str) -> Any:
        bound = self.kernel.bind(self.handle(s), 0)
        if isinstance(bound, int):
            self.ports[s] = bound
            return "ok"
        return plain(bound)

    def do_listen(self, s: str, backlog: int = BACKLOG) -> Any:
        if s not in self.ports:
            self.do_bind(s)
        return plain(self.kernel.listen(self.handle(s), backlog))

    def do_closed_port(self, s: str) -> Any:
        port = self.kernel.network.allocate_port()
        assert isinstance(port, int)
        self.ports[s] = port
        return "ok"

    def do_connect(self, c: str, listener: str) -> Any:
        return plain(self.kernel.connect(self.handle(c), named(self.ports, listener)))

    def do_accept(self, listener: str, s: str) -> Any:
        accepted = self.kernel.accept(self.handle(listener))
        if isinstance(accepted, Win32Error):
            return plain(accepted)
        self.handles[s] = accepted
        return "ok"

    def do_tcp_pair(self, a: str, b: str) -> Any:
        for step in (
            ("socket", "(listener)"),
            ("bind", "(listener)"),
            ("listen", "(listener)"),
            ("socket", a),
            ("connect", a, "(listener)"),
            ("accept", "(listener)", b),
            ("close", "(listener)"),
        ):
            outcome = self.perform(step[0], step[1:])
            if outcome != "ok":
                return outcome
        return "ok"

    def do_nonblocking(self, s: str) -> Any:
        return plain(self.kernel.set_nonblocking(self.handle(s)))

    def do_close(self, s: str) -> Any:
        return plain(self.kernel.closesocket(self.handle(s)))

    def do_close_rst(self, s: str) -> Any:
        return plain(self.kernel.close_reset(self.handle(s)))

    def do_shutdown(self, s: str, how: Any) -> Any:
        return plain(self.kernel.shutdown(self.handle(s), how))

    def do_sndbuf(self, s: str, size: int) -> Any:
        return plain(self.kernel.set_send_buffer(self.handle(s), size))

    def do_rcvbuf(self, s: str, size: int) -> Any:
        return plain(self.kernel.set_rcvbuf(self.handle(s), size))

    def do_pool(self, pages: int) -> Any:
        """Kernel memory has so many pages from now on, where it has an end."""
        self.kernel.limit(pages)
        return "ok"

    def do_pool_used(self) -> Any:
        """[pages taken now, the most ever]; null where memory has no end."""
        pool = self.kernel.pool
        return None if pool is None else [pool.held, pool.high]

    def do_so_error(self, s: str) -> Any:
        error = self.kernel.so_error(self.handle(s))
        return 0 if error is None else error.value

    def do_getpeername(self, s: str) -> Any:
        outcome = self.kernel.getpeername(self.handle(s))
        return "ok" if isinstance(outcome, int) else plain(outcome)

    def do_raw_send(self, s: str, size: int) -> Any:
        return plain(self.kernel.send(self.handle(s), b"x" * size))

    def do_raw_send_str(self, s: str, text: str) -> Any:
        return plain(self.kernel.send(self.handle(s), text.encode()))

    def do_raw_recv(self, s: str, size: int) -> Any:
        data = self.kernel.recv(self.handle(s), size)
        return len(data) if isinstance(data, bytes) else plain(data)

    def do_raw_recv_exact(self, s: str, size: int) -> Any:
        total = 0
        while total < size:
            data = self.kernel.recv(self.handle(s), size - total)
            if isinstance(data, Win32Error):
                return plain(data)
            if not data:
                break
            total += len(data)
        return total

    # -- overlapped operations ------------------------------------------------------------------

    def do_recv(self, s: str, o: str, size: int, flags: int = 0) -> Any:
        buffer = self.buffers[o] = bytearray(size)
        peek = bool(flags & MSG_PEEK)
        return submitted(
            self.kernel.wsa_recv(self.handle(s), self.new_ov(o), memoryview(buffer), peek)
        )

    def do_send(self, s: str, o: str, size: int) -> Any:
        return submitted(self.kernel.wsa_send(self.handle(s), self.new_ov(o), (bytes(size),)))

    def do_send_event_lowbit(self, s: str, o: str, size: int) -> Any:
        sent = self.kernel.wsa_send(self.handle(s), self.new_ov(o), (bytes(size),), silent=True)
        return submitted(sent)

    def do_event_set(self, o: str) -> Any:
        return self.kernel.internal(self.ov(o)) not in {None, NtStatus.PENDING}

    def do_acceptex(self, listener: str, c: str, o: str, size: int = 0) -> Any:
        buffer = self.buffers[o] = bytearray(size)
        return submitted(
            self.kernel.accept_ex(
                self.handle(listener), self.handle(c), self.new_ov(o), memoryview(buffer)
            )
        )

    def do_connectex(self, c: str, listener: str, o: str, size: int = 0) -> Any:
        return submitted(
            self.kernel.connect_ex(
                self.handle(c), named(self.ports, listener), self.new_ov(o), bytes(size)
            )
        )

    def do_disconnectex(self, s: str, o: str | None, flags: int = 0) -> Any:
        overlapped = None if o is None else self.new_ov(o)
        return submitted(self.kernel.disconnect_ex(self.handle(s), overlapped, flags))

    def do_cancel(self, s: str, o: str | None = None) -> Any:
        overlapped = None if o is None else self.ov(o)
        return plain(self.kernel.cancel_io_ex(self.handle(s), overlapped))

    def do_cancelio(self, s: str) -> Any:
        return plain(self.kernel.cancel_io(self.handle(s)))

    def do_result(self, s: str, o: str) -> Any:
        outcome = self.kernel.wsa_get_overlapped_result(self.handle(s), self.ov(o))
        return ["ok", outcome] if isinstance(outcome, int) else plain(outcome)

    def do_gresult(self, s: str, o: str) -> Any:
        outcome = self.kernel.get_overlapped_result(self.handle(s), self.ov(o))
        return ["ok", outcome] if isinstance(outcome, int) else plain(outcome)

    def do_internal(self, o: str) -> Any:
        status = self.kernel.internal(self.ov(o))
        return "0x0" if status is None else status_name(status)

    def do_data(self, o: str, size: int) -> Any:
        return bytes(named(self.buffers, o)[:size]).decode("latin-1")

    def do_skip_on_success(self, s: str) -> Any:
        return plain(self.kernel.set_skip_on_success(self.handle(s)))

    def do_update_accept(self, c: str, listener: str) -> Any:
        return plain(self.kernel.update_accept_context(self.handle(c), self.handle(listener)))

    def do_update_connect(self, c: str) -> Any:
        return plain(self.kernel.update_connect_context(self.handle(c)))


OPERATIONS: dict[str, Callable[..., Any]] = {
    name.removeprefix("do_"): method
    for name, method in vars(Machine).items()
    if name.startswith("do_")
}


def play(
    steps: Sequence[Sequence[Any]],
    profile: str = "nt",
    choices: Choices | None = None,
    before: Callable[[int], object] | None = None,
) -> list[Any]:
    """The results of all steps, on a kernel of their own; `before` is told each step's number.

    Raises `UsageError` that names the step.
    """
    scheduler = Scheduler(Choices() if choices is None else choices)
    machine = Machine(scheduler, profile)
    results: list[Any] = []

    def main() -> None:
        for number, (operation, *args) in enumerate(steps):
            if before is not None:
                before(number)
            try:
                results.append(machine.perform(operation, args))
            except UsageError as error:
                raise UsageError(f"step {number}, {operation}: {error}") from None

    scheduler.run(main)
    return results
