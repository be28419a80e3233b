"""What the records say about rates: calls, suspensions, and the operations that are charged.

A run has no `Run.rates` until its first call about rates, so that others pay for one test a record.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeAlias

from model.properties import rates
from model.properties.meters import (
    NOTHING,
    READ,
    SINGLE,
    WAYS,
    WRITE,
    Group,
    Limited,
    Rates,
    change_all,
    meters_of,
)
from model.properties.view import Handler, Run, View
from model.subject import EV_READ, EV_WRITE
from model.trace import Record

Limits: TypeAlias = tuple[int, int, int, int, int]


def _rates(run: Run) -> Rates:
    """The run's account, opened when it is first needed."""
    if run.rates is None:
        run.rates = Rates()
        for name, view in run.views.items():
            run.rates.of(name).freed = view.freed
    return run.rates


# Calls.


def _checked(args: tuple[Any, ...]) -> Limits:
    """The limits that a call set; a ValueError makes the record unreadable."""
    read_rate, read_burst, write_rate, write_burst, tick_ns = args
    if not all(each.__class__ is int and each > 0 for each in args):
        raise ValueError("limits are bytes and nanoseconds")
    return read_rate, read_burst, write_rate, write_burst, tick_ns


def _set_rate_limit(run: Run, limited: Limited, time: int, args: tuple[Any, ...]) -> None:
    if args[0] is None:
        limited.own = [None, None]
        return
    limits = _checked(args)
    read, write = limited.own
    if read is None or write is None:
        limited.own = [*meters_of(limits, time)]
    elif limits != (read.rate, read.burst, write.rate, write.burst, read.tick_ns):
        for meter in (read, write):
            rates.in_doubt(run, meter, time)  # of ticks as they were
        change_all([read, write], limits, time)


def _join(run: Run, limited: Limited, time: int, args: tuple[Any, ...]) -> None:
    name = f"g{args[0]}"
    group = _rates(run).groups.get(name)
    if limited.group is not group:
        _leave(run, limited, time, ())
    if group is not None:
        limited.group, limited.group_name = group, name
        group.members[limited.name] = limited


def _leave(run: Run, limited: Limited, time: int, args: tuple[Any, ...]) -> None:
    group, limited.group, limited.group_name = limited.group, None, ""
    if group is not None:
        del group.members[limited.name]


def _decrement(run: Run, limited: Limited, time: int, way: int, size: int) -> None:
    meter = limited.own[way]
    if meter is not None:
        meter.update(time)
        meter.decrement(size)


def _single(limited: Limited, way: int, size: int) -> None:
    limited.single[way] = size if size > 0 else SINGLE


_CALLS: dict[str, Callable[[Run, Limited, int, tuple[Any, ...]], None]] = {
    "set_rate_limit": _set_rate_limit,
    "add_to_rate_limit_group": _join,
    "remove_from_rate_limit_group": _leave,
    "decrement_read_limit": lambda r, e, t, args: _decrement(r, e, t, READ, args[0]),
    "decrement_write_limit": lambda r, e, t, args: _decrement(r, e, t, WRITE, args[0]),
    "set_max_single_read": lambda r, e, t, args: _single(e, READ, args[0]),
    "set_max_single_write": lambda r, e, t, args: _single(e, WRITE, args[0]),
}


_MAY_FAIL = frozenset({"set_rate_limit", "add_to_rate_limit_group"})


def call(run: Run, view: View, index: int, time: int, name: str, args: tuple[Any, ...]) -> None:
    """`op` of a bufferevent, of a name that no other property knows."""
    effect = _CALLS.get(name)
    if effect is not None:
        limited = _rates(run).of(view.name)
        before = limited.group
        if run.foreign and name in _MAY_FAIL:
            limited.before = (copy(limited.own[0]), copy(limited.own[1]), limited.group_name)
        effect(run, limited, time, args)
        _reckon(limited, time)
        if limited.group is not before:
            for group in (before, limited.group):
                if group is not None:
                    group.acts[run.thread] = (index, WRITE, 0)


def refused(run: Run, view: View, time: int, name: str) -> None:
    """A call gave -1: without memory for a limit nothing has changed."""
    if run.rates is None or not run.foreign or name not in _MAY_FAIL:
        return
    limited = run.rates.of(view.name)
    read, write, group_name = limited.before
    if name == "set_rate_limit":
        limited.own = [read, write]
        return
    _leave(run, limited, time, ())
    group = run.rates.groups.get(group_name)
    if group is not None:
        limited.group, limited.group_name = group, group_name
        group.members[limited.name] = limited


def group_refused(run: Run, name: str, time: int) -> None:
    """New limits of a group found no memory: those before go on."""
    group = None if run.rates is None else run.rates.groups.get(name)
    if group is not None and run.foreign:
        group.meters = group.before
        group.set_share(group.configured_share)
        for member in group.members.values():
            _reckon(member, time)


def _reckon(limited: Limited, time: int) -> None:
    for way in (READ, WRITE):
        if limited.reasons[way]:
            rates.reckon(limited, way, time)


