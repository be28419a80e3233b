"""Verdicts on what seldom happens: where they turn, and on what they do not depend."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.content import content
from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLLIN, EPOLLOUT
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
    EVLOOP_ONCE,
)
from model.tls import TlsResult
from tests.model.properties.pairs_layers import pair
from tests.model.properties.pairs_rates import LIMITS, grouped, one_read
from tests.model.properties.traces import DEFERRED, FD, LISTENER_FD, MS, RW, Tape, broken

SIZES = st.integers(1, 9)


# Ends.


@given(st.booleans(), SIZES, st.booleans())
def test_a_send_that_gave_nothing_ends_the_writing(
    completion: bool, size: int, nothing: bool
) -> None:
    """E-3: and nothing else does. With an end of reading it may share one call."""
    tape = Tape(completion=completion, options=DEFERRED).accepted().write(size).wait((FD, EPOLLOUT))
    if completion:
        tape.add("wsa_send", FD, 2, size, Win32Error.WSA_IO_PENDING)
    if nothing and completion:
        tape.add("completion", FD, 2, "send", NtStatus.SUCCESS, b"")
    elif nothing:
        tape.add("send", FD, size, b"")
        tape.enabled &= ~EV_WRITE
    tape.event(BEV_EVENT_WRITING | BEV_EVENT_EOF)
    assert ("E-3" in broken(tape)) == (not nothing)


@given(st.booleans(), st.booleans(), st.sampled_from((BEV_EVENT_EOF, 0x50)))
def test_both_ends_in_one_call(reading: bool, writing: bool, what: int) -> None:
    """E-3: a deferred EOF of both directions has one cause at least, here with a timeout or not."""
    tape = Tape(options=DEFERRED).accepted().op("set_timeouts", MS, None).write(9)
    tape.wait((FD, EPOLLIN | EPOLLOUT)).at(1).wait()
    if writing:
        tape.add("send", FD, 9, b"")
        tape.enabled &= ~EV_WRITE
    if reading:
        tape.eof()
    if what & BEV_EVENT_TIMEOUT:
        tape.enabled &= ~EV_READ
    tape.event(what | BEV_EVENT_READING | BEV_EVENT_WRITING)
    assert ("E-3" in broken(tape)) == (not (reading or writing))


@given(st.booleans(), st.booleans(), st.booleans())
def test_reading_that_is_enabled_behind_the_end(ended: bool, told: bool, again: bool) -> None:
    """L-2: the peer has ended, and a reader that may read was told so, once at least."""
    tape = Tape().accepted()
    if ended:
        tape.peer("shutdown")
    tape.wait((FD, EPOLLIN))
    if told:
        tape.eof().event(BEV_EVENT_READING | BEV_EVENT_EOF)
    if again:
        tape.enable(EV_READ)
    assert ("L-2" in broken(tape.add("quiet"))) == (ended and not told)


@given(st.sampled_from((None, b"", content(1, 0, 3))), st.sampled_from(("recv", "send", "linger")))
def test_what_a_raw_end_was_given_back(result: bytes | None, operation: str) -> None:
    """B-2: a peer reads to the end of file with an empty recv, and with nothing else."""
    tape = Tape().accepted().write(3).wait((FD, EPOLLOUT)).leave(3)
    tape.peer(operation, 3, result)
    assert ("B-2" in broken(tape)) == (operation == "recv" and result == b"")


# What is told when.


@given(SIZES, SIZES, st.booleans(), st.booleans())
def test_the_low_watermark_of_the_moment_decides_what_a_pass_owed(
    size: int, low: int, called: bool, raised: bool
) -> None:
    """L-1, behind EVLOOP_ONCE: a callback that was due when the bytes came is owed no more when the
    application has raised its low watermark above them."""
    tape = Tape(options=DEFERRED).accepted().peer_sends(size)
    tape.add("loop", EVLOOP_ONCE).wait((FD, EPOLLIN)).arrive(size)
    if called:
        tape.read_callback(reads=False)
    if raised:
        tape.op("setwatermark", EV_READ, low, 0)
    tape.add("loop_end", 0).add("loop", EVLOOP_ONCE)
    assert ("L-1" in broken(tape)) == (not called and not (raised and size < low))


@given(SIZES, SIZES, st.booleans())
def test_a_callback_that_leaves_the_input_at_its_high_watermark(
    high: int, low: int, again: bool
) -> None:
    """W-2: another one may follow at once; below the low watermark it may not."""
    tape = Tape().accepted().wait((FD, EPOLLIN)).arrive(9).read_callback(reads=False)
    tape.op("setwatermark", EV_READ, 0, high).op("trigger", EV_READ, 1)
    tape.read_callback(reads=False).op("setwatermark", EV_READ, low + 5, high)
    tape.wait().op("trigger", EV_READ, 0).op("disable", EV_WRITE)
    tape.callback("read").end("read")
    if again:
        tape.callback("read").end("read")
    assert ("C-2" in broken(tape)) == (again and high > 9)


@given(st.booleans(), st.booleans(), st.booleans())
def test_who_could_not_accept_says_so(pauses: bool, hears: bool, quiet: bool) -> None:
    """An error callback is no callback of a connection: it breaks nothing, wherever it comes."""
    tape = Tape(name="l0").add("socket", LISTENER_FD).add("new", "l0", "listener", 1, LISTENER_FD)
    tape.op("set_cb", 1).wait((LISTENER_FD, EPOLLIN))
    tape.add("accept", LISTENER_FD, Errno.EMFILE, None)
    if hears:
        tape.add("cb", "l0", "error", 0, Errno.EMFILE, 0, 0, 0).add("cb_end", "l0", "error", 0, 0)
    if pauses:
        tape.at(100).wait()
    if quiet:
        tape.add("quiet")
    assert broken(tape) == []


@given(st.booleans(), st.booleans())
def test_an_end_of_a_pair_whose_output_a_flush_took(flushes: bool, passes: bool) -> None:
    """T-3: a write timeout needs something to write. A flush may have taken it behind the timer, in
    the same pass and not in one before."""
    tape = pair().op("set_timeouts", None, MS).write(9).at(1).wait()
    if flushes:
        tape.op("flush", EV_WRITE, 1)
        tape.add("buffer", "c0", "output", 0, 9).add("buffer", "s0", "input", 9, 0)
        tape.output = 0
    if passes:
        tape.wait()
    tape.enabled &= ~EV_WRITE
    tape.event(BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT)
    assert ("T-3" in broken(tape)) == (flushes and passes)


# TLS on a descriptor.


def _encrypted(completion: bool = False) -> Tape:
    tape = Tape(name="c0", completion=completion).add("new", "c0", "ssl-socket", 1, FD)
    tape.op("setcb", 1, 1, 1).op("enable", RW).add("tls", "c0", "handshake", 0, 0)
    tape.enabled = RW
    return tape.wait().event(BEV_EVENT_CONNECTED)


@given(st.booleans(), st.integers(1, 9_000), st.booleans())
def test_rates_of_what_is_encrypted_are_not_judged(completion: bool, size: int, own: bool) -> None:
    """R-1, R-4: OpenSSL reads a record's header and then the rest of it, whatever tokens there are;
    of a plain socket such a read is too much."""
    tape = _encrypted(completion) if own else Tape(name="c0", completion=completion).accepted()
    tape.op("set_rate_limit", *LIMITS).wait()
    if completion:
        tape.ask(size).add("completion", FD, 1, "recv", NtStatus.SUCCESS, bytes(size))
    else:
        tape.add("recv", FD, size, bytes(size)).add("send", FD, size, bytes(size))
    assert ("R-4" in broken(tape)) == (not own and size > LIMITS[0])


@given(st.sampled_from((0, EV_READ, EV_WRITE, RW)), st.booleans(), st.booleans())
def test_which_directions_stand_behind_an_end_below_tls(
    enabled: int, fails: bool, completion: bool
) -> None:
    """E-6: over completion what else fails below may be told or not, so the mask may be either;
    over readiness an end of reading takes READ, and nothing else."""
    tape = _encrypted(completion)
    if fails and completion:
        tape.add("wsa_recv", FD, 1, 9, Win32Error.WSA_IO_PENDING)
        tape.add("completion", FD, 1, "recv", NtStatus.CONNECTION_RESET, None)
        tape.enabled = enabled
        tape.event(0x21, Win32Error.WSAECONNRESET)
    else:
        tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_ZERO_RETURN)
        tape.enabled = enabled
        tape.event(BEV_EVENT_READING | BEV_EVENT_EOF)
    free = fails and completion
    assert ("E-6" in broken(tape)) == (not free and enabled != EV_WRITE)


@given(st.booleans(), st.booleans(), st.sampled_from((Errno.ECONNRESET, Errno.EPIPE)))
def test_who_tells_a_failure_below_tls(foreign: bool, told: bool, error: Errno) -> None:
    """L-2: ours tells the kernel's; of libevent's, whose engine has the descriptor, that tells it,
    and the kernel's records owe nothing."""
    tape = _encrypted().add("recv", FD, 9, error)
    if told:
        tape.enabled = EV_WRITE
        tape.event(0x21, error)
    assert ("L-2" in broken(tape.add("quiet"), foreign=foreign)) == (not foreign and not told)


