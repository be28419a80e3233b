"""The reading half of TLS over another bufferevent (libevent: bufferevent_openssl.c, do_read,
consider_reading).

A few records a pass, then one read callback, and behind it the end of the stream. All the plaintext
of a record is taken at once, so the input overruns its high watermark by less than a record.
"""

from __future__ import annotations

from model.bufferevent import SUSPEND_WM
from model.event_base import EventBase
from model.ssl_writing import READS_A_PASS, SslWriting
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    EV_READ,
    Failure,
)
from model.tls import RETRY, TlsResult
from model.tls_transport import TlsTransport


class SslReading(SslWriting):
    """What a TLS bufferevent does for its input."""

    __slots__ = (
        "allow_dirty_shutdown", "end", "lower_end", "read_blocked_on_write", "read_over",
    )  # fmt: skip

    def __init__(self, base: EventBase, transport: TlsTransport, options: int) -> None:
        super().__init__(base, transport, options)
        self.allow_dirty_shutdown = False
        self.read_blocked_on_write = False
        self.lower_end: tuple[int, Failure | None] | None = None  # EOF or ERROR, from below
        self.read_over = False  # the engine gives no more plaintext
        self.end: tuple[int, Failure | None] | None = None  # what is still to be told of that

    def set_allow_dirty_shutdown(self, allow: int) -> int:
        """bufferevent_ssl_set_allow_dirty_shutdown: any value but 0 allows it."""
        self.allow_dirty_shutdown = bool(allow)
        return 0

    def _may_read(self) -> bool:
        if not self.reads or self.read_blocked_on_write:
            return False
        if self.read_over:
            return self.end is not None
        transport = self.transport
        left = transport.waiting or transport.ended or transport.engine.pending() > 0
        return left and self._read_size() > 0

    def _read_size(self) -> int:
        """bytes_to_read: 0 when the input is full."""
        if not self.wm_read_high:
            return self.max_single_read
        return min(self.max_single_read, self.wm_read_high - self.input.length)

    def _consider_reading(self) -> None:
        """consider_reading: records, until there is no more of them, or no room, or enough; then
        one read callback, and behind it the end."""
        if self._write_comes_first():
            self._retry_write()
            if self.write_blocked_on_read:
                return
        progress = False
        for _ in range(READS_A_PASS):
            if not self.reads or self.read_over or (size := self._read_size()) <= 0:
                break
            result = self._read_record(size)
            if isinstance(result, bytes):
                progress = True
                self.input.append_frozen(result)
            else:
                self._reading_stopped(result)
                break
        if progress:
            self._restart_read_timer()
            self.trigger_nolock(EV_READ, 0)
        if self.end is not None and self.reads:
            what, error = self.end
            self.end = None
            self.disable(EV_READ)
            self.run_eventcb(what, error)

    def _read_record(self, size: int) -> bytes | TlsResult:
        """do_read: what one record has, if reading is not suspended for the bytes it cost."""
        result: bytes | TlsResult = TlsResult.SSL_ERROR_WANT_READ
        for _ in range(READS_A_PASS):
            self.transport.feed()
            result = self.transport.read(size)
            if result is not TlsResult.SSL_ERROR_WANT_READ or not self.transport.waiting:
                break
        if isinstance(result, bytes) and not self.read_suspended & ~SUSPEND_WM:
            rest = self.transport.engine.pending()
            if rest:
                more = self.transport.read(rest)
                if isinstance(more, bytes):
                    result += more
        return result

    def _reading_stopped(self, result: TlsResult) -> None:
        self.read_blocked_on_write = result is TlsResult.SSL_ERROR_WANT_WRITE
        if result in RETRY:
            return
        self.read_over = True
        if result is TlsResult.SSL_ERROR_ZERO_RETURN:
            self.end = (BEV_EVENT_READING | BEV_EVENT_EOF, None)
        elif result is TlsResult.SSL_ERROR_EOF:
            self.end = self._dirty_end()
        else:
            self.end = (BEV_EVENT_READING | BEV_EVENT_ERROR, result)

    def _dirty_end(self) -> tuple[int, Failure | None]:
        """The transport ended without a close_notify."""
        assert self.lower_end is not None
        what, error = self.lower_end
        if what == BEV_EVENT_ERROR:
            return BEV_EVENT_READING | BEV_EVENT_ERROR, error
        if self.allow_dirty_shutdown:
            return BEV_EVENT_READING | BEV_EVENT_EOF, None
        return BEV_EVENT_READING | BEV_EVENT_ERROR, TlsResult.SSL_ERROR_EOF
