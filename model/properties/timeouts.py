"""T: a timeout means that a direction wanted to move, could, and did not, for all of its time.

Two disciplines keep the same promise (bufferevent.c): over readiness the timer is part of the
descriptor's event, over completion it stands alone. So the write timer of a socket bufferevent runs
while there is output, while connecting, or until the first write callback after enable(WRITE); over
completion it runs from enable(WRITE) on even with nothing to write.

A timer that has to start again at an unknown moment is judged leniently: it must not fire earlier
than one timeout after the latest moment at which it certainly started, nor later than one timeout
after the latest at which it might have, except that it waits for the pass that is running.
"""

from __future__ import annotations

from model.kernel import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from model.properties import rate_records, tls
from model.properties.catalogue import Property
from model.properties.view import Run, View
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)

PROPERTIES = (
    Property(
        "T-1",
        "A TIMEOUT comes one timeout after the direction last became able to move or moved, not"
        " before, and not after the end of the pass that is then due; and it comes.",
        "libevent: bufferevent.c:bufferevent_generic_adj_timeouts_;"
        " event.c:event_persist_closure, timeout_process",
        "each TIMEOUT event; when quiet, directions that have been able to move for longer than"
        " their timeout. `close_tolerance_ns` and a millisecond are allowed",
    ),
    Property(
        "T-2",
        "No TIMEOUT of a direction that was ready, or progressed, in the same pass.",
        "libevent: bufferevent_sock.c:bufferevent_readcb (a timeout that comes with EV_READ)",
        "each TIMEOUT event, against what the last wait for the kernel returned",
    ),
    Property(
        "T-3",
        "No TIMEOUT of writing with nothing to write, unless connecting.",
        "libevent: bufferevent_sock.c:bufferevent_writecb (ev_write is deleted)",
        "each WRITING|TIMEOUT event, but for one that follows enable(WRITE) while the kernel"
        " takes no bytes",
        kernels=("readiness",),
    ),
    Property(
        "T-4",
        "After a TIMEOUT of a direction no second one, until it is enabled again or moves.",
        "libevent: bufferevent.c:bufferevent_generic_read_timeout_cb",
        "each TIMEOUT event",
    ),
    Property(
        "T-5",
        "No TIMEOUT of a direction that is suspended.",
        "libevent: bufferevent.c:bufferevent_suspend_read_",
        "READING|TIMEOUT events while the input is at its high watermark, unless it reached it in"
        " the same pass; TIMEOUT events of a direction whose buckets are empty, unless connecting",
    ),
)

GRANULE_NS = 1_000_000  # epoll_wait(2) and GetQueuedCompletionStatus count milliseconds
_READABLE = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR
_WRITABLE = EPOLLOUT | EPOLLHUP | EPOLLERR


def fired(run: Run, view: View, index: int, time: int, what: int, enabled: int) -> None:
    """A TIMEOUT event, of one direction or (deferred) of both.

    Deferred causes are OR-ed into one mask: with an EOF or an ERROR of one direction in it, it no
    longer tells which direction timed out, and is not judged.
    """
    both = BEV_EVENT_READING | BEV_EVENT_WRITING
    if what & both == both and what & (BEV_EVENT_EOF | BEV_EVENT_ERROR):
        return
    if what & BEV_EVENT_READING:
        _read_fired(run, view, index, time, enabled)
    if what & BEV_EVENT_WRITING:
        _write_fired(run, view, index, time, enabled)


def _read_fired(run: Run, view: View, index: int, time: int, enabled: int) -> None:
    _judge_time(run, view, index, time, "reading")
    _judge_same_pass(run, view, index, "recv", _READABLE, "bytes to read")
    run.checked["T-4"] += 1
    if view.read_timed_out:
        _repeated(run, view, index, "reading")
    view.read_timed_out = not (view.deferred and enabled & EV_READ)
    _judge_suspended(run, view, index, EV_READ)
    length = view.received_count - view.taken
    if view.high:
        run.checked["T-5"] += 1
        if length >= view.high and not (view.deferred and _moved_in_pass(run, view, index)):
            run.violate(
                "T-5",
                view.name,
                index,
                f"{view.name} timed out reading although {length} bytes of input, at or above its"
                f" high watermark of {view.high}, had suspended it",
            )


def _write_fired(run: Run, view: View, index: int, time: int, enabled: int) -> None:
    _judge_time(run, view, index, time, "writing")
    _judge_same_pass(run, view, index, "send", _WRITABLE, "room to write")
    run.checked["T-4"] += 1
    if view.write_timed_out:
        _repeated(run, view, index, "writing")
    view.write_timed_out = not (view.deferred and enabled & EV_WRITE)
    _judge_suspended(run, view, index, EV_WRITE)
    if run.completion:
        return
    run.checked["T-3"] += 1
    if view.written == view.sent and not view.connecting and not view.write_enable_credits:
        if view.generic and view.deferred and _moved_in_pass(run, view, index):
            return  # a flush took the output behind the timer
        run.violate("T-3", view.name, index, f"{view.name} timed out writing with nothing to write")


def _judge_suspended(run: Run, view: View, index: int, direction: int) -> None:
    """T-5, of rates. A deferred event may have been under way when its direction was suspended; a
    connect takes no tokens, and has the timeout of writing (bufferevent_socket_connect)."""
    if run.rates is None:
        return
    run.checked["T-5"] += 1
    if not rate_records.suspended(run, view, direction):
        return
    if direction == EV_WRITE and view.connecting:
        return
    if not (view.deferred and rate_records.just_suspended(run, view, direction)):
        what = "reading" if direction == EV_READ else "writing"
        run.violate(
            "T-5",
            view.name,
            index,
            f"{view.name} timed out {what} although that was suspended for want of tokens",
        )


