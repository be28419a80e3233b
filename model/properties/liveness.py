"""L: what can happen does happen, and then it stops.

Judged when the harness has found the run quiet: nothing active, nothing due. A simulated network
has then carried all that its windows allow; of a real one that is certain only for the first bytes
(a closed window reopens when TCP sees fit: delayed acknowledgements, the persist timer), so there
the end of a long stream is not judged, and neither is what a peer did in the last moments.

A bufferevent that may have timed out without anybody to tell (it has or had no event callback) is
not judged, nor one of which a call has said that it could not be armed.
"""

from __future__ import annotations

from model.kernel import EPOLLOUT
from model.properties import layers, rate_records, timeouts, tls_socket, watermarks
from model.properties.catalogue import Property
from model.properties.due import known_to_the_loop
from model.properties.view import Peer, Run, View
from model.subject import EV_READ, EV_WRITE, EVLOOP_NONBLOCK

PROPERTIES = (
    Property(
        "L-1",
        "Bytes that are there to be read, for a bufferevent that may read them, are read and"
        " offered; a connection that waits for an enabled listener is accepted.",
        "libevent: bufferevent_sock.c:bufferevent_readcb,"
        " bufferevent_async.c:bev_async_consider_reading, listener.c:listener_read_cb",
        "when quiet: what the other end's kernel took against what arrived; input that had no"
        " read callback, also behind each loop with EVLOOP_ONCE. Real kernels: the first 64 KiB of"
        " a stream",
    ),
    Property(
        "L-2",
        "The end or the failure of the stream is told to a bufferevent that may read it.",
        "libevent: bufferevent_sock.c:bufferevent_readcb, bufferevent_async.c:read_complete",
        "when quiet: the kernel told an end or a failure and no event followed; or the other end"
        " has ended, all its bytes arrived, and the kernel was not asked (real kernels: as L-1)",
    ),
    Property(
        "L-4",
        "Output of a bufferevent that may write is being written.",
        "libevent: bufferevent_sock.c:bufferevent_socket_outbuf_cb,"
        " bufferevent_async.c:bev_async_consider_writing",
        "when quiet: the descriptor is polled for EPOLLOUT (completion: a write is in flight)",
    ),
    Property(
        "L-5",
        "The loop does not spin: callbacks and waits are few while nothing happens.",
        "libevent: bufferevent.c:bufferevent_inbuf_wm_check; event.c:event_base_loop",
        "callbacks of one bufferevent without a byte moved or a call made in between, waits"
        " without any stimulus; a run that was cut, whose last thousand records move no byte",
    ),
    Property(
        "L-6",
        "The loop does not end while a bufferevent or a listener waits for the kernel.",
        "libevent: event.c:event_base_loop, event_base_add_virtual_",
        "each return of the loop that says whether events are left: 1, or that of a loop that does"
        " not block",
    ),
)

CALLBACKS_MAX = 64  # of one bufferevent, without stimulus
WAITS_MAX = 256
_CERTAIN_BYTES = 65_536  # a real kernel's window is larger
_SETTLE_NS = 5_000_000  # a real peer's last moments before the quiet


def spinning(run: Run, view: View, index: int) -> None:
    """One bufferevent got more callbacks than anything explains."""
    run.violate(
        "L-5",
        view.name,
        index,
        f"{view.name} got {view.idle} callbacks while no byte moved and nobody called it",
    )


def idle_waits(run: Run, index: int) -> None:
    """The loop waited again and again, and nothing came of it."""
    run.violate(
        "L-5", "", index, f"the loop asked the kernel {run.idle_waits} times for nothing at all"
    )


def judge_once(run: Run, index: int) -> None:
    """L-1 behind a loop with EVLOOP_ONCE: deferred callbacks are active, and it left none.

    What other threads do may come too late for it: see `known_to_the_loop`.
    """
    for name, view in run.views.items():
        if (
            view.unoffered
            and view.deferred
            and view.readcb
            and not view.freed
            and not view.timed_out_unheard()  # so that the bytes came while reading was disabled
            and _due_in_loop(run, view, index)
        ):
            length = view.received_count - view.taken
            if length >= view.low:
                run.violate(
                    "L-1",
                    name,
                    index,
                    f"a loop with EVLOOP_ONCE has returned, and {name} holds {length} bytes whose"
                    " read callback was due in it",
                )


