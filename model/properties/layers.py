"""O-5, L-3, M-1, and what the other families ask about stacks and pairs.

A layer is the application of the bufferevent below it, so each level is judged like any other
bufferevent; here is what holds between two levels. What happens in a stack is told by `buffer` and
`filter` records, which its wrappers write.
"""

from __future__ import annotations

from model.filters import OVERRUN
from model.properties import tls
from model.properties.catalogue import Property
from model.properties.view import Run, View
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    BEV_FINISHED,
    EV_READ,
    EV_WRITE,
    event_name,
)
from model.tls import TlsResult

PROPERTIES = (
    Property(
        "O-5",
        "A filter's write callback comes when the bytes are in the output of the one below.",
        "libevent: bufferevent_filter.c:be_filter_process_output",
        "each write callback of a filter: all that its output function gave has come to the output"
        " below. That its own output is at its low watermark is W-2",
    ),
    Property(
        "L-3",
        "No byte rests below a layer that may read it, nor above one that has room for it; what an"
        " overrun left above a high watermark is told until it is taken.",
        "libevent: bufferevent_filter.c:be_filter_process_input, be_filter_process_output;"
        " bufferevent_pair.c:be_pair_wants_to_talk",
        "when quiet: input below a filter that reads and is under its high watermark, output of"
        " one that may write above an output under its high watermark, output for a partner that"
        " reads; unless the filter's function said NEED_MORE or ERROR to it. Of any bufferevent: a"
        " read callback that took some, and left the input at its high watermark, was followed by"
        " another",
    ),
    Property(
        "M-1",
        "What the buffers of a stack hold is bounded by their watermarks.",
        "libevent: bufferevent_filter.c:be_readbuf_full, be_underlying_writebuf_full",
        "each `memory` record of a stack whose every level has a high watermark where a layer may"
        " fill it, and that was never flushed: the bytes are at most the sum of the read and write"
        f" high watermarks below, {OVERRUN} for each output function (one call may exceed its"
        " limit), the top's read high watermark (or what its input held when that was set) and"
        " what the application's own writes left in the top's output",
    ),
)

_WANT_WRITE = TlsResult.SSL_ERROR_WANT_WRITE
_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING


def partner(run: Run, view: View) -> View | None:
    """The other end of a pair."""
    other = run.other_end(view.name)
    return other if isinstance(other, View) else None


def may_take(view: View) -> bool:
    """A layer or an end of a pair: reading is enabled, not suspended, below its high watermark."""
    if not view.enabled & EV_READ or view.suspended or not tls.may_take(view):
        return False
    return not view.high or view.received_count - view.taken < view.high


# --- what the level below says, and flushes ------------------------------------------------------


def tell_above(view: View, above: View, index: int, what: int, error: object) -> None:
    """An event callback of `view` begins: `above` is due to forward it."""
    if above.freed:
        return
    if above.tls is not None:
        tls.told_from_below(above, index, what, error)
        return
    if what & BEV_EVENT_CONNECTED:
        above.ever_connects = True  # of TLS on the accepting side, too
        above.kernel_connected = True
        if not above.eventcb:
            above.connecting = False
            above.connected = above.unheard = True
        return
    above.end_mark = view.received_count
    if what & BEV_EVENT_EOF:
        _end(above, what)
    if what & BEV_EVENT_ERROR:
        above.errors.append(error)
        above.no_end = view.no_end or error is view.unwatched is not None
        if above.no_end:
            above.end_mark = 0  # what comes before it does not matter
        if not what & _DIRECTIONS and (above.connecting or view.failed):
            above.failed = above.ever_connects = True
            above.connecting = False
            above.unheard |= not above.eventcb
    if what & (BEV_EVENT_EOF | BEV_EVENT_ERROR) and above.eventcb:
        above.owed = index
        above.owed_eof = bool(what & BEV_EVENT_EOF)


def _end(view: View, what: int) -> None:
    if what & BEV_EVENT_READING:
        view.eofs = 1
        view.eof_seen = True
    else:
        view.write_zeros += 1


def flushed(run: Run, view: View, index: int, iotype: int, mode: int) -> None:
    """A flush of FLUSH or FINISHED begins: what it moves minds neither masks nor watermarks."""
    view.forced = view.flushed = True
    if not view.is_pair_end:
        return
    other = partner(run, view)
    if other is None or other.freed:
        return
    other.forced = other.flushed = True
    if mode == BEV_FINISHED:
        what = BEV_EVENT_READING if iotype & EV_WRITE else 0
        _end(other, what | (BEV_EVENT_WRITING if iotype & EV_READ else 0))
        if other.eventcb:
            other.owed = index
            other.owed_eof = True


