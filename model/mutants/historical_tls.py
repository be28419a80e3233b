"""Bugs that libevent's TLS had, put back into the model. See `model.mutants.historical`."""

from __future__ import annotations

from model.bufferevent_ssl import SslBufferevent
from model.evbuffer import Evbuffer
from model.mutants.mutant import BOTH, Mutant
from model.ssl_reading import SslReading
from model.ssl_writing import SslWriting
from model.subject import (
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    EV_READ,
    EV_WRITE,
    Failure,
)
from model.tls import RECORD_MAX, SslState, TlsResult

_socket_connect = SslBufferevent.socket_connect
_has_work = SslBufferevent._has_work
_cancel_all = SslBufferevent._cancel_all
_SSL = SslBufferevent


def read_timeout_repeats(self: SslBufferevent) -> None:
    """LE-082: the timer belongs to an event that stays added, and nothing disables it."""
    self._restart_read_timer()
    self.run_eventcb(BEV_EVENT_READING | BEV_EVENT_TIMEOUT, None)


def dirty_end_is_error(self: SslReading) -> tuple[int, Failure | None]:
    """LE-122: the end without close_notify is not recognised, allowed or not."""
    return BEV_EVENT_READING | BEV_EVENT_ERROR, TlsResult.SSL_ERROR_EOF


def output_changed_at_once(self: SslBufferevent, added: int, deleted: int) -> None:
    """LE-125: the write, and the callback behind it, happen inside the application's call."""
    if added and self.state is SslState.OPEN and self.writes:
        self._start_write_timer()
        self._consider_writing()
        self._schedule()


def wrote_at_once(self: SslWriting) -> None:
    """LE-125: the write callback is not deferred."""
    self._restart_write_timer()
    self.trigger_nolock(EV_WRITE, 0)


def consider_reading_blocked(self: SslReading) -> None:
    """LE-144: a pass that read something and then blocked says nothing."""
    progress = False
    while self.reads and not self.read_over and self._read_size() > 0:
        result = self._read_record(self._read_size())
        if not isinstance(result, bytes):
            self._reading_stopped(result)
            break
        self.input.append_frozen(result)
        progress = True
    else:
        if progress:
            self.trigger_nolock(EV_READ, 0)


def consider_reading_each(self: SslReading) -> None:
    """LE-145: a callback for each record, whatever the one before it disabled."""
    for _ in range(4):
        if self.read_over or not self.enabled & EV_READ:
            break
        result = self._read_record(4096)
        if not isinstance(result, bytes):
            self._reading_stopped(result)
            break
        for place in range(0, len(result), 1000):
            self.input.append_frozen(result[place : place + 1000])
            self.trigger_nolock(EV_READ, 0)
    if self.end is not None and self.reads:
        (what, error), self.end = self.end, None
        self.disable(EV_READ)
        self.run_eventcb(what, error)


def may_read_pending(self: SslReading) -> bool:
    """LE-147: only what is decrypted already counts as work, not what waits below."""
    return self.reads and self.transport.engine.pending() > 0


def set_allow_dirty_bit(self: SslReading, allow: int) -> int:
    """LE-149: the flag is one bit wide."""
    self.allow_dirty_shutdown = bool(allow & 1)
    return 0


def consider_reading_all(self: SslReading) -> None:
    """LE-150: as long as there are records, they are read."""
    progress = False
    while self.reads and not self.read_over and self._read_size() > 0:
        result = self._read_record(self._read_size())
        if not isinstance(result, bytes):
            self._reading_stopped(result)
            break
        self.input.append_frozen(result)
        progress = True
    if progress:
        self._restart_read_timer()
        self.trigger_nolock(EV_READ, 0)
    if self.end is not None and self.reads:
        (what, error), self.end = self.end, None
        self.disable(EV_READ)
        self.run_eventcb(what, error)


def socket_connect_replaces(self: SslBufferevent, port: int) -> int:
    """LE-162: what is below is replaced, which closes the socket that is in use."""
    result = _socket_connect(self, port)
    fd = self.getfd()
    if fd is not None:
        self.base.close_fd(fd)
    return result


