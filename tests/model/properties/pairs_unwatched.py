"""Traces about a descriptor that could not be watched, or memory that was wanting (see `pairs`)."""

from __future__ import annotations

from model.errors import Errno
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, EPOLLOUT
from model.subject import EV_WRITE
from tests.model.properties.traces import FD, RW, Builder, Tape


def _unwatched(told: Errno) -> Tape:
    tape = Tape().accepted().add("epoll_ctl", 3, EPOLL_CTL_ADD, FD, EPOLLOUT, Errno.ENOSPC)
    tape.enabled &= ~EV_WRITE
    return tape.event(0x22, told)


def told() -> Tape:
    return _unwatched(Errno.ENOSPC)


def told_twice() -> Tape:
    return told().event(0x22, Errno.ENOSPC)


def told_otherwise() -> Tape:
    return _unwatched(Errno.EPIPE)


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
    "E-2": ([told], []),
    "E-3": ([told], [told_twice, told_otherwise]),
    "E-6": ([told, allocation_failed_below], []),
}
