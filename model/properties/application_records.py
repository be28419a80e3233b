"""What the records of the application and the harness say: calls, bytes moved, the run's end.

One function a kind, `(run, index, record)`; it brings the view up to date and asks the families
where something is to be judged. One that returns true ends the judging of all but resources and
bytes (the application's program is over).
"""

from __future__ import annotations

from typing import Any

from model.errors import Errno
from model.properties import liveness, resources
from model.properties.callback_records import HANDLERS as CALLBACK_HANDLERS
from model.properties.callback_records import callback_in_teardown
from model.properties.view import Handler, Run, View, as_bytes, as_name
from model.subject import (
    BEV_OPT_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
)
from model.trace import Record

# --- bytes ---------------------------------------------------------------------------------------


def write(run: Run, index: int, record: Record) -> None:
    """`write`: the output grew, if the call succeeded."""
    time, _, name, data, result = record
    view = run.views.get(name)
    if view is None or result == -1:
        return
    _output_grew(run, view, time)
    view.outgoing.append(as_bytes(data))
    view.written += len(data)
    view.idle = 0
    run.idle_waits = 0


def _output_grew(run: Run, view: View, time: int) -> None:
    waits = view.completion or view.connecting or view.write_enable_credits  # so it runs already
    if view.written == view.sent and not waits:
        view.write_armed = run.pass_time  # bufferevent_sock.c: bufferevent_socket_outbuf_cb
    view.write_touched = time


def read(run: Run, index: int, record: Record) -> None:
    """`read`: the application took bytes."""
    time, _, name, _, data = record
    view = run.views.get(name)
    if view is not None and data:
        view.reads.append((view.taken, as_bytes(data), index))
        _input_shrank(run, view, time, len(data))


def _input_shrank(run: Run, view: View, time: int, size: int) -> None:
    view.taken += size
    high = view.high
    if high:
        length = view.received_count - view.taken
        if length < high <= length + size:
            view.read_armed = run.pass_time  # no more suspended
            view.read_touched = time
    view.idle = 0
    run.idle_waits = 0


def echo(run: Run, index: int, record: Record) -> None:
    """`echo`: the whole input went to the output."""
    time, _, name, size = record
    view = run.views.get(name)
    if view is None or size <= 0 or size.__class__ is not int:
        return
    _output_grew(run, view, time)
    view.outgoing.append((view.taken, size))
    view.written += size
    _input_shrank(run, view, time, size)


# --- calls ---------------------------------------------------------------------------------------


