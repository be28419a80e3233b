"""The completion kernel of a running Windows, or of Wine: overlapped Winsock and one more layer of
ctypes. No policy: a call is made, and what the kernel said is handed on.

What an overlapped operation needs in memory is a slot (`real.overlapped`), taken from a pool. A
slot and its buffers belong to the kernel from the submission until the packet was dequeued, also
when the socket has been closed meanwhile; only then it goes back to the pool. A submission that
failed at once, or that succeeded at once on a socket that skips packets for that, has no packet,
and its slot is free at once.

Packets carry the NTSTATUS in OVERLAPPED_ENTRY.Internal. The caller's number for an overlapped is
found by the block's address.

Under Wine each call here is two to five messages to the wineserver, some 5 µs each: that, and not
Python, is most of what an echo costs there. One of them is in our hands: a dequeue that asks for
more packets than there are pays for the question (dlls/ntdll/unix/sync.c:NtRemoveIoCompletionEx).
So after a dequeue that found one packet the next `_SINGLES` ask for one. The caller cannot tell.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from ctypes import addressof, c_char
from time import perf_counter_ns

from model.errors import NtStatus, SimulatorError, Win32Error
from model.kernel import Buffer, Completion, Shutdown
from real import overlapped as blocks
from real import winsock

assert sys.platform == "win32", "real.iocp needs Windows, or Wine (duopoll setup-wine)"

_PENDING = Win32Error.WSA_IO_PENDING
_SUCCESS = NtStatus.SUCCESS
_WSA_IO_PENDING = winsock.WSA_IO_PENDING
_LONGEST_MS = 0xFFFFFFFE  # INFINITE is one more
_DRAIN_NS = 2_000_000_000
_SINGLES = 16
_WIN32 = {member.value: member for member in Win32Error}
_STATUS = {member.value: member for member in NtStatus}

#: what the kernel may still write into although its world has ended: never freed
_graveyard: list[blocks.Slot] = []


def win32_error(code: int) -> Win32Error:
    """The outcome that an error code names. Raises `SimulatorError` for one we do not know."""
    try:
        return _WIN32[code]
    except KeyError:
        raise SimulatorError(
            f"Windows said error {code} ({ctypes.FormatError(code).strip()}),"
            " which model.errors.Win32Error does not name: add it there"
        ) from None


def nt_status(code: int) -> NtStatus:
    """The NTSTATUS of a packet. Raises `SimulatorError` for one we do not know."""
    try:
        return _STATUS[code]
    except KeyError:
        raise SimulatorError(
            f"a packet has NTSTATUS {code:#010x}, which model.errors.NtStatus does not name:"
            " add it there"
        ) from None


def _last_error() -> Win32Error:
    return win32_error(ctypes.get_last_error())


class RealIocp:
    """Implements `model.kernel.CompletionKernel`."""

    __slots__ = (*("_batches", "_free", "_handles", "_in_flight", "_ports", "_singles", "_skip"),)

    def __init__(self) -> None:
        self._free: list[blocks.Slot] = []
        self._in_flight: dict[int, blocks.Slot] = {}  # by address
        self._batches: list[blocks.Batch] = []
        self._singles = 0  # dequeues that are still to ask for one packet
        self._handles: set[int] = set()
        self._ports: set[int] = set()
        self._skip: set[int] = set()  # handles

    # Sockets.

    def socket(self) -> int | Win32Error:
        """WSASocket, TCP_NODELAY set."""
        flags = winsock.WSA_FLAG_OVERLAPPED | winsock.WSA_FLAG_NO_HANDLE_INHERIT
        handle: int = winsock.WSASocketW(
            winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_TCP, None, 0, flags
        )
        if handle == winsock.INVALID_SOCKET:
            return _last_error()
        self._handles.add(handle)
        on = ctypes.c_int(1)
        if winsock.setsockopt(
            handle, winsock.IPPROTO_TCP, winsock.TCP_NODELAY, addressof(on), ctypes.sizeof(on)
        ):
            return _last_error()
        return handle

    def bind(self, handle: int, port: int) -> int | Win32Error:
        """bind to 127.0.0.1:`port`; gives the port."""
        address = winsock.loopback(port)
        if winsock.bind(handle, addressof(address), ctypes.sizeof(address)):
            return _last_error()
        return self.getsockname(handle)

    def listen(self, handle: int, backlog: int) -> Win32Error | None:
        """listen."""
        return _last_error() if winsock.listen(handle, backlog) else None

    def getsockname(self, handle: int) -> int | Win32Error:
        """The local TCP port."""
        port = winsock.port_by(winsock.getsockname, handle)
        return _last_error() if port is None else port

    def getpeername(self, handle: int) -> int | Win32Error:
        """The peer's TCP port."""
        port = winsock.port_by(winsock.getpeername, handle)
        return _last_error() if port is None else port

    def shutdown(self, handle: int, how: Shutdown) -> Win32Error | None:
        """shutdown."""
        return _last_error() if winsock.shutdown(handle, winsock.SD[how]) else None

    def set_send_buffer(self, handle: int, size: int) -> Win32Error | None:
        """SO_SNDBUF."""
        value = ctypes.c_int(size)
        failed = winsock.setsockopt(
            *(handle, winsock.SOL_SOCKET, winsock.SO_SNDBUF),
            *(addressof(value), ctypes.sizeof(value)),
        )
        return _last_error() if failed else None

    def closesocket(self, handle: int) -> Win32Error | None:
        """closesocket; slots of pending operations stay until their packets were dequeued."""
        self._handles.discard(handle)
        self._skip.discard(handle)  # Windows may give the same handle again
        return _last_error() if winsock.closesocket(handle) else None

    # Ports.

    def create_port(self, concurrency: int) -> int | Win32Error:
        """CreateIoCompletionPort(INVALID_HANDLE_VALUE)."""
        port: int = winsock.CreateIoCompletionPort(winsock.INVALID_HANDLE_VALUE, 0, 0, concurrency)
        if not port:
            return _last_error()
        self._ports.add(port)
        return port

    def close_port(self, port: int) -> Win32Error | None:
        """CloseHandle."""
        self._ports.discard(port)
        return None if winsock.CloseHandle(port) else _last_error()

    def associate(self, handle: int, port: int, key: int) -> Win32Error | None:
        """CreateIoCompletionPort(handle, port, key)."""
        return None if winsock.CreateIoCompletionPort(handle, port, key, 0) else _last_error()

    def set_skip_on_success(self, handle: int) -> Win32Error | None:
        """SetFileCompletionNotificationModes(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)."""
        mode = winsock.FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
        if not winsock.SetFileCompletionNotificationModes(handle, mode):
            return _last_error()
        self._skip.add(handle)
        return None

    # Submissions.

    def wsa_recv(self, handle: int, overlapped: int, buffer: memoryview) -> int | Win32Error:
        """WSARecv into `buffer`, which is pinned until the packet was dequeued."""
        slot = self._take(overlapped)
        memory = slot.memory
        size = len(buffer)
        if size:
            slot.pins = place = c_char.from_buffer(buffer)
            memory.buf = addressof(place)
        memory.len = size
        memory.flags = 0
        return self._submitted(
            slot,
            handle,
            winsock.WSARecv(handle, slot.buf, 1, slot.nbytes, slot.flags, slot.pointer, None),
        )

    def wsa_send(self, handle: int, overlapped: int, chunks: Sequence[Buffer]) -> int | Win32Error:
        """WSASend of all `chunks`, which are pinned until the packet was dequeued."""
        slot = self._take(overlapped)
        if len(chunks) == 1:
            memory = slot.memory
            memory.buf, slot.pins = blocks.pin(chunks[0])
            memory.len = len(chunks[0])
            pointer = slot.buf
        else:
            pointer = blocks.gather(slot, chunks)
        return self._submitted(
            slot,
            handle,
            winsock.WSASend(handle, pointer, len(chunks), slot.nbytes, 0, slot.pointer, None),
        )

    def accept_ex(self, listener: int, acceptor: int, overlapped: int) -> int | Win32Error:
        """AcceptEx with no receive data."""
        slot = self._take(overlapped)
        slot.memory.nbytes = 0  # written only if there were data
        size = winsock.ADDRESS_SIZE
        done = winsock.AcceptEx(
            listener, acceptor, slot.addresses, 0, size, size, slot.nbytes, slot.pointer
        )
        return self._submitted(slot, listener, not done)

    def update_accept_context(self, acceptor: int, listener: int) -> Win32Error | None:
        """SO_UPDATE_ACCEPT_CONTEXT."""
        value = ctypes.c_size_t(listener)
        failed = winsock.setsockopt(
            *(acceptor, winsock.SOL_SOCKET, winsock.SO_UPDATE_ACCEPT_CONTEXT),
            *(addressof(value), ctypes.sizeof(value)),
        )
        return _last_error() if failed else None

    def connect_ex(self, handle: int, port: int, overlapped: int) -> int | Win32Error:
        """ConnectEx to 127.0.0.1:`port`, without data."""
        slot = self._take(overlapped)
        slot.memory.nbytes = 0
        address = winsock.loopback(port)
        size = ctypes.sizeof(address)
        ctypes.memmove(slot.addresses, addressof(address), size)
        done = winsock.ConnectEx(handle, slot.addresses, size, None, 0, slot.nbytes, slot.pointer)
        return self._submitted(slot, handle, not done)

    def update_connect_context(self, handle: int) -> Win32Error | None:
        """SO_UPDATE_CONNECT_CONTEXT."""
        failed = winsock.setsockopt(
            handle, winsock.SOL_SOCKET, winsock.SO_UPDATE_CONNECT_CONTEXT, None, 0
        )
        return _last_error() if failed else None

    def cancel_io_ex(self, handle: int, overlapped: int | None) -> Win32Error | None:
        """CancelIoEx of one operation or of all of a handle's."""
        pointer = None
        if overlapped is not None:
            for slot in self._in_flight.values():
                if slot.number == overlapped:
                    pointer = slot.pointer
                    break
            else:
                return Win32Error.ERROR_NOT_FOUND
        return None if winsock.CancelIoEx(handle, pointer) else _last_error()

    def _take(self, number: int) -> blocks.Slot:
        """A slot, in flight: entered before the call, since its packet may overtake the return."""
        try:
            slot = self._free.pop()
        except IndexError:  # not asked for first: another thread may take the last
            slot = blocks.Slot()
        slot.number = number
        self._in_flight[slot.at] = slot
        return slot

    def _give_back(self, slot: blocks.Slot) -> None:
        del self._in_flight[slot.at]
        slot.pins = None
        self._free.append(slot)

    def _submitted(self, slot: blocks.Slot, handle: int, failed: int) -> int | Win32Error:
        """What a submission said; gives the slot back where no packet will come."""
        if not failed:
            nbytes = slot.memory.nbytes
            if handle in self._skip:
                self._give_back(slot)
            return nbytes
        code = ctypes.get_last_error()
        if code == _WSA_IO_PENDING:
            return _PENDING
        self._give_back(slot)
        return win32_error(code)

    # Packets.

    def get_queued_completion_status(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        """GetQueuedCompletionStatusEx; the wait is rounded up to milliseconds, never early."""
        batches = self._batches
        try:
            batch = batches.pop()
        except IndexError:
            batch = blocks.Batch(max_entries)
        if batch.size < max_entries:
            batch = blocks.Batch(max_entries)
        asked = max_entries
        if self._singles:
            self._singles -= 1
            asked = 1
        if timeout_ns is None:
            done = winsock.GetQueuedCompletionStatusEx(
                port, batch.entries, asked, batch.removed, winsock.INFINITE, 0
            )
            error = None if done else _last_error()
        else:
            error = _dequeue(port, batch, asked, timeout_ns)
        if error is not None:
            batches.append(batch)
            return error
        count = batch.memory[0] & 0xFFFFFFFF
        if count == 1 < asked:
            self._singles = _SINGLES
        words = batch.memory[1 : 1 + winsock.ENTRY_WORDS * count].tolist()
        batches.append(batch)  # another thread may fill it from here on
        return self._packets(words)

    def _packets(self, words: list[int]) -> list[Completion]:
        """The packets in `words`; their slots are free again."""
        packets = []
        for index in range(0, len(words), winsock.ENTRY_WORDS):
            key, at, code, nbytes = words[index : index + winsock.ENTRY_WORDS]
            number = None
            if at:
                slot = self._in_flight.pop(at)
                number = slot.number
                slot.pins = None
                self._free.append(slot)
            code &= 0xFFFFFFFF
            status = nt_status(code) if code else _SUCCESS
            packets.append(Completion(key, number, nbytes & 0xFFFFFFFF, status))
        return packets

    def post_queued_completion_status(
        self, port: int, nbytes: int, key: int, overlapped: int | None
    ) -> Win32Error | None:
        """PostQueuedCompletionStatus."""
        slot = None if overlapped is None else self._take(overlapped)
        if winsock.PostQueuedCompletionStatus(port, nbytes, key, slot.pointer if slot else None):
            return None
        code = ctypes.get_last_error()
        if slot is not None:
            self._give_back(slot)
        return win32_error(code)

    # For the world.

    def close_all(self) -> int:
        """Closes what is still open, takes the packets that are owed: how many handles that were.

        Memory that the kernel has not given back by then is never freed.
        """
        left = len(self._handles) + len(self._ports)
        for handle in sorted(self._handles):
            self.closesocket(handle)
        deadline = perf_counter_ns() + (_DRAIN_NS if self._in_flight else 0)
        while self._ports and self._in_flight and perf_counter_ns() < deadline:
            for port in sorted(self._ports):
                self.get_queued_completion_status(port, 64, 10_000_000)
        for port in sorted(self._ports):
            self.close_port(port)
        _graveyard.extend(self._in_flight.values())
        self._in_flight.clear()
        return left


def _dequeue(port: int, batch: blocks.Batch, asked: int, timeout_ns: int) -> Win32Error | None:
    """One bounded wait, taken up again where Windows's clock ended it a tick too early."""
    deadline = perf_counter_ns() + timeout_ns if timeout_ns else 0
    while True:
        ms = min(-(-timeout_ns // 1_000_000), _LONGEST_MS)
        if winsock.GetQueuedCompletionStatusEx(port, batch.entries, asked, batch.removed, ms, 0):
            return None
        code = ctypes.get_last_error()
        if code != winsock.WAIT_TIMEOUT or not timeout_ns:
            return win32_error(code)
        timeout_ns = deadline - perf_counter_ns()
        if timeout_ns <= 0:
            return Win32Error.WAIT_TIMEOUT
