"""Traces about what seldom happens: several causes at once, ends in the middle (see `pairs`)."""

from __future__ import annotations

from itertools import pairwise

from model.errors import Errno, Win32Error
from model.kernel import EPOLL_CTL_ADD, EPOLLERR, EPOLLIN, EPOLLOUT
from model.subject import EV_READ, EV_WRITE, EVLOOP_ONCE
from model.tls import TlsResult
from tests.model.properties.pairs_tls import Tls
from tests.model.properties.traces import DEFERRED, FD, MS, RW, Builder, Tape

LOW = 10  # a low watermark


# A connect without an outcome.


def l6_connecting() -> Tape:
    return Tape(name="c0").connects().wait().add("loop_end", 1)


def l6_connect_told() -> Tape:
    return Tape(name="c0").connects().connected().add("loop", 2).add("loop_end", 0)


def e1_other_end_accepted() -> Tape:
    tape = Tape(name="c0").connects()
    return tape.add("new", "s0", "socket", 1, 9).add("quiet")


def e1_nothing_in_flight() -> Tape:
    tape = Tape(completion=True, name="c0").add("new", "c0", "socket", 1, FD)
    tape.op("setcb", 1, 1, 1).op("connect", 40_000)
    return tape.add("ret", "c0", "connect", 0).add("quiet")


def _stack_connects(told: bool, levels: int = 1) -> Tape:
    """A stack whose lowest level is connected; whether that went all the way up."""
    tape = Tape(name="c0/0").connects().connected()
    names = ["c0/0", *(f"c0/{level}" for level in range(1, levels)), "c0"]
    for below, above in pairwise(names):
        tape.add("new", above, "filter", 1, None).add("layer", above, below)
        tape.add("op", above, "setcb", (1, 1, 1)).add("op", above, "enable", (RW,))
    if told:
        for name in names[1:]:
            tape.add("cb", name, "event", 0x80, None, 0, 0, RW).add("cb_end", name, "event", 0, 0)
    return tape


def legal_connected_before_it_was_stacked() -> Tape:
    return _stack_connects(told=False).add("quiet")


# What is told in the same pass.


def _once(low: int) -> Tape:
    tape = Tape(options=DEFERRED).accepted().op("setwatermark", EV_READ, low, 0).peer_sends(LOW)
    tape.add("loop", EVLOOP_ONCE).wait((FD, EPOLLIN)).arrive(LOW)
    return tape.add("loop_end", 0).add("loop", EVLOOP_ONCE)


def l1_once_at_the_low_watermark() -> Tape:
    return _once(LOW)


def legal_once_below_the_low_watermark() -> Tape:
    return _once(LOW + 1)


def _full(in_pass: str) -> Tape:
    """A deferred timeout of reading, at the high watermark, which was reached before, or in the
    same pass; or the application has called in it."""
    tape = Tape(options=DEFERRED).accepted().op("setwatermark", EV_READ, 0, 64)
    tape.op("set_timeouts", 5 * MS, None).wait((FD, EPOLLIN))
    if in_pass != "arrived":
        tape.arrive(64).callback("read").end("read")
    if in_pass == "called":
        tape.op("enable", EV_READ)
    tape.at(6).wait(timeout_ns=6 * MS)
    if in_pass == "arrived":
        tape.arrive(64)
        tape.read_callback(reads=False)
    elif in_pass == "called":
        tape.op("set_timeouts", 5 * MS, None)
    tape.enabled &= ~EV_READ
    return tape.event(0x41)


def t5_full_before() -> Tape:
    return _full("")


def legal_full_in_the_same_pass() -> Tape:
    return _full("arrived")


def legal_called_in_the_same_pass() -> Tape:
    return _full("called")


# Timeouts that never come.


def _silent(direction: int, quiet_ms: float) -> Tape:
    timeouts = (5 * MS, None) if direction == EV_READ else (None, 5 * MS)
    tape = Tape().accepted().op("set_timeouts", *timeouts)
    if direction == EV_WRITE:
        tape.write(64)
    tape.wait().poll(EPOLLIN | EPOLLOUT)
    if direction == EV_WRITE:
        tape.leave(32)
    return tape.at(quiet_ms).add("quiet")


def t1_never_reading() -> Tape:
    return _silent(EV_READ, 6.001)


def t1_soon_reading() -> Tape:
    return _silent(EV_READ, 6)


def t1_never_writing() -> Tape:
    return _silent(EV_WRITE, 6.001)


def t1_soon_writing() -> Tape:
    return _silent(EV_WRITE, 6)


# Failures.


def e3_recv_fails_while_connecting() -> Tape:
    """bufferevent_readcb leaves it to the write side, which is the one that tells it."""
    tape = Tape(name="c0").connects().wait((FD, EPOLLIN | EPOLLOUT | EPOLLERR))
    tape.add("recv", FD, 4_096, Errno.ECONNREFUSED).add("so_error", FD, None)
    return tape


def e2_refused_and_told() -> Tape:
    return e3_recv_fails_while_connecting().event(0x20, Errno.ECONNREFUSED)


