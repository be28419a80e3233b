"""Bufferevents over completion (libevent: bufferevent_async.c, buffer_iocp.c).

At most one read, one write and one connect are in flight. While a read is, the input's tail is
frozen and the kernel owns the buffer under it; while a write is, the output's head is. Each
operation in flight holds a reference, so the object outlives its free until the last packet came.
User callbacks are always deferred. After EOF or an error both directions are dead (`ok` is false)
and `enabled` stays as it is: over IOCP libevent has no half-close.

Two choices of ours, where libevent lets the application see the difference between the kernels:

* Disabling a direction does not cancel its operation, so bytes (an EOF, an error) may arrive for a
  direction that is disabled or suspended. They are kept, and told when it runs again.
* Freeing without CLOSE_ON_FREE cancels what is in flight instead of waiting for the peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.async_operations import ConnectOperation, ReadOperation, WriteOperation, orphan_all
from model.errors import WSA_ERROR_OF_STATUS, NtStatus, Win32Error
from model.generic_timeouts import GenericBufferevent
from model.rate_limit import READ, WRITE
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_THREADSAFE,
    EV_READ,
    EV_WRITE,
)

if TYPE_CHECKING:
    from model.completion import CompletionPoller


class AsyncBufferevent(GenericBufferevent):
    """A bufferevent on a socket of a completion kernel."""

    __slots__ = (
        *("connect_op", "connecting", "ok", "poller", "read_added", "read_buffer"),
        *("read_op", "untold", "untold_error", "write_added", "write_op"),
    )

    def __init__(self, poller: CompletionPoller, fd: int | None, options: int) -> None:
        super().__init__(poller.base, fd, options | BEV_OPT_THREADSAFE)
        self.options |= BEV_OPT_DEFER_CALLBACKS
        self.poller = poller
        self.connecting = False
        self.read_op = ReadOperation(self)
        self.write_op = WriteOperation(self)
        self.connect_op: ConnectOperation | None = None
        self.read_buffer = memoryview(b"")  # writable, as large as the largest read so far
        self.read_added = self.write_added = False  # virtual events
        self.untold = 0  # EV_READ: bytes not told; BEV_EVENT_*: a failure not told
        self.untold_error: Win32Error | None = None
        self.ok = fd is not None and poller.adopt(fd) is None

    # Reading.

    def _consider_reading(self) -> None:
        """bev_async_consider_reading."""
        if self.read_op.pending or self.connecting:
            return
        if not self.ok or not self.reads:
            self._add_read(False)
            return
        size = self.max_single_read
        if self.limiter is not None:
            size = self.limiter.allowance(READ, size)
        if self.wm_read_high:
            size = min(size, self.wm_read_high - self.input.length)
        if size <= 0:
            self._add_read(False)
        else:
            self._launch_read(size)

    def _launch_read(self, size: int) -> None:
        assert self.fd is not None
        buffer = self.read_buffer
        if len(buffer) < size:
            buffer = self.read_buffer = memoryview(bytearray(size))
        if len(buffer) > size:
            buffer = buffer[:size]
        self.refcnt += 1
        self.input.end_frozen = True
        failure = self.read_op.submitted(
            self.poller.kernel.wsa_recv(self.fd, self.read_op.overlapped, buffer)
        )
        if failure is None:
            if self.limiter is not None:
                self.limiter.launched(READ, size)
            self._add_read(True)
            return
        self.input.end_frozen = False
        self._die(BEV_EVENT_READING | BEV_EVENT_ERROR, failure)
        self.decref()

    def on_read(self, status: NtStatus, nbytes: int) -> None:
        """read_complete: commits, tells, goes on reading. Silent once not `ok`."""
        self.input.end_frozen = False
        if nbytes:
            self.input.append_frozen(self.read_buffer[:nbytes].tobytes())
        if self.ok and nbytes and status is NtStatus.SUCCESS:
            self._received(nbytes)
        else:
            if self.ok:
                failed = status is not NtStatus.SUCCESS
                self._reading_failed(BEV_EVENT_ERROR if failed else BEV_EVENT_EOF, status)
            if self.limiter is not None:
                self.limiter.settle(READ, nbytes)
        self.decref()

    def _received(self, nbytes: int) -> None:
        if self.enabled & EV_READ:
            if self.timeout_read_ns is not None and not self.read_suspended:
                self.read_timer.start(self.timeout_read_ns)
            self.trigger_nolock(EV_READ, 0)
        elif not (self.deferred_queued and self.pending & EV_READ):  # else the one due tells them
            self.untold |= EV_READ
        if self.limiter is not None:  # once they are told: it may read on, and that may fail
            self.limiter.settle(READ, nbytes)
        self._consider_reading()

    def _reading_failed(self, cause: int, status: NtStatus) -> None:
        error = None if status is NtStatus.SUCCESS else WSA_ERROR_OF_STATUS[status]
        if self.reads:
            self._die(BEV_EVENT_READING | cause, error)
        else:
            self.untold |= BEV_EVENT_READING | cause
            self.untold_error = error
            self._add_read(False)

    def _tell_untold_end(self) -> None:
        """Reading runs again: tells the end that came while it did not."""
        what = self.untold & ~EV_READ
        if what:
            self.untold &= EV_READ
            self._die(what, self.untold_error)

    def enable(self, mask: int) -> int:
        """Bytes that came while reading was disabled are told now, suspended or not: only taking
        them can end the suspension of a full input."""
        result = super().enable(mask)
        if self.untold & EV_READ and mask & EV_READ:
            self.untold &= ~EV_READ
            self.trigger_nolock(EV_READ, 0)
        return result

    # Writing.

    def _consider_writing(self) -> None:
        """bev_async_consider_writing."""
        if self.write_op.pending or self.connecting:
            return
        if not self.ok or not self.writes or not self.output.length:
            self._add_write(False)
            return
        assert self.fd is not None
        size = self.max_single_write
        if self.limiter is not None:
            size = self.limiter.allowance(WRITE, size)
            if self.write_suspended:
                return
        launch = self.output.launch_write(size)
        assert launch is not None, "no write is in flight, and there are bytes"
        self.refcnt += 1
        operation = self.write_op
        operation.launch = launch
        failure = operation.submitted(
            self.poller.kernel.wsa_send(self.fd, operation.overlapped, launch.pieces)
        )
        if failure is None:
            if self.limiter is not None:
                self.limiter.launched(WRITE, sum(map(len, launch.pieces)))
            self._add_write(True)
            return
        self.output.commit_write(launch, 0)
        self._die(BEV_EVENT_WRITING | BEV_EVENT_ERROR, failure)
        self.decref()

    def on_written(self, status: NtStatus, nbytes: int) -> None:
        """write_complete."""
        launch = self.write_op.launch
        assert launch is not None
        self.output.commit_write(launch, nbytes)
        if self.ok:
            if status is not NtStatus.SUCCESS:
                self._die(BEV_EVENT_WRITING | BEV_EVENT_ERROR, WSA_ERROR_OF_STATUS[status])
            elif not nbytes:
                self._die(BEV_EVENT_WRITING | BEV_EVENT_EOF, None)
            else:
                self._restart_write_timer()
                self.trigger_nolock(EV_WRITE, 0)
        if self.limiter is not None:
            self.limiter.settle(WRITE, nbytes)
        if self.ok:
            self._consider_writing()
        self.decref()

    # Both.

    def _die(self, what: int, error: Win32Error | None) -> None:
        """Neither direction moves again; `enabled` stays."""
        self.ok = False
        self._stop_timers()
        self._add_read(False)
        self._add_write(False)
        self.run_eventcb(what, error)

    def _add_read(self, added: bool) -> None:
        """bev_async_add_read, _del_read: the virtual event that keeps the loop alive."""
        if added is not self.read_added:
            self.read_added = added
            self.base.count_virtual(1 if added else -1)

    def _add_write(self, added: bool) -> None:
        if added is not self.write_added:
            self.write_added = added
            self.base.count_virtual(1 if added else -1)

    def _read_timeout(self) -> None:
        if self.read_op.result:  # its completion is here, only not served yet: it wins
            assert self.timeout_read_ns is not None
            self.read_timer.start(self.timeout_read_ns)
            return
        super()._read_timeout()

    def _write_timeout(self) -> None:
        if self.write_op.result:
            assert self.timeout_write_ns is not None
            self.write_timer.start(self.timeout_write_ns)
            return
        super()._write_timeout()

    # The transport.

    def _start(self, mask: int) -> int:
        """be_async_enable: -1 without a usable socket; before the connect ended it is kept."""
        if self.connecting:
            return 0
        if not self.ok:
            return -1
        if mask & EV_READ:
            self._restart_read_timer()
            if self.untold:
                self._tell_untold_end()
            self._consider_reading()
            if self.read_op.pending:
                self._add_read(True)
        if mask & EV_WRITE and self.ok:  # starting to read may have ended it
            self._restart_write_timer()
            self._consider_writing()
            if self.write_op.pending:
                self._add_write(True)
        return 0

    def _stop(self, mask: int) -> int:
        """be_async_disable: the operation in flight goes on."""
        if mask & EV_READ:
            self.read_timer.stop()
            self._add_read(False)
        if mask & EV_WRITE:
            self.write_timer.stop()
            self._add_write(False)
        return 0

    def _output_changed(self, added: int, deleted: int) -> None:
        """bev_async_outbuf_callback."""
        if added and self.ok and self.writes and not self.write_op.pending:
            self._start_write_timer()
            self._consider_writing()

    def _adjust_timeouts(self) -> None:
        """bufferevent_generic_adj_timeouts_, once there is something to time."""
        if self.ok and not self.connecting:
            super()._adjust_timeouts()

    def _cancel_all(self) -> None:
        """BEV_CTRL_CANCEL_ALL: each operation in flight still gives its one packet, unheard."""
        self.ok = False
        self._stop_timers()
        self._add_read(False)
        self._add_write(False)
        if self.fd is None:
            return
        if self.closes_on_free:
            self.poller.kernel.closesocket(self.fd)
            self.fd = None
        elif self.read_op.pending or self.write_op.pending or self.connecting:
            self.poller.kernel.cancel_io_ex(self.fd, None)

    def finalize(self) -> None:
        """be_async_destruct: nothing is in flight, or there would be a reference."""
        for operation in (self.read_op, self.write_op, self.connect_op):
            if operation is not None:
                operation.forget()

    # Connecting.

    def socket_connect(self, port: int) -> int:
        """bufferevent_async_connect_: ConnectEx on a bound socket."""
        kernel = self.poller.kernel
        own = self.fd is None
        fd = kernel.socket() if self.fd is None else self.fd
        if isinstance(fd, Win32Error):
            self.error = fd
            return -1
        failure = self._submit_connect(fd, port)
        if failure is not None:
            self.error = failure
            if own:
                kernel.closesocket(fd)
            return -1
        self.fd = fd
        self.connecting = True
        self.refcnt += 1
        self.base.count_virtual(1)
        return 0

    def _submit_connect(self, fd: int, port: int) -> Win32Error | None:
        kernel = self.poller.kernel
        bound = kernel.bind(fd, 0)
        if isinstance(bound, Win32Error) and bound is not Win32Error.WSAEINVAL:  # bound already
            return bound
        failure = self.poller.adopt(fd)
        if failure is not None:
            return failure
        if self.connect_op is None:
            self.connect_op = ConnectOperation(self)
        return self.connect_op.submitted(kernel.connect_ex(fd, port, self.connect_op.overlapped))

    def on_connected(self, status: NtStatus) -> None:
        """connect_complete."""
        self.connecting = False
        self.base.count_virtual(-1)
        self._connect_ended(status)
        self.decref()

    def _connect_ended(self, status: NtStatus) -> None:
        if self.fd is None:
            return  # freed meanwhile, and closed
        error = None if status is NtStatus.SUCCESS else WSA_ERROR_OF_STATUS[status]
        if error is None:
            error = self.poller.kernel.update_connect_context(self.fd)
        if error is not None:
            self.run_eventcb(BEV_EVENT_ERROR, error)
            return
        self.ok = True
        self.run_eventcb(BEV_EVENT_CONNECTED, None)
        self.enable(self.enabled)

    def setfd(self, fd: int | None) -> int:
        """BEV_CTRL_SET_FD: the new socket is tied to the port and used at once.

        What is in flight on another socket stays there, unheard. The same socket goes on as it was.
        """
        if fd is None or fd != self.fd or not self.poller.is_adopted(fd):
            if fd is None or self.fd is not None:  # what was triggered before the first is told
                self._forget_untold()
            self._abandon()
        elif not self.ok:
            return 0
        self.fd = fd
        self.ok = fd is not None and self.poller.adopt(fd) is None
        if self.ok:
            self.enable(self.enabled)
        else:
            self._stop(EV_READ | EV_WRITE)
        return 0

    def _abandon(self) -> None:
        """Gives up the socket: bytes that the kernel was given to write are gone with it."""
        self.ok = False
        self.untold = 0
        self.untold_error = None
        orphan_all(self)
