"""R-6, and what the other families ask about TLS: the engine's answers are to a TLS bufferevent
what a kernel's are to a socket's.

A handshake is its connect, on either side: `tls` records tell the outcome. The end of its stream is
a close_notify, or an end of what is below; which of the two it takes for EOF is the application's
choice (allow_dirty_shutdown).
"""

from __future__ import annotations

from model.properties.view import Handler, Run, View
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)
from model.tls import RECORD_MAX, RETRY, TlsResult
from model.trace import Record

READS_MAX = 8  # of one engine in one pass: four records, each read in two pieces at most
WRITES_MAX = 48  # four rounds of eight chains; a blocked one that is repeated, a shutdown before it

_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING
_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR


class TlsView:
    """What is known of the TLS in a view."""

    __slots__ = (
        *("again", "counts", "dirty", "foreign", "last", "licit", "over", "state", "stopped"),
        *("transport_ended", "turns"),
    )

    def __init__(self) -> None:
        self.state = "shaking"  # or open, or failed
        self.foreign = False  # of a subject that is not ours
        self.dirty = False  # an end without close_notify is EOF
        self.licit = 0  # bytes that libevent's engine gave while reading was enabled
        self.over = False  # the engine gives no more plaintext
        self.again = 0  # ends of what is below behind the outcome: libevent's passes them on
        self.stopped = False  # libevent stops both directions behind either's end
        self.transport_ended = False
        self.last: object = None  # the engine's last answer
        self.turns: dict[str, int] = {}  # thread -> its pass (Run.turn)
        self.counts: dict[str, dict[str, int]] = {}  # thread -> answers in that


def begin(view: View) -> None:
    """`new`: a handshake is due, which is a connect whoever called it."""
    view.tls = TlsView()
    view.ever_connects = view.connecting = True
    view.connect_result = 0


def restarted(view: View) -> None:
    """setfd, or a connect after a failure: a new connection."""
    if view.tls is not None:
        dirty, foreign = view.tls.dirty, view.tls.foreign
        begin(view)
        view.tls.dirty, view.tls.foreign = dirty, foreign
        view.in_stuck = view.out_stuck = False
        view.connect_events = 0


def tls(run: Run, index: int, record: Record) -> None:
    """`tls`: one call of the engine."""
    time, _, name, operation, _, result = record
    view = run.views.get(name)
    if view is None or view.tls is None or view.freed:
        return
    state = view.tls
    state.last = result
    if operation == "open":
        state.state = "open"
        view.ever_connects = view.connecting = False
        view.connect_result = None
    elif operation == "handshake":
        _handshake(run, view, index, time, result)
    elif operation == "read":
        _read(run, view, index, time, result)
    elif operation == "write":
        _write(run, view, index, result)


def _handshake(run: Run, view: View, index: int, time: int, result: object) -> None:
    state = view.tls
    assert state is not None
    view.read_touched = time
    if view.below is not None and view.below.encrypted:
        view.write_touched = time  # on a descriptor each step waits for what it needs
    if result == 0:
        state.state = "open"
        view.kernel_connected = True
        view.read_armed = view.write_armed = run.pass_time
        view.write_touched = time
        if not view.eventcb:
            view.connecting = False
            view.connected = view.unheard = True
    elif result not in RETRY:
        state.state = "failed"
        view.in_stuck = view.out_stuck = view.failed = True
        view.connecting = False
        view.errors.append(result)
        view.unheard |= not view.eventcb
        _owe(view, index, eof=False)


def _read(run: Run, view: View, index: int, time: int, result: object) -> None:
    state = view.tls
    assert state is not None
    if isinstance(result, bytes):
        _count(run, view, index, "read", READS_MAX)
        if view.enabled & EV_READ and not view.suspended:
            state.licit += len(result)
        return
    view.read_touched = time  # records without plaintext may have put a timeout off
    if state.over and run.foreign and result not in RETRY:
        view.errors.append(result)  # libevent reads again when something else un-suspends it
    if result in RETRY or state.over:
        return
    state.over = view.in_stuck = True
    state.stopped = run.foreign
    if view.deferred and not run.foreign:  # libevent's leaves the mask as it is
        view.enabled &= ~EV_READ
    if result is TlsResult.SSL_ERROR_ZERO_RETURN or (
        result is TlsResult.SSL_ERROR_EOF and state.dirty
    ):
        run.checked["E-4"] += 1
        view.eofs = 1
        view.eof_seen = True
    else:
        view.errors.append(result)
    _owe(view, index, eof=view.eofs == 1)


