"""Traces that keep and that break the promises about watermarks and timeouts (see `pairs`)."""

from __future__ import annotations

from model.kernel import EPOLLIN
from model.subject import EV_READ, EV_WRITE
from tests.model.properties.pairs_traffic import b1_good
from tests.model.properties.traces import FD, MS, Builder, Tape


def _high(completion: bool = False) -> Tape:
    tape = Tape(completion=completion).accepted(EV_WRITE).op("setwatermark", EV_READ, 0, 100)
    return tape.enable(EV_READ).wait()


def w1_good() -> Tape:
    return _high().arrive(100).read_callback()


def w1_bad() -> Tape:
    return _high().arrive(101).read_callback()


def w1_async_bad() -> Tape:
    return _high(completion=True).arrive(101).read_callback()


def w1_async_lowered() -> Tape:
    tape = _high(completion=True).op("setwatermark", EV_READ, 0, 10)
    return tape.arrive(100).read_callback()


def w1_async_in_read() -> Tape:
    """A read submitted while the application drains: its completion is written before the read."""
    tape = _high(completion=True).arrive(100).callback("read").ask(100, overlapped=1)
    tape.arrive(100)
    return tape.read(100).end("read")


def w2_good() -> Tape:
    tape = Tape().accepted().op("setwatermark", EV_READ, 10, 0).wait()
    return tape.arrive(9).wait().arrive(1).read_callback()


def w2_bad() -> Tape:
    return Tape().accepted().op("setwatermark", EV_READ, 10, 0).wait().arrive(9).read_callback()


def w2_write_bad() -> Tape:
    return Tape().accepted().write(64).wait().leave(32).write_callback()


def w3_good() -> Tape:
    return b1_good().add("quiet")


def w3_bad() -> Tape:
    return b1_good().poll(0).add("quiet")


def w3_suspended() -> Tape:
    return _high().arrive(100).read_callback(reads=False).poll(0).add("quiet")


def w3_async_good() -> Tape:
    return Tape(completion=True).accepted().wait().arrive(64).ask().read_callback().add("quiet")


def w3_async_bad() -> Tape:
    return Tape(completion=True).accepted().wait().arrive(64).read_callback().add("quiet")


def _timed(read_ms: int = 5, options: int = 1) -> Tape:
    tape = Tape(options=options).accepted().op("set_timeouts", read_ms * MS, None)
    return tape.wait().write_callback()


def _read_timeout(tape: Tape) -> Tape:
    tape.enabled &= ~EV_READ
    return tape.event(0x41)


def t1_good() -> Tape:
    return _read_timeout(_timed().at(5).wait(timeout_ns=5 * MS))


def t1_early() -> Tape:
    return _read_timeout(_timed().at(4).wait(timeout_ns=4 * MS))


def t1_late() -> Tape:
    return _read_timeout(_timed().at(9).wait(timeout_ns=9 * MS))


def t1_late_kernel() -> Tape:
    return _read_timeout(_timed().at(9).wait(timeout_ns=5 * MS))


def t1_rearmed() -> Tape:
    tape = _timed().at(3).wait((FD, EPOLLIN)).arrive(1).read_callback()
    return _read_timeout(tape.at(8).wait(timeout_ns=5 * MS))


def t1_not_rearmed() -> Tape:
    tape = _timed().at(3).wait((FD, EPOLLIN)).arrive(1).read_callback()
    return _read_timeout(tape.at(5).wait(timeout_ns=2 * MS))


def t1_busy() -> Tape:
    tape = _timed().at(2).wait((FD, EPOLLIN)).arrive(1).callback("read")
    return _read_timeout(tape.read(1).at(12).end("read").wait(timeout_ns=0))


def t1_none_set() -> Tape:
    return _read_timeout(Tape().accepted().at(5).wait())


def t1_disabled() -> Tape:
    return _timed().disable(EV_READ).at(5).wait(timeout_ns=5 * MS).event(0x41)


def t1_never() -> Tape:
    return _timed().at(600).wait(timeout_ns=600 * MS).add("quiet")


def t2_bad() -> Tape:
    return _read_timeout(_timed().at(5).wait((FD, EPOLLIN), timeout_ns=5 * MS))


def t2_async_bad() -> Tape:
    tape = Tape(completion=True).accepted().op("set_timeouts", 5 * MS, None)
    tape.wait().at(5).wait(timeout_ns=5 * MS).arrive(64)
    tape.op("set_timeouts", 5 * MS, None)
    return _read_timeout(tape.read_callback())


