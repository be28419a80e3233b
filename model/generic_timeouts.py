"""Bufferevents whose timeouts are timers of their own: async, pair, filter, TLS over another one
(libevent: bufferevent.c, "generic timeouts").

Each direction has a one-shot timer. It runs while its direction is enabled, not suspended, has a
timeout and, for writing, has output; progress restarts it. When it ends, the direction is disabled
and TIMEOUT is told. (libevent also starts the write timer where nothing is to be written; then it
tells a timeout of a write that nobody asked for.)
"""

from __future__ import annotations

from model.bufferevent import Bufferevent
from model.event_base import EventBase, TimerEvent
from model.subject import (
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)


class GenericBufferevent(Bufferevent):
    """A bufferevent with a read and a write timer."""

    __slots__ = ("read_timer", "write_timer")

    timer: type[TimerEvent] = TimerEvent  # `model.locked` has one that threads may stop

    def __init__(self, base: EventBase, fd: int | None, options: int) -> None:
        super().__init__(base, fd, options)
        self.read_timer = self.timer(base, self._read_timeout)
        self.write_timer = self.timer(base, self._write_timeout)

    def _restart_read_timer(self) -> None:
        """BEV_RESET_GENERIC_READ_TIMEOUT: reading started, or moved."""
        if self.timeout_read_ns is not None and self.reads:
            self.read_timer.start(self.timeout_read_ns)
        else:
            self.read_timer.stop()

    def _restart_write_timer(self) -> None:
        """BEV_RESET_GENERIC_WRITE_TIMEOUT: it runs while there is output that may be written."""
        if self.timeout_write_ns is not None and self.writes and self.output.length:
            self.write_timer.start(self.timeout_write_ns)
        else:
            self.write_timer.stop()

    def _start_write_timer(self) -> None:
        """Output came: the timer of writing starts unless it runs already."""
        if self.timeout_write_ns is not None and self.writes and not self.write_timer.added:
            self.write_timer.start(self.timeout_write_ns)

    def _adjust_timeouts(self) -> None:
        """bufferevent_generic_adj_timeouts_."""
        self._restart_read_timer()
        self._restart_write_timer()

    def _stop_timers(self, mask: int = EV_READ | EV_WRITE) -> None:
        if mask & EV_READ:
            self.read_timer.stop()
        if mask & EV_WRITE:
            self.write_timer.stop()

    def _read_timeout(self) -> None:
        """bufferevent_generic_read_timeout_cb."""
        self.disable(EV_READ)
        self.run_eventcb(BEV_EVENT_READING | BEV_EVENT_TIMEOUT, None)

    def _write_timeout(self) -> None:
        """bufferevent_generic_write_timeout_cb."""
        self.disable(EV_WRITE)
        self.run_eventcb(BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT, None)

    def _cancel_all(self) -> None:
        self._stop_timers()

    def _unlink(self) -> None:
        self._stop_timers()
