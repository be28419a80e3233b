"""Bugs of our own making: one for each property that no historical bug here reaches.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent import SUSPEND_WM, Bufferevent
from model.bufferevent_async import AsyncBufferevent
from model.bufferevent_sock import SocketBufferevent, _WriteEvent
from model.errors import Errno, NtStatus
from model.event_base import Event, EventBase
from model.mutants import BOTH, Mutant, Patch
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    EV_READ,
    EV_WRITE,
    KernelError,
)

_fail_reading = SocketBufferevent._fail_reading
_fail_writing = SocketBufferevent._fail_writing
_run_eventcb = Bufferevent.run_eventcb
_reading_failed = AsyncBufferevent._reading_failed


def write_once_drains_all(self: SocketBufferevent, just_connected: bool) -> None:
    """A short write counts as a whole one: the rest of what was offered is lost."""
    output = self.output
    sent = 0
    if output.length:
        assert self.fd is not None
        offered = output.peek(self.max_single_write)
        answer = self.poller.kernel.send(self.fd, offered)
        if not isinstance(answer, int):
            self._send_failed(answer)
            return
        sent = sum(map(len, offered))
        output.drain_frozen(sent)
    if output.length:
        self.ev_write.arm()
    else:
        self.ev_write.remove()
    if sent or not just_connected:
        self.trigger_nolock(EV_WRITE, 0)


def trigger_both(self: Bufferevent, iotype: int, options: int) -> None:
    """Whatever is triggered, the write callback runs too."""
    if iotype & EV_READ and self.input.length >= self.wm_read_low:
        self.run_readcb(options)
    if self.output.length <= self.wm_write_low:
        self.run_writecb(options)


def free_keeps_callbacks(self: Bufferevent) -> None:
    """The callbacks survive the free."""
    self.enabled = 0
    self._cancel_all()
    self.decref()


def run_eventcb_no_error(
    self: Bufferevent, what: int, error: KernelError | None, options: int = 0
) -> None:
    """The error is forgotten before the callback can ask for it."""
    _run_eventcb(self, what, None, options)


def recv_failed_is_eof(self: SocketBufferevent, error: Errno) -> None:
    """Any failing recv, a would-block included, is taken for the end of the stream."""
    self._fail_reading(BEV_EVENT_EOF, None)


def fail_reading_twice(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """The failure is reported, but reading goes on, and finds it again."""
    self.run_eventcb(BEV_EVENT_READING | cause, error)
    if cause == BEV_EVENT_EOF:
        self.disable(EV_READ)
        self.run_eventcb(BEV_EVENT_READING | cause, error)


def fail_reading_no_direction(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """The direction bit is missing."""
    self.disable(EV_READ)
    self.run_eventcb(cause, error)


def fail_reading_keeps_enabled(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """Reading stops, but its bit stays in the enabled mask."""
    self._stop(EV_READ)
    self.run_eventcb(BEV_EVENT_READING | cause, error)


def run_read_first(self: Bufferevent) -> None:
    """Deferred callbacks run as read, write, events: data overtakes CONNECTED."""
    self.deferred_queued = False
    if self.pending & EV_READ and self.readcb is not None:
        self.pending &= ~EV_READ
        self._call_readcb()
    if self.pending & EV_WRITE and self.writecb is not None:
        self.pending &= ~EV_WRITE
        self.writecb(self)
    if self.pending_events and self.eventcb is not None:
        what, self.error = self.pending_events, self.pending_error
        self.pending_events, self.pending_error = 0, None
        self.eventcb(self, what)
    self.decref()


def run_events_first(self: Bufferevent) -> None:
    """Deferred callbacks run events first: the end overtakes the data."""
    self.deferred_queued = False
    if self.pending_events and self.eventcb is not None:
        what, self.error = self.pending_events, self.pending_error
        self.pending_events, self.pending_error = 0, None
        self.eventcb(self, what)
    if self.pending & EV_READ and self.readcb is not None:
        self.pending &= ~EV_READ
        self._call_readcb()
    if self.pending & EV_WRITE and self.writecb is not None:
        self.pending &= ~EV_WRITE
        self.writecb(self)
    self.decref()


def run_write_before_read(self: Bufferevent) -> None:
    """Deferred callbacks run the write callback before the read callback."""
    self.deferred_queued = False
    if self.pending_events & BEV_EVENT_CONNECTED and self.eventcb is not None:
        self.pending_events &= ~BEV_EVENT_CONNECTED
        self.eventcb(self, BEV_EVENT_CONNECTED)
    if self.pending & EV_WRITE and self.writecb is not None:
        self.pending &= ~EV_WRITE
        self.writecb(self)
    if self.pending & EV_READ and self.readcb is not None:
        self.pending &= ~EV_READ
        self._call_readcb()
    if self.pending_events and self.eventcb is not None:
        what, self.error = self.pending_events, self.pending_error
        self.pending_events, self.pending_error = 0, None
        self.eventcb(self, what)
    self.decref()


def trigger_ignores_low(self: Bufferevent, iotype: int, options: int) -> None:
    """The low watermarks are not looked at."""
    if iotype & EV_READ:
        self.run_readcb(options)
    if iotype & EV_WRITE:
        self.run_writecb(options)


def check_high_sticky(self: Bufferevent) -> None:
    """Suspended at the high watermark, and never un-suspended by draining."""
    if self.input.length >= self.wm_read_high:
        self.suspend_read(SUSPEND_WM)


def start_timer_half(self: EventBase, event: Event, timeout_ns: int) -> None:
    """Timeouts fire after half their time."""
    deadline = self.now_ns() + timeout_ns // 2
    event.deadline_ns = deadline
    if event.heap_ns is None or deadline < event.heap_ns:
        self._push_timer(event, deadline)


def write_event_stays_timed(self: _WriteEvent) -> None:
    """The write timer goes on although there is nothing left to write."""
    if self.armed:
        self.armed = False
        if self.bev.fd is not None:
            self.bev.poller.unwatch_write(self.bev.fd)
    self.result = 0


def fail_reading_timeout_repeats(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """After a timeout the direction stays enabled, and times out again."""
    if cause == BEV_EVENT_TIMEOUT:
        self.run_eventcb(BEV_EVENT_READING | cause, error)
        self.ev_read.time(self.timeout_read_ns)
    else:
        _fail_reading(self, cause, error)


def suspend_read_keeps_timer(self: Bufferevent, why: int) -> None:
    """Suspending does not stop the read event or its timer."""
    self.read_suspended |= why


def enable_records_only(self: Bufferevent, mask: int) -> int:
    """Enabling reading again only sets the bit: nothing is added to the poller."""
    again = self.enabled & EV_WRITE and mask & EV_READ
    self.enabled |= mask
    if again and self.fd is not None:
        mask &= ~EV_READ
    return self._start(mask) if mask else 0


def fail_reading_no_eof(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """An EOF stops reading and tells nobody."""
    if cause == BEV_EVENT_EOF:
        self.disable(EV_READ)
    else:
        _fail_reading(self, cause, error)


def reading_failed_no_eof(self: AsyncBufferevent, cause: int, status: NtStatus) -> None:
    """An EOF kills the bufferevent and tells nobody."""
    if cause == BEV_EVENT_EOF:
        self._add_read(False)
    else:
        _reading_failed(self, cause, status)


def write_once_gives_up(self: SocketBufferevent, just_connected: bool) -> None:
    """After a short write nobody waits for the socket to become writable."""
    output = self.output
    sent = 0
    if output.length:
        assert self.fd is not None
        answer = self.poller.kernel.send(self.fd, output.peek(self.max_single_write))
        if not isinstance(answer, int):
            if answer is not Errno.EAGAIN:
                self._send_failed(answer)
            return
        sent = answer
        output.drain_frozen(sent)
    if output.length:
        self.ev_write.arm() if not sent else None
    else:
        self.ev_write.remove()
    if sent or not just_connected:
        self.trigger_nolock(EV_WRITE, 0)


def finalize_closes_twice(self: SocketBufferevent) -> None:
    """The descriptor is closed at finalisation, and once more."""
    if self.closes_on_free and self.fd is not None:
        self.poller.kernel.close(self.fd)
        self.poller.kernel.close(self.fd)


def finalize_never_closes(self: SocketBufferevent) -> None:
    """CLOSE_ON_FREE is forgotten."""


def fail_reading_half_close(self: SocketBufferevent, cause: int, error: Errno | None) -> None:
    """The peer's FIN stops writing too, as over IOCP."""
    if cause == BEV_EVENT_EOF:
        self.disable(EV_READ | EV_WRITE)
        self.run_eventcb(BEV_EVENT_READING | cause, error)
    else:
        _fail_reading(self, cause, error)


