"""What the records of the bytes that the application moves say; `application_records` has calls."""

from __future__ import annotations

from model.properties import stream
from model.properties.view import Handler, Run, View, as_bytes
from model.trace import Record


def write(run: Run, index: int, record: Record) -> None:
    """`write`: the output grew, if the call succeeded."""
    time, _, name, data, result = record
    view = run.views.get(name)
    if view is None or result == -1:
        return
    output_grew(run, view, time)
    view.outgoing.append(as_bytes(data))
    view.written += len(data)
    view.idle = 0
    run.idle_waits = 0


def _shakes_hands(view: View) -> bool:
    """TLS on a descriptor of its own, whose timers run for its handshake."""
    return view.connecting and view.below is not None and view.below.encrypted


def output_grew(run: Run, view: View, time: int) -> None:
    waits = view.completion or view.connecting or view.write_enable_credits  # so it runs already
    if view.written == view.sent and (not waits or (view.generic and not _shakes_hands(view))):
        view.write_armed = run.pass_time  # bufferevent_sock.c: bufferevent_socket_outbuf_cb
    view.write_touched = time
    view.out_stuck = False


def read(run: Run, index: int, record: Record) -> None:
    """`read`: the application took bytes."""
    time, _, name, _, data = record
    view = run.views.get(name)
    if view is not None and data:
        view.reads.append((view.taken, as_bytes(data), index))
        input_shrank(run, view, time, len(data))


def input_shrank(run: Run, view: View, time: int, size: int) -> None:
    view.taken += size
    high = view.high
    if high:
        length = view.received_count - view.taken
        if length < high <= length + size:
            view.read_armed = run.pass_time  # no more suspended
            view.read_touched = time
    view.idle = 0
    run.idle_waits = 0


def drain(run: Run, index: int, record: Record) -> None:
    """`drain`: the application threw its output away, or was refused (B-3)."""
    _, _, name, result = record
    view = run.views.get(name)
    if view is None:
        return
    run.checked["B-3"] += 1
    stream.check_drain(run, view, index, result)
    if result != -1:
        view.sent = view.written
        view.fresh_out = 0


def echo(run: Run, index: int, record: Record) -> None:
    """`echo`: the whole input went to the output."""
    time, _, name, size = record
    view = run.views.get(name)
    if view is None or size <= 0 or size.__class__ is not int:
        return
    output_grew(run, view, time)
    view.outgoing.append((view.taken, size))
    view.written += size
    input_shrank(run, view, time, size)


HANDLERS: dict[str, Handler] = {"write": write, "read": read, "drain": drain, "echo": echo}
