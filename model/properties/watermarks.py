"""W: watermarks hold back the library, never the application's bytes.

The low watermarks gate the trigger, not the callback: a deferred callback may find that the
application has drained the input since. The high watermark bounds what is asked of the kernel; on
a completion kernel it is the one in force when the read was submitted.
"""

from __future__ import annotations

from model.kernel import EPOLLIN
from model.properties import tls
from model.properties.catalogue import Property
from model.properties.meanwhile import submitter
from model.properties.view import Run, View

PROPERTIES = (
    Property(
        "W-1",
        "Reading never takes the input above its high watermark, or above where it stood.",
        "libevent: bufferevent_sock.c:bufferevent_readcb,"
        " bufferevent_async.c:bev_async_consider_reading",
        "each arrival of bytes while a high watermark is set",
    ),
    Property(
        "W-2",
        "No read callback is triggered with less input than the low watermark, no write callback"
        " with more output than its own, unless a trigger ignores watermarks.",
        "libevent: bufferevent-internal.h:bufferevent_trigger_nolock_",
        "each callback whose length breaks the watermark: whether it kept it at any moment since"
        " the bytes moved",
    ),
    Property(
        "W-3",
        "A direction that is enabled and below its high watermark is waiting for bytes.",
        "libevent: bufferevent.c:bufferevent_inbuf_wm_cb, bufferevent_wm_unsuspend_read",
        "when the run is quiet: the descriptor is polled for EPOLLIN (completion: a read is in"
        " flight)",
    ),
)


def check_growth(run: Run, view: View, index: int, before: int, length: int) -> None:
    """Bytes arrived while a high watermark is set (or was, when the read was submitted)."""
    high = view.read_high if view.completion else view.high
    if not high:
        return
    run.checked["W-1"] += 1
    if length > high + (tls.overrun(view) if before < high else 0) and length > before:
        if view.completion and _inside_drain(run, view, index, length - high):
            return
        run.violate(
            "W-1",
            view.name,
            index,
            f"{view.name} read {length - before} bytes on top of {before}, above its high"
            f" watermark of {high}",
        )


def _inside_drain(run: Run, view: View, index: int, surplus: int) -> bool:
    """Whether the application was taking `surplus` bytes: a `read` or `echo` record is written
    when the call returns, after those of an operation that the draining submitted."""
    drainer = submitter(run, view, index) if run.threaded else run.thread
    mine = run.thread == drainer  # the records are those of the thread that drains
    for record in run.records[index + 1 :]:
        kind = record[1]
        if kind == "on":
            mine = record[2] == drainer
        if not mine:
            continue
        if kind == "read" and record[2] == view.name:
            return len(record[4]) >= surplus
        if kind == "echo" and record[2] == view.name:
            return bool(record[3] >= surplus)
        if kind in ("cb", "cb_end", "op", "step", "gqcs", "quiet"):
            return False
    return False


def read_below_low(run: Run, view: View, index: int, length: int) -> None:
    """A read callback with less input than the low watermark."""
    if not view.read_ok and run.passes - view.crossed_in > 2:
        run.violate(
            "W-2",
            view.name,
            index,
            f"{view.name} got a read callback with {length} bytes of input, below its low"
            f" watermark of {view.low}",
        )


def write_above_low(run: Run, view: View, index: int, length: int) -> None:
    """A write callback with more output than the low watermark."""
    if not view.write_ok and run.passes - view.crossed_out > 2:
        run.violate(
            "W-2",
            view.name,
            index,
            f"{view.name} got a write callback with {length} bytes of output, above its low"
            f" watermark of {view.write_low}",
        )


def judge_armed(run: Run, view: View, index: int) -> None:
    """At the quiet moment, for a bufferevent that should be reading."""
    run.checked["W-3"] += 1
    if view.completion:
        armed = view.read_operation is not None
    else:
        armed = view.fd is not None and bool(run.interest.get(view.fd, 0) & EPOLLIN)
    if not armed:
        room = f", {view.received_count - view.taken} of {view.high} bytes" if view.high else ""
        run.violate(
            "W-3",
            view.name,
            index,
            f"{view.name} has reading enabled{room}, but nothing waits for bytes",
        )
