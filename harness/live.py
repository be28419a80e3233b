"""An end of the application as it runs: its bufferevent, its callbacks and what they do.

Steps are made ready once: a function and its arguments, with masks and flags as bits. The
functions are called with an end whose bufferevent exists; `Live.do` and the driver see to that.
What an end writes is its own stream of `model.content`, on from where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.scenario import BuffereventEnd, Reaction
from model.content import content
from model.subject import (
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    OPTION_BITS,
    Bufferevent,
    Listener,
    NotMade,
)

if TYPE_CHECKING:
    from harness.driver import Driver

MASKS = {"R": EV_READ, "W": EV_WRITE, "RW": EV_READ | EV_WRITE}

#: a step made ready to run: what to call, and its arguments after the end
Act: TypeAlias = tuple[Callable[..., None], tuple[Any, ...]]


class Live:
    """A bufferevent end as it runs. `bev` is None before it exists and once it is freed."""

    __slots__ = (
        "accepted",
        "bev",
        "driver",
        "index",
        "name",
        "on_accept",
        "on_event",
        "on_read",
        "on_write",
        "options",
        "setup",
        "then",
        "turns",
        "written",
    )

    def __init__(self, driver: Driver, name: str, index: int, end: BuffereventEnd) -> None:
        self.driver = driver
        self.name = name
        self.index = index  # of its stream: 2 * connection, + 1 for a server end
        self.bev: Bufferevent | None = None
        self.accepted = False
        self.written = 0  # bytes of its stream
        self.options = sum(OPTION_BITS[option] for option in end.options)
        self.setup = ready(end.setup)
        self.on_read = [ready(reaction) for reaction in end.on_read]
        self.on_write = [ready(reaction) for reaction in end.on_write]
        self.on_event = [ready(reaction) for reaction in end.on_event]
        self.on_accept = [ready(reaction) for reaction in end.on_accept]
        self.then: Callable[[Live], None] = _AFTER_READS[end.after_reads]
        self.turns = [0, 0, 0, 0]  # callbacks so far: read, write, event, accept

    def do(self, acts: Sequence[Act]) -> None:
        """Does the steps of one reaction; those behind a free are not done."""
        for act, args in acts:
            if self.bev is None:
                return
            act(self, *args)

    def start(self, fd: int | None) -> None:
        """Makes the bufferevent and sets it up. Without memory for it there is none."""
        base = self.driver.base
        try:
            self.bev = bev = base.bufferevent_socket_new(fd, self.options, name=self.name)
        except NotMade:
            if fd is not None:
                base.close_fd(fd)
            return
        bev.setcb(self.readcb, self.writecb if self.on_write else None, self.eventcb)
        self.do(self.setup)

    def readcb(self, bev: Bufferevent) -> None:
        turn = self.turns[0]
        self.turns[0] = turn + 1
        if turn < len(self.on_read):
            self.do(self.on_read[turn])
        elif self.bev is not None:
            self.then(self)

    def writecb(self, bev: Bufferevent) -> None:
        self._react(1, self.on_write)

    def eventcb(self, bev: Bufferevent, what: int) -> None:
        self._react(2, self.on_event)

    def acceptcb(self, listener: Listener, fd: int, peer_port: int) -> None:
        """The first connection becomes the bufferevent, later ones are closed at once."""
        if self.accepted:
            self.driver.base.close_fd(fd)
        else:
            self.accepted = True
            self.start(fd)
            self.driver.accepted(self)
        self._react(3, self.on_accept)

    def _react(self, which: int, reactions: Sequence[Sequence[Act]]) -> None:
        turn = self.turns[which]
        self.turns[which] = turn + 1
        if turn < len(reactions):
            self.do(reactions[turn])


def _bev(end: Live) -> Bufferevent:
    assert end.bev is not None
    return end.bev


def _enable(end: Live, mask: int) -> None:
    _bev(end).enable(mask)


def _disable(end: Live, mask: int) -> None:
    _bev(end).disable(mask)


def _write(end: Live, size: int) -> None:
    if _bev(end).write(content(end.index, end.written, size)) == 0:
        end.written += size


def _read(end: Live, size: int) -> None:
    bev = _bev(end)
    if size or (size := bev.input_length()):
        bev.read(size)


def _read_all(end: Live) -> None:
    bev = _bev(end)
    size = bev.input_length()
    if size:
        bev.read(size)


def _echo(end: Live) -> None:
    _bev(end).write_input()


def _leave(end: Live) -> None:
    """Nothing: the input stays as it is."""


def _setwatermark(end: Live, mask: int, low: int, high: int) -> None:
    _bev(end).setwatermark(mask, low, high)


def _set_timeouts(end: Live, read_ns: int | None, write_ns: int | None) -> None:
    _bev(end).set_timeouts(read_ns, write_ns)


def _trigger(end: Live, mask: int, options: int) -> None:
    _bev(end).trigger(mask, options)


def _setcb(end: Live, which: str) -> None:
    _bev(end).setcb(
        end.readcb if "R" in which else None,
        end.writecb if "W" in which else None,
        end.eventcb if "E" in which else None,
    )


def _busy(end: Live, duration_ns: int) -> None:
    end.driver.world.sleep(duration_ns)


def _free(end: Live) -> None:
    end.driver.free(end)


def _listener_disable(end: Live) -> None:
    listener = end.driver.listeners.get(end.index | 1)
    if listener is not None:
        listener.disable()


def _listener_enable(end: Live) -> None:
    listener = end.driver.listeners.get(end.index | 1)
    if listener is not None:
        listener.enable()


ACTS: dict[str, Callable[..., None]] = {
    "enable": _enable,
    "disable": _disable,
    "write": _write,
    "read": _read,
    "echo": _echo,
    "setwatermark": _setwatermark,
    "set_timeouts": _set_timeouts,
    "trigger": _trigger,
    "setcb": _setcb,
    "busy": _busy,
    "free": _free,
    "listener_disable": _listener_disable,
    "listener_enable": _listener_enable,
}
_AFTER_READS: dict[str, Callable[[Live], None]] = {
    "read": _read_all,
    "echo": _echo,
    "leave": _leave,
}
_WITH_MASK = ("enable", "disable", "setwatermark", "trigger")


@lru_cache(maxsize=4096)
def ready(steps: Reaction) -> tuple[Act, ...]:
    """Steps as calls, with masks and flags as bits."""
    return tuple([(ACTS[do], arguments(do, args)) for do, args in steps])


def arguments(do: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """A step's arguments as its function takes them."""
    if do == "trigger":
        mask, ignore_watermarks, defer = args
        options = BEV_TRIG_IGNORE_WATERMARKS if ignore_watermarks else 0
        return MASKS[mask], options | (BEV_TRIG_DEFER_CALLBACKS if defer else 0)
    return (MASKS[args[0]], *args[1:]) if do in _WITH_MASK else args