def _send_gives_nothing() -> Tape:
    tape = Tape().accepted().write(64).wait((FD, EPOLLOUT)).add("send", FD, 64, b"")
    tape.enabled &= ~EV_WRITE
    return tape


def e3_send_gave_nothing() -> Tape:
    return _send_gives_nothing().event(0x12)


def e3_end_of_writing_from_nowhere() -> Tape:
    tape = Tape().accepted().write(64).wait((FD, EPOLLOUT)).leave(64)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x12)


def s2_ctl_fails() -> Tape:
    return Tape().accepted().add("epoll_ctl", 3, 3, FD, EPOLLIN, Errno.EBADF)


def _allocation_fails(error: Errno) -> Tape:
    tape = Tape().accepted().wait((FD, EPOLLIN)).add("fault", "malloc", 1)
    tape.enabled &= ~EV_READ
    return tape.event(0x21, error)


def e2_allocation_failed() -> Tape:
    return _allocation_fails(Errno.ENOMEM)


def e2_allocation_failed_otherwise() -> Tape:
    return _allocation_fails(Errno.EPIPE)


def _unwatched(error: Errno, told: Errno) -> Tape:
    tape = Tape().accepted().add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, error)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x22, told)


def e2_not_watched_and_told() -> Tape:
    return _unwatched(Errno.ENOSPC, Errno.ENOSPC)


def e3_not_watched_told_twice() -> Tape:
    return e2_not_watched_and_told().event(0x22, Errno.ENOSPC)


def e3_not_watched_told_otherwise() -> Tape:
    return _unwatched(Errno.ENOSPC, Errno.EPIPE)


def l2_end_told() -> Tape:
    tape = Tape().accepted().peer_sends(64).peer("shutdown").wait((FD, EPOLLIN)).arrive(64)
    return tape.read_callback().wait((FD, EPOLLIN)).eof().event(0x11).add("quiet")


# TLS.


class TlsOnSocket(Tape):
    """TLS `c0` on the socket `c0/0`, which has called connect."""

    def __init__(self, opened: bool, hears: int = 1) -> None:
        super().__init__(name="c0/0")
        self.connects()
        self.name = "c0"
        self.add("new", "c0", "ssl", 1, None).add("layer", "c0", "c0/0")
        self.add("op", "c0/0", "setcb", (1, 1, 1)).op("setcb", 1, 1, hears)
        self.enable_both()
        if opened:
            self.add("tls", "c0", "open", 0, None)

    def enable_both(self) -> TlsOnSocket:
        self.enabled |= RW
        self.op("enable", RW)
        return self

    def connected_below(self) -> TlsOnSocket:
        self.wait().add("so_error", FD, None).poll(EPOLLIN)
        return self.below(0x80)

    def refused_below(self) -> TlsOnSocket:
        self.wait().add("so_error", FD, Errno.ECONNREFUSED)
        return self.below(0x20, Errno.ECONNREFUSED)

    def below(self, what: int, error: object = None) -> TlsOnSocket:
        self.add("cb", "c0/0", "event", what, error, 0, 0, RW)
        self.add("cb_end", "c0/0", "event", 0, 0)
        return self

    def connects_by_itself(self) -> TlsOnSocket:
        """bufferevent_socket_connect on the layer."""
        self.op("connect", 40_000).add("ret", "c0", "connect", 0)
        return self

    def holds(self, size: int) -> TlsOnSocket:
        """Bytes come to the input below, which tells it."""
        self.wait((FD, EPOLLIN)).add("recv", FD, 4_096, bytes(size))
        self.add("cb", "c0/0", "read", 0, None, size, 0, RW).add("cb_end", "c0/0", "read", size, 0)
        return self


def e1_open_and_told() -> Tape:
    return TlsOnSocket(opened=True).connected_below().event(0x80).add("quiet")


def e1_open_and_not_told() -> Tape:
    return TlsOnSocket(opened=True).connected_below().add("quiet")


def legal_open_without_a_callback() -> Tape:
    return TlsOnSocket(opened=True, hears=0).connected_below().add("quiet")


def _refused_below() -> Tape:
    return TlsOnSocket(opened=True).connects_by_itself().refused_below()


def e2_refused_below_and_told() -> Tape:
    return _refused_below().event(0x20, Errno.ECONNREFUSED).add("quiet")


def e1_refused_below_and_not_told() -> Tape:
    return _refused_below().add("quiet")


def _failed_below(what: int) -> Tape:
    """A direction, or both, of an open connection."""
    tape = TlsOnSocket(opened=True).connected_below().event(0x80)
    tape.wait((FD, EPOLLIN | EPOLLOUT)).write(64)
    tape.add("send" if what & 2 else "recv", FD, 64, Errno.ECONNRESET)
    tape.add("cb", "c0/0", "event", what, Errno.ECONNRESET, 0, 0, 2 if what & 2 else 4)
    return tape.add("cb_end", "c0/0", "event", 0, 0)


def e2_write_failure_below_told() -> Tape:
    tape = _failed_below(0x22)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x22, Errno.ECONNRESET).add("quiet")


def l2_write_failure_below_not_told() -> Tape:
    return _failed_below(0x22).add("quiet")