def flush_ended(run: Run, view: View) -> None:
    """The flush returned."""
    view.forced = False
    other = partner(run, view) if view.is_pair_end else None
    if other is not None:
        other.forced = False


# --- judging -------------------------------------------------------------------------------------


def handed_down(run: Run, view: View, index: int) -> None:
    """O-5, of a write callback of a filter."""
    below = view.below
    assert below is not None
    run.checked["O-5"] += 1
    # A function that libevent calls again while it runs has given more than its records say.
    if below.written < view.handed or (below.written != view.handed and not run.foreign):
        run.violate(
            "O-5",
            view.name,
            index,
            f"{view.name} got a write callback though of the {view.handed} bytes that its function"
            f" gave {below.written} are in the output of {below.name}",
        )


def end_before_bytes_below(run: Run, view: View, index: int, what: int) -> None:
    """O-2 across levels: an end of reading before bytes that lie below, unless the function was
    offered them and could not go on. What came behind the end excuses nothing, nor is it waited
    for, though with it the function may go on."""
    below = view.below
    assert below is not None
    rest = view.end_mark - below.taken  # a pair goes on after its EOF
    if rest > 0 and not view.in_stuck and view.stuck_mark < view.end_mark:
        run.violate(
            "O-2",
            view.name,
            index,
            f"{view.name} got {event_name(what)} before the {rest} bytes that {below.name} received"
            " earlier and that its function would take",
        )


def judge(run: Run, view: View, index: int) -> None:
    """L-3, when quiet, of a filter or an end of a pair."""
    below = view.below
    pending = view.written - view.sent
    may_give = view.enabled & EV_WRITE and pending > 0 and tls.may_give(view)
    if below is None:
        other = partner(run, view)
        takes = other is not None and not (other.freed or other.timed_out_unheard())
        if may_give and takes and other is not None and may_take(other):
            _rests(run, view, index, f"{pending} bytes of output, which {other.name} may read")
        run.checked["L-3"] += view.sent > 0
        return
    if below.freed:
        return
    run.checked["L-3"] += view.handed > 0 or view.received_count > 0
    rest = below.received_count - below.taken
    tls.judge_rest(run, view, index, rest)
    stuck = view.in_stuck or (view.tls is not None and view.tls.last is _WANT_WRITE)
    stuck |= below.dead and not below.eof_seen  # completion: beside a failure nothing more is told
    if rest > 0 and may_take(view) and not stuck:
        _rests(run, view, index, f"{rest} bytes below it in {below.name}, and may read")
    if below.encrypted:
        return  # its room is the kernel's: see model.properties.tls_socket
    room = not below.write_high or below.written - below.sent < below.write_high
    if may_give and room and not view.out_stuck:
        _rests(run, view, index, f"{pending} bytes of output, for which {below.name} has room")


def judge_overrun(run: Run, view: View, index: int) -> None:
    """L-3, when quiet: the last read callback took some of an input above its high watermark."""
    run.checked["L-3"] += 1
    length = view.received_count - view.taken
    if length >= max(view.high, view.low, 1) and view.enabled & EV_READ and not view.dead:
        _rests(
            run,
            view,
            index,
            f"{length} bytes of input, above its high watermark of"
            f" {view.high}, of which its last read callback took some",
        )


def _rests(run: Run, view: View, index: int, what: str) -> None:
    run.violate("L-3", view.name, index, f"{view.name} is quiet with {what}")


def judge_memory(run: Run, view: View, index: int, size: int) -> None:
    """M-1, of one `memory` record of a stack's top."""
    if not view.allowed or view.flushed:
        return
    bound = view.allowed + view.written - view.sent + tls.overrun(view)
    below = view.below
    while below is not None:
        if not below.high or not below.write_high or below.flushed:
            return
        bound += below.high + below.write_high + OVERRUN + tls.overrun(below)
        below = below.below
    run.checked["M-1"] += 1
    if size > bound:
        run.violate(
            "M-1",
            view.name,
            index,
            f"{view.name} and what it sits on hold {size} bytes, more than the {bound} that their"
            " watermarks allow",
        )
