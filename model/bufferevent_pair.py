"""Two bufferevents joined inside the process (libevent: bufferevent_pair.c).

What one writes is moved to the input of the other as soon as the one may write and the other may
read, up to the other's high watermark; the rest waits until there is room again. No kernel is
asked. Callbacks are always deferred.

FLUSH and FINISHED move whatever is enabled and whatever the high watermark; FINISHED also tells the
partner EOF, and leaves its directions as they are. Freeing one end tells the other nothing: what it
writes from then on stays in its output.
"""

from __future__ import annotations

from model.event_base import EventBase
from model.generic_timeouts import GenericBufferevent
from model.layer import move
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    BEV_FINISHED,
    BEV_NORMAL,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
)


class PairBufferevent(GenericBufferevent):
    """One end of a pair."""

    __slots__ = ("partner",)

    def __init__(self, base: EventBase, options: int) -> None:
        super().__init__(base, None, options | BEV_OPT_DEFER_CALLBACKS)
        self.partner: PairBufferevent | None = None
        # Nobody but us may put data into the input or take data from the output.
        self.input.end_frozen = True
        self.output.start_frozen = True

    def get_partner(self) -> PairBufferevent | None:
        return self.partner

    def flush(self, iotype: int, mode: int) -> int:
        """be_pair_flush."""
        partner = self.partner
        if partner is None:
            return -1
        if mode == BEV_NORMAL:
            return 0
        if iotype & EV_READ:
            partner._transfer(self, None)
        if iotype & EV_WRITE:
            self._transfer(partner, None)
        if mode == BEV_FINISHED:
            what = BEV_EVENT_EOF
            if iotype & EV_READ:
                what |= BEV_EVENT_WRITING
            if iotype & EV_WRITE:
                what |= BEV_EVENT_READING
            partner.run_eventcb(what, None)
        return 0

    def _talk(self) -> None:
        """Gives the partner what it may have (be_pair_wants_to_talk, be_pair_transfer)."""
        partner = self.partner
        if partner is None or not (self.writes and partner.reads and self.output.length):
            return
        high = partner.wm_read_high
        room = high - partner.input.length if high else None
        if room is None or room > 0:
            self._transfer(partner, room)

    def _transfer(self, partner: PairBufferevent, room: int | None) -> None:
        """be_pair_transfer: up to `room` bytes. Its callers hold no reference, so it does."""
        self.refcnt += 1
        partner.refcnt += 1
        size = self.output.length if room is None else room
        if move(self.output, partner.input, size):
            partner._restart_read_timer()
            self._restart_write_timer()
        partner.trigger_nolock(EV_READ, 0)
        self.trigger_nolock(EV_WRITE, 0)
        partner.decref()
        self.decref()

    # The transport.

    def _start(self, mask: int) -> int:
        """be_pair_enable: pulls what the partner offers, pushes what we have."""
        if mask & EV_READ:
            self._restart_read_timer()
            if self.partner is not None:
                self.partner._talk()
        if mask & EV_WRITE:
            self._restart_write_timer()
            self._talk()
        return 0

    def _stop(self, mask: int) -> int:
        """be_pair_disable."""
        self._stop_timers(mask)
        return 0

    def _output_changed(self, added: int, deleted: int) -> None:
        """be_pair_outbuf_cb."""
        if added:
            self._talk()
            if self.output.length:
                self._start_write_timer()

    def _part(self) -> None:
        partner, self.partner = self.partner, None
        if partner is not None:
            partner.partner = None

    def _cancel_all(self) -> None:
        self._stop_timers()
        self._part()


def pair_new(base: EventBase, options: int) -> tuple[PairBufferevent, PairBufferevent]:
    """bufferevent_pair_new."""
    first, second = PairBufferevent(base, options), PairBufferevent(base, options)
    first.partner, second.partner = second, first
    return first, second
