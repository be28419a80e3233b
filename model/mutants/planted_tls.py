"""Planted bugs in TLS.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent_ssl import SslBufferevent
from model.mutants.mutant import BOTH, Mutant, planted
from model.ssl_reading import SslReading
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    EV_READ,
    Bufferevent,
    Failure,
)
from model.tls import SslState, TlsResult

_lower_event = SslBufferevent._lower_event
_has_work = SslBufferevent._has_work
_reading_stopped = SslReading._reading_stopped
_SSL = SslBufferevent


def lower_event_connected(self: SslBufferevent, _: Bufferevent, what: int) -> None:
    """CONNECTED of the transport is told, and then that of the handshake."""
    if what & BEV_EVENT_CONNECTED and self.handshaking:
        self.run_eventcb(BEV_EVENT_CONNECTED, None)
    _lower_event(self, _, what)


def _read_records(self: SslReading) -> bool:
    """Some records, whatever suspends reading: whether there were any."""
    progress = False
    for _ in range(4):
        if not self.enabled & EV_READ or self.read_over:
            break
        result = self._read_record(self.max_single_read)
        if not isinstance(result, bytes):
            self._reading_stopped(result)
            break
        self.input.append_frozen(result)
        progress = True
    return progress


def _tell_end(self: SslReading) -> None:
    if self.end is not None and self.reads:
        (what, error), self.end = self.end, None
        self.disable(EV_READ)
        self.run_eventcb(what, error)


def consider_reading_full(self: SslReading) -> None:
    """The high watermark stops only what is below."""
    if _read_records(self):
        self._restart_read_timer()
        self.trigger_nolock(EV_READ, 0)
    _tell_end(self)


def consider_reading_end_first(self: SslReading) -> None:
    """The end is told when the engine gives it, not behind what came before it."""
    progress = self.reads and _read_records(self)
    _tell_end(self)
    if progress:
        self.trigger_nolock(EV_READ, 0)


def dirty_end_is_eof(self: SslReading) -> tuple[int, Failure | None]:
    """An end without close_notify is EOF, allowed or not."""
    return BEV_EVENT_READING | BEV_EVENT_EOF, None


def reading_stopped_silently(self: SslReading, result: TlsResult) -> None:
    """A close_notify ends reading, and nobody is told."""
    _reading_stopped(self, result)
    if result is TlsResult.SSL_ERROR_ZERO_RETURN:
        self.end = None


def handshake_failed_silently(self: SslBufferevent, result: Failure | None) -> None:
    """A handshake that failed is not told."""
    self.state = SslState.FAILED
    self._stop_timers()


def has_work_after(self: SslBufferevent) -> bool:
    """What one pass leaves of the handshake's records waits for more of them."""
    return not self.handshaking and _has_work(self)


TLS: tuple[Mutant, ...] = (
    planted(
        "tls-handshake-rests",
        "records of the handshake that one pass left wait for more",
        "L-3",
        BOTH,
        (_SSL, "_has_work", has_work_after),
    ),
    planted(
        "tls-connected-early",
        "TLS tells CONNECTED of the transport, and again of the handshake",
        "E-1",
        BOTH,
        (_SSL, "_lower_event", lower_event_connected),
    ),
    planted(
        "tls-above-high",
        "TLS reads above the high watermark",
        "W-1",
        BOTH,
        (SslReading, "_consider_reading", consider_reading_full),
    ),
    planted(
        "tls-end-first",
        "the end of a TLS stream overtakes its data",
        "O-2",
        BOTH,
        (SslReading, "_consider_reading", consider_reading_end_first),
    ),
    planted(
        "tls-dirty-eof",
        "an end without close_notify is EOF though that is not allowed",
        "E-3",
        BOTH,
        (SslReading, "_dirty_end", dirty_end_is_eof),
    ),
    planted(
        "tls-close-notify-untold",
        "close_notify is not told",
        "L-2",
        BOTH,
        (SslReading, "_reading_stopped", reading_stopped_silently),
    ),
    planted(
        "tls-failure-untold",
        "a handshake that failed is not told",
        "E-1",
        BOTH,
        (_SSL, "_handshake_failed", handshake_failed_silently),
    ),
)
