"""TLS of libevent over another bufferevent: what the contract allows it, and not the model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.errors import Errno
from model.properties import check
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)
from model.tls import TlsResult
from tests.model.properties.pairs_tls import Tls
from tests.model.properties.traces import DEFERRED, RW

READ_TIMED_OUT = BEV_EVENT_READING | BEV_EVENT_TIMEOUT
READ_END = BEV_EVENT_READING | BEV_EVENT_EOF
READ_FAILED = BEV_EVENT_READING | BEV_EVENT_ERROR
WRITE_FAILED = BEV_EVENT_WRITING | BEV_EVENT_ERROR
CLOSED = TlsResult.SSL_ERROR_ZERO_RETURN
RESET, CUT = Errno.ECONNRESET, TlsResult.SSL_ERROR_EOF
SIZES = st.integers(1, 16_384)


def broken(tape: Tls, foreign: bool) -> set[str]:
    """What breaks of the TLS."""
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=foreign
    )
    assert not verdicts.unreadable
    return {each.property for each in verdicts.violations if each.message.startswith("c0 ")}


def told(tape: Tls, name: str, what: int, error: object = None, mask: int = RW) -> Tls:
    """An event callback of a level that does nothing."""
    tape.add("cb", name, "event", what, error, 0, 0, mask)
    tape.add("cb_end", name, "event", 0, 0)
    return tape


def passed_on(tape: Tls, what: int, as_what: int, error: object = None) -> Tls:
    """An event of the one below, inside of which TLS tells one."""
    tape.add("cb", "c0/0", "event", what, error, 0, 0, EV_WRITE)
    told(tape, "c0", as_what, error)
    tape.add("cb_end", "c0/0", "event", 0, 0)
    return tape


@given(st.booleans(), st.booleans())
def test_an_end_below_has_no_direction(shaken: bool, foreign: bool) -> None:
    """E-5, where an end without close_notify is EOF. In a handshake that breaks O-1."""
    tape = Tls(shaken=shaken)
    tape.op("allow_dirty_shutdown", 1)
    passed_on(tape, READ_END, BEV_EVENT_EOF)
    found = broken(tape, foreign)
    assert ("E-5" in found) == (not foreign)
    assert ("O-1" in found) == (not shaken)


@given(st.booleans(), st.booleans())
def test_an_end_below_is_no_end_of_a_stream_in_a_handshake(shaken: bool, dirty: bool) -> None:
    """E-3, E-4: whatever the application allows, ERROR is the outcome of that handshake."""
    tape = Tls(shaken=shaken)
    tape.op("allow_dirty_shutdown", int(dirty))
    passed_on(tape, READ_END, BEV_EVENT_ERROR, CUT)
    assert broken(tape, True) == ({"E-4"} if shaken and dirty else set())


@given(st.booleans(), st.booleans())
def test_an_end_below_and_a_failed_write_in_one_call(ends: bool, foreign: bool) -> None:
    """E-3: the EOF is of reading, though only writing is named, if reading has ended."""
    tape = Tls(options=DEFERRED)
    tape.op("allow_dirty_shutdown", 1)
    if ends:
        told(tape, "c0/0", READ_END, mask=EV_WRITE)
    told(tape, "c0/0", WRITE_FAILED, Errno.EPIPE, mask=0)
    told(tape, "c0", WRITE_FAILED | BEV_EVENT_EOF, Errno.EPIPE)
    assert ("E-3" in broken(tape, foreign)) == (not (ends and foreign))


@given(st.booleans(), st.booleans())
def test_an_error_that_waits_has_taken_no_mask(foreign: bool, taken: bool) -> None:
    """E-6: another event may come before that of a write that failed."""
    tape = Tls()
    tape.op("set_timeouts", 1, None).at(2).wait()
    tape.add("tls", "c0", "write", 1, TlsResult.SSL_ERROR_SSL)
    told(tape, "c0", READ_TIMED_OUT, None, 0 if taken else EV_WRITE)
    assert ("E-6" in broken(tape, foreign)) == (foreign == taken)


@given(st.booleans(), st.booleans())
def test_who_asks_first_takes_the_error(triggers: bool, foreign: bool) -> None:
    """E-2: that of a write that failed, which waits, and an ERROR that the application makes."""
    failure = TlsResult.SSL_ERROR_SSL
    tape = Tls()
    tape.add("tls", "c0", "write", 1, failure)
    if triggers:
        tape.op("trigger_event", 0x22, 0)
        told(tape, "c0", 0x22, failure)
    told(tape, "c0", 0x22, None)
    assert ("E-2" in broken(tape, foreign)) == (not (triggers and foreign))


@given(SIZES, st.booleans())
def test_eof_may_overtake_data(size: int, foreign: bool) -> None:
    """O-2: an EOF of close_notify before the read callback."""
    tape = Tls().reads(size)
    tape.add("tls", "c0", "read", 1, CLOSED)
    tape.add("cb", "c0", "event", READ_END, None, size, 0, RW if foreign else EV_WRITE)
    assert ("O-2" in broken(tape, foreign)) == (not foreign)


@given(SIZES)
def test_an_error_may_not(size: int) -> None:
    tape = Tls().reads(size)
    tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_SSL)
    tape.add("cb", "c0", "event", READ_FAILED, TlsResult.SSL_ERROR_SSL, size, 0, RW)
    assert "O-2" in broken(tape, True)


@given(st.booleans())
def test_connected_below_an_opened_one_is_swallowed(foreign: bool) -> None:
    """E-1: without a handshake nobody tells it."""
    tape = Tls(shaken=False)
    tape.add("tls", "c0", "open", 0, 0)
    tape.op("connect", 40_000).add("ret", "c0", "connect", 0)
    told(tape, "c0/0", 0x80).wait().add("quiet")
    assert ("E-1" in broken(tape, foreign)) == (not foreign)


@given(st.sampled_from((READ_FAILED, 0x22)), st.booleans())
def test_a_further_end_below_is_passed_on(what: int, foreign: bool) -> None:
    """E-1: one outcome of a handshake, unless what is below has two ends to tell."""
    tape = Tls(shaken=False)
    passed_on(tape, READ_FAILED, READ_FAILED, RESET)
    passed_on(tape, what, what, RESET)
    assert ("E-1" in broken(tape, foreign)) == (not foreign)


@given(st.integers(1, 3), st.booleans())
def test_a_handshake_fails_once(times: int, enables: bool) -> None:
    """E-1: what the engine says again is not the outcome again, but where it is asked again."""
    tape = Tls(shaken=False)
    for _ in range(times):
        tape.add("tls", "c0", "handshake", 0, TlsResult.SSL_ERROR_SSL)
        told(tape, "c0", READ_FAILED, TlsResult.SSL_ERROR_SSL)
        if enables:
            tape.op("enable", EV_READ)
    assert ("E-1" in broken(tape, True)) == (times > 1 and not enables)


@given(st.booleans())
def test_a_connect_that_failed_has_had_its_outcome(dirty: bool) -> None:
    """O-1: an end of what is below behind it comes before no CONNECTED."""
    tape = Tls(shaken=False)
    tape.op("allow_dirty_shutdown", int(dirty))
    tape.op("connect", 40_000).add("ret", "c0", "connect", 0)
    passed_on(tape, BEV_EVENT_ERROR, BEV_EVENT_ERROR, RESET)
    passed_on(tape, READ_END, BEV_EVENT_EOF if dirty else BEV_EVENT_ERROR, CUT)
    assert not broken(tape, True)


@given(st.booleans(), SIZES)
def test_bytes_are_of_the_moment_in_which_the_engine_gave_them(before: bool, size: int) -> None:
    """C-1: a callback may disable reading between the engine's answer and the input's growth."""
    tape = Tls()
    if not before:
        tape.op("disable", EV_READ)
    tape.add("tls", "c0", "read", size, bytes(size))
    if before:
        tape.op("disable", EV_READ)
    tape.add("buffer", "c0", "input", size, 0)
    tape.add("cb", "c0", "read", 0, None, size, 0, EV_WRITE)
    assert ("C-1" in broken(tape, True)) == (not before)
    assert "C-1" in broken(tape, False)