def _due_in_loop(run: Run, view: View, index: int) -> bool:
    if run.threaded:
        return known_to_the_loop(run, view, index)
    return view.unoffered == 2


def loop_ended(run: Run, index: int, result: int) -> None:
    """L-6: a loop returned. 1 says that no events are left; 0 of a loop that does not block says
    that some are, 0 of another that it was asked to leave, which tells nothing."""
    if result != 1 and not run.loop_flags & EVLOOP_NONBLOCK:
        return
    for name, view in run.views.items():
        waits = _waits(view)
        if waits:
            run.checked["L-6"] += 1
            if result == 1:
                run.violate("L-6", name, index, f"the loop ended although {name} waits {waits}")


def _waits(view: View) -> str:
    """What the kernel still owes it: empty if nothing."""
    if view.freed or view.closed or view.generic or view.unable or view.timed_out_unheard():
        return ""
    if view.is_listener:
        # listener.h: without a callback it is treated as disabled until there is one
        return "to accept" if view.disable_index < 0 and view.readcb else ""
    told = view.kernel_connected or view.failed or view.refused
    if view.connecting and view.connect_result == 0 and not told:
        return "for its connect"
    return "to read" if wants_to_read(view) else "to write" if wants_to_write(view) else ""


def _alive(view: View) -> bool:
    return (
        view.fd is not None
        and not (view.dead or view.failed or view.refused or view.connecting or view.closed)
        and (view.connected or not view.ever_connects)
    )


def wants_to_read(view: View) -> bool:
    """READ is enabled, nobody above has suspended it, the connection stands, and the input is below
    its high watermark."""
    if not view.enabled & EV_READ or view.suspended or not _alive(view):
        return False
    return not view.high or view.received_count - view.taken < view.high


def wants_to_write(view: View) -> bool:
    """WRITE is enabled, the connection stands, and there is output."""
    return view.enabled & EV_WRITE != 0 and view.written > view.sent and _alive(view)


def may_read(run: Run, view: View) -> bool:
    """The same, and its buckets have tokens."""
    return wants_to_read(view) and not rate_records.suspended(run, view, EV_READ)


def may_write(run: Run, view: View) -> bool:
    """The same, and its buckets have tokens."""
    return wants_to_write(view) and not rate_records.suspended(run, view, EV_WRITE)


def judge(run: Run, index: int, time: int) -> None:
    """Judges every bufferevent at the quiet moment, record `index`."""
    for view in run.views.values():
        if view.freed or view.closed or view.unable:
            continue
        if view.is_listener:
            _judge_listener(run, view, index)
        else:
            _judge_told(run, view, index)
            if not view.timed_out_unheard():
                _judge_moving(run, view, index, time)


def _judge_told(run: Run, view: View, index: int) -> None:
    """What the kernel told the bufferevent, it must have told the application."""
    name = view.name
    # Over completion bytes may come while reading is disabled; they are told when it runs again,
    # by the low watermark of then.
    excused = view.completion and (
        view.timed_out_unheard() or view.received_count - view.taken < view.low
    )
    if view.unoffered and view.readcb and not excused:
        run.checked["L-1"] += 1
        run.violate(
            "L-1",
            name,
            index,
            f"{name} holds {view.received_count - view.taken} bytes of input that arrived and"
            " never had a read callback",
        )
    if view.again:
        layers.judge_overrun(run, view, index)
    if view.owed >= 0 and view.eventcb and _hears(run, view):
        kernel_record = run.records[view.owed]
        what = "end of the stream" if view.owed_eof else "failure"
        run.violate(
            "L-2",
            name,
            index,
            f"{name} never told the {what} that the kernel told it"
            f" (record {view.owed}, {kernel_record[1]})",
        )
    if view.ever_connects and view.eventcb and not (view.connect_events or view.unheard):
        _judge_connect(run, view, index)


