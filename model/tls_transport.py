"""What joins a TLS engine to the bufferevent below it: bytes up one record at a time, bytes down as
far as there is room (libevent: the BIO over a bufferevent of bufferevent_openssl.c)."""

from __future__ import annotations

from model.layer import Underlying
from model.tls import TlsEngine, TlsOutcome, TlsResult


class TlsTransport:
    """An engine's way to its bufferevent. Every call of the engine goes through here."""

    __slots__ = ("ended", "engine", "underlying")

    def __init__(self, engine: TlsEngine, underlying: Underlying) -> None:
        self.engine = engine
        self.underlying = underlying
        self.ended = False  # nothing comes any more behind what is there

    def restart(self) -> None:
        """A new connection: what is left of the old one is thrown away (SSL_clear)."""
        self.engine.clear()
        self.ended = False
        for buffer in (self.underlying.input, self.underlying.output):
            buffer.drain_frozen(buffer.length)

    @property
    def waiting(self) -> bool:
        """Whether there are bytes below that the engine has not been given."""
        return self.underlying.input.length > 0

    @property
    def room(self) -> int | None:
        """Bytes that the one below takes now; None: any number."""
        high = self.underlying.wm_write_high
        return max(0, high - self.underlying.output.length) if high else None

    def feed(self) -> None:
        """Gives the engine one whole record, or what there is of it; then, the end."""
        engine, lower = self.engine, self.underlying.input
        while lower.length and (wanted := engine.wanted()):
            engine.feed(lower.remove(wanted) or b"")
        if self.ended and not lower.length:
            engine.feed_eof()

    def hand_down(self) -> None:
        """What the engine has to send goes below."""
        self.engine.room = self.room
        data = self.engine.take()
        if data:
            self.underlying.output.add(data)

    def handshake(self) -> TlsOutcome:
        self.engine.room = self.room
        result = self.engine.do_handshake()
        self.hand_down()
        return result

    def read(self, size: int) -> bytes | TlsResult:
        self.engine.room = self.room
        result = self.engine.read(size)
        self.hand_down()
        return result

    def write(self, data: bytes) -> int | TlsResult:
        self.engine.room = self.room
        result = self.engine.write(data)
        self.hand_down()
        return result

    def shutdown(self) -> TlsOutcome:
        self.engine.room = self.room
        result = self.engine.shutdown()
        self.hand_down()
        return result