def _enable(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    if view.is_listener:
        view.disable_index = -1
        return
    mask = args[0]
    view.enabled |= mask
    view.user_disabled &= ~mask
    if mask & EV_READ:
        if view.held:
            view.held = False
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
        run.checked["C-1"] += 1
        if view.completion and view.unoffered:
            view.held = True  # if the bufferevent has not processed it yet
            view.unoffered = 0


def _setwatermark(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    mask, low, high = args
    if mask & EV_READ:
        length = view.received_count - view.taken
        suspended = 0 < view.high <= length
        view.low, view.high = low, high
        view.read_touched = time
        if suspended and not 0 < high <= length:
            view.read_armed = run.pass_time
        if view.completion and view.fresh_in < low:
            view.unoffered = 0  # if it has not been processed yet
    if mask & EV_WRITE:
        view.write_low = low
        if view.completion:
            view.untold_write = 0


def _set_timeouts(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
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
    view.injected |= args[0]
    view.direct_triggers += bool(view.depth and not view.deferred)


def _setcb(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.readcb, view.writecb, view.eventcb = (bool(each) for each in args)
    if not view.readcb:
        view.unoffered = 0
    if not view.writecb:
        view.untold_write = 0
    if not view.eventcb:
        view.deaf = True
        view.owed = -1
        view.unheard |= view.kernel_connected or view.failed or view.refused


def _connect(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.ever_connects = view.connecting = view.in_connect = True
    view.connected = view.kernel_connected = view.failed = view.refused = False
    view.connect_events = 0
    view.connect_result = None
    view.unheard = False
    view.read_armed = view.write_armed = run.pass_time
    view.read_touched = view.write_touched = time
    run.connect_caller = view


def _setfd(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    view.write_enable_credits = 1  # bufferevent_sock.c: be_socket_setfd enables what is enabled
    view.read_touched = view.write_touched = time


def _free(run: Run, view: View, index: int, time: int, args: tuple[Any, ...]) -> None:
    run.checked["C-4"] += 1
    view.freed = True


_OPERATIONS = {
    "enable": _enable,
    "disable": _disable,
    "setwatermark": _setwatermark,
    "set_timeouts": _set_timeouts,
    "trigger": _trigger,
    "trigger_event": _trigger_event,
    "setcb": _setcb,
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
        return
    view.idle = 0
    run.idle_waits = 0
    effect = _OPERATIONS.get(call)
    if effect is not None:
        effect(run, view, index, time, args)


def returned(run: Run, index: int, record: Record) -> None:
    """`ret`: the outcome of a connect, a listener that cannot listen, what could not be armed."""
    view = run.views.get(record[2])
    if view is not None and record[4] == -1 and not view.completion:
        view.unable |= record[3] in ("enable", "set_timeouts", "setfd")
    if view is not None and view.is_listener:
        view.closed |= record[3] == "listen"  # without a descriptor it waits for nothing
    if view is None or record[3] not in ("connect", "socket_connect"):
        return
    run.checked["E-1"] += 1
    run.connect_caller = None
    view.in_connect = False
    view.connect_result = record[4]
    if record[4] == -1:
        view.connecting = False
        view.failed = True


def new(run: Run, index: int, record: Record) -> None:
    """`new`: a bufferevent (of an accepted descriptor, or of none yet) or a listener."""
    time, _, name, kind, options, fd = record
    view = View(as_name(name), run.completion, time)
    run.views[name] = view
    view.is_listener = kind == "listener"
    if isinstance(options, int):
        view.deferred |= bool(options & BEV_OPT_DEFER_CALLBACKS)
    if isinstance(fd, int) and fd >= 0:
        view.fd = fd
        run.by_fd[fd] = view


def attach(run: Run, index: int, record: Record) -> None:
    """`attach`: its descriptor is known."""
    _, _, name, fd = record
    view = run.views.get(name)
    if view is not None and isinstance(fd, int):
        view.fd = fd
        run.by_fd[fd] = view


# --- the harness ---------------------------------------------------------------------------------


def step(run: Run, index: int, record: Record) -> None:
    """`step`: the application's program goes on."""
    run.idle_waits = 0


def fault(run: Run, index: int, record: Record) -> None:
    """`fault`: of an allocation any bufferevent may tell."""
    if record[2].startswith("malloc"):
        for view in run.views.values():
            view.errors.append(Errno.ENOMEM)


def loop(run: Run, index: int, record: Record) -> None:
    """`loop`: it begins."""
    run.loop_flags = record[2]


def loop_end(run: Run, index: int, record: Record) -> None:
    """`loop_end`: 1 means that no events were left."""
    liveness.loop_ended(run, index, record[2])


def quiet(run: Run, index: int, record: Record) -> None:
    """`quiet`: liveness is judged."""
    liveness.judge(run, index, record[0])


def teardown(run: Run, index: int, record: Record) -> bool:
    """`teardown`: the program is over; watermarks bind no more."""
    for view in run.views.values():
        view.high = view.read_high = 0
    return True


def base_free(run: Run, index: int, record: Record) -> None:
    """`base_free`: all bufferevents must be gone."""
    run.base_freed = True
    if run.cut:
        return
    run.checked["S-3"] += 1
    if record[2]:
        run.violate(
            "S-3", "", index, f"{record[2]} bufferevents were still alive when the base was freed"
        )


def crash(run: Run, index: int, record: Record) -> bool:
    """`crash`: an exception out of the subject."""
    run.cut = True
    resources.crash(run, index, record)
    return True


def budget(run: Run, index: int, record: Record) -> bool:
    """`budget`: the run was cut."""
    run.cut = True
    run.violate("L-5", "", index, f"the run was cut after {record[2]} records: it does not end")
    return True


HANDLERS: dict[str, Handler] = CALLBACK_HANDLERS | {
    "write": write,
    "read": read,
    "echo": echo,
    "op": operation,
    "ret": returned,
    "new": new,
    "attach": attach,
    "step": step,
    "fault": fault,
    "loop": loop,
    "loop_end": loop_end,
    "quiet": quiet,
    "teardown": teardown,
    "base_free": base_free,
    "crash": crash,
    "budget": budget,
}

#: what goes on after the program: bytes, resources, and no callback after free
TEARDOWN_HANDLERS: dict[str, Handler] = {
    kind: handler
    for kind, handler in HANDLERS.items()
    if kind not in ("cb", "cb_end", "loop_end", "quiet", "teardown")
} | {"cb": callback_in_teardown}
