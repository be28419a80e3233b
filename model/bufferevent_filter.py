"""A bufferevent that sees another one through two functions (libevent: bufferevent_filter.c).

The output function moves what the application writes into the output of the bufferevent below, at
once, until that holds its high watermark; a write callback therefore says "handed down", not
"sent". The input function moves what the one below received into our input, until that holds our
high watermark. While we do not read (disabled, or full) the one below is suspended with FILT_READ;
so the pressure goes down a stack of any depth.

What libevent leaves to luck is one rule here:

* Where calls of the application make it possible to go on (it drains, enables, sets a watermark),
  the functions for input run from the loop, and never inside that call. What is left below is moved
  first, and only then does the one below read again.
* An end or an error of reading is told when what was received before it was moved: it waits
  (`held`) while bytes lie below that the function could still take. One that was put off because
  the function could not go on is held again when it goes on after all, and leaves some.
* Callbacks that follow from the application's own call are deferred, so callbacks never nest.
* The output goes on as soon as the one below has room under its high watermark, not only when that
  fell to its low one.
"""

from __future__ import annotations

from model.bufferevent import SUSPEND_FILT_READ
from model.evbuffer import Change, Evbuffer
from model.event_base import EventBase
from model.filters import copy
from model.generic_timeouts import GenericBufferevent
from model.layer import Callbacks, FilterResult, Filters, Underlying
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_NORMAL,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_TRIG_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
    Bufferevent,
    Failure,
)


