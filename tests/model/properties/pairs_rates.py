"""Traces that keep and that break the promises about rates (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLLIN
from model.subject import EV_READ, EV_WRITE
from tests.model.properties.traces import FD, MS, Builder, Tape

LIMITS = (100, 300, 100, 300, MS)


def _limited(*limits: int, completion: bool = False) -> Tape:
    tape = Tape(completion=completion).accepted(EV_WRITE)
    tape.op("set_rate_limit", *(limits or LIMITS))
    if completion:
        return tape.op("enable", EV_READ)
    return tape.enable(EV_READ).wait().write_callback()


def one_read(tape: Tape, asked: int, size: int | None = None) -> Tape:
    """One recv, and its callback."""
    return tape.arrive(asked if size is None else size, asked=asked).read_callback()


def grouped(*limits: int) -> Tape:
    tape = Tape().accepted(EV_WRITE).add("op", "g0", "rate_limit_group_new", limits or LIMITS)
    return tape.op("add_to_rate_limit_group", 0).enable(EV_READ).wait().write_callback()


def _bucket(tape: Tape, read: int, write: int, name: str = "s0") -> Tape:
    return tape.add("bucket", name, read, write)


def r1_good() -> Tape:
    """A tick's rate at first; what is not used is saved up to the burst."""
    tape = _bucket(one_read(_limited(), 100), 0, 100)
    tape = one_read(_bucket(tape.at(1).wait(), 100, 200), 60)
    tape = _bucket(tape.at(9).wait(), 300, 300)
    return _bucket(one_read(tape, 300), 0, 300)


def r1_given() -> Tape:
    """Tokens taken and given by the application; none above the burst."""
    tape = _bucket(_limited().op("decrement_read_limit", 150), -50, 100)
    return _bucket(tape.op("decrement_read_limit", -1_000), 300, 100)


def r1_changed() -> Tape:
    """A smaller burst takes tokens away, and ticks count anew."""
    tape = _limited().at(2).wait().op("set_rate_limit", 50, 120, 50, 120, 2 * MS)
    return _bucket(_bucket(tape, 120, 120).at(3).wait(), 120, 120)


def r1_async() -> Tape:
    """A read is charged when it is submitted, and gives back what it did not bring."""
    tape = _bucket(_limited(completion=True).ask(60), 40, 100)
    return _bucket(tape.wait().arrive(10).ask(90).read_callback(), 0, 100)


def r1_too_much() -> Tape:
    tape = _limited(100, 100, 100, 100, MS)
    for _ in range(3):
        one_read(tape, 100)
    return tape


def r1_wrote_too_much() -> Tape:
    return _limited(100, 100, 100, 100, MS).write(500).leave(250)


def r1_above_burst() -> Tape:
    return _bucket(_limited().at(9).wait(), 301, 300)


def r1_twice() -> Tape:
    return _bucket(_limited().at(1).wait(), 300, 200)


def r1_nothing_back() -> Tape:
    tape = _bucket(_limited(completion=True).ask(60), 40, 100).wait().arrive(10)
    return _bucket(tape.read_callback().wait().wait().wait().wait(), 40, 100)


def r2_good() -> Tape:
    tape = _bucket(one_read(grouped(), 100), 0, 100, "g0")
    return tape.add("ret", "g0", "rate_limit_group_get_totals", [100, 0])


def r2_too_much() -> Tape:
    tape = grouped()
    for _ in range(3):
        one_read(tape, 100)
    return tape


def r2_not_charged() -> Tape:
    return _bucket(one_read(grouped(), 100), 100, 100, "g0")


def r2_totals() -> Tape:
    return one_read(grouped(), 64).add("ret", "g0", "rate_limit_group_get_totals", [63, 0])


def _suspended(tape: Tape, reason: int = 2) -> Tape:
    return tape.add("suspend", "s0", "read", reason).poll(0)


def _resumed(tape: Tape) -> Tape:
    return tape.add("suspend", "s0", "read", 0).poll(EPOLLIN)


def _empty() -> Tape:
    tape = _limited().arrive(100, asked=100)
    return _suspended(tape).read_callback()


def r3_good() -> Tape:
    return _resumed(_empty().at(1).wait()).add("quiet")


