"""A TLS engine that encrypts nothing and renegotiates, as the standard library's cannot.

It keeps the contract of `model.tls.TlsEngine`. Some of its writes begin a renegotiation: they want
to read until the other end has answered, and only then are done; who is asked answers before it
reads on, which wants to write where there is no room. It holds its caller to SSL_write(3): a write
that wanted something is repeated with the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection

from model.kernel import Buffer
from model.tls import TlsOutcome, TlsResult

_HEADER = 3  # a letter and the length of what follows it
_HELLO, _OTHER_HELLO, _ASKS, _ANSWERS, _DATA, _CLOSE = b"HhNnDC"
_WANT_READ, _WANT_WRITE = TlsResult.SSL_ERROR_WANT_READ, TlsResult.SSL_ERROR_WANT_WRITE
_FATAL = TlsResult.SSL_ERROR_SSL


class Renegotiating:
    """One end. `asks_at`: which of its writes, counted from 0, begin a renegotiation."""

    def __init__(self, server: bool, asks_at: Collection[int] = ()) -> None:
        self.server = server
        self.asks_at = asks_at
        self.room: int | None = None
        self.clear()

    def clear(self) -> None:
        self.incoming, self.outgoing, self.plain = bytearray(), bytearray(), bytearray()
        self.began = self.opened = self.asked = self.closed = self.shut = self.eof = False
        self.failed = False
        self.writes = 0
        self.made = False  # the record of the write that wants something
        self.wanted_to_write: bytes | None = None

    # Operations.

    def do_handshake(self) -> TlsOutcome:
        if not self.server and not self.began:
            self.began = True
            self._send(_HELLO)
        if self._full():
            return _WANT_WRITE
        if not self.opened:
            letter = self._letter()
            if letter is None:
                return self._nothing()
            if letter != (_HELLO if self.server else _OTHER_HELLO):
                return self._fail()
            self.opened = True
            if self.server:
                self._send(_OTHER_HELLO)
        return _WANT_WRITE if self._full() else None

    def read(self, size: int) -> bytes | TlsResult:
        while not self.plain:
            if self._full():
                return _WANT_WRITE  # an answer goes first
            outcome = self._next_record()
            if outcome is not None:
                return outcome
        data = bytes(self.plain[:size])
        del self.plain[:size]
        return data

    def write(self, data: Buffer) -> int | TlsResult:
        if self.shut or self.failed:
            return self._fail()
        mine = bytes(data)
        if self.wanted_to_write is None:
            self.wanted_to_write = mine
            self.asked = self.writes in self.asks_at
            self.writes += 1
            if self.asked:
                self._send(_ASKS)
        said = self.wanted_to_write
        assert mine[: len(said)] == said, "bad write retry"
        while self.asked:
            outcome = self._next_record()
            if outcome is not None:
                return outcome
        if not self.made:
            self.made = True
            self._send(_DATA, said)
        if self._full():
            return _WANT_WRITE
        self.made, self.wanted_to_write = False, None
        return len(said)

    def shutdown(self) -> TlsOutcome:
        self.shut = True
        self._send(_CLOSE)
        return None

    def pending(self) -> int:
        return len(self.plain)

    def errors(self) -> tuple[str, ...]:
        return ("NOT_A_RECORD",) if self.failed else ()

    def _next_record(self) -> TlsResult | None:
        """What it asks for is done; or why there is none."""
        letter = None if self.closed or self.failed else self._letter()
        if letter is None:
            return self._nothing()
        if letter == _ASKS:
            self._send(_ANSWERS)
        elif letter == _ANSWERS:
            self.asked = False
        elif letter == _CLOSE:
            self.closed = True
        elif letter != _DATA:
            return self._fail()
        return None

    def _letter(self) -> int | None:
        """The kind of the next whole record; what one of data has is `plain` then."""
        size = int.from_bytes(self.incoming[1:_HEADER], "big")
        if len(self.incoming) < _HEADER + size:
            return None
        letter = self.incoming[0]
        self.plain += self.incoming[_HEADER : _HEADER + size]
        del self.incoming[: _HEADER + size]
        return letter

    def _nothing(self) -> TlsResult:
        if self.failed:
            return _FATAL
        if self.closed:
            return TlsResult.SSL_ERROR_ZERO_RETURN
        return TlsResult.SSL_ERROR_EOF if self.eof else _WANT_READ

    def _fail(self) -> TlsResult:
        self.failed = True
        return _FATAL

    # The transport.

    def wanted(self) -> int:
        have = len(self.incoming)
        if have < _HEADER:
            return _HEADER - have
        return max(0, _HEADER + int.from_bytes(self.incoming[1:_HEADER], "big") - have)

    def feed(self, data: Buffer) -> None:
        assert 0 < len(data) <= self.wanted(), "more than was wanted"
        self.incoming += data

    def feed_eof(self) -> None:
        self.eof = True

    def take(self) -> bytes:
        size = len(self.outgoing) if self.room is None else self.room
        data = bytes(self.outgoing[:size])
        del self.outgoing[:size]
        return data

    def _send(self, letter: int, data: bytes = b"") -> None:
        self.outgoing += bytes([letter]) + len(data).to_bytes(2, "big") + data

    def _full(self) -> bool:
        return self.room is not None and len(self.outgoing) > self.room
