"""What can happen to a bufferevent's stream, whatever the kernel: bytes arrive, bytes leave, it
ends, an operation fails, a connect has an outcome. Each brings the view up to date.
"""

from __future__ import annotations

from model.errors import Errno, NtStatus, Win32Error
from model.properties import tls, tls_socket, watermarks
from model.properties.view import Run, View
from model.subject import BEV_EVENT_READING, BEV_EVENT_WRITING, EV_READ
from model.threads import MAIN

_CANCELLED = (NtStatus.CANCELLED, Win32Error.ERROR_OPERATION_ABORTED)


def crossed(run: Run, view: View) -> bool:
    """Whether another thread than the loop's moves bytes of a bufferevent with UNLOCK_CALLBACKS:
    a callback that was picked before them may see them, and another tell them again."""
    return view.unlocked and run.thread != MAIN


def arrived(run: Run, view: View, index: int, time: int, data: bytes) -> None:
    """Bytes came into the input."""
    size = len(data)
    before = view.received_count - view.taken
    length = before + size
    view.received.append(data)
    view.received_count += size
    if view.high or view.read_high:
        watermarks.check_growth(run, view, index, before, length)
    certain = length
    if view.completion:
        if not view.read_licit:
            view.illicit += size
        view.fresh_in = size
        view.fresh_in_pass = run.pass_mark
        certain = size  # a read of the application may not have been recorded yet
    elif not view.enabled & EV_READ or view.suspended:
        view.illicit += size
    if view.above is not None:
        view.above.in_stuck = view.dead  # of what comes behind the end nobody is told
    view.grown = True
    if length >= view.low:
        view.read_ok = True
        if certain >= view.low and view.readcb and not view.dead:
            if view.enabled & EV_READ or not view.completion:
                view.unoffered = 1 if view.depth or (view.unlocked and crossed(run, view)) else 2
            else:
                view.held = True
    view.read_armed = run.pass_time
    view.read_touched = time
    view.read_timed_out = False
    view.idle = 0
    run.idle_waits = 0


def moved_in(run: Run, view: View, index: int, time: int, size: int) -> None:
    """Bytes came into the input of a bufferevent without a kernel."""
    before = view.received_count - view.taken
    length = before + size
    view.received_count += size
    if view.high and not view.forced:
        watermarks.check_growth(run, view, index, before, length)
    licit = 0 if view.tls is None else tls.given_before(view, size)
    if not view.forced and (not view.enabled & EV_READ or view.suspended):
        view.illicit += size - licit
    if view.above is not None:
        view.above.in_stuck = False
    view.grown = True
    if length >= view.low:
        view.read_ok = True
        if view.readcb:
            view.unoffered = 1 if view.depth or crossed(run, view) else 2
    if crossed(run, view):
        view.crossed_in = run.passes
    view.read_armed = run.pass_time
    view.read_touched = time
    view.read_timed_out = False
    view.idle = 0
    run.idle_waits = 0


def left(run: Run, view: View, time: int, size: int) -> None:
    """The kernel took bytes of the output."""
    view.sent += size
    pending = view.written - view.sent
    view.shrunk = True
    if pending <= view.write_low:
        view.write_ok = True
        if view.deferred and view.writecb and pending >= 0 and not view.dead:
            view.untold_write = 1 if view.depth or crossed(run, view) else 2
    if view.unlocked and crossed(run, view):
        view.crossed_out = run.passes
    if view.completion:
        view.fresh_out = size
        view.fresh_out_pass = run.pass_mark
    view.write_armed = run.pass_time
    view.write_touched = time
    view.write_timed_out = False
    view.idle = 0
    run.idle_waits = 0


def stream_ended(run: Run, view: View, index: int, time: int) -> None:
    """The kernel told the end of the peer's stream."""
    run.checked["E-4"] += 1
    run.checked["L-2"] += view.enabled & EV_READ != 0
    view.eof_seen = True
    view.read_touched = time
    if view.completion:
        if view.dead:
            return
        _die(view)
        view.eofs = 1
    else:
        if view.eofs != 2 or view.enabled & EV_READ:
            view.eofs = 1  # a first one, or a new one since reading was enabled again
        view.enabled &= ~EV_READ
    _owe(view, index, eof=True)


def operation_failed(
    run: Run, view: View, index: int, time: int, direction: int, error: object
) -> None:
    """recv or send failed for good."""
    view.errors.append(error)
    view.broken |= error is Errno.ECONNRESET
    if view.encrypted and error not in _CANCELLED:
        what = BEV_EVENT_READING if direction & EV_READ else BEV_EVENT_WRITING
        tls_socket.failed(run, view, index, what, error)
    if direction & EV_READ:
        view.read_touched = time
    else:
        view.write_touched = time
    if view.completion:
        if view.dead or error in _CANCELLED:
            return
        _die(view)
        if not direction & EV_READ:
            view.unoffered = 0
            if view.above is not None:
                view.above.in_stuck = True
    else:
        view.enabled &= ~direction
    _owe(view, index, eof=False)


def _die(view: View) -> None:
    """Completion: what else has ended is silent from now on (bufferevent_async.c: `ok`)."""
    view.dead = True
    view.untold_write = 0


def _owe(view: View, index: int, *, eof: bool) -> None:
    if view.eventcb:
        view.owed = index
        view.owed_eof = eof


def connect_ended(run: Run, view: View, index: int, error: object) -> None:
    """The kernel told the outcome of a connect: `error` None is success."""
    if error is None and not view.refused:
        view.kernel_connected = True
        if not view.eventcb:
            view.connecting = False
            view.connected = True
    else:
        view.connecting = False
        view.failed = True
        if error is not None:
            view.errors.append(error)
            tls_socket.failed(run, view, index, 0, error)
        if view.errors:  # else the failure that recv took was told as one of reading
            _owe(view, index, eof=False)
    view.unheard = not view.eventcb
