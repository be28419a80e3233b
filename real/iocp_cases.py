"""The operations of the iocp cases, on the completion kernel of a running Windows, or of Wine.

The same vocabulary as in `sim.iocp_cases`, operation by operation, straight through ctypes: what
GetQueuedCompletionStatus and WSAGetOverlappedResult say is written down as they say it. Differences
to a simulated run that cannot be helped:

* `settle` sleeps for a while (`SETTLE_S`), and so does `start_get`, until its thread waits. A
  machine under load may need longer: `pace` multiplies all these times.
* Plain calls that may block are made on a thread of their own, so that one that never returns gives
  "BLOCKED" after `BLOCKED_S`.
* The handle of what was closed is a number that no handle ever has: Windows gives the old number
  to the next thing that is made.

The memory of an operation belongs to the kernel until the operation has ended. What is still
pending when a case is over, and its sockets are closed, is never freed.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from ctypes import addressof, c_size_t, c_ulong, c_void_p
from functools import cache
from typing import Any

from model.errors import NtStatus, UsageError
from real import iocp_case_sockets as base
from real import winsock
from real import winsock_more as more

assert sys.platform == "win32", "real.iocp_cases needs Windows, or Wine (duopoll setup-wine)"

SETTLE_S = 0.02
THREAD_S = 0.02  # until a thread that was started waits
JOIN_S = 1.0  # a thread that has not ended by then is blocked
CLOSE_S = 0.2  # for what is pending when a case is over
PENDING = NtStatus.PENDING.value

named, plain = base.named, base.plain

#: what the kernel may still write into: never freed
_graveyard: list[object] = []

#: the memory of the last cases: Wine sets a status before it has written the rest
_recent: deque[object] = deque(maxlen=64)

_LARGE = 1 << 16  # bytes; larger buffers are shared, since what they hold is of no interest


@cache
def _shared(size: int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(size)


class Block:
    """The memory of one operation, its buffer, and the event that it signals."""

    def __init__(self, size: int) -> None:
        self.memory = winsock.Memory()
        self.at = addressof(self.memory)
        room = size + 2 * winsock.ADDRESS_SIZE
        self.buffer = _shared(room) if size > _LARGE else ctypes.create_string_buffer(room)
        self.memory.buf = addressof(self.buffer)
        self.memory.len = size
        self.event = 0

    @property
    def wsabuf(self) -> int:
        return self.at + int(winsock.BUF_AT)

    @property
    def nbytes(self) -> int:
        return self.at + int(winsock.NBYTES_AT)

    @property
    def status(self) -> int:
        """OVERLAPPED.Internal, an NTSTATUS."""
        return self.memory.Internal & 0xFFFFFFFF

    def submitted(self, failed: object) -> Any:
        """ "pending", ["sync", n] or ["err", code]."""
        if not failed:
            return ["sync", self.memory.nbytes]
        code = ctypes.get_last_error()
        return "pending" if code == winsock.WSA_IO_PENDING else ["err", code]


class Machine(base.Sockets):
    """What the names of a case stand for."""

    def __init__(self, pace: float = 1.0) -> None:
        super().__init__(pace)
        self.ports: set[int] = set()
        self.blocks: dict[str, Block] = {}
        self.by_address: dict[int, str] = {}
        self.kept: list[Block] = []
        self.threads: dict[str, tuple[threading.Thread, list[Any]]] = {}

    def perform(self, operation: str, args: Sequence[Any]) -> Any:
        """One operation of the vocabulary. Raises `UsageError` for a name that nothing has."""
        return OPERATIONS[operation](self, *args)

    def new_block(self, name: str, size: int = 0) -> Block:
        """Memory for an operation that is being submitted."""
        block = self.blocks[name] = Block(size)
        self.by_address[block.at] = name
        self.kept.append(block)
        return block

    def block(self, name: str) -> Block:
        """The operation submitted last with this overlapped."""
        return self.blocks[name] if name in self.blocks else self.new_block(name)

    def close(self) -> None:
        """Closes everything; frees what no operation can write into any more."""
        for handle in sorted(self.sockets):
            winsock.closesocket(handle)
        for port in sorted(self.ports):
            for thread, _ in self.threads.values():
                if thread.is_alive():  # Wine does not wake a waiter when the port is closed
                    winsock.PostQueuedCompletionStatus(port, 0, 0, None)
            winsock.CloseHandle(port)
        deadline = time.monotonic() + CLOSE_S
        while any(block.status == PENDING for block in self.kept) and time.monotonic() < deadline:
            time.sleep(0.001)
        _graveyard.extend(block for block in self.kept if block.status == PENDING)
        _recent.append(self.kept)
        self.calls.end()

    # -- ports ----------------------------------------------------------------------------------

    def do_port(self, p: str, concurrency: int = 0) -> Any:
        nothing = winsock.INVALID_HANDLE_VALUE
        port = winsock.CreateIoCompletionPort(nothing, 0, 0, concurrency)
        self.handles[p] = port
        self.ports.add(port)
        return plain(not port)

    def do_assoc(self, p: str, s: str, key: int) -> Any:
        return plain(not winsock.CreateIoCompletionPort(self.handle(s), self.handle(p), key, 0))

    def do_assoc_invalid(self, p: str) -> Any:
        nothing = winsock.INVALID_HANDLE_VALUE
        return plain(not winsock.CreateIoCompletionPort(nothing, self.handle(p), 0, 0))

    def do_close_port(self, p: str) -> Any:
        port = self.handle(p)
        closed = plain(not winsock.CloseHandle(port))
        self.ports.discard(port)
        self.handles[p] = base.CLOSED
        return closed

    def do_post(self, p: str, nbytes: int, key: int, o: str | None = None) -> Any:
        at = None if o is None else self.block(o).at
        return plain(not winsock.PostQueuedCompletionStatus(self.handle(p), nbytes, key, at))

    def do_get(self, p: str, ms: int = 0) -> Any:
        return self._get(self.handle(p), ms)

    def _get(self, port: int, ms: int) -> Any:
        nbytes, key, at = c_ulong(), c_size_t(), c_void_p()
        places = (addressof(nbytes), addressof(key), addressof(at))
        ok = more.GetQueuedCompletionStatus(port, *places, ms)
        error = ctypes.get_last_error()
        name = None if at.value is None else self.by_address[at.value]
        if ok:
            return ["ok", key.value, name, nbytes.value]
        if name is None:
            return ["none", error]
        return ["fail", error, key.value, name, nbytes.value]

    def do_get_n(self, p: str, count: int, ms: int = 1_000) -> Any:
        return [self.do_get(p, ms) for _ in range(count)]

    def do_getex(self, p: str, most: int, ms: int = 0) -> Any:
        words = (c_size_t * (winsock.ENTRY_WORDS * most))()
        removed = c_ulong()
        if not winsock.GetQueuedCompletionStatusEx(
            self.handle(p), addressof(words), most, addressof(removed), ms, 0
        ):
            return ["err", ctypes.get_last_error()]
        entries = []
        for index in range(removed.value):
            key, at, status, nbytes = words[4 * index : 4 * index + 4]
            name = self.by_address[at] if at else None
            entries.append([key, name, nbytes & 0xFFFFFFFF, f"{status & 0xFFFFFFFF:#x}"])
        return entries

    # -- threads --------------------------------------------------------------------------------

    def do_start_get(self, thread: str, p: str, ms: int = 1_000, times: int = 1) -> Any:
        results: list[Any] = []
        port = self.handle(p)

        def body() -> None:
            results.extend(self._get(port, ms) for _ in range(times))

        started = threading.Thread(target=body, daemon=True)
        self.threads[thread] = (started, results)
        started.start()
        self.sleep(THREAD_S)
        return "ok"

    def do_join(self, thread: str) -> Any:
        started, results = named(self.threads, thread)
        started.join(JOIN_S)
        if started.is_alive():
            return base.BLOCKED
        return results[0] if len(results) == 1 else results

    def do_recv_in_thread(self, s: str, o: str, size: int) -> Any:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(self.do_recv(s, o, size)))
        thread.start()
        thread.join()
        self.sleep(THREAD_S)  # Python's thread ends before Windows's
        return results[0]

    def do_settle(self) -> Any:
        self.sleep(SETTLE_S)
        return "ok"

    def do_sleep(self, ms: int) -> Any:
        time.sleep(ms / 1e3)
        return "ok"

    # -- overlapped operations ------------------------------------------------------------------

    def do_recv(self, s: str, o: str, size: int, flags: int = 0) -> Any:
        block = self.new_block(o, size)
        block.memory.flags = flags
        at = block.at + winsock.FLAGS_AT
        return block.submitted(
            winsock.WSARecv(self.handle(s), block.wsabuf, 1, block.nbytes, at, block.at, None)
        )

    def do_send(self, s: str, o: str, size: int) -> Any:
        return self._send(s, self.new_block(o, size))

    def _send(self, s: str, block: Block) -> Any:
        return block.submitted(
            winsock.WSASend(self.handle(s), block.wsabuf, 1, block.nbytes, 0, block.at, None)
        )

    def do_send_event_lowbit(self, s: str, o: str, size: int) -> Any:
        block = self.new_block(o, size)
        block.event = more.CreateEventW(None, 1, 0, None)
        block.memory.hEvent = block.event | 1
        return self._send(s, block)

    def do_event_set(self, o: str) -> Any:
        return more.WaitForSingleObject(self.block(o).event, 0) == 0

    def do_acceptex(self, listener: str, c: str, o: str, size: int = 0) -> Any:
        block = self.new_block(o, size)
        length = winsock.ADDRESS_SIZE
        done = winsock.AcceptEx(
            *(self.handle(listener), self.handle(c), addressof(block.buffer), size),
            *(length, length, block.nbytes, block.at),
        )
        return block.submitted(not done)

    def do_connectex(self, c: str, listener: str, o: str, size: int = 0) -> Any:
        address = winsock.loopback(named(self.addresses, listener))
        block = self.new_block(o, size)
        done = winsock.ConnectEx(
            *(self.handle(c), addressof(address), ctypes.sizeof(address)),
            *(addressof(block.buffer) if size else None, size, block.nbytes, block.at),
        )
        return block.submitted(not done)

    def do_disconnectex(self, s: str, o: str | None, flags: int = 0) -> Any:
        block = None if o is None else self.new_block(o)
        at = None if block is None else block.at
        done = more.DisconnectEx(self.handle(s), at, flags, 0)
        if block is None:
            return ["sync", 0] if done else plain(True)
        return block.submitted(not done)

    def do_cancel(self, s: str, o: str | None = None) -> Any:
        at = None if o is None else self.block(o).at
        return plain(not winsock.CancelIoEx(self.handle(s), at))

    def do_cancelio(self, s: str) -> Any:
        return plain(not more.CancelIo(self.handle(s)))

    def do_result(self, s: str, o: str) -> Any:
        nbytes, flags = c_ulong(), c_ulong()
        at = self.block(o).at
        places = (addressof(nbytes), 0, addressof(flags))
        if more.WSAGetOverlappedResult(self.handle(s), at, *places):
            return ["ok", nbytes.value]
        return plain(True)

    def do_gresult(self, s: str, o: str) -> Any:
        nbytes = c_ulong()
        if more.GetOverlappedResult(self.handle(s), self.block(o).at, addressof(nbytes), 0):
            return ["ok", nbytes.value]
        return plain(True)

    def do_internal(self, o: str) -> Any:
        return f"{self.block(o).status:#x}"

    def do_data(self, o: str, size: int) -> Any:
        return bytes(named(self.blocks, o).buffer[:size]).decode("latin-1")

    def do_skip_on_success(self, s: str) -> Any:
        mode = winsock.FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
        return plain(not winsock.SetFileCompletionNotificationModes(self.handle(s), mode))

    def do_update_accept(self, c: str, listener: str) -> Any:
        value = c_size_t(self.handle(listener))
        return self._context(c, winsock.SO_UPDATE_ACCEPT_CONTEXT, addressof(value), 8)

    def do_update_connect(self, c: str) -> Any:
        return self._context(c, winsock.SO_UPDATE_CONNECT_CONTEXT, None, 0)

    def _context(self, s: str, option: int, at: int | None, size: int) -> Any:
        return plain(winsock.setsockopt(self.handle(s), winsock.SOL_SOCKET, option, at, size))


OPERATIONS: dict[str, Callable[..., Any]] = {
    name.removeprefix("do_"): method
    for owner in (base.Sockets, Machine)
    for name, method in vars(owner).items()
    if name.startswith("do_")
}


def play(steps: Sequence[Sequence[Any]], pace: float = 1.0) -> list[Any]:
    """The results of all steps. `pace` multiplies what is waited for the kernel to settle.

    Raises `UsageError` that names the step.
    """
    machine = Machine(pace)
    results: list[Any] = []
    try:
        for number, (operation, *args) in enumerate(steps):
            try:
                results.append(machine.perform(operation, args))
            except UsageError as error:
                raise UsageError(f"step {number}, {operation}: {error}") from None
    finally:
        machine.close()
    return results
