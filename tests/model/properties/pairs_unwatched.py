"""Traces about a descriptor that could not be watched, or memory that was wanting (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, EPOLLOUT
from model.subject import EV_WRITE
from tests.model.properties.pairs_traffic import listener
from tests.model.properties.traces import FD, RW, Builder, Tape


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


def allocation_failed_below() -> Tape:
    """A filter passes on that what is below could not read, and is enabled as it was."""
    tape = Tape(name="c0/0").accepted().add("new", "c0", "filter", 1, None)
    tape.add("layer", "c0", "c0/0").add("op", "c0", "setcb", (1, 1, 1))
    tape.add("op", "c0", "enable", (RW,)).wait((FD, EPOLLIN)).add("fault", "malloc", 1)
    tape.add("cb", "c0/0", "event", 0x21, Errno.ENOMEM, 0, 0, EV_WRITE)
    tape.add("cb", "c0", "event", 0x21, Errno.ENOMEM, 0, 0, RW)
    return tape.add("cb_end", "c0", "event", 0, 0).add("cb_end", "c0/0", "event", 0, 0)


#: of properties that other modules pair too
MORE: dict[str, tuple[list[Builder], list[Builder]]] = {
    "L-4": ([], [not_told]),
    "E-2": ([told], []),
    "E-3": ([told], [told_twice, told_otherwise]),
    "E-5": ([both_directions_told], []),
    "E-6": (
        [*(told, told_when_enabled_again, end_before_it_is_told), allocation_failed_below],
        [told_and_still_enabled],
    ),
}

LEGAL = (
    *(nobody_to_tell, nobody_to_accept),
    *(triggered_before_it_is_told, triggered_with_an_error_of_before),
)
