"""Planted bugs in stacks and pairs.

Each function is the model's own method of that name with the bug; compare the two.
"""

from __future__ import annotations

from model.bufferevent_filter import FilterBufferevent
from model.bufferevent_pair import PairBufferevent
from model.evbuffer import Change, Evbuffer
from model.generic_timeouts import GenericBufferevent
from model.layer import FilterResult, move
from model.mutants.mutant import BOTH, Mutant, planted
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_FINISHED,
    BEV_NORMAL,
    EV_READ,
    EV_WRITE,
    Bufferevent,
    KernelError,
)

_run_input = FilterBufferevent._run_input
_go_on_reading = FilterBufferevent._go_on_reading
_pair_flush = PairBufferevent.flush
_FILTER = FilterBufferevent
_PAIR = PairBufferevent


def run_output_late(self: FilterBufferevent, mode: int) -> bool:
    """What the function gives comes to the output below a moment later."""
    late = Evbuffer()
    processed = False
    more = self.processing_output = True
    while more:
        result = self.process_out(self.output, late, -1, mode)
        processed |= result is FilterResult.OK
        more = result is FilterResult.OK and self.output.length > 0
    self.processing_output = False

    def arrive() -> None:
        move(late, self.underlying.output, late.length)

    self.base.once(1_000, arrive)
    return processed


def resume_reading_above(self: FilterBufferevent) -> None:
    """What waits below is forgotten until more of it comes."""
    self.underlying.unsuspend_read(0x10)


def lower_output_unseen(self: FilterBufferevent, output: Evbuffer, change: Change) -> None:
    """Room below is used only when the output below fell to its low watermark."""


def may_hand_down_all(self: FilterBufferevent, mode: int) -> bool:
    """The high watermark of the output below is not looked at."""
    return bool(self.writes and self.output.length)


def lower_event_at_once(self: FilterBufferevent, _: Bufferevent, what: int) -> None:
    """An end is told before the bytes that lie below."""
    self.run_eventcb(what, self.underlying.socket_error())


def lower_event_drops(self: FilterBufferevent, _: Bufferevent, what: int) -> None:
    """An end throws away what lies below."""
    if what & BEV_EVENT_READING and what & (BEV_EVENT_EOF | BEV_EVENT_ERROR):
        self.underlying.input.drain_frozen(self.underlying.input.length)
    self._forward(what, self.underlying.socket_error())


def run_input_drops(self: FilterBufferevent, mode: int) -> bool:
    """What the function cannot use yet is thrown away."""
    processed = _run_input(self, mode)
    if self.stuck:
        self.underlying.input.drain_frozen(self.underlying.input.length)
    return processed


def process_input_always(self: FilterBufferevent, mode: int, options: int) -> bool:
    """A filter that does not read takes what comes all the same."""
    if self.processing_input:
        return False
    self.refcnt += 1
    processed = self._run_input(mode)
    if processed:
        self._restart_read_timer()
        self.trigger_nolock(EV_READ, options)
    self.decref()
    return processed


def output_changed_direct(self: FilterBufferevent, added: int, deleted: int) -> None:
    """The write callback runs inside the application's write."""
    if added:
        self._process_output(BEV_NORMAL, 0)


def forward_and_disable(self: FilterBufferevent, what: int, error: KernelError | None) -> None:
    """An end of what is below disables reading here too."""
    if what & BEV_EVENT_EOF:
        self.enabled &= ~EV_READ
    self.run_eventcb(what, error)


def forward_connected_late(self: FilterBufferevent, what: int, error: KernelError | None) -> None:
    """CONNECTED is told a moment late."""
    if what == BEV_EVENT_CONNECTED:
        self.base.once(1_000, lambda: self.run_eventcb(what, error))
    else:
        self.run_eventcb(what, error)


def go_on_for_ever(self: FilterBufferevent) -> None:
    """A filter that waits for more comes up in every pass."""
    _go_on_reading(self)
    if self.reads:
        self._continue_soon()


def unlink_keeps(self: FilterBufferevent) -> None:
    """The reference to what is below is kept."""
    self._stop_timers()


def talk_past_high(self: PairBufferevent) -> None:
    """The partner's high watermark is not looked at."""
    partner = self.partner
    if partner is not None and self.writes and partner.reads and self.output.length:
        self._transfer(partner, None)


def pair_start_pushes(self: PairBufferevent, mask: int) -> int:
    """Enabling reading does not pull what the partner offers."""
    if mask & EV_READ:
        self._restart_read_timer()
    if mask & EV_WRITE:
        self._restart_write_timer()
        self._talk()
    return 0


