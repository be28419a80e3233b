"""Traces about a descriptor that could not be watched, or memory that was wanting (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, EPOLLOUT
from model.subject import EV_READ, EV_WRITE
from tests.model.properties.pairs_traffic import listener
from tests.model.properties.traces import DEFERRED, FD, RW, Builder, Tape


def _refused() -> Tape:
    tape = Tape().accepted().add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, Errno.ENOSPC)
    tape.enabled &= ~EV_WRITE
    return tape


def _unwatched(told: Errno) -> Tape:
    return _refused().event(0x22, told)


def told() -> Tape:
    return _unwatched(Errno.ENOSPC)


def told_twice() -> Tape:
    return told().event(0x22, Errno.ENOSPC)


def told_otherwise() -> Tape:
    return _unwatched(Errno.EPIPE)


def told_when_enabled_again() -> Tape:
    return _refused().enable(EV_WRITE).event(0x22, Errno.ENOSPC)


def told_and_still_enabled() -> Tape:
    tape = Tape().accepted().wait().wait().wait()
    tape.add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, Errno.ENOSPC)
    return tape.event(0x22, Errno.ENOSPC)


def end_before_it_is_told() -> Tape:
    """Writing is disabled already when the end of reading is told."""
    tape = _refused().wait((FD, EPOLLIN)).eof()
    return tape.event(0x11).event(0x22, Errno.ENOSPC)


def both_directions_told() -> Tape:
    tape = _refused()
    tape.enabled = 0
    return tape.event(0x23, Errno.ENOSPC)


def triggered_before_it_is_told() -> Tape:
    """An event that the application triggers, deferred, is told in the same call."""
    tape = _refused().op("trigger_event", 0x41, 4)
    return tape.event(0x63, Errno.ENOSPC)


def triggered_and_without_memory() -> Tape:
    """The same of an allocation that failed, where it is told behind the call."""
    tape = Tape().accepted().op("trigger_event", 0x21, 4).add("fault", "malloc 1 ENOMEM", None)
    tape.enabled = 0
    return tape.event(0x23, Errno.ENOMEM)


def triggered_beside_a_failure() -> Tape:
    """A failure of a call is told at once, and in no call of another."""
    tape = Tape().accepted().op("trigger_event", 0x21, 4).wait((FD, EPOLLIN))
    tape.recv_fails(Errno.ECONNRESET)
    tape.enabled = 0
    return tape.event(0x23, Errno.ECONNRESET)


def nobody_to_tell() -> Tape:
    tape = Tape().accepted().op("setcb", 1, 1, 0).write(64)
    tape.add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, Errno.ENOSPC)
    return tape.add("quiet").add("loop_end", 1)


def not_told() -> Tape:
    tape = Tape().accepted().op("setcb", 1, 1, 1).write(64)
    tape.add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, Errno.ENOSPC)
    return tape.add("quiet").add("loop_end", 1)


def triggered_with_an_error_of_before() -> Tape:
    """errno is as an allocation that failed left it, when the application triggers an ERROR."""
    tape = Tape().accepted().wait().wait().add("fault", "malloc", 1)
    return tape.op("trigger_event", 0x22, 4).event(0x22, Errno.ENOMEM)


def nobody_to_accept() -> Tape:
    """listener.h: without a callback it is treated as disabled until there is one."""
    return listener().add("op", "l0", "set_cb", (0,)).add("loop_end", 1)


def somebody_to_accept_again() -> Tape:
    tape = listener().add("op", "l0", "set_cb", (0,)).add("op", "l0", "set_cb", (1,))
    return tape.add("loop_end", 1)


def allocation_failed_below() -> Tape:
    """A filter passes on that what is below could not read, and is enabled as it was."""
    tape = Tape(name="c0/0").accepted().add("new", "c0", "filter", 1, None)
    tape.add("layer", "c0", "c0/0").add("op", "c0", "setcb", (1, 1, 1))
    tape.add("op", "c0", "enable", (RW,)).wait((FD, EPOLLIN)).add("fault", "malloc", 1)
    tape.add("cb", "c0/0", "event", 0x21, Errno.ENOMEM, 0, 0, EV_WRITE)
    tape.add("cb", "c0", "event", 0x21, Errno.ENOMEM, 0, 0, RW)
    return tape.add("cb_end", "c0", "event", 0, 0).add("cb_end", "c0/0", "event", 0, 0)


def _failed_twice(options: int) -> Tape:
    """Reading found no memory, and then writing failed: told in one call if they are deferred."""
    tape = Tape(options=options).accepted().wait((FD, EPOLLIN | EPOLLOUT)).write(64)
    tape.add("fault", "malloc", 1).add("send", FD, 64, Errno.ECONNRESET)
    tape.enabled = 0
    return tape.event(0x23 if options == DEFERRED else 0x22, Errno.ECONNRESET)


def failed_twice_deferred() -> Tape:
    return _failed_twice(DEFERRED)


def failed_once_and_both_disabled() -> Tape:
    return _failed_twice(1)


def _filter_over_refused(told: Errno) -> Tape:
    """The filter holds all that it may; a byte lies below; that reads no more, which it tells."""
    tape = Tape(name="c0/0").accepted().peer_sends(2).wait((FD, EPOLLIN))
    tape.add("new", "c0", "filter", 1, None).add("layer", "c0", "c0/0")
    tape.add("op", "c0", "setcb", (1, 1, 1)).add("op", "c0", "enable", (RW,))
    tape.add("op", "c0", "setwatermark", (EV_READ, 0, 1)).arrive(2).callback("read")
    tape.add("buffer", "c0/0", "input", 0, 1).add("buffer", "c0", "input", 1, 0)
    tape.add("filter", "c0", "read", 0, 1, 1, 0)
    tape.add("cb", "c0", "read", 0, None, 1, 0, RW).add("cb_end", "c0", "read", 1, 0)
    tape.add("cb_end", "c0/0", "read", 1, 0)
    tape.add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLIN, Errno.ENOSPC)
    tape.add("cb", "c0/0", "event", 0x21, told, 1, 0, EV_WRITE)
    return tape.add("cb", "c0", "event", 0x21, told, 1, 0, RW)


def told_above_bytes() -> Tape:
    return _filter_over_refused(Errno.ENOSPC)


def end_above_bytes() -> Tape:
    return _filter_over_refused(Errno.ECONNRESET)


def _tls_refused() -> Tape:
    tape = Tape().add("accept", 4, FD, 40_001).add("new", "s0", "ssl-socket", 1, FD)
    tape.op("setcb", 1, 1, 1).enable(RW)
    return tape.add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLIN, Errno.ENOSPC).poll(0)


def handshake_told() -> Tape:
    tape = _tls_refused()
    tape.enabled &= ~EV_READ
    return tape.event(0x21, Errno.ENOSPC).add("quiet")


def handshake_not_told() -> Tape:
    return _tls_refused().add("quiet")


#: of properties that other modules pair too
MORE: dict[str, tuple[list[Builder], list[Builder]]] = {
    "E-1": ([], [handshake_not_told]),
    "L-4": ([], [not_told]),
    "L-6": ([], [somebody_to_accept_again]),
    "O-2": ([told_above_bytes], [end_above_bytes]),
    "E-2": ([told], []),
    "E-3": ([told], [told_twice, told_otherwise]),
    "E-5": (
        [both_directions_told, triggered_and_without_memory],
        [triggered_beside_a_failure],
    ),
    "E-6": (
        [
            *(told, told_when_enabled_again, end_before_it_is_told, allocation_failed_below),
            failed_twice_deferred,
        ],
        [told_and_still_enabled, failed_once_and_both_disabled],
    ),
}

LEGAL = (
    *(nobody_to_tell, nobody_to_accept, handshake_told),
    *(triggered_before_it_is_told, triggered_with_an_error_of_before),
)
