"""The TLS engine over the standard library: its outcomes, its lengths, its bounds."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tls import CERTIFICATE, NAME, VERSIONS, SslEngine, context
from model.content import content
from model.errors import UsageError
from model.tls import RECORD_MAX, TlsOutcome, TlsResult

WANT_READ, WANT_WRITE = TlsResult.SSL_ERROR_WANT_READ, TlsResult.SSL_ERROR_WANT_WRITE
ZERO, END, FATAL = (
    TlsResult.SSL_ERROR_ZERO_RETURN,
    TlsResult.SSL_ERROR_EOF,
    TlsResult.SSL_ERROR_SSL,
)
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)


def feed(engine: SslEngine, data: bytes) -> bytes:
    """Feeds at most one record: what is left of `data`."""
    while data and (wanted := engine.wanted()):
        engine.feed(data[:wanted])
        data = data[wanted:]
    return data


class Ends:
    """A client and a server, and what each sent, in pieces."""

    def __init__(self, client: SslEngine, server: SslEngine) -> None:
        self.client, self.server = client, server
        self.lengths: list[tuple[str, int]] = []

    def shake(self) -> None:
        """The handshake, to its end on both sides."""
        done: set[str] = set()
        for _ in range(10):
            for name, end, other in self._sides():
                if end.do_handshake() is None:
                    done.add(name)
                self._carry(name, end, other)
        assert done == {"client", "server"}

    def _sides(self) -> Iterator[tuple[str, SslEngine, SslEngine]]:
        yield "client", self.client, self.server
        yield "server", self.server, self.client

    def _carry(self, name: str, end: SslEngine, other: SslEngine) -> None:
        data = end.take()
        if data:
            self.lengths.append((name, len(data)))
        while data:
            data = feed(other, data)
            if data:
                other.do_handshake()


def opened(version: str = "1.3") -> Ends:
    """Both engines behind their handshake."""
    ends = Ends(SslEngine(False, version), SslEngine(True, version))
    ends.shake()
    return ends


def moved(source: SslEngine, target: SslEngine) -> list[bytes | TlsResult]:
    """What the target reads of everything that the source has to send."""
    data = source.take()
    read: list[bytes | TlsResult] = []
    while data and len(read) < 100:
        data = feed(target, data)
        read.append(target.read(1 << 20))
    return read


@EVERY_VERSION
def test_lengths_are_the_same_every_time(version: str) -> None:
    """What a trace shows of a handshake and of records must not depend on randomness."""

    def lengths() -> list[tuple[str, int]]:
        ends = opened(version)
        for size in (1, 100, RECORD_MAX):
            ends.client.write(bytes(size))
            ends.lengths.append(("client", len(ends.client.take())))
        ends.server.shutdown()
        return [*ends.lengths, ("server", len(ends.server.take()))]

    seen = [lengths() for _ in range(20)]
    assert all(each == seen[0] for each in seen)
    assert len(seen[0]) > 5


@EVERY_VERSION
@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, RECORD_MAX), min_size=1, max_size=6),
    reads=st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
)
def test_bytes_come_out_as_they_went_in(version: str, sizes: list[int], reads: list[int]) -> None:
    """B-1 through the engine, whatever the sizes of reads and writes."""
    ends = opened(version)
    sent, offset = b"", 0
    for size in sizes:
        assert ends.client.write(content(0, offset, size)) == size
        sent += ends.client.take()
        offset += size
    got, turn = b"", 0
    while True:
        sent = feed(ends.server, sent)
        data = ends.server.read(reads[turn % len(reads)])
        turn += 1
        if not isinstance(data, bytes):
            assert data is WANT_READ
            break
        assert ends.server.pending() <= RECORD_MAX
        got += data
    assert got == content(0, 0, offset)


@EVERY_VERSION
def test_a_close_notify_ends_one_direction(version: str) -> None:
    ends = opened(version)
    client, server = ends.client, ends.server
    server.write(b"before")
    data = server.take()
    assert feed(client, data) == b""  # there to be read when the shutdown comes
    assert client.shutdown() is None
    assert moved(client, server) == [ZERO]
    assert client.read(100) == b"before"
    assert client.write(b"x") is FATAL
    assert client.errors() == ("PROTOCOL_IS_SHUTDOWN",)
    assert server.write(b"still") == 5
    assert moved(server, client) == [b"still"]
    assert server.shutdown() is None
    assert moved(server, client) == [ZERO]
    assert server.read(1) is ZERO


def test_what_was_decrypted_survives_a_shutdown() -> None:
    ends = opened()
    ends.server.write(b"0123456789")
    feed(ends.client, ends.server.take())
    assert ends.client.read(4) == b"0123"
    assert ends.client.pending() == 6
    assert ends.client.shutdown() is None
    assert ends.client.pending() == 6
    assert [ends.client.read(4), ends.client.read(4)] == [b"4567", b"89"]
    assert ends.client.read(1) is WANT_READ


@EVERY_VERSION
def test_an_end_without_close_notify(version: str) -> None:
    ends = opened(version)
    ends.client.write(b"last")
    data = ends.client.take()
    feed(ends.server, data[:7])
    assert ends.server.read(10) is WANT_READ
    ends.server.feed_eof()
    assert ends.server.read(10) is END
    assert ends.server.read(10) is END
    assert ends.server.write(b"still") == 5


def test_the_transport_ends_in_the_handshake() -> None:
    server = SslEngine(True)
    assert server.do_handshake() is WANT_READ
    server.feed_eof()
    assert server.do_handshake() is END


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\x16\x03\x01\xff\xff" * 9]
)
def test_what_is_no_record_is_fatal(data: bytes) -> None:
    server = SslEngine(True)
    feed(server, data)
    assert server.do_handshake() is FATAL
    assert server.do_handshake() is FATAL
    assert server.do_handshake() is FATAL
    assert server.do_handshake() is FATAL
    assert 1 <= len(server.errors()) <= 3


def test_a_record_that_was_changed_is_fatal() -> None:
    ends = opened()
    ends.client.write(b"secret")
    data = bytearray(ends.client.take())
    data[-1] ^= 1
    feed(ends.server, bytes(data))
    assert ends.server.read(10) is FATAL
    assert ends.server.read(10) is FATAL


def test_a_write_that_did_not_fit_is_repeated_unchanged() -> None:
    """SSL_write(3) over a BIO that is full."""
    ends = opened()
    client = ends.client
    client.room = 100
    assert client.write(bytes(1000)) is WANT_WRITE
    first = client.take()
    assert len(first) == 100
    client.room = 0
    assert client.write(bytes(1000)) is WANT_WRITE
    assert client.take() == b""
    client.room = 5000
    assert client.write(bytes(999)) is FATAL
    assert client.errors() == ("BAD_WRITE_RETRY",)
    assert client.write(bytes(1000)) == 1000
    assert feed(ends.server, first + client.take()) == b""
    assert ends.server.read(2000) == bytes(1000)


@EVERY_VERSION
def test_a_handshake_through_a_narrow_transport(version: str) -> None:
    """Seven bytes at a time, in each direction."""
    client, server = SslEngine(False, version), SslEngine(True, version)
    outcomes: dict[str, TlsOutcome] = {"client": WANT_READ, "server": WANT_READ}
    waiting = {"client": b"", "server": b""}
    blocked = 0
    for _ in range(2_000):
        for name, end, other in (("client", client, "server"), ("server", server, "client")):
            waiting[name] = feed(end, waiting[name])
            end.room = 7
            if outcomes[name] is not None:
                outcomes[name] = end.do_handshake()
                blocked += outcomes[name] is WANT_WRITE
            waiting[other] += end.take()
    assert outcomes == {"client": None, "server": None}
    assert blocked > 50


@EVERY_VERSION
def test_reading_and_writing_shake_hands_by_themselves(version: str) -> None:
    """SSL_read(3), SSL_write(3): on a connection without a handshake they do it first."""
    client, server = SslEngine(False, version), SslEngine(True, version)
    assert client.write(b"hello") is WANT_READ
    assert server.read(9) is WANT_READ
    got: bytes | TlsResult = WANT_READ
    for _ in range(10):
        data = client.take()
        while data:
            data = feed(server, data)
            got = server.read(9)
        data = server.take()
        while data:
            data = feed(client, data)
            client.write(b"hello")
        if isinstance(got, bytes):
            break
    assert got == b"hello"


def test_cleared_for_a_new_connection() -> None:
    ends = opened()
    ends.client.shutdown()
    ends.client.feed_eof()
    feed(ends.client, b"garbage!!")
    ends.client.clear()
    again = Ends(ends.client, SslEngine(True))
    again.shake()
    assert ends.client.write(b"new") == 3
    assert moved(ends.client, again.server) == [b"new"]


def test_unknown_version() -> None:
    with pytest.raises(UsageError, match=r"version '1\.1' is not known"):
        SslEngine(True, "1.1")


def fresh_certificate(folder: Path) -> Path:
    """A certificate of today, with a key of another kind than the one that is carried."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "fresh.pem"
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@EVERY_VERSION
def test_any_certificate_does(version: str, tmp_path: Path) -> None:
    path = fresh_certificate(tmp_path)
    ends = Ends(
        SslEngine(False, version, context(version, False, path)),
        SslEngine(True, version, context(version, True, path)),
    )
    ends.shake()
    ends.server.write(b"hello")
    assert moved(ends.server, ends.client) == [b"hello"]