def _write(run: Run, view: View, index: int, result: object) -> None:
    if isinstance(result, int):
        _count(run, view, index, "write", WRITES_MAX)
        view.out_stuck = False
        return
    view.out_stuck = True
    if result not in RETRY:
        view.tls.stopped = run.foreign
        view.errors.append(result)
        if not run.foreign:  # libevent's leaves the mask as it is
            view.enabled &= ~EV_WRITE
        _owe(view, index, eof=False)


def counts_of(run: Run, view: View) -> dict[str, int] | None:
    """The engine's answers in the pass of the running thread (`Run.turn`), if it has any."""
    state, turn = view.tls, run.turn()
    if state is None or turn is None:
        return None
    thread, number = turn
    if state.turns.get(thread) != number:
        state.turns[thread] = number
        state.counts[thread] = {"read": 0, "write": 0}
    counts: dict[str, int] = state.counts[thread]
    return counts


def _count(run: Run, view: View, index: int, operation: str, most: int) -> None:
    """R-6. libevent's TLS over another bufferevent reads until nothing is left below."""
    state = view.tls
    assert state is not None
    direct = view.below is not None and view.below.encrypted
    if run.foreign and not direct and operation == "read":
        return
    counts = counts_of(run, view)
    if counts is None:
        return
    counts[operation] += 1
    run.checked["R-6"] += 1
    if counts[operation] > most:
        run.violate(
            "R-6",
            view.name,
            index,
            f"{view.name} did {counts[operation]} {operation}s of its TLS engine in one pass"
            " of the loop",
        )


def _owe(view: View, index: int, *, eof: bool) -> None:
    if view.eventcb:
        view.owed, view.owed_eof = index, eof


def told_from_below(view: View, index: int, what: int, error: object) -> None:
    """An event of the bufferevent under TLS `view`, which is not simply forwarded."""
    state = view.tls
    assert state is not None
    if what & BEV_EVENT_CONNECTED and state.state == "open" and not view.kernel_connected:
        view.kernel_connected = view.ever_connects = True  # no handshake will tell it
        if view.connect_result is None:
            view.connect_result = 0
        if not view.eventcb or state.foreign:  # libevent's swallows what only a handshake tells
            view.connecting = False
            view.connected = view.unheard = True
    if not what & _ENDS:
        return
    if state.foreign:
        _passed_on(view, what, error)
    if state.state == "failed":
        return
    if what & BEV_EVENT_ERROR:
        view.errors += [error] * (2 if what & _DIRECTIONS == _DIRECTIONS else 1)
    if state.state == "open" and view.connecting and not what & _DIRECTIONS:
        state.state = "failed"
        view.in_stuck = view.out_stuck = view.failed = True
        view.connecting = False
        view.unheard |= not view.eventcb
        _owe(view, index, eof=False)
        return
    if state.state == "open" and what & BEV_EVENT_WRITING:
        view.enabled &= ~EV_WRITE
        view.out_stuck = True
        _owe(view, index, eof=False)
    if what & BEV_EVENT_READING or not what & _DIRECTIONS or state.state == "shaking":
        state.transport_ended = True
        if not state.over:
            _owe(view, index, eof=not what & BEV_EVENT_ERROR)


def _passed_on(view: View, what: int, error: object) -> None:
    """libevent passes on each end of what is below, without asking its engine, and whatever it has
    told before."""
    state = view.tls
    assert state is not None
    state.again += view.connect_events > 0
    if state.state == "failed" and what & BEV_EVENT_ERROR:
        view.errors.append(error)
    if state.state == "shaking" and (what & BEV_EVENT_ERROR or not state.dirty):
        view.failed, view.connecting = True, False
    if not what & BEV_EVENT_EOF or what & _DIRECTIONS == BEV_EVENT_WRITING:
        return
    if state.dirty:
        view.eofs = 1
        view.eof_seen = True
    if not state.dirty or state.state == "shaking":  # no stream was there that could have ended
        view.errors.append(TlsResult.SSL_ERROR_EOF)