def group_call(
    run: Run, index: int, time: int, group_name: str, name: str, args: tuple[Any, ...]
) -> None:
    """`op` of a group."""
    account = _rates(run)
    if name == "rate_limit_group_new":
        account.groups[group_name] = Group(_checked(args), time)
        return
    group = account.groups.get(group_name)
    if group is None:
        return
    if name == "rate_limit_group_set_cfg":
        group.before = [copy(meter) for meter in group.meters]
        change_all(group.meters, _checked(args), time)
        group.set_share(group.configured_share)
    elif name == "rate_limit_group_set_min_share":
        group.set_share(args[0])
    elif name == "rate_limit_group_reset_totals":
        group.totals = [0, 0]
        group.fewer, group.more = [0, 0], [0, 0]
    elif name in ("rate_limit_group_decrement_read", "rate_limit_group_decrement_write"):
        meter = group.meters[WRITE if name.endswith("write") else READ]
        meter.update(time)
        meter.decrement(args[0])
    group.acts[run.thread] = (index, WRITE, 0)
    for member in group.members.values():
        _reckon(member, time)


# Operations.


def moved(run: Run, view: View, index: int, time: int, way: int, asked: int, size: int) -> None:
    """Readiness: a call asked for `asked` bytes and moved `size`."""
    if run.over or view.encrypted:
        return
    rates.asked(run, view, index, time, way, asked)
    if size:
        rates.charged(run, _rates(run).of(view.name), index, time, way, size)


def launched(run: Run, view: View, index: int, time: int, way: int, size: int) -> None:
    """Completion: an operation is in flight."""
    if view.encrypted:
        return
    limited = _rates(run).of(view.name)
    if not run.over:
        rates.asked(run, view, index, time, way, size)
        rates.charged(run, limited, index, time, way, size)
        limited.flight[way] = (size, limited.own[way], limited.group)


def ended(run: Run, view: View, way: int, size: int) -> None:
    """Completion: it has ended, and moved `size` bytes."""
    if view.encrypted:
        return
    limited = _rates(run).of(view.name)
    flight, own, group = limited.flight[way]
    limited.flight[way] = NOTHING
    if own is not None or group is not None:
        rates.given_back(limited, way, max(0, flight - size), own, group, run.pass_mark)


def abandoned(run: Run, view: View) -> None:
    """Completion: its socket was given up. What a receive in flight finds is nobody's; what a send
    in flight was given counts as sent."""
    limited = None if run.rates is None else run.rates.limited.get(view.name)
    if limited is not None:
        rates.doubt(run, view, limited)
        ended(run, view, READ, 0)
        ended(run, view, WRITE, limited.flight[WRITE][0])


def waited(run: Run, index: int, time: int) -> None:
    """A pass begins. What ended two passes ago has been processed."""
    account = _rates(run)
    for limited in account.limited.values():
        for way in (READ, WRITE):
            if limited.pending[way][0] and run.passes - limited.pending_pass[way] > 2:
                limited.settle(way)
    if account.suspended and not run.over:
        rates.waited(run, index, time)


# Records.


def suspend(run: Run, index: int, record: Record) -> None:
    """`suspend`: how limits suspend a direction has changed (`layer_records` hands it on)."""
    time, _, name, direction, reasons = record
    view = run.views.get(name)
    if view is None or view.freed:
        return
    if reasons.__class__ is not int:
        raise TypeError("reasons are bits")
    account = _rates(run)
    limited, way = account.of(name), WAYS[direction]
    was = limited.reasons[way]
    limited.reasons[way] = reasons
    if reasons & ~was:
        run.checked["R-3"] += 1
        limited.suspended_pass[way] = run.passes
        limited.ready_at[way] = limited.strikes[way] = 0
        rates.reckon(limited, way, time)
    elif not reasons:
        _resumed(run, view, time, way)
    if any(limited.reasons):
        account.suspended[name] = limited
    else:
        account.suspended.pop(name, None)


def _resumed(run: Run, view: View, time: int, way: int) -> None:
    """The transport starts that direction again, if it is enabled."""
    if way == READ:
        view.read_armed = max(view.read_armed, run.pass_time)
        view.read_touched = time
    else:
        view.write_armed = max(view.write_armed, run.pass_time)
        view.write_touched = time
        view.idle = 0  # even with nothing to write it may get a callback: enable gives one too
        if view.enabled & EV_WRITE and not view.completion:
            view.write_enable_credits = min(view.write_enable_credits + 1, 2)
            view.write_ok |= view.written - view.sent <= view.write_low


def bucket(run: Run, index: int, record: Record) -> None:
    """`bucket`: what a bucket holds."""
    time, _, name, read_limit, write_limit = record
    if run.rates is not None and not run.over:
        rates.told_bucket(run, name, index, time, (read_limit, write_limit))


def suspended(run: Run, view: View, direction: int) -> int:
    """Why a direction of EV_READ, EV_WRITE is suspended, its high watermark aside."""
    if run.rates is None:
        return 0
    limited = run.rates.limited.get(view.name)
    return 0 if limited is None else limited.reasons[READ if direction == EV_READ else WRITE]


def just_suspended(run: Run, view: View, direction: int) -> bool:
    """Whether it was in this pass or the one before."""
    assert run.rates is not None
    limited = run.rates.of(view.name)
    return run.passes - limited.suspended_pass[READ if direction == EV_READ else WRITE] <= 1


HANDLERS: dict[str, Handler] = {"bucket": bucket}
