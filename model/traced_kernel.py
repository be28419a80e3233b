"""The wrappers around the two kernel ports that write what is asked of them, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model.errors import Errno, NtStatus, Win32Error
from model.files import File
from model.kernel import (
    Accepted,
    Buffer,
    Completion,
    CompletionKernel,
    ReadinessKernel,
    Shutdown,
)
from model.trace import Trace


class TracedReadiness:
    """A readiness kernel that writes what is asked of it."""

    def __init__(self, kernel: ReadinessKernel, trace: Trace) -> None:
        self._kernel = kernel
        self._append = trace.append
        self._clock = trace.clock
        self._trace = trace
        self._opaque = trace.opaque
        self.getsockname = kernel.getsockname  # tells nothing about the run
        self.bytes_readable = kernel.bytes_readable  # what it tells, the next recv tells as well

    def socket(self) -> int | Errno:
        result = self._kernel.socket()
        self._append((self._clock.now, "socket", result))
        return result

    def connect(self, fd: int, port: int) -> Errno | None:
        result = self._kernel.connect(fd, port)
        self._append((self._clock.now, "connect", fd, port, result))
        return result

    def listen(self, fd: int, port: int, backlog: int) -> int | Errno:
        result = self._kernel.listen(fd, port, backlog)
        self._append((self._clock.now, "listen", fd, port, backlog, result))
        return result

    def accept(self, fd: int) -> Accepted | Errno:
        result = self._kernel.accept(fd)
        told = (result, None) if isinstance(result, Errno) else result
        self._append((self._clock.now, "accept", fd, *told))
        return result

    def recv(self, fd: int, size: int) -> bytes | Errno:
        result = self._kernel.recv(fd, size)
        told = bytes(len(result)) if fd in self._opaque and isinstance(result, bytes) else result
        self._append((self._clock.now, "recv", fd, size, told))
        return result

    def send(self, fd: int, chunks: Sequence[Buffer]) -> int | Errno:
        result = self._kernel.send(fd, chunks)
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if data.__class__ is not bytes:
            data = bytes(data)
        size = len(data)
        if fd in self._opaque:
            data = bytes(size)
        taken = data if result == size else data[:result] if isinstance(result, int) else result
        self._append((self._clock.now, "send", fd, size, taken))
        return result

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int | Errno:
        """Bytes received are bytes received: written as a `recv` of as much as fits."""
        result = self._kernel.readv(fd, buffers)
        size = sum(len(buffer) for buffer in buffers)
        got = b"".join(buffers)[:result] if isinstance(result, int) else result
        self._append((self._clock.now, "recv", fd, size, got))
        return result

    def sendfile(self, fd: int, file: File, offset: int, size: int) -> int | Errno:
        """Written as a `send` of the file's bytes."""
        result = self._kernel.sendfile(fd, file, offset, size)
        taken = file.read(offset, result) if isinstance(result, int) else result
        self._append((self._clock.now, "send", fd, size, taken))
        return result

    def so_error(self, fd: int) -> Errno | None:
        result = self._kernel.so_error(fd)
        self._append((self._clock.now, "so_error", fd, result))
        return result

    def shutdown(self, fd: int, how: Shutdown) -> Errno | None:
        result = self._kernel.shutdown(fd, how)
        self._append((self._clock.now, "shutdown", fd, how, result))
        return result

    def close(self, fd: int) -> Errno | None:
        result = self._kernel.close(fd)
        self._opaque.discard(fd)
        self._append((self._clock.now, "close", fd, result))
        return result

    def eventfd(self) -> int | Errno:
        result = self._kernel.eventfd()
        self._append((self._clock.now, "eventfd", result))
        return result

    def eventfd_write(self, fd: int) -> Errno | None:
        result = self._kernel.eventfd_write(fd)
        self._append((self._clock.now, "eventfd_write", fd, result))
        return result

    def eventfd_read(self, fd: int) -> int | Errno:
        result = self._kernel.eventfd_read(fd)
        self._append((self._clock.now, "eventfd_read", fd, result))
        return result

    def epoll_create(self) -> int | Errno:
        result = self._kernel.epoll_create()
        self._append((self._clock.now, "epoll_create", result))
        return result

    def epoll_ctl(self, epfd: int, op: int, fd: int, mask: int) -> Errno | None:
        result = self._kernel.epoll_ctl(epfd, op, fd, mask)
        self._append((self._clock.now, "epoll_ctl", epfd, op, fd, mask, result))
        return result

    def epoll_wait(
        self, epfd: int, maxevents: int, timeout_ns: int | None
    ) -> list[tuple[int, int]] | Errno:
        trace = self._trace
        if len(trace.records) > trace.budget:
            trace.check_budget()
        result = self._kernel.epoll_wait(epfd, maxevents, timeout_ns)
        self._append((self._clock.now, "epoll_wait", epfd, timeout_ns, result))
        return result