def may_have_fired(view: View, time: int) -> int:
    """The directions whose timeout may have fired by now."""
    directions = 0
    if view.read_timeout is not None and time >= view.read_armed + view.read_timeout:
        directions |= EV_READ
    if view.write_timeout is not None and time >= view.write_armed + view.write_timeout:
        directions |= EV_WRITE
    return directions


def _judge_time(run: Run, view: View, index: int, time: int, direction: str) -> None:
    """T-1."""
    run.checked["T-1"] += 1
    bit = EV_READ if direction == "reading" else EV_WRITE
    if view.overdue & bit:
        view.overdue &= ~bit
        return
    if direction == "reading":
        timeout, armed, touched = view.read_timeout, view.read_armed, view.read_touched
        enabled = view.enabled & EV_READ
    else:
        timeout, armed, touched = view.write_timeout, view.write_armed, view.write_touched
        enabled = view.enabled & EV_WRITE or view.connecting
    name = view.name
    if view.deferred and (armed >= run.pass_time or run.passes - view.timeouts_pass <= 1):
        return  # it fired before it was armed again, and is told only now
    if timeout is None:
        run.violate("T-1", name, index, f"{name} timed out {direction} though no timeout is set")
    elif not enabled and not view.deferred:
        run.violate("T-1", name, index, f"{name} timed out {direction} while it was disabled")
    elif time < armed + timeout - run.tolerance:
        run.violate(
            "T-1",
            name,
            index,
            f"{name} timed out {direction} {_ms(time - armed)} ms after it could last have"
            f" started, before its timeout of {_ms(timeout)} ms",
        )
    elif run.wait_index > 0 and not run.pooled:
        # The wait should have ended when the timer was due, or at once if it began later. A kernel
        # that wakes us late is not the bufferevent's fault: what it asked for counts. A pool calls
        # back when a worker is free, passes later.
        wait, began = run.records[run.wait_index], run.records[run.wait_index - 1][0]
        asked = run.pass_time if wait[3] is None else min(run.pass_time, began + wait[3])
        if asked > max(touched + timeout, began) + run.tolerance + GRANULE_NS:
            run.violate(
                "T-1",
                name,
                index,
                f"{name} timed out {direction} {_ms(time - touched)} ms after anything could have"
                f" moved, long after its timeout of {_ms(timeout)} ms",
            )


def _ms(duration_ns: int) -> str:
    return f"{duration_ns / 1e6:g}"


def _repeated(run: Run, view: View, index: int, direction: str) -> None:
    run.violate(
        "T-4",
        view.name,
        index,
        f"{view.name} timed out {direction} again, neither enabled nor moved since the last time",
    )


def _judge_same_pass(
    run: Run, view: View, index: int, operation: str, mask: int, what: str
) -> None:
    """T-2: what the last wait brought for this direction."""
    if view.generic:
        if operation == "recv":
            tls.judge_timeout(run, view, index)
        return  # no kernel tells it of readiness
    run.checked["T-2"] += 1
    if run.wait_index < 0 or (view.deferred and len(run.views) > 32):
        return  # event.c: MAX_DEFERREDS_QUEUED; the event may be of the pass before
    wait = run.records[run.wait_index]
    if wait[1] == "epoll_wait":
        ready = isinstance(wait[4], (list, tuple)) and any(
            fd == view.fd and bits & mask for fd, bits in wait[4]
        )
    else:
        ready = _completed(run, view, index, operation)
    if ready:
        run.violate(
            "T-2",
            view.name,
            index,
            f"{view.name} timed out although the kernel told in the same pass that it has {what}",
        )


def _completed(run: Run, view: View, index: int, operation: str) -> bool:
    """Whether a packet with bytes for this direction came first in this pass."""
    for record in run.records[run.wait_index + 1 : index]:
        if record[1] != "completion":
            return False
        if record[2] == view.fd and record[4] == operation and record[6]:
            return True
    return False


def _moved_in_pass(run: Run, view: View, index: int) -> bool:
    """Whether bytes arrived, or the application did anything, since the last wait."""
    for record in run.records[run.wait_index + 1 : index]:
        kind = record[1]
        if kind in ("recv", "completion") and record[2] == view.fd:
            return True
        if kind in ("op", "buffer") and record[2] == view.name:
            return True
    return False


def judge_missing(run: Run, view: View, index: int, time: int, read_runs: bool) -> None:
    """T-1 at the quiet moment: a timer that ran all the time must have fired."""
    if not view.eventcb:
        return
    cases = []
    if read_runs and view.read_timeout is not None:
        cases.append(("reading", view.read_touched, view.read_timeout))
    writing = (
        view.enabled & EV_WRITE
        and view.written > view.sent
        and tls.may_give(view)
        and not rate_records.suspended(run, view, EV_WRITE)
    )
    if writing and view.write_timeout is not None:
        cases.append(("writing", view.write_touched, view.write_timeout))
    for direction, touched, timeout in cases:
        run.checked["T-1"] += 1
        if time > touched + timeout + run.tolerance + GRANULE_NS:
            run.violate(
                "T-1",
                view.name,
                index,
                f"{view.name} never timed out {direction}, though nothing moved for"
                f" {_ms(time - touched)} ms and its timeout is {_ms(timeout)} ms",
            )
