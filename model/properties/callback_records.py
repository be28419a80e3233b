"""What the records of callbacks say. The hottest path: a condition that is cheap to see stands
here, what it means and the message stand in the family's module.

On a completion kernel a record tells that an operation ended, but the bufferevent may process that
only after the callback: then the input is `missing` bytes that have arrived (and the output still
holds bytes that have left), and what those bytes cause is yet to come.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from model.errors import Errno
from model.properties import (
    callbacks,
    events,
    layers,
    liveness,
    order,
    stream,
    timeouts,
    tls,
    watermarks,
)
from model.properties.due import read_was_due, write_was_due
from model.properties.meanwhile import picked
from model.properties.view import UNCOUNTED, Handler, Run, View
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)
from model.trace import Record

_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING
_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR


def callback(run: Run, index: int, record: Record) -> None:
    """`cb`: a callback starts."""
    time, _, name, which, what, error, input_length, output_length, enabled = record
    view = run.views.get(name)
    if view is None:
        view = run.view(name, time)
    run.callbacks += 1
    if view.freed:
        callbacks.after_free(run, view, index, which)
        return
    if view.depth or view.in_connect:
        callbacks.nested(run, view, index, which)
    view.depth += 1
    if which == "accept":
        callbacks.accept(run, view, index, what)
        return
    if which == "error":
        return
    if view.given_up and run.threaded and view.unlocked:
        if picked(run, index) < view.begun:
            return  # of the connection before: another thread has given that up since
    view.idle += 1
    if view.idle > liveness.CALLBACKS_MAX:
        liveness.spinning(run, view, index)
    missing = view.received_count - view.taken - input_length
    if missing:
        stream.check_input(run, view, index, input_length)
        view.unoffered = min(view.unoffered, 1)
    surplus = output_length - view.written + view.sent
    if surplus:
        stream.check_output(run, view, index, output_length)
        view.untold_write = min(view.untold_write, 1)
    if which == "read":
        _read_callback(run, view, index, input_length, missing > 0)
    elif which == "write":
        _write_callback(run, view, index, output_length, surplus > 0)
    else:
        _event_callback(run, view, index, time, what, error, enabled)


def _read_callback(run: Run, view: View, index: int, length: int, more: bool) -> None:
    run.data_callbacks += 1
    view.again = False
    view.shown = length
    if view.connecting and (
        not view.read_credits or (view.grown and not _picked_before(run, view))
    ):
        order.before_connected(run, view, index, "read")
    if view.illicit:
        callbacks.read_while_disabled(run, view, index)
    if view.grown:
        view.grown = more
    else:
        callbacks.read_without_growth(run, view, index)
    if length < view.low:
        watermarks.read_below_low(run, view, index, length)
    if not more:
        # A trigger may be pending that met the watermark.
        again = view.unlocked and view.read_ok and _picked_before(run, view)
        view.read_ok = again or view.read_credits > 0
        view.unoffered = 0
        view.held = False  # all there is has been offered
    else:
        # The rest is processed after this callback: if reading is not enabled then, it is held.
        view.held |= not view.enabled & EV_READ
        view.unoffered = int(view.fresh_in >= view.low and not (view.held or view.dead))


def _write_callback(run: Run, view: View, index: int, length: int, more: bool) -> None:
    run.data_callbacks += 1
    if view.below is not None and view.tls is None:
        layers.handed_down(run, view, index)  # which needs no connection
    elif view.connecting and (
        not view.write_credits or (view.shrunk and not _picked_before(run, view))
    ):
        order.before_connected(run, view, index, "write")
    if view.shrunk:
        view.shrunk = more
        if not view.deferred:
            view.write_enable_credits = 0
    else:
        callbacks.write_without_progress(run, view, index)
    if length > view.write_low:
        watermarks.write_above_low(run, view, index, length)
    if view.deferred:
        run.checked["O-3"] += 1
        if _read_was_due(run, view, index):
            order.late_read(run, view, index, "write")
    view.untold_write = 0
    if not more:
        # An enable that is still to be answered may trigger at once, before the output grows.
        answered = view.write_enable_credits == 0 or view.written - view.sent > view.write_low
        view.write_ok = view.write_credits > 0 or not answered or _picked_before(run, view)


def _picked_before(run: Run, view: View) -> bool:
    """Whether the callback may have been picked before bytes moved that it is judged by: with
    UNLOCK_CALLBACKS, where workers process what has ended."""
    return run.workers and view.unlocked


def _event_callback(
    run: Run, view: View, index: int, time: int, what: int, error: object, enabled: int
) -> None:
    run.idle_waits = 0
    if view.direct_injected:
        view.direct_injected = False
        tls.error_taken(run, view, error)
        return
    what = tls.with_direction(run, view, what)
    told = view.injected
    if view.injections and run.threaded:
        told = _injected_when_picked(run, view, index)
    real = _timed_out(view, enabled) or _failed(view, what, error)
    if told and what & told == told and not real:
        _injected_callback(run, view, index, what, told, enabled)
        return
    if view.above is not None:
        layers.tell_above(view, view.above, index, what, error)
    events.shape(run, view, index, what)
    if what & BEV_EVENT_CONNECTED:
        run.checked["O-1"] += 1
        events.outcome_of_connect(run, view, index, what)
        view.connecting = False
        view.connected = True
        if not view.deferred:
            view.write_enable_credits = 0  # CONNECTED used up the writability
        return
    # Deferred, the ERROR of a connect may share its call with an end that reading met.
    # libevent names the direction in which it noticed that a handshake failed.
    merged = view.deferred or (run.foreign and view.tls is not None)
    shared = merged and view.failed and (not view.connect_events or tls.has_failed(run, view))
    if what & BEV_EVENT_ERROR and (view.connecting or shared or not what & _DIRECTIONS):
        events.outcome_of_connect(run, view, index, what)
    if run.threaded and what & BEV_EVENT_TIMEOUT:
        _timed_out_first(view, what, enabled)
    _judge_order(run, view, index, what)
    if what & BEV_EVENT_EOF:
        events.truth_of_eof(run, view, index, what)
    if what & BEV_EVENT_ERROR:
        _failed_before_the_kernel(run, view, what, error, enabled)
        events.truth_of_error(run, view, index, error)
    tls.end_told(view, what)
    if what & BEV_EVENT_TIMEOUT:
        timeouts.fired(run, view, index, time, what, enabled)
    if what & _ENDS:
        view.owed = -1
    if what & _DIRECTIONS:
        events.mask_after(run, view, index, what, enabled)
        view.enabled = enabled


def _failed_before_the_kernel(run: Run, view: View, what: int, error: object, enabled: int) -> None:
    """An ERROR for want of memory, or of a descriptor that is watched: no record has taken the
    direction, and the application may have enabled it again before it was told."""
    refused = error is view.unwatched is not None
    if refused:
        view.errors.append(error)
        view.unwatched = None
        tls.not_watched(view)
    elif error is not Errno.ENOMEM or error not in view.errors:
        if view.merges and Errno.ENOMEM in view.errors and view.below is None:
            view.enabled &= enabled | ~_directions(what)  # one of the two may have had no memory
        return
    if view.below is None:  # a layer passes it on, and leaves its own mask
        view.enabled &= ~_directions(what)
        if run.passes - view.enable_read_pass <= 1:
            view.enabled |= enabled & _directions(what) & EV_READ
        if run.passes - view.enable_write_pass <= 1:
            view.enabled |= enabled & _directions(what) & EV_WRITE


def _timed_out_first(view: View, what: int, enabled: int) -> None:
    """Bytes whose end another thread than the loop's has recorded may be processed when a timeout
    has disabled reading: then they are held."""
    reading = what & BEV_EVENT_READING and not enabled & EV_READ
    if reading and view.unoffered and view.fresh_in_pass == UNCOUNTED:
        view.unoffered = 0
        view.held = True


def _timed_out(view: View, enabled: int) -> bool:
    """Whether it is a real timeout, told at once: that has disabled its direction, as a connect
    that was refused at once has, whose ERROR is deferred and joins what was triggered."""
    late = view.refused or view.unwatched is not None
    return not view.deferred and not late and bool(view.enabled & ~enabled)


def _failed(view: View, what: int, error: object) -> bool:
    """Whether it is a real failure, told at once: what was triggered comes later, without error,
    or with the one that errno was left with by an allocation that failed."""
    direct = not (view.merges or view.refused or error is Errno.ENOMEM or view.unwatched)
    return direct and bool(what & BEV_EVENT_ERROR) and error in view.errors


def _injected_when_picked(run: Run, view: View, index: int) -> int:
    """With UNLOCK_CALLBACKS: what other threads have triggered since the mask was picked comes in
    another call."""
    since = picked(run, index)
    return reduce(or_, [bits for place, bits in view.injections if place < since], 0)


def _injected_callback(
    run: Run, view: View, index: int, what: int, told: int, enabled: int
) -> None:
    """The application may trigger what it likes. What really happened may be in the same mask."""
    rest = what & ~told
    if view.injections:
        since = picked(run, index) if run.threaded else index
        view.injections = [each for each in view.injections if each[0] >= since]
    view.injected = reduce(or_, [bits for _, bits in view.injections], 0)
    if what & _ENDS:
        view.owed = -1
    if what & BEV_EVENT_ERROR:
        if rest & BEV_EVENT_ERROR:
            view.unwatched = None
            view.connect_events = max(view.connect_events, int(view.ever_connects))
        view.unheard |= view.failed or view.refused  # whose ERROR it was nobody can tell
    view.enabled = enabled


def _directions(what: int) -> int:
    """The directions that an event names, as bits of `enabled`."""
    reading = EV_READ if what & BEV_EVENT_READING else 0
    return reading | (EV_WRITE if what & BEV_EVENT_WRITING else 0)


def _judge_order(run: Run, view: View, index: int, what: int) -> None:
    if what & BEV_EVENT_EOF and view.connecting:
        order.before_connected(run, view, index, "EOF")
    if what & BEV_EVENT_READING and what & _ENDS and not tls.may_overtake(run, view, what):
        order.end_before_data(run, view, index, what, _read_was_due(run, view, index))
        if view.below is not None:
            layers.end_before_bytes_below(run, view, index, what)
    if view.deferred:
        run.checked["O-3"] += 1
        if _read_was_due(run, view, index):
            order.late_read(run, view, index, "event")
        elif not _refilled(view) and _write_was_due(run, view, index):
            order.late_write(run, view, index)


def _read_was_due(run: Run, view: View, index: int) -> bool:
    """Whether a read callback had to come before this one."""
    if _picked_before(run, view):
        return view.unoffered > 0 and read_was_due(run, view, index)
    return view.unoffered == 2


def _write_was_due(run: Run, view: View, index: int) -> bool:
    """Whether a write callback had to."""
    if _picked_before(run, view):
        return view.untold_write > 0 and write_was_due(run, view, index)
    return view.untold_write == 2


def _refilled(view: View) -> bool:
    """Over completion a success is recorded when it is submitted and processed later: by then the
    application may have put the output above its low watermark, and no write callback is due."""
    return view.completion and view.written - view.sent > view.write_low


def callback_end(run: Run, index: int, record: Record) -> None:
    """`cb_end`: it returned. After a read callback at the high watermark another may follow."""
    view = run.views.get(record[2])
    if view is None:
        return
    if view.depth > 0:
        view.depth -= 1
        if not view.depth:
            view.direct_triggers = 0
    if view.high and record[3] == "read" and not view.freed and record[4] >= view.high:
        view.read_credits += 1
        view.again = view.readcb and record[4] < view.shown and view.enabled & EV_READ != 0
        if record[4] >= view.low:
            view.read_ok = True


def callback_in_teardown(run: Run, index: int, record: Record) -> None:
    """`cb` after the program: only whether its bufferevent still lives."""
    run.callbacks += 1
    view = run.views.get(record[2])
    if view is not None and view.freed:
        callbacks.after_free(run, view, index, record[3])


HANDLERS: dict[str, Handler] = {"cb": callback, "cb_end": callback_end}
