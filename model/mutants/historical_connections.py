"""Bugs that libevent had with connections that begin again, and with listeners and loops.

As in `historical`: each function is the model's own method of that name with the bug.
"""

from __future__ import annotations

from model.bufferevent_async import AsyncBufferevent
from model.bufferevent_sock import SocketBufferevent
from model.completion import CompletionPoller
from model.errors import Errno, Win32Error
from model.event import Runnable
from model.event_base import EventBase
from model.listener import ReadinessListener
from model.mutants.mutant import BOTH, Mutant
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_OPT_DEFER_CALLBACKS,
    EVLOOP_ONCE,
)

_original_connect = SocketBufferevent.socket_connect


def connect_refused_is_success(self: SocketBufferevent, port: int) -> int:
    """LE-033: a connect that is refused at once gives a write callback in place of ERROR."""
    eventcb, self.eventcb = self.eventcb, None
    result = _original_connect(self, port)
    self.eventcb = eventcb
    if result == 0 and not self.connecting:
        self.run_writecb(BEV_OPT_DEFER_CALLBACKS)
    return result


def setfd_stays_unusable(self: AsyncBufferevent, fd: int | None) -> int:
    """LE-113: a bufferevent that was made without a socket does not use the one it is given."""
    if fd is None or fd != self.fd:
        self._abandon()
        self.ok = self.ok and fd is not None
    self.fd = fd
    return self.enable(self.enabled) and 0


def adopt_once(self: CompletionPoller, handle: int) -> Win32Error | None:
    """LE-114: a socket that is tied to the port already is refused."""
    error = self.kernel.associate(handle, self.port, handle)
    return error if error is not None else self.kernel.set_skip_on_success(handle)


def fire_keeps_unwanted(self: ReadinessListener, result: int) -> None:
    """LE-139: without a callback the accepted descriptor is nobody's."""
    while self.enabled and self.fd is not None:
        accepted = self.poller.kernel.accept(self.fd)
        if isinstance(accepted, Errno):
            return
        if self.callback is not None:
            self.callback(self, accepted.fd, accepted.peer_port)


def disable_hard_is_soft(self: SocketBufferevent, mask: int) -> int:
    """LE-160: the write event stays while connecting, though its descriptor is to be closed."""
    return self.disable(mask)


def connected_inside_the_call(self: SocketBufferevent, port: int) -> int:
    """LE-182: a connect that succeeds at once calls back before it returns."""
    result = _original_connect(self, port)
    if result == 0 and self.connecting and not self.ev_write.armed:
        self.connecting = False
        self.run_eventcb(BEV_EVENT_CONNECTED, None)
    return result


def defer_to_the_next_pass(self: EventBase, deferred: Runnable) -> None:
    """LE-194: deferred callbacks wait in a queue of their own, ..."""
    self.later.append(deferred)


def done_with_deferred(self: EventBase, flags: int, ran: bool) -> bool:
    """LE-194: ... which EVLOOP_ONCE does not look at."""
    if self.active or (self.later and not flags & EVLOOP_ONCE):
        return False
    return ran if flags & EVLOOP_ONCE else not ran


def frozen_for_ever(self: SocketBufferevent, frozen: bool) -> None:
    """LE-195: setfd(-1) leaves the buffers frozen."""
    self.input.end_frozen = self.output.start_frozen = True


HISTORICAL_CONNECTIONS: tuple[Mutant, ...] = (
    Mutant(
        "LE-033",
        "a connect refused at once is taken for a success",
        "E-1",
        ("readiness",),
        ((SocketBufferevent, "socket_connect", connect_refused_is_success),),
    ),
    Mutant(
        "LE-113",
        "setfd does not make a bufferevent usable",
        "L-1",
        ("completion",),
        ((AsyncBufferevent, "setfd", setfd_stays_unusable),),
    ),
    Mutant(
        "LE-114",
        "setfd fails for a socket that is tied to the port already",
        "L-1",
        ("completion",),
        ((CompletionPoller, "adopt", adopt_once),),
    ),
    Mutant(
        "LE-139",
        "a connection that no callback wants is never closed",
        "S-4",
        ("readiness",),
        ((ReadinessListener, "fire", fire_keeps_unwanted),),
    ),
    Mutant(
        "LE-160",
        "the write event of a connect outlives its descriptor",
        "S-2",
        ("readiness",),
        ((SocketBufferevent, "disable_hard", disable_hard_is_soft),),
    ),
    Mutant(
        "LE-182",
        "a connect that succeeds at once calls back inside the call",
        "C-2",
        ("readiness",),
        ((SocketBufferevent, "socket_connect", connected_inside_the_call),),
    ),
    Mutant(
        "LE-194",
        "EVLOOP_ONCE returns before the deferred callbacks ran",
        "L-1",
        BOTH,
        (
            (EventBase, "schedule_deferred", defer_to_the_next_pass),
            (EventBase, "_is_done", done_with_deferred),
        ),
    ),
    Mutant(
        "LE-195",
        "the buffers stay frozen when setfd takes the descriptor away",
        "B-3",
        ("readiness",),
        ((SocketBufferevent, "_freeze", frozen_for_ever),),
    ),
)
