"""Bugs that libevent had, put back into the model. One function a bug; the table is at the end.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from typing import cast

from model.bufferevent import Bufferevent
from model.bufferevent_async import AsyncBufferevent
from model.bufferevent_filter import FilterBufferevent
from model.bufferevent_pair import PairBufferevent
from model.bufferevent_sock import SocketBufferevent
from model.errors import Errno, NtStatus
from model.evbuffer.contents import Contents
from model.event_base import Event, EventBase
from model.listener import CompletionListener, ReadinessListener, _Accept
from model.mutants.mutant import BOTH, Mutant
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_TIMEOUT,
    KernelError,
)

_original_start = AsyncBufferevent._start


def timer_due(self: EventBase, event: Event) -> None:
    """LE-001: a timer due in the pass of a readiness erases the readiness."""
    if event.result:
        event.result = EV_TIMEOUT
        event.timeout_ns = None
    else:
        self.activate(event, EV_TIMEOUT)


def after_readcb(self: Bufferevent, before: int) -> None:
    """LE-045: called again without end while the input stays at its high watermark."""
    if self.enabled & EV_READ and self.wm_read_high <= self.input.length:
        self.trigger_nolock(EV_READ, BEV_OPT_DEFER_CALLBACKS)


def listener_fire(self: ReadinessListener, result: int) -> None:
    """LE-106: goes on accepting after the callback disabled the listener."""
    while self.fd is not None:
        accepted = self.poller.kernel.accept(self.fd)
        if isinstance(accepted, Errno):
            return
        if self.callback is None:
            self.poller.kernel.close(accepted.fd)
        else:
            self.callback(self, accepted.fd, accepted.peer_port)


def cancel_all(self: AsyncBufferevent) -> None:
    """LE-153: operations in flight are not cancelled at free, nor the socket closed."""
    self.ok = False
    self.read_timer.stop()
    self.write_timer.stop()
    self._add_read(False)
    self._add_write(False)


def start_unconnected(self: AsyncBufferevent, mask: int) -> int:
    """LE-154: reads and writes are launched although the connect has not ended."""
    connecting, ok = self.connecting, self.ok
    self.connecting, self.ok = False, self.fd is not None
    result = _original_start(self, mask)
    self.connecting = connecting
    self.ok = self.ok and (ok or not connecting)
    return result


def on_accepted(self: CompletionListener, slot: _Accept) -> None:
    """LE-171: hands over and accepts again although the callback disabled the listener."""
    kernel = self.poller.kernel
    acceptor, slot.acceptor = slot.acceptor, None
    assert acceptor is not None
    failed = self.fd is None or slot.status is not NtStatus.SUCCESS
    if failed or kernel.update_accept_context(acceptor, self.fd or 0) is not None:
        kernel.closesocket(acceptor)
    else:
        self._hand_over(acceptor)
    if self.fd is None:
        self._retire(slot)
    else:
        self._start(slot)


def unsuspend_read(self: Bufferevent, why: int) -> None:
    """LE-172: un-suspending starts a direction that the user has disabled."""
    was = self.read_suspended
    self.read_suspended &= ~why
    if was and not self.read_suspended:
        self._start(EV_READ)


_original_read_once = SocketBufferevent._read_once


def on_read_shared(self: AsyncBufferevent, status: NtStatus, nbytes: int) -> None:
    """LE-174: the input holds the very memory that the kernel goes on writing into."""
    self.input.end_frozen = False
    if nbytes:
        self.input.append_reference(self.read_buffer[:nbytes])
    if self.ok:
        if status is not NtStatus.SUCCESS:
            self._reading_failed(BEV_EVENT_ERROR, status)
        elif not nbytes:
            self._reading_failed(BEV_EVENT_EOF, status)
        else:
            self._received(nbytes)
    self.decref()


def add_no_virtual(self: AsyncBufferevent, added: bool) -> None:
    """LE-175: an operation in flight does not keep the loop alive."""


def read_too_much(self: SocketBufferevent) -> None:
    """LE-177: the kernel is asked for more than the room below the high watermark."""
    high = self.wm_read_high
    if high and self.input.length < high:
        self.wm_read_high = 0
        owner, self.input.owner = self.input.owner, None
        try:
            _original_read_once(self)
        finally:
            self.wm_read_high, self.input.owner = high, owner
    else:
        _original_read_once(self)


def run_eventcb_unchecked(
    self: Bufferevent, what: int, error: KernelError | None, options: int = 0
) -> None:
    """LE-188: an event callback that was never set is called."""
    if (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
        if self.eventcb is not None:
            self.pending_events |= what
            if error is not None:
                self.pending_error = error
            self._schedule_deferred()
    else:
        self.error = error
        self.eventcb(self, what)  # type: ignore[misc]  # this is the bug


_original_drop = Contents._drop


def drop_wrong(self: Contents, size: int) -> None:
    """LE-191: bytes are counted on the wrong chain when a drain ends inside a later one."""
    before = self.first
    _original_drop(self, size)
    first = self.first
    if first is not None and first is not before and first.misalign:
        self.length += first.misalign
        first.off += first.misalign
        first.misalign = 0


def schedule_deferred_leak(self: Bufferevent) -> None:
    """LE-192: a reference for a place in the queue that was taken already."""
    self.refcnt += 1
    if not self.deferred_queued:
        self.deferred_queued = True
        self.base.schedule_deferred(self)


def after_readcb_never(self: Bufferevent, before: int) -> None:
    """LE-100: what an overrun left above the high watermark is never told again."""


def talk_unchecked(self: PairBufferevent) -> None:
    """LE-135: the partner is used after it is gone."""
    partner = cast(PairBufferevent, self.partner)
    if not (partner.reads and self.writes and self.output.length):
        return
    high = partner.wm_read_high
    room = high - partner.input.length if high else None
    if room is None or room > 0:
        self._transfer(partner, room)


def getfd_own(self: FilterBufferevent) -> int | None:
    """LE-199: a filter knows no descriptor: it does not ask the one below."""
    return self.fd


HISTORICAL: tuple[Mutant, ...] = (
    Mutant(
        "LE-001",
        "a timeout due in the same pass erases the readiness",
        "T-2",
        ("readiness",),
        ((EventBase, "timer_due", timer_due),),
    ),
    Mutant(
        "LE-045",
        "the read callback spins at the high watermark",
        "L-5",
        BOTH,
        ((Bufferevent, "_after_readcb", after_readcb),),
    ),
    Mutant(
        "LE-100",
        "bytes above the high watermark are not told again",
        "L-3",
        ("readiness",),
        ((Bufferevent, "_after_readcb", after_readcb_never),),
    ),
    Mutant(
        "LE-106",
        "the listener accepts after being disabled in its callback",
        "C-1",
        ("readiness",),
        ((ReadinessListener, "fire", listener_fire),),
    ),
    Mutant(
        "LE-135",
        "the partner of a pair is used after it was freed",
        "S-1",
        BOTH,
        ((PairBufferevent, "_talk", talk_unchecked),),
    ),
    Mutant(
        "LE-153",
        "pending operations are not cancelled on free",
        "S-3",
        ("completion",),
        ((AsyncBufferevent, "_cancel_all", cancel_all),),
    ),
    Mutant(
        "LE-154",
        "read and write are launched on an unconnected socket",
        "E-1",
        ("completion",),
        ((AsyncBufferevent, "_start", start_unconnected),),
    ),
    Mutant(
        "LE-171",
        "the IOCP listener accepts again after disable",
        "C-1",
        ("completion",),
        ((CompletionListener, "on_accepted", on_accepted),),
    ),
    Mutant(
        "LE-172",
        "un-suspending re-enables a disabled direction",
        "C-1",
        ("readiness",),
        ((Bufferevent, "unsuspend_read", unsuspend_read),),
    ),
    Mutant(
        "LE-174",
        "the input's memory still belongs to the kernel",
        "B-1",
        ("completion",),
        ((AsyncBufferevent, "on_read", on_read_shared),),
    ),
    Mutant(
        "LE-175",
        "the loop ends with operations in flight",
        "L-6",
        ("completion",),
        (
            (AsyncBufferevent, "_add_read", add_no_virtual),
            (AsyncBufferevent, "_add_write", add_no_virtual),
        ),
    ),
    Mutant(
        "LE-177",
        "a read takes more than it was asked for",
        "W-1",
        ("readiness",),
        ((SocketBufferevent, "_read_once", read_too_much),),
    ),
    Mutant(
        "LE-188",
        "an event callback that is not set is called",
        "S-1",
        ("readiness",),
        ((Bufferevent, "run_eventcb", run_eventcb_unchecked),),
    ),
    Mutant(
        "LE-191",
        "the evbuffer counts bytes on the wrong chain",
        "B-1",
        BOTH,
        ((Contents, "_drop", drop_wrong),),
    ),
    Mutant(
        "LE-192",
        "a deferred callback that is already queued costs a reference",
        "S-3",
        BOTH,
        ((Bufferevent, "_schedule_deferred", schedule_deferred_leak),),
    ),
    Mutant(
        "LE-199",
        "a filter does not tell the descriptor below it",
        "S-4",
        BOTH,
        ((FilterBufferevent, "getfd", getfd_own),),
    ),
)
