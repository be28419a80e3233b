"""TLS on a descriptor of its own, when quiet: what it waits for it has asked the kernel for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.errors import Errno
from model.kernel import EPOLLIN, EPOLLOUT
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
from tests.model.properties.traces import FD, LISTENER_FD, RW, Tape

MS = 1_000_000
MASKS = st.sampled_from((0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT))


def _asleep(opened: bool, enabled: int, polled: int, written: int, foreign: bool) -> list[str]:
    """The properties that break when nothing more happens to such a bufferevent."""
    tape = Tape(name="s0").add("accept", LISTENER_FD, FD, 40_001)
    tape.add("new", "s0", "ssl-socket", 1, FD).op("enable", RW).op("setcb", 1, 1, 1)
    if opened:
        tape.add("tls", "s0", "handshake", 0, 0).wait().event(0x80)
    if enabled != RW:
        tape.op("disable", RW & ~enabled)
    if written:
        tape.write(written)
    tape.poll(polled)
    tape.wait().add("quiet")
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=foreign
    )
    return [each.property for each in verdicts.violations if each.property in PROPERTIES]


PROPERTIES = {"E-1", "W-3", "L-4"}
ENABLED = st.sampled_from((0, EV_READ, EV_WRITE, RW))


@given(ENABLED, MASKS, st.integers(0, 9), st.booleans())
def test_a_handshake_waits_for_the_kernel(
    enabled: int, polled: int, written: int, foreign: bool
) -> None:
    """E-1: one way or the other. libevent's stands still where a direction is disabled."""
    broken = _asleep(False, enabled, polled, written, foreign)
    assert ("E-1" in broken) == (not polled and not (foreign and enabled != RW))


@given(ENABLED, MASKS, st.integers(0, 9), st.booleans())
def test_an_open_one_waits_for_what_it_may(
    enabled: int, polled: int, written: int, foreign: bool
) -> None:
    """W-3, L-4: to read while it may read, and to write while it has something to write."""
    broken = _asleep(True, enabled, polled, written, foreign)
    assert ("W-3" in broken) == (enabled & EV_READ > 0 and not polled & EPOLLIN)
    writes = enabled & EV_WRITE > 0 and written > 0
    assert ("L-4" in broken) == (writes and not polled & EPOLLOUT)
    assert "E-1" not in broken


@given(ENABLED, st.booleans())
def test_what_is_enabled_behind_the_end(enabled: int, foreign: bool) -> None:
    """E-6: READ is taken away and WRITE stays; libevent stops both and leaves the mask alone."""
    tape = Tape(name="s0").add("accept", LISTENER_FD, FD, 40_001)
    tape.add("new", "s0", "ssl-socket", 1, FD).op("enable", RW).op("setcb", 1, 1, 1)
    tape.enabled = RW
    tape.add("tls", "s0", "handshake", 0, 0).wait().event(0x80).wait()
    tape.add("tls", "s0", "read", 100, TlsResult.SSL_ERROR_ZERO_RETURN)
    tape.enabled = enabled
    tape.event(BEV_EVENT_READING | BEV_EVENT_EOF)
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=foreign
    )
    broken = "E-6" in [each.property for each in verdicts.violations]
    assert broken == (not foreign and enabled != EV_WRITE)


@given(ENABLED)
def test_a_connect_that_was_refused_waits_for_nothing(enabled: int) -> None:
    """E-1: libevent has told it; its engine was never asked."""
    tape = Tape(name="c0")
    tape.add("new", "c0", "ssl-socket", 1, None).op("setcb", 1, 1, 1).op("enable", enabled)
    tape.op("connect", 40_000).add("socket", FD)
    tape.add("connect", FD, 40_000, Errno.ECONNREFUSED)
    tape.add("ret", "c0", "connect", 0).add("attach", "c0", FD)
    tape.wait().event(BEV_EVENT_ERROR, Errno.ECONNREFUSED)
    tape.wait().add("quiet")
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=True
    )
    assert verdicts.violations == ()


@given(st.booleans(), st.booleans(), st.booleans())
def test_without_a_descriptor_nothing_is_late(attached: bool, reads: bool, foreign: bool) -> None:
    """T-1: a timeout is missed by what could move, as of a plain socket. The model's TLS has timers
    of its own, which run."""
    tape = Tape(name="c0")
    tape.add("new", "c0", "ssl-socket", 1, FD if attached else None).op("setcb", 1, 1, 1)
    tape.op("enable", RW if reads else EV_WRITE).op("set_timeouts", MS, None)
    tape.at(10).wait().add("quiet")
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=foreign
    )
    missed = "T-1" in [each.property for each in verdicts.violations]
    assert missed == (reads and (attached or not foreign))


@given(st.booleans(), st.booleans())
def test_a_write_starts_no_timer_that_runs(shaken: bool, empty: bool) -> None:
    """T-1: that of a handshake does since it began."""
    tape = Tape(name="s0").add("accept", LISTENER_FD, FD, 40_001)
    tape.add("new", "s0", "ssl-socket", 1, FD).op("setcb", 1, 1, 1).op("enable", RW)
    if shaken:
        tape.add("tls", "s0", "handshake", 0, 0).wait().event(0x80)
    tape.op("set_timeouts", None, 3 * MS)
    if not empty:
        tape.write(1)
    tape.at(2).wait().write(1).at(4).wait()
    tape.enabled = EV_READ
    tape.event(BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT)
    verdicts = check(
        tape.records, completion=False, simulated=True, close_tolerance_ns=0, foreign=True
    )
    early = "T-1" in [each.property for each in verdicts.violations]
    assert early == (shaken and empty)
