"""An end of the application as it runs: its bufferevent, its callbacks and what they do.

Steps are made ready once: a function and its arguments, with masks and flags as bits. The
functions are called with an end whose bufferevent exists; `Live.do` and the driver see to that.
What an end writes is its own stream of `model.content`, on from where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from harness.app_threads import together
from harness.live_layers import stack_on, tls_on_socket
from harness.live_rates import RATE_ACTS
from harness.scenario import TLS_LAYERS, BuffereventEnd, Layer, Reaction
from model.content import content
from model.subject import (
    BEV_FINISHED,
    BEV_FLUSH,
    BEV_NORMAL,
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    EVENT_NAMES,
    OPTION_BITS,
    Bufferevent,
    Listener,
    NotMade,
    TlsBufferevent,
)

if TYPE_CHECKING:
    from harness.driver import Driver

MASKS = {"R": EV_READ, "W": EV_WRITE, "RW": EV_READ | EV_WRITE}
MODES = {"NORMAL": BEV_NORMAL, "FLUSH": BEV_FLUSH, "FINISHED": BEV_FINISHED}

#: a step made ready to run: what to call, and its arguments after the end
Act: TypeAlias = tuple[Callable[..., None], tuple[Any, ...]]


class Live:
    """A bufferevent end as it runs. `bev` is None before it exists and once it is freed."""

    __slots__ = (
        "accepted",
        "bev",
        "driver",
        "index",
        "known",
        "layers",
        "lower",
        "name",
        "on_accept",
        "on_event",
        "on_read",
        "on_write",
        "options",
        "setfd",
        "setup",
        "then",
        "turns",
        "written",
    )

    def __init__(
        self,
        driver: Driver,
        name: str,
        index: int,
        end: BuffereventEnd,
        layers: tuple[Layer, ...] = (),
    ) -> None:
        self.driver = driver
        self.name = name
        self.index = index  # of its stream: 2 * connection, + 1 for a server end
        self.bev: Bufferevent | None = None
        self.known: Bufferevent | None = None  # the same, also once it is freed
        self.layers = layers
        self.lower: list[Bufferevent] = []  # what it sits on, the lowest first
        self.accepted = False
        self.written = 0  # bytes of its stream
        self.options = sum(OPTION_BITS[option] for option in end.options)
        self.setfd = end.setfd
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

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket's bufferevent, and not a stack's top or an end of a pair."""
        return not self.layers and self.transport == "socket"

    @property
    def transport(self) -> str:
        """What carries its connection: one of `harness.scenario.TRANSPORTS`."""
        return self.driver.scenario.connections[self.index // 2].transport

    def start(self, fd: int | None) -> None:
        """Makes the bufferevent and sets it up. Without memory for it there is none."""
        base = self.driver.base
        late = fd if self.setfd and self.is_socket else None
        given = None if late is not None else fd
        new = base.bufferevent_bottom_new if self.layers else base.bufferevent_socket_new
        name = f"{self.name}/0" if self.layers else self.name
        try:
            if self.transport == "tls":
                bottom = tls_on_socket(given, self, name)
            else:
                bottom = new(given, self.options, name=name)
        except NotMade:
            if fd is not None:
                base.close_fd(fd)
            return
        self.begin(bottom)
        if late is not None:
            together(self, partial(self._given, late))

    def _given(self, fd: int) -> None:
        """Its descriptor comes after it was made, unless it is freed by then."""
        if self.bev is None:
            self.driver.base.close_fd(fd)
        else:
            self.bev.setfd(fd)

    def begin(self, bev: Bufferevent) -> None:
        """Goes on with `bev`, or with the stack that is built on it."""
        if self.layers:
            try:
                bev = stack_on(bev, self)
            except NotMade:
                self.driver.give_up(self)
                return
        if self.driver.threads is not None:
            self.driver.threads.made(bev)  # before one of them can free it
        self.bev = self.known = bev
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
        """The first connection becomes the bufferevent; later ones, unless they may be those of a
        client end that reconnects, are closed at once."""
        if self.accepted:
            self.driver.accepted_again(self, fd)
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
    """An end that another thread has freed since it was looked at answers -1 from then on."""
    bev = end.bev or end.known
    assert bev is not None
    return bev


def _enable(end: Live, mask: int) -> None:
    _bev(end).enable(mask)


def _disable(end: Live, mask: int) -> None:
    _bev(end).disable(mask)


def _write(end: Live, size: int) -> None:
    if end.driver.threads is not None:
        together(end, partial(_write_next, end, size))
    else:
        _write_next(end, size)


def _write_next(end: Live, size: int) -> None:
    bev = end.bev or _bev(end)
    if bev.write(content(end.index, end.written, size)) == 0:
        end.written += size


def _read(end: Live, size: int) -> None:
    bev = end.bev or _bev(end)
    if size or (size := bev.input_length()):
        bev.read(size)


def _read_all(end: Live) -> None:
    bev = _bev(end)
    size = bev.input_length()
    if size:
        bev.read(size)


def _echo(end: Live) -> None:
    bev = end.bev or _bev(end)
    bev.write_input()


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


def _trigger_event(end: Live, what: int, options: int) -> None:
    _bev(end).trigger_event(what, options)


def _setfd(end: Live) -> None:
    bev = _bev(end)
    fd = bev.getfd()
    if fd is not None and end.is_socket:
        bev.setfd(fd)


def _reconnect(end: Live) -> None:
    if end.is_socket:
        together(end, partial(end.driver.reconnect, end))


def _priority(end: Live, priority: int) -> None:
    _bev(end).priority_set(priority)


def _listener_set_cb(end: Live, given: bool) -> None:
    listener = end.driver.listeners.get(end.index | 1)
    if listener is not None:
        listener.set_cb(end.driver.ends[f"s{end.index // 2}"].acceptcb if given else None)


def _listener_disable(end: Live) -> None:
    listener = end.driver.listeners.get(end.index | 1)
    if listener is not None:
        listener.disable()


def _listener_enable(end: Live) -> None:
    listener = end.driver.listeners.get(end.index | 1)
    if listener is not None:
        listener.enable()


def _tls_shutdown(end: Live) -> None:
    members = [*end.lower[1:], _bev(end)] if end.layers else []
    for layer, bev in reversed(list(zip(end.layers, members, strict=True))):
        if layer.kind in TLS_LAYERS:
            cast(TlsBufferevent, bev).tls_shutdown()
            return
    if end.transport == "tls":
        cast(TlsBufferevent, [*end.lower, _bev(end)][0]).tls_shutdown()


def _flush(end: Live, mask: int, mode: int) -> None:
    _bev(end).flush(mask, mode)


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
    "flush": _flush,
    "tls_shutdown": _tls_shutdown,
    "free": _free,
    "trigger_event": _trigger_event,
    "setfd": _setfd,
    "reconnect": _reconnect,
    "priority": _priority,
    "listener_set_cb": _listener_set_cb,
    "listener_disable": _listener_disable,
    "listener_enable": _listener_enable,
    **RATE_ACTS,
}
_AFTER_READS: dict[str, Callable[[Live], None]] = {
    "read": _read_all,
    "echo": _echo,
    "leave": _leave,
}
_EVENT_BITS = {name: bit for bit, name in EVENT_NAMES.items()}
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
    if do == "trigger_event":
        what, defer = args
        bits = sum(_EVENT_BITS[name] for name in what.split("|"))
        return bits, BEV_TRIG_DEFER_CALLBACKS if defer else 0
    if do == "flush":
        return MASKS[args[0]], MODES[args[1]]
    return (MASKS[args[0]], *args[1:]) if do in _WITH_MASK else args