def r3_deficit() -> Tape:
    """Five ticks of debt are five ticks more."""
    return _resumed(_empty().op("decrement_read_limit", 500).at(6).wait()).add("quiet")


def r3_group() -> Tape:
    """A group's members run again when there is a minimal share."""
    tape = grouped(20, 20, 20, 20, MS).op("add_to_rate_limit_group", 0)
    return _resumed(_suspended(tape.arrive(20, asked=20), 4).read_callback().at(1).wait())


def r3_never() -> Tape:
    return _empty().at(500).wait().add("quiet")


def r3_late() -> Tape:
    return _resumed(_empty().at(1).wait().at(5).wait().at(6).wait())


def r3_group_never() -> Tape:
    return _suspended(one_read(grouped(), 100), 4).at(500).wait().add("quiet")


def r4_good() -> Tape:
    return one_read(_limited().op("set_max_single_read", 64), 64)


def r4_above_bucket() -> Tape:
    return one_read(_limited(), 101)


def r4_above_single() -> Tape:
    return one_read(_limited().op("set_max_single_read", 64), 65)


def r4_above_share() -> Tape:
    return one_read(grouped(), 101)


def r4_nothing() -> Tape:
    return _limited().arrive(0, b"", asked=0)


def r4_suspended() -> Tape:
    return _empty().at(1).wait().add("recv", FD, 100, Errno.EAGAIN)


def r4_async_write() -> Tape:
    return _limited(completion=True).write(200).leave(101)


def r5_good() -> Tape:
    """The group has 30 bytes, and a minimal share of 64: it may be overdrawn."""
    tape = grouped().add("op", "g0", "rate_limit_group_decrement_read", (70,))
    return one_read(tape, 64)


def r5_high() -> Tape:
    """Less, because of the high watermark."""
    return one_read(grouped().op("setwatermark", EV_READ, 0, 10), 10)


def r5_bad() -> Tape:
    tape = grouped().add("op", "g0", "rate_limit_group_decrement_read", (70,))
    return one_read(tape, 30)


def r6_good() -> Tape:
    tape = _limited()
    for _ in range(16):
        tape.add("recv", FD, 10, Errno.EAGAIN)
    return tape.wait().add("recv", FD, 10, Errno.EAGAIN)


def r6_bad() -> Tape:
    tape = _limited()
    for _ in range(17):
        tape.add("recv", FD, 10, Errno.EAGAIN)
    return tape


def r_waits() -> Tape:
    """Quiet comes while a bucket is in debt: nothing is owed but the refill."""
    return _empty().op("decrement_read_limit", 100_000).at(500).wait().add("quiet")


def r_resumed_writing() -> Tape:
    """Resumed writing gets a write callback even with nothing to write, as enable gives one."""
    tape = _limited().write(100).leave(100).add("suspend", "s0", "write", 2).write_callback()
    return tape.at(1).wait().add("suspend", "s0", "write", 0).write_callback()


def r_async_in_flight() -> Tape:
    """A read that was in flight when the limit was set is not charged to it."""
    tape = Tape(completion=True).accepted().op("set_rate_limit", *LIMITS).wait()
    tape.arrive(5_000).ask(100).read_callback()
    tape.add("suspend", "s0", "read", 2).wait()
    tape.add("completion", FD, 1, "recv", NtStatus.SUCCESS, b"")
    return tape.add("ret", "s0", "enable", Win32Error.WSA_IO_PENDING)


PAIRS: dict[str, tuple[tuple[Builder, ...], tuple[Builder, ...]]] = {
    "R-1": (
        (r1_good, r1_given, r1_changed, r1_async),
        (r1_too_much, r1_wrote_too_much, r1_above_burst, r1_twice, r1_nothing_back),
    ),
    "R-2": ((r2_good,), (r2_too_much, r2_not_charged, r2_totals)),
    "R-3": ((r3_good, r3_deficit, r3_group), (r3_never, r3_late, r3_group_never)),
    "R-4": (
        (r4_good,),
        (r4_above_bucket, r4_above_single, r4_above_share, r4_nothing, r4_suspended,
         r4_async_write),
    ),
    "R-5": ((r5_good, r5_high), (r5_bad,)),
    "R-6": ((r6_good,), (r6_bad,)),
}  # fmt: skip
