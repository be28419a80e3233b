"""Verdicts on stacks: what is known of one level when another is judged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.content import content
from model.errors import Errno
from model.kernel import EPOLLIN, EPOLLOUT
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    EV_READ,
    EV_WRITE,
)
from model.tls import TlsResult
from tests.model.properties.pairs_layers import Stack
from tests.model.properties.pairs_tls import Tls
from tests.model.properties.traces import FD, RW, Tape, broken

SIZES = st.integers(1, 9)


def _of(name: str, tape: Tape, foreign: bool = False) -> list[str]:
    """What breaks of that level."""
    found = tape.verdicts(foreign=foreign).violations
    return [each.property for each in found if each.message.startswith(f"{name} ")]


# Connects.


@given(st.sampled_from(("", "filter", "ssl")), st.booleans(), st.booleans())
def test_a_filter_that_connects_over_what_is_connected(
    middle: str, told: bool, calls: bool
) -> None:
    """E-1: the one below has had its outcome, so it will tell none; but the outcome of a filter on
    another is told from further down."""
    tape = Tape(name="c0/0").connects().connected()
    if middle:
        _stack(tape, "c0/1", middle, "c0/0")
        if middle == "ssl":
            tape.add("tls", "c0/1", "handshake", 0, 0)
        else:
            tape.add("op", "c0/1", "connect", (1,)).add("ret", "c0/1", "connect", 0)
        if told:
            _event(tape, "c0/1", BEV_EVENT_CONNECTED)
    _stack(tape, "c0", "filter", "c0/1" if middle else "c0/0")
    if calls:
        tape.add("op", "c0", "connect", (1,)).add("ret", "c0", "connect", 0)
    due = calls and (not middle or (middle == "ssl" and told))
    assert ("E-1" in _of("c0", tape.add("quiet"))) == due


def _stack(tape: Tape, name: str, kind: str, below: str) -> None:
    tape.add("new", name, kind, 1, None).add("layer", name, below)
    tape.add("op", name, "setcb", (1, 1, 1)).add("op", name, "enable", (RW,))


def _event(tape: Tape, name: str, what: int, error: object = None, enabled: int = RW) -> None:
    tape.add("cb", name, "event", what, error, 0, 0, enabled).add("cb_end", name, "event", 0, 0)


# Who is gone.


@given(st.booleans(), st.sampled_from((0x11, 0x21, 0x80)), SIZES)
def test_of_a_layer_that_was_freed_nothing_is_due(freed: bool, what: int, size: int) -> None:
    """L-2, L-3: what is told below it, and what lies there, concerns nobody above."""
    stack = Stack().gets(size)
    if freed:
        stack.op("free")
    _event(stack, "c0/0", what, Errno.ECONNRESET if what & 0x20 else None)
    found = set(broken(stack.add("quiet")))
    assert ("L-3" in found) == (not freed)
    assert ("L-2" in found) == (not freed and what != BEV_EVENT_CONNECTED)


@given(st.booleans(), SIZES, SIZES)
def test_on_what_was_freed_nothing_can_go_on(freed: bool, size: int, more: int) -> None:
    """L-3: of a stack whose lower level the application has freed itself."""
    stack = Stack().gives(size).write_callback().write(more)
    if freed:
        stack.add("op", "c0/0", "free", ())
    assert ("L-3" in broken(stack.add("quiet"))) == (not freed)


# Ends.


@given(SIZES, SIZES, st.sampled_from(("", "top", "below", "reader")))
def test_an_end_behind_all_that_was_written_through_two_stacks(
    size: int, came: int, left: str
) -> None:
    """B-2: who was told the end of a stack got all that the other stack had handed down; unless a
    level still holds some of it, when it was told."""
    came = min(size, came)
    tape = Tape(name="c0")
    for end in "cs":
        tape.add("new", f"{end}0/0", "pair", 1, None).add("op", f"{end}0/0", "enable", (RW,))
        _stack(tape, f"{end}0", "filter", f"{end}0/0")
    tape.enabled = RW
    tape.write(size)
    tape.add("buffer", "c0", "output", 0, size - (left == "top"))
    tape.add("buffer", "c0/0", "output", size, 0).add("buffer", "c0/0", "output", 0, size)
    if left == "below":
        tape.add("buffer", "c0/0", "output", 1, 0)
    tape.add("buffer", "s0/0", "input", size, 0)
    tape.add("buffer", "s0/0", "input", 0, size - (left == "reader"))
    tape.add("buffer", "s0", "input", came, 0)
    tape.add("cb", "s0", "read", 0, None, came, 0, RW).add("read", "s0", 9, content(1, 0, came))
    tape.add("cb_end", "s0", "read", 0, 0)
    tape.add("op", "c0/0", "flush", (EV_WRITE, 2)).add("ret", "c0/0", "flush", 1)
    _event(tape, "s0/0", BEV_EVENT_READING | BEV_EVENT_EOF)
    _event(tape, "s0", BEV_EVENT_READING | BEV_EVENT_EOF, enabled=EV_WRITE)
    assert ("B-2" in broken(tape)) == (not left and came < size)


@given(st.booleans(), st.booleans(), st.booleans())
def test_an_end_below_foreign_tls(dirty: bool, foreign: bool, told: bool) -> None:
    """E-3, E-4, L-2: libevent passes the end of what is below on without asking its engine: as EOF,
    if that is no error (allow_dirty_shutdown), and else as ERROR."""
    tape = Tls()
    if dirty:
        tape.op("allow_dirty_shutdown", 1)
    _event(tape, "c0/0", BEV_EVENT_READING | BEV_EVENT_EOF)
    if told and dirty:
        _event(tape, "c0", BEV_EVENT_READING | BEV_EVENT_EOF, enabled=EV_WRITE)
    elif told:
        _event(tape, "c0", 0x21, TlsResult.SSL_ERROR_EOF, enabled=EV_WRITE)
    found = _of("c0", tape.add("quiet"), foreign)
    assert ("E-3" in found) == (told and not foreign)  # ours asks, and the engine said nothing yet
    assert ("L-2" in found) == (not told)


@given(st.booleans(), st.sampled_from((0x11, 0x21)))
def test_an_end_below_tls_that_has_ended(over: bool, what: int) -> None:
    """L-2: behind a close_notify nobody needs to hear that what is below has ended, too."""
    tape = Tls()
    if over:
        tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_ZERO_RETURN)
        _event(tape, "c0", BEV_EVENT_READING | BEV_EVENT_EOF, enabled=EV_WRITE)
        tape.op("enable", EV_READ)
    _event(tape, "c0/0", what, Errno.ECONNRESET if what & 0x20 else None)
    assert ("L-2" in broken(tape.add("quiet"))) == (not over)


@given(st.booleans(), st.booleans(), st.booleans())
def test_foreign_tls_that_is_asked_again_behind_its_end(
    foreign: bool, again: bool, told: bool
) -> None:
    """E-3: libevent reads again when something else un-suspends it, and tells what it gets."""
    tape = Tls().add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_ZERO_RETURN)
    _event(tape, "c0", BEV_EVENT_READING | BEV_EVENT_EOF, enabled=EV_WRITE)
    if again:
        tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_SSL)
    if told:
        _event(tape, "c0", 0x21, TlsResult.SSL_ERROR_SSL, enabled=EV_WRITE)
    assert ("E-3" in broken(tape, foreign=foreign)) == (told and not (foreign and again))


@given(st.booleans(), st.booleans(), st.booleans())
def test_tls_on_another_descriptor_shakes_hands_again(
    again: bool, shaken: bool, told: bool
) -> None:
    """E-1: setfd begins a new connection, whose outcome is told once; what was allowed stays."""
    tape = Tape(name="c0").add("new", "c0", "ssl-socket", 1, FD).op("setcb", 1, 1, 1)
    tape.op("allow_dirty_shutdown", 1).op("enable", RW).add("tls", "c0", "handshake", 0, 0)
    tape.enabled = RW
    tape.event(BEV_EVENT_CONNECTED)
    if again:
        tape.op("setfd", None).op("setfd", FD + 1)
        if shaken:
            tape.add("tls", "c0", "handshake", 0, 0)
    if told:
        tape.event(BEV_EVENT_CONNECTED)
    tape.add("epoll_ctl", 3, 1, FD + again, EPOLLIN | EPOLLOUT, None).wait()
    found = broken(tape.add("quiet"))
    assert ("E-1" in found) == ((again and shaken and not told) or (told and not again))


@given(st.booleans(), st.booleans(), st.booleans())
def test_two_failures_of_tls_are_told_by_their_directions(
    read: bool, write: bool, second: bool
) -> None:
    """E-3: each once, also when the first told is not the first that failed."""
    tape = Tls().write(9)
    if write:
        tape.add("tls", "c0", "write", 9, TlsResult.SSL_ERROR_EOF)
    if read:
        tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_SSL)
    tape.enabled = RW & ~(EV_WRITE if write else 0) & ~EV_READ
    _event(tape, "c0", 0x21, TlsResult.SSL_ERROR_SSL, tape.enabled)
    if second:
        tape.enabled = 0
        _event(tape, "c0", 0x22, TlsResult.SSL_ERROR_EOF, tape.enabled)
    found = broken(tape)
    assert ("E-2" in found) == (write and not read)
    assert ("E-3" in found) == (not (read or write) or (second and not write))