class TracedCompletion:
    """A completion kernel that writes what is asked of it.

    It remembers the operations in flight, so that a completion's record says whose it is and
    carries the bytes, whether a packet told it or the submission did (packets skipped).
    """

    def __init__(self, kernel: CompletionKernel, trace: Trace) -> None:
        self._kernel = kernel
        self._take = kernel.get_queued_completion_status
        self._append = trace.append
        self._clock = trace.clock
        self._check_budget = trace.check_budget
        self._opaque = trace.opaque
        self._skips: set[int] = set()
        # overlapped: fd, operation, buffer, whether its contents are encrypted
        self._flights: dict[int, tuple[int, str, Any, bool]] = {}
        self.getsockname = kernel.getsockname
        self.getpeername = kernel.getpeername

    def socket(self) -> int | Win32Error:
        result = self._kernel.socket()
        self._append((self._clock.now, "socket", result))
        return result

    def bind(self, handle: int, port: int) -> int | Win32Error:
        result = self._kernel.bind(handle, port)
        self._append((self._clock.now, "bind", handle, port, result))
        return result

    def listen(self, handle: int, backlog: int) -> Win32Error | None:
        result = self._kernel.listen(handle, backlog)
        self._append((self._clock.now, "listen", handle, None, backlog, result))
        return result

    def shutdown(self, handle: int, how: Shutdown) -> Win32Error | None:
        result = self._kernel.shutdown(handle, how)
        self._append((self._clock.now, "shutdown", handle, how, result))
        return result

    def set_send_buffer(self, handle: int, size: int) -> Win32Error | None:
        result = self._kernel.set_send_buffer(handle, size)
        self._append((self._clock.now, "set_send_buffer", handle, size, result))
        return result

    def closesocket(self, handle: int) -> Win32Error | None:
        result = self._kernel.closesocket(handle)
        self._skips.discard(handle)
        self._opaque.discard(handle)
        self._append((self._clock.now, "close", handle, result))
        return result

    def create_port(self, concurrency: int) -> int | Win32Error:
        result = self._kernel.create_port(concurrency)
        self._append((self._clock.now, "create_port", result))
        return result

    def close_port(self, port: int) -> Win32Error | None:
        result = self._kernel.close_port(port)
        self._append((self._clock.now, "close_port", port, result))
        return result

    def associate(self, handle: int, port: int, key: int) -> Win32Error | None:
        result = self._kernel.associate(handle, port, key)
        self._append((self._clock.now, "associate", handle, port, key, result))
        return result

    def set_skip_on_success(self, handle: int) -> Win32Error | None:
        result = self._kernel.set_skip_on_success(handle)
        if result is None:
            self._skips.add(handle)
        self._append((self._clock.now, "skip_on_success", handle, result))
        return result

    def wsa_recv(self, handle: int, overlapped: int, buffer: memoryview) -> int | Win32Error:
        result = self._kernel.wsa_recv(handle, overlapped, buffer)
        self._append((self._clock.now, "wsa_recv", handle, overlapped, len(buffer), result))
        self._submitted(handle, overlapped, "recv", buffer, result)
        return result

    def wsa_send(self, handle: int, overlapped: int, chunks: Sequence[Buffer]) -> int | Win32Error:
        data = bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)
        result = self._kernel.wsa_send(handle, overlapped, chunks)
        self._append((self._clock.now, "wsa_send", handle, overlapped, len(data), result))
        self._submitted(handle, overlapped, "send", data, result)
        return result

    def accept_ex(self, listener: int, acceptor: int, overlapped: int) -> int | Win32Error:
        result = self._kernel.accept_ex(listener, acceptor, overlapped)
        self._append((self._clock.now, "accept_ex", listener, acceptor, overlapped, result))
        self._submitted(listener, overlapped, "accept", None, result)
        return result

    def update_accept_context(self, acceptor: int, listener: int) -> Win32Error | None:
        result = self._kernel.update_accept_context(acceptor, listener)
        self._append((self._clock.now, "update_context", acceptor, result))
        return result

    def connect_ex(self, handle: int, port: int, overlapped: int) -> int | Win32Error:
        result = self._kernel.connect_ex(handle, port, overlapped)
        self._append((self._clock.now, "connect_ex", handle, port, overlapped, result))
        self._submitted(handle, overlapped, "connect", None, result)
        return result

    def update_connect_context(self, handle: int) -> Win32Error | None:
        result = self._kernel.update_connect_context(handle)
        self._append((self._clock.now, "update_context", handle, result))
        return result

    def cancel_io_ex(self, handle: int, overlapped: int | None) -> Win32Error | None:
        result = self._kernel.cancel_io_ex(handle, overlapped)
        self._append((self._clock.now, "cancel_io_ex", handle, overlapped, result))
        return result

    def post_queued_completion_status(
        self, port: int, nbytes: int, key: int, overlapped: int | None
    ) -> Win32Error | None:
        result = self._kernel.post_queued_completion_status(port, nbytes, key, overlapped)
        self._append((self._clock.now, "post", port, key, overlapped, result))
        return result

    def get_queued_completion_status(
        self, port: int, max_entries: int, timeout_ns: int | None
    ) -> list[Completion] | Win32Error:
        self._check_budget()
        result = self._take(port, max_entries, timeout_ns)
        if isinstance(result, Win32Error):
            self._append((self._clock.now, "gqcs", port, timeout_ns, result))
            return result
        now = self._clock.now
        self._append((now, "gqcs", port, timeout_ns, len(result)))
        for _, overlapped, nbytes, status in result:
            self._completed(now, overlapped, nbytes, status)
        return result

    def _submitted(
        self, fd: int, overlapped: int, operation: str, buffer: Any, result: int | Win32Error
    ) -> None:
        if isinstance(result, int) and fd in self._skips:
            self._flights[overlapped] = (fd, operation, buffer, fd in self._opaque)
            self._completed(self._clock.now, overlapped, result, NtStatus.SUCCESS)
        elif isinstance(result, int) or result is Win32Error.WSA_IO_PENDING:
            self._flights[overlapped] = (fd, operation, buffer, fd in self._opaque)

    def _completed(self, now: int, overlapped: int | None, nbytes: int, status: NtStatus) -> None:
        fd, operation, buffer, opaque = self._flights.pop(
            overlapped or 0, (None, "post", None, False)
        )
        data = None if buffer is None else bytes(buffer[:nbytes])
        if data is not None and opaque:
            data = bytes(len(data))
        self._append((now, "completion", fd, overlapped, operation, status, data))