def _write_timed() -> Tape:
    tape = Tape().accepted().op("set_timeouts", None, 5 * MS).wait().write_callback()
    return tape.write(64)


def _write_timeout(tape: Tape) -> Tape:
    tape.enabled &= ~EV_WRITE
    return tape.event(0x42)


def t3_good() -> Tape:
    return _write_timeout(_write_timed().at(5).wait(timeout_ns=5 * MS))


def t3_bad() -> Tape:
    tape = _write_timed().leave(64).write_callback().at(5).wait(timeout_ns=5 * MS)
    return _write_timeout(tape)


def t3_full_kernel() -> Tape:
    """Writing was enabled while the kernel takes nothing: the event waits with its timer."""
    tape = Tape().accepted().op("set_timeouts", None, 5 * MS)
    return _write_timeout(tape.at(5).wait(timeout_ns=5 * MS))


def t4_again() -> Tape:
    return _read_timeout(t1_good().enable(EV_READ).at(10).wait(timeout_ns=5 * MS))


def t4_bad() -> Tape:
    return _read_timeout(t1_good().at(10).wait(timeout_ns=5 * MS))


def t5_good() -> Tape:
    tape = _timed().op("setwatermark", EV_READ, 0, 100).wait((FD, EPOLLIN)).arrive(100)
    return _read_timeout(tape.read_callback().at(5).wait(timeout_ns=5 * MS))


def t5_bad() -> Tape:
    tape = _timed().op("setwatermark", EV_READ, 0, 100).wait((FD, EPOLLIN)).arrive(100)
    return _read_timeout(tape.read_callback(reads=False).at(5).wait(timeout_ns=5 * MS))


def _without_tokens(direction: str) -> Tape:
    """A direction that timed out in a tick of 20 ms, 4 ms after it was suspended."""
    tape = Tape().accepted().op("set_rate_limit", 10, 10, 10, 10, 20 * MS)
    tape.op("set_timeouts", 5 * MS, 5 * MS).wait().write_callback()
    if direction == "write":
        tape.write(20).leave(10)
    else:
        tape.arrive(10, asked=10)
    return tape.at(1).add("suspend", "s0", direction, 2)


def t5_without_tokens() -> Tape:
    return _read_timeout(_without_tokens("read").at(5).wait(timeout_ns=5 * MS))


def t5_write_without_tokens() -> Tape:
    tape = _without_tokens("write").at(5).wait(timeout_ns=5 * MS)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x42)


def t5_connect_without_tokens() -> Tape:
    """A connect is no write: its timeout counts, whatever is in the bucket."""
    tape = Tape().connects().op("set_timeouts", None, 5 * MS)
    tape.op("set_rate_limit", 10, 10, 10, 10, 20 * MS).op("decrement_write_limit", 10)
    tape.add("suspend", "s0", "write", 2).at(5).wait(timeout_ns=5 * MS)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x42)


def t5_resumed() -> Tape:
    """From the resumption on the whole timeout runs."""
    tape = _without_tokens("read").read_callback().at(20).wait(timeout_ns=20 * MS)
    tape.add("suspend", "s0", "read", 0)
    return _read_timeout(tape.at(25).wait(timeout_ns=5 * MS))


PAIRS: dict[str, tuple[tuple[Builder, ...], tuple[Builder, ...]]] = {
    "W-1": ((w1_good, w1_async_lowered, w1_async_in_read), (w1_bad, w1_async_bad)),
    "W-2": ((w2_good,), (w2_bad, w2_write_bad)),
    "W-3": ((w3_good, w3_async_good), (w3_bad, w3_async_bad)),
    "T-1": (
        (t1_good, t1_late_kernel, t1_rearmed, t1_busy),
        (t1_early, t1_late, t1_not_rearmed, t1_none_set, t1_disabled, t1_never),
    ),
    "T-2": ((t1_good,), (t2_bad, t2_async_bad)),
    "T-3": ((t3_good, t3_full_kernel), (t3_bad,)),
    "T-4": ((t1_good, t4_again), (t4_bad,)),
    "T-5": (
        (t5_good, t5_resumed, t5_connect_without_tokens),
        (t5_bad, t5_without_tokens, t5_write_without_tokens),
    ),
}
