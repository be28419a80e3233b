"""What a verdict forgives, and how far: a little more is a violation, a little less is not."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import Errno
from model.kernel import EPOLLIN, EPOLLOUT
from model.properties.liveness import CALLBACKS_MAX
from model.subject import BEV_EVENT_CONNECTED, EV_READ, EV_WRITE
from model.tls import TlsResult
from tests.model.properties.pairs_rates import LIMITS
from tests.model.properties.pairs_tls import Tls
from tests.model.properties.traces import FD, MS, RW, Tape, broken

TIMEOUT = 8
HIGH = 50
LEVELS = st.integers(HIGH - 2, HIGH + 20)


# Timers and watermarks.


@given(st.integers(1, TIMEOUT - 1), LEVELS, LEVELS, st.integers(0, 3))
@example(3, HIGH + 5, HIGH - 1, 0)
@example(3, HIGH + 5, HIGH, 0)
def test_reading_that_goes_on_below_the_high_watermark(
    when: int, held: int, left: int, early: int
) -> None:
    """T-1: its timer starts anew when the application has taken the input from the watermark, or
    from above it, to below; and with no other read."""
    left = min(held, left)
    tape = Tape().accepted().op("set_timeouts", TIMEOUT * MS, None).wait()
    tape.arrive(held).callback("read").end("read").op("setwatermark", EV_READ, 0, HIGH)
    tape.at(when).wait().read(held - left)
    started = left < HIGH <= held
    due = TIMEOUT + (when if started else 0)
    tape.at(due - early).wait(timeout_ns=(due - early - when) * MS)
    tape.enabled &= ~EV_READ
    tape.event(0x41)
    if left < HIGH:  # else it is suspended, and the timeout is T-5's matter
        assert ("T-1" in broken(tape)) == (early > 0)


@given(st.integers(1, TIMEOUT - 1), LEVELS, st.sampled_from((HIGH, HIGH - 10, HIGH + 30)))
@example(3, HIGH + 5, HIGH - 10)
def test_a_high_watermark_that_still_suspends_starts_no_timer(
    when: int, held: int, high: int
) -> None:
    """T-1: one that lets the reading go on starts it. T-5: one that does not lets no timeout
    come, and of one that comes all the same nobody says that it is early."""
    tape = Tape().accepted().op("set_timeouts", TIMEOUT * MS, None).wait()
    tape.arrive(held).callback("read").end("read").op("setwatermark", EV_READ, 0, HIGH)
    tape.at(when).wait().op("setwatermark", EV_READ, 0, high)
    tape.at(TIMEOUT).wait(timeout_ns=(TIMEOUT - when) * MS)
    tape.enabled &= ~EV_READ
    found = broken(tape.event(0x41))
    assert ("T-5" in found) == (held >= high)
    assert ("T-1" in found) == (held >= HIGH and held < high)


@given(st.integers(1, 9), st.booleans(), st.booleans(), st.booleans())
def test_output_that_stays_behind_a_refused_drain_is_written(
    size: int, refused: bool, polled: bool, given_up: bool
) -> None:
    """L-4: a drain that is refused takes nothing away, so the rest still has to go out."""
    tape = Tape().accepted().wait().write_callback().write(size)
    tape.poll(EPOLLIN | (EPOLLOUT if polled else 0)).add("drain", "s0", -1 if refused else 0)
    assert ("L-4" in broken(tape.add("quiet"))) == (refused and not polled)


# Limits.


@given(st.integers(0, 5), st.integers(0, 6), st.integers(1, 60))
def test_what_a_read_did_not_bring_is_given_back_in_two_passes(
    before: int, behind: int, size: int
) -> None:
    """R-1: the record of its end may come a pass or two before the tokens do, whichever pass of
    the run that is."""
    tape = Tape(completion=True).accepted(EV_WRITE).op("set_rate_limit", *LIMITS)
    tape.op("enable", EV_READ)
    for _ in range(before):
        tape.wait()
    tape.ask(60).wait().arrive(size).read_callback()
    for _ in range(behind):
        tape.wait()
    tape.add("bucket", "s0", LIMITS[0] - 60, LIMITS[2])
    assert ("R-1" in broken(tape)) == (behind > 2 and size < 60)


@given(st.integers(CALLBACKS_MAX - 3, CALLBACKS_MAX + 3), st.integers(0, CALLBACKS_MAX))
@example(CALLBACKS_MAX, 1)
@example(CALLBACKS_MAX + 1, 0)
def test_a_direction_that_is_resumed_may_call_back_again(calls: int, before: int) -> None:
    """L-5: so many callbacks without a stimulus, counted anew when tokens come."""
    tape = Tape().accepted().op("set_rate_limit", *LIMITS).wait()
    tape.add("suspend", "s0", "write", 2)
    for _ in range(before):
        tape.write_callback()
    tape.at(1).wait().add("suspend", "s0", "write", 0)
    for _ in range(calls):
        tape.write_callback()
    assert ("L-5" in broken(tape)) == (calls > CALLBACKS_MAX)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20), st.booleans())
@example(10, 2, 5, True)
def test_resuming_tells_an_output_at_its_low_watermark(
    size: int, sent: int, low: int, resumed: bool
) -> None:
    """W-2: resumed writing gets a write callback as enabling gives one, and only with so little
    output; nobody owes the bytes that were sent before it."""
    sent = min(size, sent)
    tape = Tape().accepted().op("set_rate_limit", *LIMITS).wait().write_callback()
    tape.write(size).wait((FD, EPOLLOUT)).leave(sent)
    tape.op("setwatermark", EV_WRITE, low, 0)
    if size - sent == 0:
        tape.write_callback()
    if resumed:
        tape.add("suspend", "s0", "write", 2).at(1).wait().add("suspend", "s0", "write", 0)
    found = broken(tape.write_callback())
    assert ("W-2" in found) == (size - sent > low)


# TLS.


@given(st.sampled_from((0x21, 0x22, 0x23)), st.integers(1, 4))
def test_a_failure_below_tls_is_told_once_for_each_direction(what: int, told: int) -> None:
    """E-3: one of both directions may be told by each of them, and no more often."""
    tape = Tls()
    tape.add("cb", "c0/0", "event", what, Errno.ECONNRESET, 0, 0, 0)
    tape.add("cb_end", "c0/0", "event", 0, 0)
    for place in range(told):
        tape.enabled = EV_WRITE if place == 0 and what & 1 else 0
        tape.event(0x21 if tape.enabled else 0x22, Errno.ECONNRESET)
    ours = [each.message for each in tape.verdicts().violations if each.property == "E-3"]
    assert any(each.startswith("c0 ") for each in ours) == (told > (2 if what == 0x23 else 1))


@given(st.integers(0, 9), st.integers(0, 9))
def test_tls_on_another_descriptor_moves_what_waits(written: int, below: int) -> None:
    """L-3: the failure of the old connection holds nothing of the new one back."""
    tape = Tls(shaken=False)
    tape.add("tls", "c0", "handshake", 0, TlsResult.SSL_ERROR_SSL)
    tape.event(0x20, TlsResult.SSL_ERROR_SSL)
    if below:
        tape.add("buffer", "c0/0", "input", below, 0)
    if written:
        tape.write(written)
    tape.add("tls", "c0", "write", written, TlsResult.SSL_ERROR_SSL).op("setfd", FD)
    tape.add("tls", "c0", "handshake", 0, 0)
    tape.enabled = RW
    tape.op("enable", RW).event(BEV_EVENT_CONNECTED).add("quiet")
    found = [each.message for each in tape.verdicts().violations if each.property == "L-3"]
    assert any(each.startswith("c0 ") for each in found) == (written > 0 or below > 0)


# Other threads.


@given(
    st.integers(1, 120),
    st.lists(st.sampled_from(("step", "gqcs", "op")), max_size=3),
    st.booleans(),
)
@example(100, ["op"], True)
def test_a_drain_that_another_thread_s_records_interrupt(
    taken: int, others: list[str], elsewhere: bool
) -> None:
    """W-1: what a read brings while the application drains its input has the room of what it took,
    whatever other threads do before the drain is recorded; its own next record ends it."""
    tape = Tape(completion=True).accepted(EV_WRITE).add("thread", "t0", "spawn")
    tape.op("setwatermark", EV_READ, 0, 100).op("enable", EV_READ).ask(100).wait().arrive(100)
    tape.callback("read").add("on", "t0").add("on", "main").ask(100).arrive(100)
    if elsewhere:
        tape.add("on", "t0")
    for each in others:
        if each == "step":
            tape.add("step", 0, "wait")
        elif each == "gqcs":
            tape.add("gqcs", 300, None, 1)
        else:
            tape.op("trigger", 0, 0)
    if elsewhere:
        tape.add("on", "main")
    tape.read(taken).end("read")
    interrupted = bool(others) and not elsewhere
    assert ("W-1" in broken(tape)) == (interrupted or taken < 100)


@given(st.booleans(), st.integers(0, 2 * TIMEOUT))
@example(True, TIMEOUT)
@example(True, TIMEOUT - 1)
def test_a_timeout_that_a_pool_tells_when_it_is_taken_away(pooled: bool, when: int) -> None:
    """T-1: one that had fired by then is told once a worker is free, however many passes later."""
    tape = Tape(completion=True).accepted().op("set_timeouts", TIMEOUT * MS, None).wait()
    if pooled:
        tape.add("post", 260, 0, 22, None)
    tape.at(when).op("set_timeouts", None, None)
    tape.at(when + 1).wait().at(when + 2).wait().at(when + 3).wait()
    tape.enabled &= ~EV_READ
    assert ("T-1" in broken(tape.event(0x41))) == (not pooled or when < TIMEOUT)
