"""The writing half of TLS over another bufferevent (libevent: bufferevent_openssl.c, do_write).

Each chain of the output becomes a record, or with `batch_write` as many as fill one. Of a write
that blocked, exactly the same bytes are tried again, in however many chains they lie then.
"""

from __future__ import annotations

from model.event_base import EventBase
from model.generic_timeouts import GenericBufferevent
from model.subject import (
    BEV_EVENT_ERROR,
    BEV_EVENT_WRITING,
    BEV_TRIG_DEFER_CALLBACKS,
    EV_WRITE,
    Failure,
)
from model.tls import RECORD_MAX, RETRY, TlsResult
from model.tls_transport import TlsTransport

READS_A_PASS = 4  # records that are opened for one bufferevent in one pass
WRITES_A_PASS = 4  # rounds of writing
CHAINS_A_WRITE = 8  # chains of the output that one round looks at


class SslWriting(GenericBufferevent):
    """What a TLS bufferevent does with its output."""

    __slots__ = ("batch_write", "last_write", "transport", "write_blocked_on_read")

    def __init__(self, base: EventBase, transport: TlsTransport, options: int) -> None:
        super().__init__(base, None, options)
        self.transport = transport
        self.batch_write = False
        self.last_write: int | None = None  # bytes of the write that blocked
        self.write_blocked_on_read = False

    def set_batch_write(self, batch: int) -> int:
        """BUFFEREVENT_SSL_BATCH_WRITE: small chains share a record."""
        self.batch_write = bool(batch)
        return 0

    def _write_comes_first(self) -> bool:
        """A write waits for bytes from below: nothing is read before it is done."""
        return self.write_blocked_on_read and self.writes

    def _may_write(self) -> bool:
        if not self.writes or not self.output.length or self.write_blocked_on_read:
            return False
        return self.transport.room != 0

    def _consider_writing(self) -> None:
        """consider_writing: rounds of chains; the write callback is always deferred."""
        progress = False
        for _ in range(WRITES_A_PASS):
            if not self._may_write():
                break
            written = self._do_write()
            progress |= written > 0
            if not written or self.last_write is not None:
                break
        if progress:
            self._wrote()

    def _retry_write(self) -> None:
        """The write that waits for bytes from below is tried again while there are some."""
        for _ in range(READS_A_PASS):
            self.transport.feed()
            written = self._do_write()
            if written:
                self._wrote()
            if not self.write_blocked_on_read or not self.transport.waiting:
                return

    def _wrote(self) -> None:
        self._restart_write_timer()
        self.trigger_nolock(EV_WRITE, BEV_TRIG_DEFER_CALLBACKS)

    def _do_write(self) -> int:
        """do_write: one round, each chain a record; the bytes that the engine took."""
        written = 0
        for data in self._pieces():
            result = self.transport.write(data)
            if isinstance(result, int):
                written += result
                self.last_write = None
                self.write_blocked_on_read = False
            else:
                self._writing_stopped(result, len(data))
                break
        self.output.drain_frozen(written)
        return written

    def _pieces(self) -> list[bytes]:
        """What is written next: what blocked, unchanged; or up to eight chains."""
        output = self.output
        if self.last_write is not None:
            return [output.copyout(self.last_write)]
        size = min(self.max_single_write, RECORD_MAX)
        if self.batch_write:
            return [output.copyout(size)]
        return [bytes(chain) for chain in output.peek(size, CHAINS_A_WRITE) if len(chain)]

    def _writing_stopped(self, result: TlsResult, size: int) -> None:
        self.write_blocked_on_read = result is TlsResult.SSL_ERROR_WANT_READ
        if result in RETRY:
            self.last_write = size
        else:
            self.last_write = None
            self._fail_writing(result)

    def _fail_writing(self, error: Failure | None) -> None:
        self.disable(EV_WRITE)
        self.run_eventcb(BEV_EVENT_WRITING | BEV_EVENT_ERROR, error, BEV_TRIG_DEFER_CALLBACKS)
