"""Traces that keep and that break the promises about TLS (see `pairs`)."""

from __future__ import annotations

from model.subject import EV_READ
from model.tls import TlsResult
from tests.model.properties.traces import RW, Builder, Tape


class Tls(Tape):
    """TLS `c0` on `c0/0`, an end of a pair: behind its handshake, if that is `shaken`."""

    def __init__(self, high: int = 0, shaken: bool = True, options: int = 1) -> None:
        super().__init__(name="c0")
        self.add("new", "c0/0", "pair", options, None)
        self.add("new", "c0", "ssl", options, None).add("layer", "c0", "c0/0")
        self.add("op", "c0/0", "setcb", (1, 1, 1)).add("op", "c0/0", "enable", (RW,))
        self.op("setcb", 1, 1, 1)
        self.enabled |= RW
        self.op("enable", RW)
        if high:
            self.op("setwatermark", EV_READ, 0, high)
        if shaken:
            self.add("tls", "c0", "handshake", 0, 0)
            self.add("cb", "c0", "event", 0x80, None, 0, 0, RW)
            self.add("cb_end", "c0", "event", 0, 0)

    def reads(self, size: int) -> Tls:
        """One record of the engine, into the input."""
        self.add("tls", "c0", "read", size, bytes(size))
        self.add("buffer", "c0", "input", size, 0)
        return self


def r6_good() -> Tape:
    tape = Tls()
    for _ in range(8):
        tape.reads(1)
    return tape


def r6_bad() -> Tape:
    tape = Tls()
    for _ in range(9):
        tape.reads(1)
    return tape


def w1_one_record_over() -> Tape:
    return Tls(high=100).reads(16_000)


def w1_two_records_over() -> Tape:
    return Tls(high=100).reads(16_000).reads(1)


def e1_told_without_handshake() -> Tape:
    return Tls().add("cb", "c0", "event", 0x80, None, 0, 0, RW)


def e3_end_without_close_notify() -> Tape:
    tape = Tls().add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_EOF)
    return tape.add("cb", "c0", "event", 0x11, None, 0, 0, 4)


def e4_error_where_eof_is_due() -> Tape:
    tape = Tls().op("allow_dirty_shutdown", 2)
    tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_EOF)
    return tape.add("cb", "c0", "event", 0x21, TlsResult.SSL_ERROR_EOF, 0, 0, 4)


def l3_handshake_rests() -> Tape:
    tape = Tls(shaken=False).add("buffer", "c0/0", "input", 100, 0)
    tape.add("tls", "c0", "handshake", 0, TlsResult.SSL_ERROR_WANT_READ)
    return tape.add("quiet")


def s1_freed_twice() -> Tape:
    return Tls().add("op", "c0/0", "free", ()).add("op", "c0/0", "free", ())


#: of properties that other modules pair too
MORE: dict[str, tuple[list[Builder], list[Builder]]] = {
    "R-6": ([r6_good], [r6_bad]),
    "W-1": ([w1_one_record_over], [w1_two_records_over]),
    "E-1": ([], [e1_told_without_handshake]),
    "E-3": ([], [e3_end_without_close_notify]),
    "E-4": ([], [e4_error_where_eof_is_due]),
    "L-3": ([], [l3_handshake_rests]),
    "S-1": ([], [s1_freed_twice]),
}
