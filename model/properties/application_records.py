"""What the records of the application say: its calls.

One function a kind, `(run, index, record)`; it brings the view up to date and asks the families
where something is to be judged. One that returns true ends the judging of all but resources and
bytes (the application's program is over).
"""

from __future__ import annotations

from typing import Any

from model.properties import layers, rate_records, rates, timeouts, tls, tls_socket
from model.properties.byte_records import HANDLERS as BYTE_HANDLERS
from model.properties.callback_records import HANDLERS as CALLBACK_HANDLERS
from model.properties.callback_records import callback_in_teardown
from model.properties.harness_records import HANDLERS as HARNESS_HANDLERS
from model.properties.view import NOBODY, Handler, Run, View, as_name
from model.subject import (
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_UNLOCK_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
)
from model.trace import Record


def _enable(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    if view.is_listener:
        view.disable_index = -1
        return
    mask = args[0]
    view.enabled |= mask
    view.user_disabled &= ~mask
    if view.tls is not None:
        tls.enabled_again(view)
    if mask == EV_READ | EV_WRITE:
        view.numb = False
    if mask & EV_READ:
        if view.held:
            view.held = False
            if view.received_count - view.taken >= view.low:
                view.unoffered = 1  # told now
        view.read_timed_out = False
        view.enable_read_pass = run.passes
        view.read_touched = time
        if not view.dead:
            view.read_armed = run.pass_time
    if mask & EV_WRITE:
        view.write_timed_out = False
        view.enable_write_pass = run.passes
        if view.deferred:
            # One write callback may be pending already, and another follows from this call.
            view.write_enable_credits = min(view.write_enable_credits + 1, 2)
            view.write_ok |= view.written - view.sent <= view.write_low
        else:
            view.write_enable_credits = 1
        if view.generic:
            view.write_enable_credits = 0  # nobody asks a kernel whether it may write
        view.write_touched = time
        if not view.dead:
            view.write_armed = run.pass_time


def _disable(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    if view.is_listener:
        view.disable_index = index
        view.ever_disabled = True
        run.checked["C-1"] += 1
        return
    view.enabled &= ~args[0]
    view.user_disabled |= args[0]
    if args[0] & EV_READ:
        view.again = False
        run.checked["C-1"] += 1
        if view.completion and view.unoffered:
            view.held = True  # if the bufferevent has not processed it yet
            view.unoffered = 0


def _disable_hard(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    _disable(run, view, index, time, args)
    if args[0] & EV_WRITE:
        view.connecting = False  # nobody waits for its outcome any more
        view.connect_result = None


def _setwatermark(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    mask, low, high = args
    if mask & EV_READ:
        length = view.received_count - view.taken
        suspended = 0 < view.high <= length
        view.low, view.high = low, high
        view.again = False
        view.allowed = max(high, length) if high else 0
        view.read_touched = time
        if suspended and not 0 < high <= length:
            view.read_armed = run.pass_time
        if view.completion:
            if view.fresh_in < low:
                view.unoffered = 0  # if it has not been processed yet
            view.read_ok |= view.grown and length >= low
    if mask & EV_WRITE:
        view.write_low, view.write_high = low, high
        if view.completion:
            view.untold_write = 0
            view.write_ok |= view.shrunk and view.written - view.sent <= low


def _set_timeouts(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.numb = view.timed_out_unheard()
    if run.pooled and view.deferred:  # what has fired is told when a worker is free
        view.overdue |= timeouts.may_have_fired(view, time)
    view.read_timeout, view.write_timeout = args
    view.timeouts_pass = run.passes
    view.read_armed = view.write_armed = run.pass_time
    view.read_touched = view.write_touched = time


def _trigger(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    iotype, options = args
    always = options & BEV_TRIG_IGNORE_WATERMARKS
    direct = view.depth and not view.deferred and not options & BEV_OPT_DEFER_CALLBACKS
    if iotype & EV_READ:
        view.read_credits += 1
        view.direct_triggers += bool(direct)
        if always or view.received_count - view.taken >= view.low:
            view.read_ok = True
    if iotype & EV_WRITE:
        view.write_credits += 1
        view.direct_triggers += bool(direct)
        if always or view.written - view.sent <= view.write_low:
            view.write_ok = True


def _trigger_event(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    what, options = args
    if view.deferred or options & BEV_OPT_DEFER_CALLBACKS:
        if view.eventcb:
            view.injected |= what
            if view.unlocked:
                view.injections.append((index, what))
    elif view.eventcb:
        view.direct_injected = True
        view.direct_triggers += bool(view.depth)


def _setcb(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.readcb, view.writecb, view.eventcb = (bool(each) for each in args)
    view.again = False
    if not view.readcb:
        view.unoffered = 0
    if not view.writecb:
        view.untold_write = 0
    if not view.eventcb:
        view.deaf = True
        view.owed = -1
        view.unheard |= view.kernel_connected or view.failed or view.refused


def _set_cb(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.deaf |= not args[0]
    view.readcb = bool(args[0])  # a listener's callback


def _connect(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.ever_connects = view.connecting = view.in_connect = True
    view.connected = view.kernel_connected = view.failed = view.refused = False
    view.connect_events = 0
    view.connect_result = None
    view.unheard = False
    moving = tls_socket.mover(view)
    if not view.generic or moving is not view:  # others' timers run, connected or not
        view.read_armed = view.write_armed = run.pass_time
        view.read_touched = view.write_touched = time
    if moving is not view:
        moving.connecting = not run.foreign  # the engine of a foreign subject finishes it
        moving.refused = moving.failed = moving.kernel_connected = False
    run.connect_caller = moving


def _setfd(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    fd = args[0]
    if fd is None or (view.fd is not None and view.fd != fd):
        run.by_fd.pop(view.fd or -1, None)
        for overlapped in [each for each, of in run.operations.items() if of is view]:
            run.operations[overlapped] = NOBODY  # its packets are not heard
        rate_records.abandoned(run, view)
        view.give_up_connection(index)
    if fd is None:
        return
    tls_socket.attach(run, view, fd)
    # bufferevent_sock.c: be_socket_setfd enables what is enabled
    _enable(run, view, index, time, (view.enabled,))
    tls.restarted(view)


def _free(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    run.checked["C-4"] += 1
    if view.freed:
        run.violate("S-1", view.name, index, f"{view.name} was freed a second time")
    view.freed = True
    view.freed_by = run.thread
    if run.rates is not None:
        run.rates.of(view.name).freed = True


def _allow_dirty_shutdown(
    run: Run, view: View, index: int, time: int, args: tuple[Any, ...]
) -> None:
    if view.tls is not None:
        view.tls.dirty = bool(args[0])


def _tls_shutdown(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    if view.tls is not None:
        counts = tls.counts_of(run, view)
        if counts is not None:
            counts["write"] = -len(run.records)  # it writes all it can first


def _flush(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    iotype, mode = args
    if mode:
        layers.flushed(run, view, index, iotype, mode)
        if view.is_pair_end:
            for end in (view, layers.partner(run, view)):
                if end is not None:
                    _trigger(run, end, index, time, (EV_READ | EV_WRITE, 0))


_OPERATIONS = {
    "flush": _flush,
    "allow_dirty_shutdown": _allow_dirty_shutdown,
    "tls_shutdown": _tls_shutdown,
    "enable": _enable,
    "disable": _disable,
    "disable_hard": _disable_hard,
    "setwatermark": _setwatermark,
    "set_timeouts": _set_timeouts,
    "trigger": _trigger,
    "trigger_event": _trigger_event,
    "setcb": _setcb,
    "set_cb": _set_cb,
    "connect": _connect,
    "socket_connect": _connect,
    "setfd": _setfd,
    "free": _free,
}


def operation(run: Run, index: int, record: Record) -> None:
    """`op`: a call begins."""
    time, _, name, call, args = record
    view = run.views.get(name)
    if view is None:
        if name[:1] == "g":
            rate_records.group_call(run, index, time, name, call, args)
        return
    view.idle = 0
    run.idle_waits = 0
    effect = _OPERATIONS.get(call)
    if effect is not None:
        effect(run, view, index, time, args)
    else:
        rate_records.call(run, view, index, time, call, args)


def returned(run: Run, index: int, record: Record) -> None:
    """`ret`: the outcome of a connect, a listener that cannot listen, what could not be armed."""
    view = run.views.get(record[2])
    if view is None and record[3] == "rate_limit_group_get_totals":
        rates.told_totals(run, record[2], index, record[4])
    if view is None and record[3] == "rate_limit_group_set_cfg" and record[4] == -1:
        rate_records.group_refused(run, record[2], record[0])
    if view is not None and record[4] == -1 and not view.completion:
        view.unable |= record[3] in ("enable", "set_timeouts", "setfd")
        rate_records.refused(run, view, record[0], record[3])
    if view is not None and view.is_listener:
        view.closed |= record[3] == "listen"  # without a descriptor it waits for nothing
    if view is not None and record[3] == "flush":
        layers.flush_ended(run, view)
    if view is None or record[3] not in ("connect", "socket_connect"):
        return
    run.checked["E-1"], run.connect_caller = run.checked["E-1"] + 1, None
    view.in_connect = False
    view.connect_result = record[4]
    if record[4] == -1:
        view.connecting = False
        view.failed = True
        if view.tls is not None:
            view.owed = -1  # the caller was told


def new(run: Run, index: int, record: Record) -> None:
    """`new`: a bufferevent (of an accepted descriptor, or of none yet) or a listener."""
    time, _, name, kind, options, fd = record
    generic = kind in {"pair", "filter", "ssl", "ssl-socket"}
    view = View(as_name(name), run.completion and not generic, time)
    run.views[name] = view
    view.is_listener = kind == "listener"
    if generic:
        view.generic = True
        if kind in {"ssl", "ssl-socket"}:
            tls.begin(view)
            view.tls.foreign = run.foreign
        if kind == "ssl-socket":
            tls_socket.begin(run, view, time)
    if generic or run.threaded:  # the other end, or a thread, may act before they are set
        view.readcb = view.is_listener
        view.writecb = view.eventcb = False
    if isinstance(options, int):
        view.deferred |= bool(options & BEV_OPT_DEFER_CALLBACKS) or kind == "pair"
        view.unlocked = bool(options & BEV_OPT_UNLOCK_CALLBACKS)
    # A filter, and TLS, put an event behind a callback that is due.
    view.merges = view.deferred or kind in {"filter", "ssl", "ssl-socket"}
    if isinstance(fd, int) and fd >= 0:
        tls_socket.attach(run, view, fd)


def attach(run: Run, index: int, record: Record) -> None:
    """`attach`: its descriptor is known."""
    _, _, name, fd = record
    view = run.views.get(name)
    if view is not None and isinstance(fd, int):
        tls_socket.attach(run, view, fd)


HANDLERS: dict[str, Handler] = {
    **CALLBACK_HANDLERS,
    **HARNESS_HANDLERS,
    **BYTE_HANDLERS,
    "op": operation,
    "ret": returned,
    "new": new,
    "attach": attach,
}

#: what goes on after the program: bytes, resources, and no callback after free
TEARDOWN_HANDLERS: dict[str, Handler] = {
    kind: handler
    for kind, handler in HANDLERS.items()
    if kind not in ("cb", "cb_end", "loop_end", "quiet", "teardown")
} | {"cb": callback_in_teardown}
