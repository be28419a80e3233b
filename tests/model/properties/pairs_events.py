"""Traces that keep and that break the promises about events and their order (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLLIN, EPOLLOUT
from model.subject import EV_READ, EV_WRITE
from tests.model.properties.pairs_traffic import served
from tests.model.properties.traces import DEFERRED, FD, Builder, Tape


def e1_good() -> Tape:
    return Tape(name="c0").connects().connected().add("quiet")


def e1_twice() -> Tape:
    return Tape(name="c0").connects().connected().event(0x80)


def e1_after_failure() -> Tape:
    tape = Tape(name="c0").add("new", "c0", "socket", 1, None).op("connect", 40_000)
    return tape.add("ret", "c0", "connect", -1).event(0x20)


def e1_refused() -> Tape:
    tape = Tape(name="c0").connects().wait().add("so_error", FD, Errno.ECONNREFUSED)
    return tape.event(0x20, Errno.ECONNREFUSED).add("quiet")


def e1_untold() -> Tape:
    return Tape(name="c0").connects().wait().add("so_error", FD, None).add("quiet")


def e1_unheard() -> Tape:
    tape = Tape(name="c0").connects().op("setcb", 1, 1, 0).wait().add("so_error", FD, None)
    return tape.op("setcb", 1, 1, 1).add("quiet")


def e1_nothing_waits() -> Tape:
    return Tape(name="c0").connects().poll(EPOLLIN).add("quiet")


def e2_good() -> Tape:
    return Tape().accepted().wait().recv_fails(Errno.ECONNRESET).event(0x21, Errno.ECONNRESET)


def e2_bad() -> Tape:
    return Tape().accepted().wait().recv_fails(Errno.ECONNRESET).event(0x21, Errno.EPIPE)


def e2_async_good() -> Tape:
    tape = Tape(completion=True).accepted().wait().recv_fails(NtStatus.CONNECTION_RESET)
    return tape.event(0x21, Win32Error.WSAECONNRESET)


def e2_async_bad() -> Tape:
    tape = Tape(completion=True).accepted().wait().recv_fails(NtStatus.CONNECTION_RESET)
    return tape.event(0x21, None)


def e3_good() -> Tape:
    return Tape().accepted().wait().eof().event(0x11)


def e3_eof_bad() -> Tape:
    tape = Tape().accepted().wait().add("recv", FD, 16_384, Errno.EAGAIN)
    tape.enabled = EV_WRITE
    return tape.event(0x11)


def e3_error_bad() -> Tape:
    tape = Tape().accepted().wait()
    tape.enabled = EV_WRITE
    return tape.event(0x21, Errno.ECONNRESET)


def e4_again() -> Tape:
    return e3_good().enable(EV_READ).wait().eof().event(0x11)


def e4_bad() -> Tape:
    return e3_good().event(0x11)


def e5_union() -> Tape:
    tape = Tape(options=DEFERRED).accepted().wait().eof()
    tape.enabled = 0
    return tape.add("send", FD, 1, Errno.EPIPE).event(0x33, Errno.EPIPE)


def e5_direct_union() -> Tape:
    tape = Tape().accepted().wait().eof()
    tape.enabled = 0
    return tape.add("send", FD, 1, Errno.EPIPE).event(0x33, Errno.EPIPE)


def e5_no_direction() -> Tape:
    return Tape().accepted().wait().eof().event(0x10)


def e5_connected_joined() -> Tape:
    return Tape(name="c0", options=DEFERRED).connects().wait().add("so_error", FD, None).event(0x91)


def e6_bad() -> Tape:
    tape = Tape().accepted().wait().eof()
    tape.enabled = EV_READ | EV_WRITE
    return tape.event(0x11)


def e6_other_bad() -> Tape:
    tape = Tape().accepted().wait().eof()
    tape.enabled = 0
    return tape.event(0x11)


def e6_async_good() -> Tape:
    return Tape(completion=True).accepted().wait().eof().event(0x11)


def e6_async_bad() -> Tape:
    tape = Tape(completion=True).accepted().wait().eof()
    tape.enabled = EV_WRITE
    return tape.event(0x11)


def o1_good() -> Tape:
    return Tape(name="c0").connects().connected().wait().arrive(64).read_callback()


def o1_bad() -> Tape:
    return Tape(name="c0").connects().wait().arrive(64).read_callback()


def o1_own_trigger() -> Tape:
    return Tape(name="c0").connects().op("trigger", EV_READ, 0x10000).read_callback()


def o1_at_once() -> Tape:
    tape = Tape(name="c0").add("new", "c0", "socket", 1, None).op("connect", 40_000)
    tape.add("socket", FD).add("connect", FD, 40_000, None).poll(EPOLLOUT)
    return tape.add("ret", "c0", "connect", 0).add("attach", "c0", FD).wait().write_callback()


def o1_eof() -> Tape:
    return Tape(name="c0").connects().wait().eof().event(0x11)


def o2_good() -> Tape:
    return served().read_callback().eof().event(0x11)


def o2_bad() -> Tape:
    return served().eof().event(0x11).read_callback()


def o2_low_watermark() -> Tape:
    tape = Tape().accepted().op("setwatermark", EV_READ, 100, 0)
    return tape.wait().arrive(64).eof().event(0x11)


def _deferred_both() -> Tape:
    return Tape(options=DEFERRED).accepted().write(8).wait().arrive(64).leave(8)


def o3_good() -> Tape:
    return _deferred_both().read_callback().write_callback()


def o3_bad() -> Tape:
    return _deferred_both().write_callback().read_callback()


def o3_event_bad() -> Tape:
    tape = Tape(options=DEFERRED).accepted().write(8).wait().leave(8)
    tape.enabled = EV_WRITE
    return tape.recv_fails(Errno.ECONNRESET).event(0x21, Errno.ECONNRESET).write_callback()


PAIRS: dict[str, tuple[tuple[Builder, ...], tuple[Builder, ...]]] = {
    "E-1": (
        (e1_good, e1_refused, e1_unheard),
        (e1_twice, e1_after_failure, e1_untold, e1_nothing_waits),
    ),
    "E-2": ((e2_good, e2_async_good), (e2_bad, e2_async_bad)),
    "E-3": ((e3_good,), (e3_eof_bad, e3_error_bad)),
    "E-4": ((e3_good, e4_again), (e4_bad,)),
    "E-5": ((e3_good, e5_union), (e5_direct_union, e5_no_direction, e5_connected_joined)),
    "E-6": ((e3_good, e6_async_good), (e6_bad, e6_other_bad, e6_async_bad)),
    "O-1": ((o1_good,), (o1_bad, o1_eof)),
    "O-2": ((o2_good, o2_low_watermark), (o2_bad,)),
    "O-3": ((o3_good,), (o3_bad, o3_event_bad)),
}