@given(st.booleans(), st.booleans())
def test_a_connect_below_tls_that_was_over_at_once(foreign: bool, called: bool) -> None:
    """C-2: libevent triggers a write callback then, before CONNECTED; ours does not."""
    tape = Tape(name="c0").add("new", "c0", "ssl-socket", 1, None).op("setcb", 1, 1, 1)
    tape.op("enable", RW).op("connect", 40_000).add("socket", FD).add("connect", FD, 40_000, None)
    tape.add("ret", "c0", "connect", 0).add("attach", "c0", FD).wait()
    if called:
        tape.write_callback()
    assert ("C-2" in broken(tape, foreign=foreign)) == (called and not foreign)


@given(st.sampled_from(("", "eof", "reset", "over", "failed")), st.sampled_from((0, EPOLLIN)))
def test_tls_that_has_ended_waits_for_nothing(end: str, polled: int) -> None:
    """W-3, of TLS on a descriptor: to read, while the connection and its engine stand."""
    tape = _encrypted()
    if end == "eof":
        tape.add("recv", FD, 9, b"")
    elif end == "reset":
        tape.add("recv", FD, 9, Errno.ECONNRESET)
    elif end == "over":
        tape.add("tls", "c0", "read", 9, TlsResult.SSL_ERROR_ZERO_RETURN)
    elif end == "failed":
        tape.add("tls", "c0", "handshake", 9, TlsResult.SSL_ERROR_SSL)
    tape.poll(polled).add("quiet")
    assert ("W-3" in broken(tape)) == (not end and not polled)