class FilterBufferevent(GenericBufferevent):
    """A filter on `underlying`."""

    __slots__ = (
        "continuing",
        "despaired",
        "held",
        "held_error",
        "process_in",
        "process_out",
        "processing_input",
        "processing_output",
        "release_context",
        "stuck",
        "underlying",
    )

    def __init__(
        self, base: EventBase, underlying: Underlying, filters: Filters, options: int
    ) -> None:
        super().__init__(base, None, options)
        self.underlying = underlying
        self.process_in = filters.input or copy
        self.process_out = filters.output or copy
        self.release_context = filters.free_context
        self.processing_input = self.processing_output = False
        self.continuing = False  # a `_Continuation` is queued
        self.stuck = False  # the input function cannot go on with what lies below
        self.held = 0  # BEV_EVENT_*: an end of reading that waits for the bytes before it
        self.held_error: Failure | None = None
        self.despaired = 0  # the same, put off to be told in front of bytes that it is stuck with
        underlying.incref()
        underlying.setcb(*self._callbacks())
        underlying.output.add_cb(self._lower_output_changed)
        underlying.suspend_read(SUSPEND_FILT_READ)
        underlying.enable(EV_READ | EV_WRITE)

    def _callbacks(self) -> Callbacks:
        return self._lower_read, self._lower_write, self._lower_event

    # What is below does these.

    def get_underlying(self) -> Underlying:
        return self.underlying

    def getfd(self) -> int | None:
        return self.underlying.getfd()

    def setfd(self, fd: int | None) -> int:
        return self.underlying.setfd(fd)

    def socket_connect(self, port: int) -> int:
        result = self.underlying.socket_connect(port)
        self.error = self.underlying.socket_error()
        return result

    def flush(self, iotype: int, mode: int) -> int:
        """be_filter_flush: 1 if a function did anything, 0 if not."""
        processed = False
        if iotype & EV_READ:
            processed |= self._process_input(mode, BEV_TRIG_DEFER_CALLBACKS)
        if iotype & EV_WRITE:
            processed |= self._process_output(mode, BEV_TRIG_DEFER_CALLBACKS)
        self.underlying.flush(iotype, mode)
        return int(processed)

    # The callbacks of the one below.

    def _lower_read(self, _: Bufferevent) -> None:
        """be_filter_readcb."""
        self._process_input(BEV_NORMAL, 0)

    def _lower_write(self, _: Bufferevent) -> None:
        """be_filter_writecb."""
        self._process_output(BEV_NORMAL, 0)

    def _lower_event(self, _: Bufferevent, what: int) -> None:
        """be_filter_eventcb: forwarded as it is, an end of reading behind the bytes before it."""
        error = self.underlying.socket_error()
        if what & BEV_EVENT_READING and what & (BEV_EVENT_EOF | BEV_EVENT_ERROR):
            self.refcnt += 1
            self._process_input(BEV_NORMAL, 0)
            if self.held or (self.underlying.input.length and not self.stuck):
                self._hold(what, error)
                self._tell_held()
            else:
                self._forward(what, error)
            self.decref()
        else:
            self._forward(what, error)

    def _tell_held(self) -> None:
        """What was held is told, unless bytes lie before it that the function could still take."""
        if self.held and (self.stuck or not self.underlying.input.length):
            what, error = self.held, self.held_error
            self.held, self.held_error = 0, None
            self._forward(what, error)

    def _hold(self, what: int, error: Failure | None) -> None:
        """Keeps an end until the bytes before it were taken; with it one that is put off, and would
        come before them."""
        if self.pending_events & BEV_EVENT_READING:
            error = self.pending_error if error is None else error
            what |= self.pending_events & ~BEV_EVENT_CONNECTED
            self.pending_events &= BEV_EVENT_CONNECTED
            self.pending_error = None
        self.held |= what
        self.held_error = self.held_error if error is None else error
        self.despaired = 0

    def _forward(self, what: int, error: Failure | None) -> None:
        """Tells an event, behind the callbacks that were put off; CONNECTED comes before those."""
        waits = (self.pending or self.pending_events) and what != BEV_EVENT_CONNECTED
        self.despaired = what if self.stuck and self.underlying.input.length else 0
        self.run_eventcb(what, error, BEV_TRIG_DEFER_CALLBACKS if waits else 0)

    def _lower_output_changed(self, output: Evbuffer, change: Change) -> None:
        """What is below has room again: the rest follows from the loop."""
        if change.n_deleted and self.output.length and not self.processing_output:
            high = self.underlying.wm_write_high
            if self.writes and output.length < high <= output.length + change.n_deleted:
                self._continue_soon()

    # Input.

    def _process_input(self, mode: int, options: int) -> bool:
        """be_filter_process_input, be_filter_read_nolock_: whether the function did anything."""
        if mode == BEV_NORMAL and not self.reads:
            self.stuck = False  # who knows, with what came meanwhile
            return False
        if self.processing_input:
            return False
        self.refcnt += 1
        processed = self._run_input(mode)
        if self.despaired & self.pending_events and not self.stuck and self.underlying.input.length:
            self._hold(0, None)
        if processed:
            self._restart_read_timer()
            self.trigger_nolock(EV_READ, options)
        self.decref()
        return processed

    def _run_input(self, mode: int) -> bool:
        """Calls the input function as long as it can go on. Only a flush asks it for nothing."""
        lower = self.underlying.input
        processed = False
        self.processing_input = True
        more = bool(lower.length) or mode != BEV_NORMAL
        while more:
            high = self.wm_read_high if mode == BEV_NORMAL else 0
            limit = high - self.input.length if high else -1
            result = self.process_in(lower, self.input, limit, mode)
            self.stuck = result is not FilterResult.OK
            processed |= not self.stuck
            runs = self.reads if mode == BEV_NORMAL else self.enabled & EV_READ
            more = not self.stuck and bool(runs) and lower.length > 0
        self.processing_input = False
        return processed

    def _resume_reading(self) -> None:
        """Reading runs again: what waits below comes first, then the one below reads."""
        if self.underlying.input.length or self.held:
            self.stuck = False
            self._continue_soon()
        else:
            self.underlying.unsuspend_read(SUSPEND_FILT_READ)

    def _go_on_reading(self) -> None:
        """From the loop."""
        self._process_input(BEV_NORMAL, 0)
        self._tell_held()
        if self.reads:  # still: neither full again nor disabled nor freed
            self.underlying.unsuspend_read(SUSPEND_FILT_READ)

    # Output.

    def _process_output(self, mode: int, options: int) -> bool:
        """be_filter_process_output: whether the function did anything."""
        if self.processing_output or (mode == BEV_NORMAL and not self._may_hand_down(mode)):
            return False
        self.refcnt += 1
        processed = self._run_output(mode)
        if processed:
            self._restart_write_timer()
            self.trigger_nolock(EV_WRITE, options)
        self.decref()
        return processed

    def _run_output(self, mode: int) -> bool:
        """Calls the output function as long as it can go on; it may write to us meanwhile."""
        lower = self.underlying.output
        processed = False
        more = self.processing_output = True
        while more:
            high = self.underlying.wm_write_high if mode == BEV_NORMAL else 0
            limit = high - lower.length if high else -1
            result = self.process_out(self.output, lower, limit, mode)
            processed |= result is FilterResult.OK
            more = result is FilterResult.OK and self._may_hand_down(mode)
        self.processing_output = False
        return processed

    def _may_hand_down(self, mode: int) -> bool:
        if not self.writes or not self.output.length:
            return False
        high = self.underlying.wm_write_high
        return mode != BEV_NORMAL or not high or self.underlying.output.length < high

    # The loop.

    def _continue_soon(self) -> None:
        if not self.continuing:
            self.continuing = True
            self.refcnt += 1
            self.base.schedule_deferred(_Continuation(self))

    def go_on(self) -> None:
        """What became possible is done, from the loop."""
        self.continuing = False
        if self.reads:
            self._go_on_reading()
        self._process_output(BEV_NORMAL, 0)
        self.decref()

    # Callbacks: a direct one answers what was put off.

    def run_readcb(self, options: int) -> None:
        if not (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
            self.pending &= ~EV_READ
        super().run_readcb(options)

    def run_writecb(self, options: int) -> None:
        if not (options | self.options) & BEV_OPT_DEFER_CALLBACKS:
            self.pending &= ~EV_WRITE
        super().run_writecb(options)

    # The transport.

    def _start(self, mask: int) -> int:
        """be_filter_enable."""
        if mask & EV_READ:
            self._restart_read_timer()
            self._resume_reading()
        if mask & EV_WRITE:
            self._restart_write_timer()
            self._process_output(BEV_NORMAL, BEV_TRIG_DEFER_CALLBACKS)
        return 0

    def _stop(self, mask: int) -> int:
        """be_filter_disable: the one below goes on writing what it has."""
        self._stop_timers(mask)
        if mask & EV_READ:
            self.underlying.suspend_read(SUSPEND_FILT_READ)
        return 0

    def _output_changed(self, added: int, deleted: int) -> None:
        """bufferevent_filtered_outbuf_cb."""
        if added:
            self._process_output(BEV_NORMAL, BEV_TRIG_DEFER_CALLBACKS)
            if self.output.length:
                self._start_write_timer()

    def _cancel_all(self) -> None:
        """be_filter_unlink, at once: from free on the one below is left alone, or freed."""
        self._stop_timers()
        underlying = self.underlying
        underlying.output.remove_cb(self._lower_output_changed)
        if self.closes_on_free:
            underlying.free()
            return
        if underlying.getcb() == self._callbacks():
            underlying.setcb(None, None, None)
        underlying.unsuspend_read(SUSPEND_FILT_READ)

    def _unlink(self) -> None:
        self._stop_timers()
        self.underlying.decref()

    def finalize(self) -> None:
        """be_filter_destruct."""
        if self.release_context is not None:
            self.release_context()


class _Continuation:
    """A place of a filter in the active queue."""

    __slots__ = ("bev", "priority")

    def __init__(self, bev: FilterBufferevent) -> None:
        self.bev = bev
        self.priority = bev.priority

    def run(self) -> None:
        self.bev.go_on()