_END_AND_FAILED_WRITE = BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_WRITING


def with_direction(run: Run, view: View, what: int) -> int:
    """An event of TLS. libevent tells an end of the one below without a direction: EOF if that is
    no error (allow_dirty_shutdown), else ERROR. It is the end of reading, and in a handshake an
    ERROR is its outcome. A deferred call may tell it together with a write that failed."""
    state = view.tls
    if not run.foreign or state is None:
        return what
    if what == _END_AND_FAILED_WRITE and view.merges and view.eofs == 1:
        return what | BEV_EVENT_READING
    if what & _DIRECTIONS:
        return what
    ends = _ENDS if state.state == "open" else BEV_EVENT_EOF
    return what | BEV_EVENT_READING if what & ends else what


def enabled_again(view: View) -> None:
    """libevent asks its engine again then, also one whose handshake has failed."""
    if view.tls.state == "failed":
        view.tls.again += 1


def not_watched(view: View) -> None:
    """It has told that its descriptor could not be watched: a handshake ends with it."""
    if view.tls is not None and view.tls.state == "shaking":
        view.tls.state = "failed"


def error_taken(run: Run, view: View, error: object) -> None:
    """An event that the application triggered has read an error that waits for its own: libevent's
    list of errors is empty then (bufferevent_get_openssl_error)."""
    if run.foreign and view.tls is not None and error in view.errors:
        view.errors.append(None)


def has_failed(run: Run, view: View) -> bool:
    """Whether each further ERROR, of libevent's, is one more outcome of a handshake that failed."""
    return run.foreign and view.tls is not None and view.tls.state == "failed"


def told_again(view: View) -> bool:
    """Whether a further outcome is an end of what is below, which libevent's may pass on."""
    state = view.tls
    if state is None or not state.foreign or not state.again:
        return False
    state.again -= 1
    return True


def may_overtake(run: Run, view: View, what: int) -> bool:
    """Whether an end may come before data: EOF of libevent's."""
    return run.foreign and view.tls is not None and bool(what & BEV_EVENT_EOF)


def end_told(view: View, what: int) -> None:
    """An end or error is told: its direction is not enabled any more."""
    if view.tls is not None and not view.deferred and what & _ENDS:
        if what & BEV_EVENT_READING:
            view.enabled &= ~EV_READ


def may_take(view: View) -> bool:
    """Whether plaintext could come."""
    state = view.tls
    return state is None or not (state.state == "failed" or state.over or state.stopped)


def may_give(view: View) -> bool:
    """Whether plaintext could go, as far as the handshake is concerned."""
    return view.tls is None or (view.tls.state == "open" and not view.tls.stopped)


def given_before(view: View, size: int) -> int:
    """Of `size` bytes that come into the input, those that libevent's engine gave while reading was
    enabled: callbacks may run between the two."""
    state = view.tls
    if state is None or not state.foreign:
        return 0
    given: int = min(size, state.licit)
    state.licit -= given
    return given


def judge_rest(run: Run, view: View, index: int, rest: int) -> None:
    """L-3, when quiet, of a handshake: what lies below it is taken, whatever is enabled."""
    state = view.tls
    if state is None or state.state != "shaking" or not rest:
        return
    if state.last is not TlsResult.SSL_ERROR_WANT_WRITE:
        run.violate(
            "L-3",
            view.name,
            index,
            f"{view.name} is quiet in its handshake with {rest} bytes below it",
        )


def overrun(view: View) -> int:
    """Bytes by which the input may exceed its high watermark: the rest of one record."""
    return RECORD_MAX - 1 if view.tls is not None else 0


def judge_timeout(run: Run, view: View, index: int) -> None:
    """T-2, of a read timeout: nothing may lie below that was not looked at."""
    below = view.below
    if view.tls is None or below is None or view.deferred or below.deferred:
        return
    run.checked["T-2"] += 1
    rest = below.received_count - below.taken
    if rest > 0 and not view.in_stuck and view.tls.last is not TlsResult.SSL_ERROR_WANT_WRITE:
        run.violate(
            "T-2",
            view.name,
            index,
            f"{view.name} timed out although {rest} bytes had come to {below.name} below it",
        )


HANDLERS: dict[str, Handler] = {"tls": tls}