def test_the_client_looks_at_the_certificate(tmp_path: Path) -> None:
    """A server whose certificate is not the known one is refused, and both ends hear of it."""
    client = SslEngine(False)
    server = SslEngine(True, "1.3", context("1.3", True, fresh_certificate(tmp_path)))
    client.do_handshake()
    feed(server, client.take())
    server.do_handshake()
    data = server.take()
    outcome: TlsOutcome = WANT_READ
    while data and outcome is WANT_READ:
        data = feed(client, data)
        outcome = client.do_handshake()
    assert outcome is FATAL
    assert client.errors() == ("CERTIFICATE_VERIFY_FAILED",)
    feed(server, client.take())
    assert server.do_handshake() is FATAL


def test_the_carried_certificate_is_what_its_script_says() -> None:
    made = x509.load_pem_x509_certificate(CERTIFICATE.read_bytes())
    assert made.subject == made.issuer
    assert made.not_valid_after_utc - made.not_valid_before_utc > timedelta(days=36_500)
    assert len(made.signature) == 64
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]


def test_pinned() -> None:
    server = context("1.3", True)
    assert server is context("1.3", True)
    assert server.num_tickets == 0
    assert server.options & ssl.OP_NO_TICKET
    assert server.minimum_version is server.maximum_version is ssl.TLSVersion.TLSv1_3
