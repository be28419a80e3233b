"""What a TLS engine is: a machine between plaintext and records, that touches no descriptor.

The bufferevent above (`model.bufferevent_ssl`) is its transport. It feeds what came from below,
one record at a time, so that what is not decrypted yet stays below, where watermarks count it; and
it takes what has to go down. An outcome other than success is a value with OpenSSL's name
(SSL_get_error(3)). The one engine there is, `harness.tls`, lives outside the model: the standard
library's ssl brings sockets and randomness with it.

Sizes are bytes. Renegotiation is not part of the protocol: TLS 1.3 has none (RFC 8446 section 4.1),
and the standard library cannot start one for TLS 1.2.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol, TypeAlias

from model.kernel import Buffer


class TlsResult(enum.Enum):
    """An outcome of an engine's call that is not success: SSL_get_error(3)."""

    SSL_ERROR_SSL = 1  # fatal: `TlsEngine.errors` says what; every later call gives it again
    SSL_ERROR_WANT_READ = 2  # needs bytes from below
    SSL_ERROR_WANT_WRITE = 3  # what it has to send did not fit below; the same call again, later
    SSL_ERROR_ZERO_RETURN = 6  # the peer's close_notify: the orderly end of its stream
    SSL_ERROR_EOF = 8  # the transport ended without one (the standard library's number)

    __hash__ = object.__hash__


#: the two that ask for another call
RETRY = frozenset({TlsResult.SSL_ERROR_WANT_READ, TlsResult.SSL_ERROR_WANT_WRITE})

#: None is success
TlsOutcome: TypeAlias = TlsResult | None

RECORD_MAX = 16_384  # bytes of plaintext in one record (RFC 8446 section 5.1)
ERRORS_MAX = 3  # of the errors that are kept for get_openssl_error (bufferevent_ssl.c)


class SslState(enum.Enum):
    """enum bufferevent_ssl_state, and what becomes of a handshake that failed."""

    OPEN = 0
    CONNECTING = 1
    ACCEPTING = 2
    FAILED = 3


class TlsSettings(NamedTuple):
    """What decides about the lengths of records, by OpenSSL's names: enough to make another engine
    that does the same."""

    server: bool
    version: str  # 1.2 or 1.3
    certificate: str  # a file with the server's certificate and its key
    name: str  # whose certificate it is
    cipher: str
    curve: str


class TlsEngine(Protocol):
    """One end of one TLS connection."""

    room: int | None
    """How many bytes the transport takes just now; None for any number. An operation that has more
    than that to send gives SSL_ERROR_WANT_WRITE, and must be repeated unchanged."""

    def do_handshake(self) -> TlsOutcome: ...

    def read(self, size: int) -> bytes | TlsResult:
        """1 to `size` bytes of plaintext, of one record."""

    def write(self, data: Buffer) -> int | TlsResult:
        """Turns `data` (1 to RECORD_MAX bytes) into a record: its length. After a retry outcome the
        next call must have at least as many bytes (SSL_write(3): "bad write retry")."""

    def shutdown(self) -> TlsOutcome:
        """Sends close_notify. Reading goes on; writing is an error from now on."""

    def pending(self) -> int:
        """Plaintext that is decrypted already: SSL_pending(3)."""

    def wanted(self) -> int:
        """How many bytes from below complete the current record (or its header); 0: it is here."""

    def feed(self, data: Buffer) -> None:
        """Bytes from below, at most `wanted()` of them."""

    def feed_eof(self) -> None:
        """The transport has ended: what would want to read gives SSL_ERROR_EOF from now on."""

    def take(self) -> bytes:
        """What goes down now: at most `room` bytes."""

    def errors(self) -> tuple[str, ...]:
        """The reasons of the failures so far, oldest first; their words are the engine's own."""

    def clear(self) -> None:
        """SSL_clear(3): a new connection, as the same side."""