def reading_failed_as_error(self: AsyncBufferevent, cause: int, status: NtStatus) -> None:
    """The peer's FIN is told as an error."""
    _reading_failed(self, BEV_EVENT_ERROR, status)


def _planted(
    name: str, title: str, breaks: str, kernels: tuple[str, ...], *patches: Patch
) -> Mutant:
    return Mutant(name, title, breaks, kernels, patches)


_READY = ("readiness",)
_COMPLETE = ("completion",)
_SOCK = SocketBufferevent

PLANTED: tuple[Mutant, ...] = (
    _planted(
        "short-write-lost",
        "the rest of a short write is lost",
        "B-2",
        _READY,
        (_SOCK, "_write_once", write_once_drains_all),
    ),
    _planted(
        "write-callback-for-reads",
        "reading triggers the write callback",
        "C-2",
        BOTH,
        (Bufferevent, "trigger_nolock", trigger_both),
    ),
    _planted(
        "free-keeps-callbacks",
        "callbacks run after free",
        "C-4",
        BOTH,
        (Bufferevent, "free", free_keeps_callbacks),
    ),
    _planted(
        "error-forgotten",
        "the event callback cannot read its error",
        "E-2",
        BOTH,
        (Bufferevent, "run_eventcb", run_eventcb_no_error),
    ),
    _planted(
        "would-block-is-eof",
        "a failing recv is told as EOF",
        "E-3",
        _READY,
        (_SOCK, "_recv_failed", recv_failed_is_eof),
    ),
    _planted(
        "eof-twice",
        "EOF is told twice",
        "E-4",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_twice),
    ),
    _planted(
        "no-direction",
        "EOF, ERROR and TIMEOUT without READING",
        "E-5",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_no_direction),
    ),
    _planted(
        "eof-stays-enabled",
        "the failed direction stays in the enabled mask",
        "E-6",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_keeps_enabled),
    ),
    _planted(
        "data-before-connected",
        "deferred data overtakes CONNECTED",
        "O-1",
        BOTH,
        (Bufferevent, "run", run_read_first),
    ),
    _planted(
        "eof-before-data",
        "a deferred EOF overtakes the data",
        "O-2",
        BOTH,
        (Bufferevent, "run", run_events_first),
    ),
    _planted(
        "write-before-read",
        "the deferred write callback runs before the read callback",
        "O-3",
        BOTH,
        (Bufferevent, "run", run_write_before_read),
    ),
    _planted(
        "low-ignored",
        "callbacks run whatever the low watermarks say",
        "W-2",
        BOTH,
        (Bufferevent, "trigger_nolock", trigger_ignores_low),
    ),
    _planted(
        "high-sticky",
        "draining below the high watermark does not resume reading",
        "W-3",
        BOTH,
        (Bufferevent, "_check_high_watermark", check_high_sticky),
    ),
    _planted(
        "timeout-early",
        "timeouts fire after half their time",
        "T-1",
        BOTH,
        (EventBase, "start_timer", start_timer_half),
    ),
    _planted(
        "idle-write-timeout",
        "the write timer runs with nothing to write",
        "T-3",
        _READY,
        (_WriteEvent, "remove", write_event_stays_timed),
    ),
    _planted(
        "timeout-repeats",
        "a direction that timed out times out again",
        "T-4",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_timeout_repeats),
    ),
    _planted(
        "suspended-timeout",
        "a suspended direction times out",
        "T-5",
        BOTH,
        (Bufferevent, "suspend_read", suspend_read_keeps_timer),
    ),
    _planted(
        "enable-forgets",
        "enabling reading adds nothing to the poller",
        "L-1",
        _READY,
        (Bufferevent, "enable", enable_records_only),
    ),
    _planted(
        "eof-swallowed",
        "EOF is not told",
        "L-2",
        BOTH,
        (_SOCK, "_fail_reading", fail_reading_no_eof),
        (AsyncBufferevent, "_reading_failed", reading_failed_no_eof),
    ),
    _planted(
        "write-gives-up",
        "a short write is never continued",
        "L-4",
        _READY,
        (_SOCK, "_write_once", write_once_gives_up),
    ),
    _planted(
        "double-close",
        "the descriptor is closed twice",
        "S-2",
        _READY,
        (_SOCK, "finalize", finalize_closes_twice),
    ),
    _planted(
        "descriptor-leak",
        "CLOSE_ON_FREE does not close",
        "S-4",
        _READY,
        (_SOCK, "finalize", finalize_never_closes),
    ),
    _planted(
        "fin-is-error",
        "over IOCP the peer's FIN is told as an error",
        "X-1",
        _COMPLETE,
        (AsyncBufferevent, "_reading_failed", reading_failed_as_error),
    ),
    _planted(
        "half-close-kills-writing",
        "over epoll the peer's FIN stops writing",
        "X-2",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_half_close),
    ),
)