def has_work_blocked(self: SslBufferevent) -> bool:
    """LE-165: before the handshake is done, a disabled direction keeps its readiness."""
    return _has_work(self) or (self.handshaking and not self.writes)


def wants_bytes_always(self: SslBufferevent) -> bool:
    """LE-166: one that is opened reads from the start."""
    return not self.read_over


def reads_anyway(self: SslReading) -> None:
    """LE-166: whether reading is enabled is not asked."""
    if not self.read_suspended and not self.read_over and self._read_size() > 0:
        result = self._read_record(self._read_size())
        if isinstance(result, bytes):
            self.input.append_frozen(result)
            self.trigger_nolock(EV_READ, 0)
        else:
            self._reading_stopped(result)


def cancel_all_twice(self: SslBufferevent) -> None:
    """LE-181: the one below is freed by the free and by what it calls."""
    _cancel_all(self)
    if self.closes_on_free:
        self.underlying.free()


def pieces_unchecked(self: SslWriting) -> list[bytes]:
    """LE-187: room for eight chains, however many there are."""
    output: Evbuffer = self.output
    if self.last_write is not None:
        return [output.copyout(self.last_write)]
    space: list[bytes] = [b""] * 8
    for index, chain in enumerate(output.peek(RECORD_MAX, 128)):
        space[index] = bytes(chain)
    return [piece for piece in space if piece]


HISTORICAL_TLS: tuple[Mutant, ...] = (
    Mutant(
        "LE-082",
        "TLS repeats its timeouts",
        "T-4",
        ("readiness",),
        ((_SSL, "_read_timeout", read_timeout_repeats),),
    ),
    Mutant(
        "LE-122",
        "an end without close_notify is an error even where it is allowed",
        "E-4",
        ("readiness",),
        ((SslReading, "_dirty_end", dirty_end_is_error),),
    ),
    Mutant(
        "LE-125",
        "TLS calls back inside a write of the application",
        "C-2",
        ("readiness",),
        (
            (_SSL, "_output_changed", output_changed_at_once),
            (SslWriting, "_wrote", wrote_at_once),
        ),
    ),
    Mutant(
        "LE-144",
        "TLS that reads and then blocks does not call back",
        "L-1",
        ("readiness",),
        ((SslReading, "_consider_reading", consider_reading_blocked),),
    ),
    Mutant(
        "LE-145",
        "TLS calls back again after reading was disabled",
        "C-1",
        ("readiness",),
        ((SslReading, "_consider_reading", consider_reading_each),),
    ),
    Mutant(
        "LE-147",
        "TLS forgets what waits below",
        "L-3",
        BOTH,
        ((SslReading, "_may_read", may_read_pending),),
    ),
    Mutant(
        "LE-149",
        "the flag for ends without close_notify is one bit wide",
        "E-4",
        ("readiness",),
        ((SslReading, "set_allow_dirty_shutdown", set_allow_dirty_bit),),
    ),
    Mutant(
        "LE-150",
        "TLS reads as long as there are records",
        "R-6",
        ("readiness",),
        ((SslReading, "_consider_reading", consider_reading_all),),
    ),
    Mutant(
        "LE-162",
        "a connect of TLS closes its own socket",
        "S-2",
        ("readiness",),
        ((_SSL, "socket_connect", socket_connect_replaces),),
    ),
    Mutant(
        "LE-165",
        "TLS spins when writing is disabled in the handshake",
        "L-5",
        ("readiness",),
        ((_SSL, "_has_work", has_work_blocked),),
    ),
    Mutant(
        "LE-166",
        "TLS reads before reading was enabled",
        "C-1",
        ("readiness",),
        (
            (_SSL, "_wants_bytes", wants_bytes_always),
            (SslReading, "_consider_reading", reads_anyway),
        ),
    ),
    Mutant(
        "LE-181",
        "TLS frees the bufferevent below twice",
        "S-1",
        BOTH,
        ((_SSL, "_cancel_all", cancel_all_twice),),
    ),
    Mutant(
        "LE-187",
        "TLS has room for eight chains",
        "S-1",
        ("readiness",),
        ((SslWriting, "_pieces", pieces_unchecked),),
    ),
)