@given(st.booleans(), st.integers(40, 60))
def test_a_shutdown_of_what_is_no_tls(encrypted: bool, writes: int) -> None:
    """R-6: of TLS it lets the engine write all it can; of anything else it is nothing."""
    tape = _encrypted() if encrypted else Tape(name="c0").accepted()
    tape.write(99).op("tls_shutdown")
    for _ in range(writes):
        tape.add("tls", "c0", "write", 1, 1)
    assert "R-6" not in broken(tape)


# Limits.


@given(SIZES, st.booleans(), SIZES)
def test_totals_count_from_their_reset(size: int, resets: bool, more: int) -> None:
    """R-2: a group's totals are what its members moved since."""
    tape = one_read(grouped(), size)
    if resets:
        tape.add("op", "g0", "rate_limit_group_reset_totals", ())
    one_read(tape, more)
    told = tape.add("ret", "g0", "rate_limit_group_get_totals", [more, 0])
    assert ("R-2" in broken(told)) == (not resets)


@given(st.integers(1, 90), st.booleans(), st.integers(-1, 1))
def test_totals_count_what_a_freed_member_still_sends(size: int, frees: bool, more: int) -> None:
    """R-2: libevent's pass goes on behind the callback in which it was freed, and sends."""
    tape = grouped().write(size).wait((FD, EPOLLOUT))
    if frees:
        tape.op("free")
    tape.leave(size).add("ret", "g0", "rate_limit_group_get_totals", [0, size + more])
    assert ("R-2" in broken(tape, foreign=True)) == (more != 0)
