"""Planted bugs in what moves, when, and what is left: B, W, T, L, S and X.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent import SUSPEND_WM, Bufferevent
from model.bufferevent_async import AsyncBufferevent
from model.bufferevent_sock import SocketBufferevent, _WriteEvent
from model.errors import Errno, NtStatus
from model.event_base import Event, EventBase
from model.mutants.mutant import BOTH, Mutant, planted
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    EV_READ,
    EV_WRITE,
)

_fail_reading = SocketBufferevent._fail_reading
_reading_failed = AsyncBufferevent._reading_failed
_READY = ("readiness",)
_COMPLETE = ("completion",)
_SOCK = SocketBufferevent


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


def abandon_nothing(self: AsyncBufferevent) -> None:
    """The packets of a socket that was given up are heard as those of the next one."""
    self._forget_untold()
    self.untold = 0
    if self.connecting:
        self.connecting = False
        self.base.virtual_events -= 1
        self.decref()


def forget_nothing(self: Bufferevent) -> None:
    """What the old descriptor had to tell is told of the new one."""


PROGRESS: tuple[Mutant, ...] = (
    planted(
        "short-write-lost",
        "the rest of a short write is lost",
        "B-2",
        _READY,
        (_SOCK, "_write_once", write_once_drains_all),
    ),
    planted(
        "low-ignored",
        "callbacks run whatever the low watermarks say",
        "W-2",
        BOTH,
        (Bufferevent, "trigger_nolock", trigger_ignores_low),
    ),
    planted(
        "high-sticky",
        "draining below the high watermark does not resume reading",
        "W-3",
        BOTH,
        (Bufferevent, "_check_high_watermark", check_high_sticky),
    ),
    planted(
        "timeout-early",
        "timeouts fire after half their time",
        "T-1",
        BOTH,
        (EventBase, "start_timer", start_timer_half),
    ),
    planted(
        "idle-write-timeout",
        "the write timer runs with nothing to write",
        "T-3",
        _READY,
        (_WriteEvent, "remove", write_event_stays_timed),
    ),
    planted(
        "timeout-repeats",
        "a direction that timed out times out again",
        "T-4",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_timeout_repeats),
    ),
    planted(
        "suspended-timeout",
        "a suspended direction times out",
        "T-5",
        BOTH,
        (Bufferevent, "suspend_read", suspend_read_keeps_timer),
    ),
    planted(
        "enable-forgets",
        "enabling reading adds nothing to the poller",
        "L-1",
        _READY,
        (Bufferevent, "enable", enable_records_only),
    ),
    planted(
        "eof-swallowed",
        "EOF is not told",
        "L-2",
        BOTH,
        (_SOCK, "_fail_reading", fail_reading_no_eof),
        (AsyncBufferevent, "_reading_failed", reading_failed_no_eof),
    ),
    planted(
        "write-gives-up",
        "a short write is never continued",
        "L-4",
        _READY,
        (_SOCK, "_write_once", write_once_gives_up),
    ),
    planted(
        "double-close",
        "the descriptor is closed twice",
        "S-2",
        _READY,
        (_SOCK, "finalize", finalize_closes_twice),
    ),
    planted(
        "descriptor-leak",
        "CLOSE_ON_FREE does not close",
        "S-4",
        _READY,
        (_SOCK, "finalize", finalize_never_closes),
    ),
    planted(
        "old-socket-heard",
        "over IOCP a failed packet of the old socket kills the new connection",
        "E-3",
        _COMPLETE,
        (AsyncBufferevent, "_abandon", abandon_nothing),
    ),
    planted(
        "old-event-told",
        "a deferred event of the old connection comes in the new one",
        "E-3",
        BOTH,
        (Bufferevent, "_forget_untold", forget_nothing),
    ),
    planted(
        "fin-is-error",
        "over IOCP the peer's FIN is told as an error",
        "X-1",
        _COMPLETE,
        (AsyncBufferevent, "_reading_failed", reading_failed_as_error),
    ),
    planted(
        "half-close-kills-writing",
        "over epoll the peer's FIN stops writing",
        "X-2",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_half_close),
    ),
)