def _hears(run: Run, view: View) -> bool:
    """Whether a failure must be told now. Completion, and layers: what ends while reading is
    disabled or suspended may be kept until it runs again."""
    if not view.completion and view.below is None:
        return True
    suspended = view.suspended or 0 < view.high <= view.received_count - view.taken
    suspended = suspended or rate_records.suspended(run, view, EV_READ) != 0
    return view.enabled & EV_READ != 0 and not suspended


def _judge_connect(run: Run, view: View, index: int) -> None:
    """E-1: a connect without outcome, when quiet."""
    if view.connect_result != 0:
        return
    run.checked["E-1"] += 1
    name = view.name
    other = run.other_end(name)
    if view.kernel_connected or view.failed or view.refused:
        problem = "the kernel told it the outcome"
    elif view.generic:
        if view.tls is not None or not (view.below and view.below.connect_events):
            return
        if view.below.tls is None and view.below.below is not None:
            return  # its outcome comes from further down
        problem = "what it sits on got one"
    elif isinstance(other, View) and other.fd is not None:
        problem = "the other end was accepted"
    elif view.completion and view.write_operation is None:
        problem = "no connect is in flight"
    elif not view.completion and not (
        view.fd is not None and run.interest.get(view.fd, 0) & EPOLLOUT
    ):
        problem = "nothing waits for the outcome"
    else:
        return
    run.violate("E-1", name, index, f"{name} got neither CONNECTED nor ERROR, though {problem}")


def _judge_moving(run: Run, view: View, index: int, time: int) -> None:
    name = view.name
    if view.generic:
        layers.judge(run, view, index)
        tls_socket.judge(run, view, index)
        refused = run.foreign and view.tls is not None and view.failed  # libevent's mask stays
        attached = not run.foreign or tls_socket.mover(view) is view or view.fd is not None
        if attached and not refused:
            timeouts.judge_missing(run, view, index, time, layers.may_take(view))
        return
    read_runs = may_read(run, view)
    if _alive(view):
        timeouts.judge_missing(run, view, index, time, read_runs)
    if read_runs:
        watermarks.judge_armed(run, view, index)
        _judge_arrivals(run, view, index, time)
    if may_write(run, view):
        run.checked["L-4"] += 1
        if view.completion:
            armed = view.write_operation is not None
        else:
            armed = view.fd is not None and bool(run.interest.get(view.fd, 0) & EPOLLOUT)
        if not armed:
            run.violate(
                "L-4",
                name,
                index,
                f"{name} has {view.written - view.sent} bytes of output and may write, but nothing"
                " is being written",
            )


def _judge_arrivals(run: Run, view: View, index: int, time: int) -> None:
    """L-1 and L-2 against the other end."""
    other = run.other_end(view.name)
    if other is None:
        return
    if isinstance(other, Peer):
        given, finished, touched = other.given, other.finished, other.touched
    else:
        given, finished, touched = other.sent, other.closed, other.write_touched
    if not run.simulated and (given > _CERTAIN_BYTES or time - touched < _SETTLE_NS):
        return
    if given:
        run.checked["L-1"] += 1
    if view.received_count < given:
        run.violate(
            "L-1",
            view.name,
            index,
            f"{view.name} may read, but of the {given} bytes that {other.name} sent only"
            f" {view.received_count} arrived",
        )
    elif finished:
        run.checked["L-2"] += 1
        if not view.eof_seen and not view.errors:
            run.violate(
                "L-2",
                view.name,
                index,
                f"{view.name} may read and {other.name} has ended, but no EOF was told",
            )


def _judge_listener(run: Run, view: View, index: int) -> None:
    """L-1: established connections to an enabled listener were accepted."""
    if view.disable_index >= 0 or (view.completion and view.ever_disabled) or view.deaf:
        return
    client = "c" + view.name[1:]
    end = run.views.get(client)
    peer = run.peers.get(client)
    waiting = int(end is not None and end.connected) + (peer.connections if peer else 0)
    run.checked["L-1"] += bool(waiting)
    accepted = run.accepted.get(view.name, 0)
    if accepted + run.aborted < waiting:
        run.violate(
            "L-1",
            view.name,
            index,
            f"{view.name} is enabled and called back for {accepted} of {waiting} connections",
        )
