"""Planted bugs in what is told, and in which order: C, E and O.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent import Bufferevent
from model.bufferevent_sock import SocketBufferevent
from model.errors import Errno
from model.mutants.mutant import BOTH, Mutant, planted
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    EV_READ,
    EV_WRITE,
    KernelError,
)

_fail_reading = SocketBufferevent._fail_reading
_run_eventcb = Bufferevent.run_eventcb
_READY = ("readiness",)
_SOCK = SocketBufferevent


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


CALLBACKS: tuple[Mutant, ...] = (
    planted(
        "write-callback-for-reads",
        "reading triggers the write callback",
        "C-2",
        BOTH,
        (Bufferevent, "trigger_nolock", trigger_both),
    ),
    planted(
        "free-keeps-callbacks",
        "callbacks run after free",
        "C-4",
        BOTH,
        (Bufferevent, "free", free_keeps_callbacks),
    ),
    planted(
        "error-forgotten",
        "the event callback cannot read its error",
        "E-2",
        BOTH,
        (Bufferevent, "run_eventcb", run_eventcb_no_error),
    ),
    planted(
        "would-block-is-eof",
        "a failing recv is told as EOF",
        "E-3",
        _READY,
        (_SOCK, "_recv_failed", recv_failed_is_eof),
    ),
    planted(
        "eof-twice",
        "EOF is told twice",
        "E-4",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_twice),
    ),
    planted(
        "no-direction",
        "EOF, ERROR and TIMEOUT without READING",
        "E-5",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_no_direction),
    ),
    planted(
        "eof-stays-enabled",
        "the failed direction stays in the enabled mask",
        "E-6",
        _READY,
        (_SOCK, "_fail_reading", fail_reading_keeps_enabled),
    ),
    planted(
        "data-before-connected",
        "deferred data overtakes CONNECTED",
        "O-1",
        BOTH,
        (Bufferevent, "run", run_read_first),
    ),
    planted(
        "eof-before-data",
        "a deferred EOF overtakes the data",
        "O-2",
        ("completion",),
        (Bufferevent, "run", run_events_first),
    ),
    planted(
        "write-before-read",
        "the deferred write callback runs before the read callback",
        "O-3",
        BOTH,
        (Bufferevent, "run", run_write_before_read),
    ),
)
