"""The bufferevent: one state machine for both kernels (libevent: bufferevent.c).

A direction runs iff the user enabled it and nothing suspends it. The transport below
(`bufferevent_sock` over readiness, `bufferevent_async` over completion) is told when a direction
starts or stops running, and tells this half what happened; this half decides which callback runs
and when. Callbacks run inside the transport's handler, or deferred: then they are coalesced, one
read, one write, one event callback with the causes OR-ed, in the order CONNECTED, read, write,
the rest. Whoever is at work on a bufferevent holds a reference, so a callback may free it.

One choice of ours where libevent has had two: a read callback that leaves the input at or above
the high watermark is called again iff it took something. (libevent before 2.1.9 never calls it
again, so an overrun stays undelivered; since then it calls again without end: issue 891.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model import rate_limit
from model.errors import SimulatorError
from model.evbuffer import Evbuffer
from model.event_base import EventBase
from model.rate_limited import MAX_SINGLE_DEFAULT, RateLimited
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_UNLOCK_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    DataCallback,
    EventCallback,
    Failure,
)
from model.threads import NO_LOCK, Lock
from model.transport import Transport

if TYPE_CHECKING:
    from model.layer import Callbacks, Underlying

# Why a direction is suspended (bufferevent-internal.h). Reasons are independent of each other.
SUSPEND_WM = 0x01  # the input is at its high watermark
SUSPEND_BW = rate_limit.SUSPEND_BW  # the bufferevent's own bucket is empty
SUSPEND_BW_GROUP = rate_limit.SUSPEND_BW_GROUP  # its group's bucket is empty
SUSPEND_LOOKUP = 0x08  # a name is being resolved
SUSPEND_FILT_READ = 0x10  # a filter above does not read


class Bufferevent(RateLimited, Transport):
    """What every bufferevent has. Implements `model.subject.Bufferevent`; see there.

    Its kinds override the methods of `Transport` and call those under "For transports".
    """

    __slots__ = (
        *("base", "deferred_queued", "enabled", "error", "eventcb", "fd", "input", "options"),
        *("output", "pending", "pending_error", "pending_events", "priority", "read_suspended"),
        *("readcb", "refcnt", "timeout_read_ns", "timeout_write_ns", "wm_read_high"),
        *("wm_read_low", "wm_write_high", "wm_write_low", "write_suspended", "writecb"),
    )

    lock: Lock = NO_LOCK  # `model.locked` has one

    def __init__(self, base: EventBase, fd: int | None, options: int) -> None:
        if options & BEV_OPT_UNLOCK_CALLBACKS and not options & BEV_OPT_DEFER_CALLBACKS:
            raise ValueError("UNLOCK_CALLBACKS needs DEFER_CALLBACKS (bufferevent_init_common_)")
        self.base = base
        self.fd = fd
        self.options = options
        self.enabled = EV_WRITE
        self.read_suspended = 0
        self.write_suspended = 0
        self.timeout_read_ns: int | None = None
        self.timeout_write_ns: int | None = None
        self.wm_read_low = self.wm_read_high = 0
        self.wm_write_low = self.wm_write_high = 0
        self.max_single_read = MAX_SINGLE_DEFAULT
        self.max_single_write = MAX_SINGLE_DEFAULT
        self.limiter = None
        self.on_suspend = None
        self.input = Evbuffer()
        self.output = Evbuffer()
        self.output.owner = self._output_changed
        self.readcb: DataCallback | None = None
        self.writecb: DataCallback | None = None
        self.eventcb: EventCallback | None = None
        self.pending = 0  # EV_READ, EV_WRITE: deferred callbacks
        self.pending_events = 0
        self.pending_error: Failure | None = None
        self.deferred_queued = False
        self.error: Failure | None = None
        self.refcnt = 1
        self.priority = base.npriorities // 2  # of the deferred callback
        base.bufferevents += 1

    # The API.

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None:
        self.readcb = readcb
        self.writecb = writecb
        self.eventcb = eventcb

    def enable(self, mask: int) -> int:
        self.enabled |= mask
        runnable = mask
        if self.read_suspended:
            runnable &= ~EV_READ
        if self.write_suspended:
            runnable &= ~EV_WRITE
        return self._start(runnable) if runnable else 0

    def disable(self, mask: int) -> int:
        self.enabled &= ~mask
        return self._stop(mask)

    def disable_hard(self, mask: int) -> int:
        return self.disable(mask)

    def get_enabled(self) -> int:
        return self.enabled

    def getcb(self) -> Callbacks:
        return self.readcb, self.writecb, self.eventcb

    def flush(self, iotype: int, mode: int) -> int:
        return 0

    def get_underlying(self) -> Underlying | None:
        return None

    def get_partner(self) -> Bufferevent | None:
        return None

    def write(self, data: bytes) -> int:
        self.output.append_frozen(data)
        return 0

    def read(self, size: int) -> bytes:
        return self.input.remove(size) or b""

    def write_input(self) -> int:
        source = self.input
        return self.output.take_frozen(source) if source.length else 0

    def input_length(self) -> int:
        return self.input.length

    def output_length(self) -> int:
        return self.output.length

    def drain_output(self) -> int:
        return self.output.drain(self.output.length)

    def setwatermark(self, mask: int, low: int, high: int) -> None:
        if mask & EV_WRITE:
            self.wm_write_low, self.wm_write_high = low, high
        if mask & EV_READ:
            self.wm_read_low, self.wm_read_high = low, high
            if high:
                self.input.owner = self._input_changed
                self._check_high_watermark()
            else:
                self.input.owner = None
                self.unsuspend_read(SUSPEND_WM)

    def getwatermark(self, direction: int) -> tuple[int, int] | int:
        if direction == EV_READ:
            return self.wm_read_low, self.wm_read_high
        return (self.wm_write_low, self.wm_write_high) if direction == EV_WRITE else -1

    def priority_set(self, priority: int) -> int:
        """bufferevent_priority_set: -1 but for sockets over readiness."""
        return -1

    def set_timeouts(self, read_ns: int | None, write_ns: int | None) -> int:
        self.timeout_read_ns = read_ns
        self.timeout_write_ns = write_ns
        self._adjust_timeouts()
        return 0

    def trigger(self, iotype: int, options: int) -> None:
        self.refcnt += 1
        self.trigger_nolock(iotype, options)
        self.decref()

    def trigger_event(self, what: int, options: int) -> None:
        self.refcnt += 1
        self.run_eventcb(what, None, options)
        self.decref()

    def socket_connect(self, port: int) -> int:
        raise SimulatorError(f"{type(self).__name__} cannot connect")

    def getfd(self) -> int | None:
        return self.fd

    def setfd(self, fd: int | None) -> int:
        raise SimulatorError(f"{type(self).__name__} has no descriptor")

    def socket_error(self) -> Failure | None:
        return self.error

    def free(self) -> None:
        self.setcb(None, None, None)
        self.enabled = 0  # whoever is at work on it does nothing more
        if self.limiter is not None:
            self.limiter.close()
        self._cancel_all()
        self.decref()

    def incref(self) -> None:
        """bufferevent_incref."""
        self.refcnt += 1

    def decref(self) -> None:
        """bufferevent_decref: the last one unlinks now and finalises from the loop."""
        self.refcnt -= 1
        if not self.refcnt:
            if self.limiter is not None:
                self.limiter.close()
            self._unlink()
            self.base.schedule_finalizer(self._finalize, self.priority)

    def _finalize(self) -> None:
        self.finalize()
        self.input.free()  # what they refer to may have to be told, or closed
        self.output.free()
        self.base.bufferevents -= 1

    def _forget_untold(self) -> None:
        """What the old descriptor still had to tell is not told of a new one (a choice of ours:
        libevent tells it)."""
        self.pending = self.pending_events = 0
        self.pending_error = self.error = None

    # Suspension.

    def suspend_read(self, why: int) -> None:
        was = self.read_suspended
        self.read_suspended = was | why
        if self.on_suspend is not None and why & ~was & ~SUSPEND_WM:
            self.on_suspend("read", self.read_suspended & ~SUSPEND_WM)
        if not was:
            self._stop(EV_READ)

    def unsuspend_read(self, why: int) -> None:
        was = self.read_suspended
        self.read_suspended &= ~why
        if self.on_suspend is not None and why & was & ~SUSPEND_WM:
            self.on_suspend("read", self.read_suspended & ~SUSPEND_WM)
        if was and not self.read_suspended and self.enabled & EV_READ:
            self._start(EV_READ)

    def suspend_write(self, why: int) -> None:
        was = self.write_suspended
        self.write_suspended = was | why
        if self.on_suspend is not None and why & ~was:
            self.on_suspend("write", self.write_suspended)
        if not was:
            self._stop(EV_WRITE)

    def unsuspend_write(self, why: int) -> None:
        was = self.write_suspended
        self.write_suspended &= ~why
        if self.on_suspend is not None and why & was:
            self.on_suspend("write", self.write_suspended)
        if was and not self.write_suspended and self.enabled & EV_WRITE:
            self._start(EV_WRITE)

    def _input_changed(self, added: int, deleted: int) -> None:
        """bufferevent_inbuf_wm_cb."""
        self._check_high_watermark()

    def _check_high_watermark(self) -> None:
        if self.input.length >= self.wm_read_high:
            self.suspend_read(SUSPEND_WM)
        else:
            self.unsuspend_read(SUSPEND_WM)

    # For transports: callbacks.

    def trigger_nolock(self, iotype: int, options: int) -> None:
        """bufferevent_trigger_nolock_: calls back where the watermarks let it."""
        free = BEV_TRIG_IGNORE_WATERMARKS
        if iotype & EV_READ and (self.input.length >= self.wm_read_low or options & free):
            self.run_readcb(options)
        if iotype & EV_WRITE and (self.output.length <= self.wm_write_low or options & free):
            self.run_writecb(options)

    def run_readcb(self, options: int) -> None:
        """bufferevent_run_readcb_. A missing callback is dropped, and nothing is remembered."""
        readcb = self.readcb
        if readcb is None:
            return
        if (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
            self.pending |= EV_READ
            self._schedule_deferred()
        else:  # as `_call_readcb` does
            before = self.input.length
            readcb(self)
            if self.wm_read_high:
                self._after_readcb(before)

    def _call_readcb(self) -> None:
        readcb = self.readcb
        if readcb is None:
            return
        before = self.input.length
        readcb(self)
        if self.wm_read_high:
            self._after_readcb(before)

    def _after_readcb(self, before: int) -> None:
        """bufferevent_inbuf_wm_check, with our rule: again iff the callback took something."""
        if self.enabled & EV_READ and self.wm_read_high <= self.input.length < before:
            self.trigger_nolock(EV_READ, BEV_OPT_DEFER_CALLBACKS)

    def run_writecb(self, options: int) -> None:
        """bufferevent_run_writecb_."""
        if self.writecb is None:
            return
        if (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
            self.pending |= EV_WRITE
            self._schedule_deferred()
        else:
            self.writecb(self)

    def run_eventcb(self, what: int, error: Failure | None, options: int = 0) -> None:
        """bufferevent_run_eventcb_: `error` is what socket_error tells inside the callback."""
        if self.eventcb is None:
            return
        if (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
            self.pending_events |= what
            if error is not None:
                self.pending_error = error
            self._schedule_deferred()
        else:
            self.error = error
            self.eventcb(self, what)

    def _schedule_deferred(self) -> None:
        """One reference for one place in the queue."""
        if not self.deferred_queued:
            self.deferred_queued = True
            self.refcnt += 1
            self.base.schedule_deferred(self)

    def run(self) -> None:
        """bufferevent_run_deferred_callbacks_locked: CONNECTED, read, write, the rest.

        A flag whose callback is gone stays set; flags set meanwhile wait for another turn.
        """
        self.deferred_queued = False
        if self.pending_events & BEV_EVENT_CONNECTED and self.eventcb is not None:
            self.pending_events &= ~BEV_EVENT_CONNECTED
            self.error = None
            self.eventcb(self, BEV_EVENT_CONNECTED)
        if self.pending & EV_READ and self.readcb is not None:
            self.pending &= ~EV_READ
            self._call_readcb()
        if self.pending & EV_WRITE and self.writecb is not None:
            self.pending &= ~EV_WRITE
            self.writecb(self)
        if self.pending_events and self.eventcb is not None:
            what, self.error = self.pending_events, self.pending_error
            self.pending_events, self.pending_error = 0, None
            self.eventcb(self, what)
        self.decref()

    @property
    def reads(self) -> bool:
        """Reading is enabled and not suspended."""
        return bool(self.enabled & EV_READ and not self.read_suspended)

    @property
    def writes(self) -> bool:
        """Writing is enabled and not suspended."""
        return bool(self.enabled & EV_WRITE and not self.write_suspended)

    @property
    def closes_on_free(self) -> bool:
        return bool(self.options & BEV_OPT_CLOSE_ON_FREE)