def l2_read_failure_below_not_told() -> Tape:
    return _failed_below(0x21).add("quiet")


def _write_fails() -> Tape:
    return Tls().write(64).add("tls", "c0", "write", 64, TlsResult.SSL_ERROR_SSL)


def e2_write_failure_told() -> Tape:
    tape = _write_fails()
    tape.enabled &= ~EV_WRITE
    return tape.event(0x22, TlsResult.SSL_ERROR_SSL).add("quiet")


def l2_write_failure_not_told() -> Tape:
    return _write_fails().add("quiet")


def _timed_out(result: object) -> Tape:
    tape = TlsOnSocket(opened=True).connected_below().event(0x80)
    tape.op("set_timeouts", 5 * MS, None)
    tape.wait((FD, EPOLLIN)).add("recv", FD, 4_096, bytes(100))
    tape.add("cb", "c0/0", "read", 0, None, 100, 0, RW).add("cb_end", "c0/0", "read", 100, 0)
    if result is None:
        tape.add("buffer", "c0/0", "input", 0, 100)
    else:
        tape.add("tls", "c0", "read", 1, result)
    tape.at(6).wait(timeout_ns=6 * MS)
    tape.enabled &= ~EV_READ
    return tape.event(0x41)


def t2_bytes_below() -> Tape:
    return _timed_out(TlsResult.SSL_ERROR_WANT_READ)


def t2_bytes_that_wait_for_room() -> Tape:
    return _timed_out(TlsResult.SSL_ERROR_WANT_WRITE)


def t2_nothing_below() -> Tape:
    return _timed_out(None)


def _shaking(result: TlsResult) -> Tape:
    tape = TlsOnSocket(opened=False).connected_below().holds(100)
    return tape.add("tls", "c0", "handshake", 0, result).add("quiet")


def l3_handshake_rests_below() -> Tape:
    return _shaking(TlsResult.SSL_ERROR_WANT_READ)


def legal_handshake_waits_for_room() -> Tape:
    return _shaking(TlsResult.SSL_ERROR_WANT_WRITE)


def legal_what_was_allowed_outlives_a_restart() -> Tape:
    tape = Tls(shaken=False).op("allow_dirty_shutdown", 2)
    tape.add("tls", "c0", "handshake", 0, TlsResult.SSL_ERROR_SSL)
    tape.event(0x20, TlsResult.SSL_ERROR_SSL)
    tape.op("connect", 40_000).add("ret", "c0", "connect", 0)
    tape.add("tls", "c0", "handshake", 0, 0).event(0x80)
    tape.add("tls", "c0", "read", 1, TlsResult.SSL_ERROR_EOF)
    tape.enabled &= ~EV_READ
    return tape.event(0x11)


# Over completion.


def e2_refused_at_once() -> Tape:
    tape = Tape(completion=True, name="c0").add("new", "c0", "socket", 1, FD)
    tape.op("setcb", 1, 1, 1).op("connect", 40_000)
    tape.add("connect_ex", FD, 40_000, 7, Win32Error.WSAEADDRNOTAVAIL)
    return tape.add("ret", "c0", "connect", -1).add("quiet")


#: of properties that other modules pair too
MORE: dict[str, tuple[list[Builder], list[Builder]]] = {
    "L-1": ([], [l1_once_at_the_low_watermark]),
    "L-2": (
        [l2_end_told],
        [
            *(l2_write_failure_not_told, l2_write_failure_below_not_told),
            l2_read_failure_below_not_told,
        ],
    ),
    "L-3": ([], [l3_handshake_rests_below]),
    "L-6": ([l6_connect_told], [l6_connecting]),
    "E-1": (
        [e2_refused_and_told, e1_open_and_told, e2_refused_at_once],
        [
            *(e1_other_end_accepted, e1_nothing_in_flight, e1_open_and_not_told),
            e1_refused_below_and_not_told,
        ],
    ),
    "E-2": (
        [
            *(e2_refused_and_told, e2_allocation_failed, e2_refused_below_and_told),
            *(e2_write_failure_told, e2_write_failure_below_told, e2_not_watched_and_told),
        ],
        [e2_allocation_failed_otherwise],
    ),
    "E-3": (
        [e3_send_gave_nothing, e2_not_watched_and_told],
        [
            *(e3_end_of_writing_from_nowhere, e3_not_watched_told_twice),
            e3_not_watched_told_otherwise,
        ],
    ),
    "T-1": ([t1_soon_reading, t1_soon_writing], [t1_never_reading, t1_never_writing]),
    "T-2": ([t2_nothing_below, t2_bytes_that_wait_for_room], [t2_bytes_below]),
    "T-5": ([legal_full_in_the_same_pass, legal_called_in_the_same_pass], [t5_full_before]),
    "S-2": ([], [s2_ctl_fails]),
}

LEGAL: tuple[Builder, ...] = (
    legal_connected_before_it_was_stacked,
    legal_once_below_the_low_watermark,
    legal_open_without_a_callback,
    legal_handshake_waits_for_room,
    legal_what_was_allowed_outlives_a_restart,
)
