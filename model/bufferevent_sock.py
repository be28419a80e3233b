"""Bufferevents over readiness (libevent: bufferevent_sock.c).

The read event stays in the poller while reading runs, the write event while there is something to
write (or to connect). One recv for one readiness; what is left makes the descriptor ready again.
Timeouts belong to the events: they restart at every readiness of their direction, and only while
the event is added.

`connect_error`: a failed connect makes both events ready; if reading runs first, its recv takes the
error away from SO_ERROR, so it leaves a note for the write side, which tells the outcome. libevent
does so for ECONNREFUSED only; another error is then told twice, the second time as a success.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.bufferevent import SUSPEND_WM, Bufferevent
from model.errors import Errno
from model.evbuffer import FLAG_DRAINS_TO_FD
from model.event_base import Event
from model.rate_limit import READ, WRITE
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_TIMEOUT,
    EV_WRITE,
)

if TYPE_CHECKING:
    from model.readiness import ReadinessPoller

_RETRY = frozenset({Errno.EAGAIN, Errno.EINTR})


class _IoEvent(Event):
    """One direction's event, with the bufferevent's timeout of that direction."""

    __slots__ = ("bev",)

    def __init__(self, bev: SocketBufferevent) -> None:
        super().__init__(bev.base)
        self.bev = bev

    def time(self, timeout_ns: int | None) -> None:
        """Gives the pending event a timeout from now, or takes its timeout away.

        One that is due and has not run yet is taken back (event.c:event_add_nolock_).
        """
        if timeout_ns is not None:
            self.timeout_ns = timeout_ns
            if self.result == EV_TIMEOUT:
                self.result = 0
            self.base.start_timer(self, timeout_ns)
        elif self.timeout_ns is not None:
            self.timeout_ns = self.deadline_ns = None
            if self.result == EV_TIMEOUT:
                self.result = 0

    def _count(self) -> None:
        self.added = True
        self.base.count_events(1)

    def _forget(self) -> None:
        """No longer added, active or timed."""
        if self.added:
            self.added = False
            self.base.count_events(-1)
        self.result = 0
        self.deadline_ns = None


class _ReadEvent(_IoEvent):
    """ev_read: in the poller while reading runs."""

    __slots__ = ()

    def fire(self, result: int) -> None:
        self.bev.on_readable(result)

    def add(self) -> None:
        bev = self.bev
        if bev.fd is None:
            return
        if not self.added:
            self._count()
            bev.poller.watch_read(bev.fd, self)
        self.time(bev.timeout_read_ns)

    def remove(self) -> None:
        if self.added and self.bev.fd is not None:
            self.bev.poller.unwatch_read(self.bev.fd)
        self._forget()


class _WriteEvent(_IoEvent):
    """ev_write: added while there is something to do; in the poller (`armed`) if it must wait."""

    __slots__ = ("armed",)

    def __init__(self, bev: SocketBufferevent) -> None:
        super().__init__(bev)
        self.armed = False

    def fire(self, result: int) -> None:
        self.bev.on_writable(result)

    def add(self) -> None:
        """Something to write: tried soon, since the socket is usually writable."""
        bev = self.bev
        if bev.fd is None:
            return
        if not self.added:
            self._count()
        if bev.timeout_write_ns is not None or self.timeout_ns is not None:
            self.time(bev.timeout_write_ns)
        if not self.armed:
            self.base.activate_soon(self, EV_WRITE)

    def arm(self) -> None:
        """Added, and waits for the poller to say writable."""
        bev = self.bev
        if bev.fd is None:
            return
        if not self.added:
            self._count()
            self.time(bev.timeout_write_ns if bev.writes else None)
        if not self.armed:
            self.armed = True
            bev.poller.watch_write(bev.fd, self)

    def remove(self) -> None:
        if self.armed:
            self.armed = False
            if self.bev.fd is not None:
                self.bev.poller.unwatch_write(self.bev.fd)
        self._forget()


class SocketBufferevent(Bufferevent):
    """A bufferevent on a socket of a readiness kernel."""

    __slots__ = ("connect_error", "connecting", "connection", "ev_read", "ev_write", "poller")

    def __init__(self, poller: ReadinessPoller, fd: int | None, options: int) -> None:
        super().__init__(poller.base, fd, options)
        self.poller = poller
        self.connecting = False
        self.connect_error: Errno | None = None
        self.connection = 0  # counts the descriptors it was given up for
        self.ev_read = _ReadEvent(self)
        self.ev_write = _WriteEvent(self)
        self.output.flags = FLAG_DRAINS_TO_FD
        self._freeze(True)

    # Readiness.

    def on_readable(self, result: int) -> None:
        """bufferevent_readcb."""
        self.refcnt += 1
        if result == EV_TIMEOUT:
            self._fail_reading(BEV_EVENT_TIMEOUT, None)
        else:
            self._read_once()
        self.decref()

    def _read_once(self) -> None:
        size = self.max_single_read
        if self.limiter is not None:
            size = self.limiter.allowance(READ, size)
        if self.wm_read_high:
            room = self.wm_read_high - self.input.length
            if room <= 0:
                self.suspend_read(SUSPEND_WM)
                return
            size = min(size, room)
        if self.read_suspended or self.fd is None:
            return
        data = self.poller.kernel.recv(self.fd, size)
        if not isinstance(data, bytes):
            self._recv_failed(data)
        elif data:
            self.input.append_frozen(data)
            if self.limiter is not None:
                self.limiter.charge(READ, len(data))
            self.trigger_nolock(EV_READ, 0)
        else:
            self._fail_reading(BEV_EVENT_EOF, None)

    def _recv_failed(self, error: Errno) -> None:
        if error in _RETRY:
            return
        if self.connecting:
            self.connect_error = error
            return
        self._fail_reading(BEV_EVENT_ERROR, error)

    def _fail_reading(self, cause: int, error: Errno | None) -> None:
        self.disable(EV_READ)
        self.run_eventcb(BEV_EVENT_READING | cause, error)

    def on_writable(self, result: int) -> None:
        """bufferevent_writecb."""
        self.refcnt += 1
        if result == EV_TIMEOUT:
            self._fail_writing(BEV_EVENT_TIMEOUT, None)
        elif self.connecting:
            self._finish_connecting()
        else:
            self._write_once(just_connected=False)
        self.decref()

    def _finish_connecting(self) -> None:
        """evutil_socket_finished_connecting_, and what bufferevent_writecb does with its answer."""
        assert self.fd is not None
        error = self.poller.kernel.so_error(self.fd)
        if self.connect_error is not None:
            error, self.connect_error = self.connect_error, None
        if error is Errno.EINPROGRESS:
            return
        self.connecting = False
        if error is not None:
            self.ev_write.remove()
            self.ev_read.remove()
            self.run_eventcb(BEV_EVENT_ERROR, error)
            return
        connection = self.connection
        self.run_eventcb(BEV_EVENT_CONNECTED, None)
        if connection != self.connection:
            return  # the callback has given the socket up
        if not self.writes:
            self.ev_write.remove()
        else:
            self._write_once(just_connected=True)

    def _write_once(self, just_connected: bool) -> None:
        output = self.output
        sent = 0
        if output.length:
            size = self.max_single_write
            if self.limiter is not None:
                size = self.limiter.allowance(WRITE, size)
            if self.fd is None or self.write_suspended:
                return
            kernel = self.poller.kernel
            chunks = output.peek(size)
            if chunks:
                answer = kernel.send(self.fd, chunks)
            else:  # a piece of a file
                answer = output.sendfile_head(kernel, self.fd, size)
            if not isinstance(answer, int):
                self._send_failed(answer)
                return
            sent = answer
            output.drain_frozen(sent)
            if self.limiter is not None:
                self.limiter.charge(WRITE, sent)
        if output.length and not self.write_suspended:
            self.ev_write.arm()
        else:
            self.ev_write.remove()
        if sent or not just_connected:
            self.trigger_nolock(EV_WRITE, 0)

    def _send_failed(self, error: Errno) -> None:
        if error in _RETRY:
            self.ev_write.arm()
        else:
            self._fail_writing(BEV_EVENT_ERROR, error)

    def _fail_writing(self, cause: int, error: Errno | None) -> None:
        self.disable(EV_WRITE)
        self.run_eventcb(BEV_EVENT_WRITING | cause, error)

    # The transport.

    def _start(self, mask: int) -> int:
        if mask & EV_READ:
            self.ev_read.add()
        if mask & EV_WRITE:
            if self.connecting:
                self.ev_write.arm()
                self.ev_write.time(self.timeout_write_ns)
            else:
                self.ev_write.add()
        return 0

    def _stop(self, mask: int) -> int:
        if mask & EV_READ:
            self.ev_read.remove()
        if mask & EV_WRITE:
            if self.connecting:  # the answer is awaited whatever is enabled, but without a timeout
                self.ev_write.time(None)
            else:
                self.ev_write.remove()
        return 0

    def _output_changed(self, added: int, deleted: int) -> None:
        """bufferevent_socket_outbuf_cb."""
        if added and not self.ev_write.added and self.writes:
            self.ev_write.add()

    def _adjust_timeouts(self) -> None:
        if self.ev_read.added:
            self.ev_read.time(self.timeout_read_ns)
        if self.ev_write.added and self.writes:
            self.ev_write.time(self.timeout_write_ns)

    def disable_hard(self, mask: int) -> int:
        """bufferevent_disable_hard_: the write event goes even where it waits for the connect."""
        if mask & EV_WRITE:
            self.connecting = False
            self.connect_error = None
        return self.disable(mask)

    def priority_set(self, priority: int) -> int:
        """bufferevent_priority_set: -1 as well when one of its events is active."""
        if self.ev_read.priority_set(priority) or self.ev_write.priority_set(priority):
            return -1
        self.priority = priority
        return 0

    def _cancel_all(self) -> None:
        """From free on nobody watches: without CLOSE_ON_FREE the descriptor is the owner's now."""
        self.ev_read.remove()
        self.ev_write.remove()

    def finalize(self) -> None:
        if self.closes_on_free and self.fd is not None:
            self.poller.kernel.close(self.fd)
            self.fd = None

    # Connecting.

    def socket_connect(self, port: int) -> int:
        """bufferevent_socket_connect. 0: exactly one of CONNECTED and ERROR will come; -1: none."""
        kernel = self.poller.kernel
        own = self.fd is None
        fd = kernel.socket() if self.fd is None else self.fd
        if isinstance(fd, Errno):
            self.error = fd
            return -1
        answer = kernel.connect(fd, port)
        if answer is Errno.ECONNREFUSED:
            self._attach(fd)
            self.disable(EV_READ | EV_WRITE)
            self.run_eventcb(BEV_EVENT_ERROR, answer, BEV_OPT_DEFER_CALLBACKS)
            return 0
        if answer is not None and answer not in (Errno.EINPROGRESS, Errno.EINTR):
            self.error = answer
            if own:
                kernel.close(fd)
            return -1
        self.connecting = True
        self._attach(fd)
        if answer is None:  # connected at once: told from the loop, never inside this call
            self.ev_write.add()
        else:
            self.ev_write.result = 0  # a write put off before the connect proves nothing
            self.ev_write.arm()
        return 0

    def _attach(self, fd: int) -> None:
        if self.fd is None:
            self.fd = fd
            self._freeze(True)
            if self.reads:
                self.ev_read.add()

    def _freeze(self, frozen: bool) -> None:
        """Nobody but us may put data into the input or take data from the output of a socket."""
        self.input.end_frozen = self.output.start_frozen = frozen

    def setfd(self, fd: int | None) -> int:
        """bufferevent_setfd: forgets the old descriptor without closing it. Given the same one
        again, it goes on connecting if it did."""
        self.ev_read.remove()
        self.ev_write.remove()
        if fd is None or fd != self.fd:
            self.connection += 1
            self.connecting = False
            self.connect_error = None
            if fd is None or self.fd is not None:  # what was triggered before the first is told
                self._forget_untold()
        self.fd = fd
        self._freeze(fd is not None)  # be_socket_setfd
        if fd is not None:
            self.enable(self.enabled)
            if self.connecting:
                self.ev_write.arm()  # whatever is enabled
        return 0