def transfer_untimed(self: PairBufferevent, partner: PairBufferevent, room: int | None) -> None:
    """Bytes that move do not restart the timers."""
    size = self.output.length if room is None else room
    move(self.output, partner.input, size)
    partner.trigger_nolock(EV_READ, 0)
    self.trigger_nolock(EV_WRITE, 0)


def flush_always_ends(self: PairBufferevent, iotype: int, mode: int) -> int:
    """Every flush tells the partner EOF."""
    result = _pair_flush(self, iotype, mode)
    if mode not in {BEV_NORMAL, BEV_FINISHED} and self.partner is not None:
        self.partner.run_eventcb(BEV_EVENT_READING | BEV_EVENT_EOF, None)
    return result


def flush_without_direction(self: PairBufferevent, iotype: int, mode: int) -> int:
    """EOF comes without the direction that ended."""
    if mode != BEV_FINISHED or self.partner is None:
        return _pair_flush(self, iotype, mode)
    self.partner.run_eventcb(BEV_EVENT_EOF, None)
    return 0


def restart_write_timer_idle(self: GenericBufferevent) -> None:
    """The write timer runs with nothing to write."""
    if self.timeout_write_ns is not None and self.writes:
        self.write_timer.start(self.timeout_write_ns)
    else:
        self.write_timer.stop()


def _filter(name: str, title: str, breaks: str, attribute: str, bug: object) -> Mutant:
    assert callable(bug)
    return planted(name, title, breaks, BOTH, (_FILTER, attribute, bug))


def _pair(name: str, title: str, breaks: str, attribute: str, bug: object) -> Mutant:
    assert callable(bug)
    return planted(name, title, breaks, BOTH, (_PAIR, attribute, bug))


LAYERS: tuple[Mutant, ...] = (
    _filter("handed-down-late", "a filter's write callback comes before its bytes are below",
            "O-5", "_run_output", run_output_late),
    _filter("bytes-below-forgotten", "a filter that reads again forgets what waits below it",
            "L-3", "_resume_reading", resume_reading_above),
    _filter("room-below-unused", "a filter waits for an empty output below",
            "L-3", "_lower_output_changed", lower_output_unseen),
    _filter("no-back-pressure", "a filter hands down without bound",
            "M-1", "_may_hand_down", may_hand_down_all),
    _filter("end-overtakes-bytes", "a filter tells EOF before the bytes that lie below it",
            "O-2", "_lower_event", lower_event_at_once),
    _filter("end-drops-bytes", "a filter that is told EOF drops what lies below it",
            "B-2", "_lower_event", lower_event_drops),
    _filter("half-unit-dropped", "a filter drops the bytes that its function cannot use yet",
            "B-1", "_run_input", run_input_drops),
    _filter("filter-reads-disabled", "a filter takes bytes while it does not read",
            "C-1", "_process_input", process_input_always),
    _filter("filter-callback-nests", "a filter calls back inside the application's write",
            "C-2", "_output_changed", output_changed_direct),
    _filter("filter-disables", "a filter disables reading when it forwards EOF",
            "E-6", "_forward", forward_and_disable),
    _filter("filter-connected-late", "a filter tells CONNECTED after other callbacks",
            "O-1", "_forward", forward_connected_late),
    _filter("filter-spins", "a filter that reads comes up in every pass",
            "L-5", "_go_on_reading", go_on_for_ever),
    _filter("filter-keeps-below", "a freed filter keeps what it sat on",
            "S-3", "_unlink", unlink_keeps),
    _pair("pair-past-high", "a pair fills the partner past its high watermark",
          "W-1", "_talk", talk_past_high),
    _pair("pair-forgets-to-pull", "a pair that reads again does not fetch what waits",
          "L-3", "_start", pair_start_pushes),
    _pair("pair-untimed", "bytes that a pair moves do not restart its timers",
          "T-1", "_transfer", transfer_untimed),
    _pair("pair-flush-ends", "FLUSH of a pair tells EOF",
          "E-3", "flush", flush_always_ends),
    _pair("pair-end-undirected", "EOF of a pair has no direction",
          "E-5", "flush", flush_without_direction),
    planted("layer-idle-write-timeout", "the write timer of a layer runs with nothing to write",
            "T-3", ("readiness",),
            (GenericBufferevent, "_restart_write_timer", restart_write_timer_idle)),
)  # fmt: skip
