"""What the records of stacks and pairs say. One function a kind, `(run, index, record)`."""

from __future__ import annotations

from operator import index as whole

from model.layer import FilterResult
from model.properties import byte_records, layers, progress, rate_records
from model.properties.view import Handler, Run
from model.rate_limit import SUSPEND_BW, SUSPEND_BW_GROUP
from model.trace import Record

_RATES = SUSPEND_BW | SUSPEND_BW_GROUP


def layer(run: Run, index: int, record: Record) -> None:
    """`layer`: one sits on another."""
    view, below = run.views.get(record[2]), run.views.get(record[3])
    if view is not None and below is not None and below is not view:
        view.below, below.above = below, view
        view.merges |= below.merges


def buffer(run: Run, index: int, record: Record) -> None:
    """`buffer`: bytes came to it or left it without a call."""
    time, _, name, which, added, deleted = record
    view = run.views.get(name)
    if view is None or view.freed:
        return
    added, deleted = whole(added), whole(deleted)  # half a byte is found nowhere else
    if which == "input":
        if added:
            progress.moved_in(run, view, index, time, added)
        if deleted:
            byte_records.input_shrank(run, view, time, deleted)
    else:
        if added:
            byte_records.output_grew(run, view, time)
            view.written += added
        if deleted:
            progress.left(run, view, time, deleted)


def filter_call(run: Run, index: int, record: Record) -> None:
    """`filter`: a function was called. OK may also mean that only its own state moved."""
    time, _, name, direction, _, taken, given, result = record
    view = run.views.get(name)
    if view is None or view.freed:
        return
    fine = result == FilterResult.OK
    if direction == "read":
        view.in_stuck = not fine
        view.stuck_mark = -1 if fine or view.below is None else view.below.received_count
        if fine:
            view.read_armed, view.read_touched = run.pass_time, time
            view.read_timed_out = False
        if fine and not given:
            view.read_credits += 1
            view.read_ok |= view.received_count - view.taken >= view.low
    else:
        view.out_stuck = not fine
        view.handed += given
        if fine:
            view.write_armed, view.write_touched = run.pass_time, time
            view.write_timed_out = False
        if fine and not taken:
            view.write_credits += 1
            view.write_ok |= view.written - view.sent <= view.write_low


def suspend(run: Run, index: int, record: Record) -> None:
    """`suspend`: why a direction does not run, from now on: a layer above, or a rate limit."""
    time, _, name, direction, reasons = record
    view = run.views.get(name)
    if view is None:
        return
    if reasons.__class__ is not int:
        raise TypeError("reasons are bits")
    limits = reasons & _RATES
    above = reasons - limits
    if direction == "read" and view.suspended != above:
        view.suspended = above
        view.read_touched = time
        if not reasons:
            view.read_armed = run.pass_time
    elif limits or run.rates is not None:
        rate_records.suspend(run, index, (*record[:4], limits))


def memory(run: Run, index: int, record: Record) -> None:
    """`memory`: what a stack holds."""
    view = run.views.get(record[2])
    if view is not None:
        layers.judge_memory(run, view, index, record[3])


HANDLERS: dict[str, Handler] = {
    "layer": layer,
    "buffer": buffer,
    "filter": filter_call,
    "suspend": suspend,
    "memory": memory,
}
