"""Traces that keep and that break the promises about liveness and resources (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLLIN, EPOLLOUT
from model.subject import EV_READ, EVLOOP_ONCE
from tests.model.properties.pairs_events import e3_good
from tests.model.properties.pairs_limits import w3_good
from tests.model.properties.pairs_traffic import listener, served
from tests.model.properties.traces import DEFERRED, FD, LISTENER_FD, Builder, Tape


def l1_bad() -> Tape:
    return Tape().accepted().peer_sends(64).wait().add("quiet")


def l1_not_offered() -> Tape:
    return served().add("quiet")


def l1_disabled() -> Tape:
    return Tape().accepted().disable(EV_READ).peer_sends(64).wait().add("quiet")


def l1_listener_good() -> Tape:
    return listener().add("peer", "c0", "connect", 0, None).callback("accept", 9).add("quiet")


def l1_listener_bad() -> Tape:
    tape = Tape(name="l0").add("new", "l0", "listener", 0, None)
    return tape.add("peer", "c0", "connect", 0, None).wait().add("quiet")


def _accept_ended(status: NtStatus, connections: int) -> Tape:
    """So many connections to a listener over completion, of which one AcceptEx told this."""
    tape = Tape(completion=True, name="l0").add("new", "l0", "listener", 0, None)
    tape.add("accept_ex", LISTENER_FD, 9, 5, Win32Error.WSA_IO_PENDING)
    for _ in range(connections):
        tape.add("peer", "c0", "connect", 0, None)
    return tape.wait().add("completion", LISTENER_FD, 5, "accept", status, None).add("quiet")


def l1_aborted_good() -> Tape:
    return _accept_ended(NtStatus.CONNECTION_RESET, 1)


def l1_aborted_bad() -> Tape:
    return _accept_ended(NtStatus.CONNECTION_RESET, 2)


def l1_cancelled_bad() -> Tape:
    return _accept_ended(NtStatus.CANCELLED, 1)


def once(reads: bool) -> Tape:
    """Two loops with EVLOOP_ONCE; bytes arrive in the first."""
    tape = Tape(options=DEFERRED).accepted().peer_sends(64).add("loop", EVLOOP_ONCE)
    tape.wait((FD, EPOLLIN)).arrive(64)
    if reads:
        tape.read_callback()
    return tape.add("loop_end", 0).add("loop", EVLOOP_ONCE)


def l1_once_good() -> Tape:
    return once(reads=True).add("quiet")


def l1_once_bad() -> Tape:
    return once(reads=False)


def l2_good() -> Tape:
    return e3_good().add("quiet")


def l2_not_told() -> Tape:
    return Tape().accepted().wait().eof().add("quiet")


def l2_not_asked() -> Tape:
    return Tape().accepted().peer("shutdown").wait().add("quiet")


def l2_error_not_told() -> Tape:
    return Tape().accepted().wait().recv_fails(Errno.ECONNRESET).add("quiet")


def l4_good() -> Tape:
    return Tape().accepted().write(64).wait().leave(32).poll(EPOLLIN | EPOLLOUT).add("quiet")


def l4_bad() -> Tape:
    return Tape().accepted().write(64).wait().leave(32).add("quiet")


def l4_async_bad() -> Tape:
    return Tape(completion=True).accepted().write(64).wait().leave(32).add("quiet")


def l5_good() -> Tape:
    tape = served()
    for _ in range(200):
        tape.callback("read").read(0).end("read").op("trigger", EV_READ, 0x10000)
    return tape


def l5_callbacks() -> Tape:
    tape = Tape().accepted().op("setwatermark", EV_READ, 0, 10).wait().arrive(10)
    for _ in range(70):
        tape.read_callback(reads=False)
    return tape


def l5_waits() -> Tape:
    tape = Tape().accepted()
    for _ in range(300):
        tape.wait((FD, EPOLLOUT))
    return tape


def l5_budget() -> Tape:
    return Tape().accepted().add("budget", 20_001)


def l6_good() -> Tape:
    return Tape().accepted().disable(EV_READ).add("loop_end", 1)


def l6_bad() -> Tape:
    return Tape().accepted().add("loop_end", 1)


def l6_waits() -> Tape:
    return Tape().accepted().add("loop", 2).add("loop_end", 0)


def _ended(alive: int = 0, closes: int = 1) -> Tape:
    tape = Tape().accepted().add("teardown").op("free")
    for _ in range(closes):
        tape.add("close", FD, None)
    return tape.add("base_free", alive)


def s1_good() -> Tape:
    return _ended()


def s1_bad() -> Tape:
    return Tape().accepted().add("crash", "IndexError", "pop from empty list", "x:1 f")


def s2_twice() -> Tape:
    return _ended(closes=2)


def s2_used() -> Tape:
    return Tape().accepted().wait().recv_fails(Errno.EBADF)


def s2_reopened() -> Tape:
    tape = Tape().accepted().add("teardown").add("close", FD, None)
    return tape.add("socket", FD).add("close", FD, None).add("base_free", 0)


def s3_bad() -> Tape:
    return _ended(alive=1)


def s4_bad() -> Tape:
    return _ended(closes=0)


PAIRS: dict[str, tuple[tuple[Builder, ...], tuple[Builder, ...]]] = {
    "L-1": (
        (w3_good, l1_listener_good, l1_aborted_good, l1_once_good),
        (
            *(l1_bad, l1_not_offered, l1_listener_bad, l1_aborted_bad, l1_cancelled_bad),
            l1_once_bad,
        ),
    ),
    "L-2": ((l2_good,), (l2_not_told, l2_not_asked, l2_error_not_told)),
    "L-4": ((l4_good,), (l4_bad, l4_async_bad)),
    "L-5": ((l5_good,), (l5_callbacks, l5_waits, l5_budget)),
    "L-6": ((l6_waits,), (l6_bad,)),
    "S-1": ((s1_good,), (s1_bad,)),
    "S-2": ((s1_good, s2_reopened), (s2_twice, s2_used)),
    "S-3": ((s1_good,), (s3_bad,)),
    "S-4": ((s1_good,), (s4_bad,)),
}
