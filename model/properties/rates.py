"""R: no more bytes in a tick than the limits let, and no fewer than they promise.

Judged from the sizes and times of kernel operations, against buckets that the checker keeps itself
(`model.properties.meters`). With a real clock, a record and the bufferevent may see different
ticks, so as many tokens as `close_tolerance_ns` brings are allowed for; in virtual time none, but
for what the simulated kernel was late. A run without limits has nothing to judge here.
"""

from __future__ import annotations

from model.properties.catalogue import Property
from model.properties.meanwhile import crossed, refused, uncharged
from model.properties.meters import READ, WRITE, Group, Limited, Meter, Rates
from model.properties.view import UNCOUNTED, Run, View
from model.rate_limit import SUSPEND_BW, SUSPEND_BW_GROUP

PROPERTIES = (
    Property(
        "R-1",
        "In no stretch of time does a limited bufferevent move more than its burst, a rate for"
        " every tick touched, and one operation; its bucket holds what was filled in less what"
        " moved, and never more than its burst.",
        "libevent: bufferevent_ratelim.c:ev_token_bucket_update_,"
        " bufferevent_decrement_read_buckets_",
        "each operation of a bufferevent with a limit of its own, and each `bucket` record",
    ),
    Property(
        "R-2",
        "The members of a group together keep to the group's limit in the same way, one operation"
        " of each allowed for; and its totals are what they moved.",
        "libevent: bufferevent_ratelim.c:bufferevent_get_rlim_max_,"
        " bufferevent_rate_limit_group_get_totals",
        "each operation of a member, each `bucket` record of a group, the totals when quiet",
    ),
    Property(
        "R-3",
        "A direction that is suspended for want of tokens runs again within two ticks of having"
        " some (a group: its minimal share).",
        "libevent: bufferevent_ratelim.c:bev_refill_callback_, bev_group_refill_callback_",
        "suspended directions at each wait, and when quiet; a pass may run late, two may not",
    ),
    Property(
        "R-4",
        "Each operation asks for at least one byte and for no more than its bufferevent may move:"
        " max_single, its bucket, its share; none is made while suspended.",
        "libevent: bufferevent_ratelim.c:bufferevent_get_rlim_max_,"
        " bufferevent_set_max_single_read",
        "the size of each recv, send, WSARecv and WSASend, in runs with limits",
    ),
    Property(
        "R-5",
        "While its group has tokens, a member may move its minimal share at least.",
        "libevent: bufferevent_ratelim.c:bufferevent_rate_limit_group_set_min_share",
        "the size of each recv and WSARecv of a member, unless a watermark may have cut it, or the"
        " subject asks the kernel how much there is before it reads (libevent);"
        " that no member always comes last is a statistical test's matter",
    ),
    Property(
        "R-6",
        "One pass of the loop, and one packet of a completion worker, does a bounded amount of work"
        " for one bufferevent.",
        "libevent: bufferevent_sock.c:bufferevent_readcb (one readv for one readiness);"
        " bufferevent_openssl.c:consider_reading (release-2.0.16)",
        "operations of each direction between two waits of one thread, in runs with limits;"
        " successful reads and writes of a TLS engine, likewise. Calls of other threads of the"
        " application are in no pass",
    ),
)

OPERATIONS_MAX = 16  # of one direction, in one pass
GRANULE_NS = 1_000_000  # a wait counts milliseconds


def asked(run: Run, view: View, index: int, time: int, way: int, size: int) -> None:
    """R-4, R-5, R-6: an operation asks for `size` bytes."""
    rates = run.rates
    assert rates is not None
    limited = rates.of(view.name)
    limited.settle(way)
    limited.largest[way] = max(limited.largest[way], size)
    _count(run, limited, index, way)
    run.checked["R-4"] += 1
    if size <= 0:
        _violate(run, "R-4", limited, index, f"asked to {_WORDS[way]} {size} bytes")
        return
    if limited.reasons[way]:
        _violate(run, "R-4", limited, index, f"asked to {_WORDS[way]} while suspended")
    most, why = limited.single[way], "max_single"
    own, group = limited.own[way], limited.group
    if own is not None:
        own.update(time)
        level = own.high + in_doubt(run, own, time)
        if level < most:
            most, why = level, "its bucket"
    if group is not None:
        share = _share(run, group, way, time)
        if share < most:
            most, why = share, "its share of the group"
    if size > most and not (
        group is not None and run.threaded and crossed(run, group, limited.group_name, index)
    ):
        what = f"asked to {_WORDS[way]} {size} bytes at once, over the {max(most, 0)} of {why}"
        _violate(run, "R-4", limited, index, what)
    if group is not None and way == READ and not run.foreign:
        _judge_share(run, view, limited, index, size)


_WORDS = ("read", "write")


def in_doubt(run: Run, meter: Meter, time: int, timer: int = 0) -> int:
    """Tokens by which a record and the bufferevent may differ.

    libevent fills by the clock of the pass, which stands still in it, and a group by a timer that
    runs every tick from when it was made, behind what the descriptors told in its pass (`timer`):
    event_base_gettimeofday_cached, bev_group_refill_callback_.
    """
    if run.foreign:
        filled = run.last_pass_time if timer else run.pass_time
        lag = time // meter.tick_ns - filled // meter.tick_ns + timer
        meter.doubt = max(meter.doubt, lag * meter.rate)
    return meter.doubt + meter.lateness(run.tolerance)


def _violate(run: Run, name: str, limited: Limited, index: int, what: str) -> None:
    run.violate(name, limited.name, index, f"{limited.name} {what}")


def _count(run: Run, limited: Limited, index: int, way: int) -> None:
    """R-6, of the loop's passes and of workers'. What other threads do is in no pass."""
    turn = run.turn()
    if turn is None:
        return
    run.checked["R-6"] += 1
    if limited.turns.get(turn[0]) != turn[1]:
        limited.turns[turn[0]] = turn[1]
        limited.operations[turn[0]] = [0, 0]
    operations = limited.operations[turn[0]]
    operations[way] += 1
    if operations[way] > OPERATIONS_MAX:
        _violate(run, "R-6", limited, index, f"asked {OPERATIONS_MAX + 1} times in one pass")


def _share(run: Run, group: Group, way: int, time: int) -> int:
    """What one member may move at most."""
    meter = group.meters[way]
    meter.update(time)
    level = min(meter.burst, meter.high + group.pending(way)) + in_doubt(run, meter, time, 1)
    return max(level // group.alive(), group.share)


def _judge_share(run: Run, view: View, limited: Limited, index: int, size: int) -> None:
    """R-5."""
    group, own = limited.group, limited.own[READ]
    assert group is not None
    least = min(group.share, limited.single[READ])
    if own is not None:
        own_least = own.low - limited.own_pending(READ) - own.lateness(run.tolerance)
        least = min(least, own_least)
    if view.high:
        least = min(least, view.high - (view.received_count - view.taken))
    run.checked["R-5"] += 1
    if size < least and not (run.threaded and crossed(run, group, limited.group_name, index)):
        what = f"asked to read {size} bytes, below the {least} that each member may"
        _violate(run, "R-5", limited, index, what)


def charged(run: Run, limited: Limited, index: int, time: int, way: int, size: int) -> None:
    """R-1, R-2: bytes moved, or (completion) were asked for."""
    own, group = limited.own[way], limited.group
    if own is not None:
        own.update(time)
        own.take(size)
        run.checked["R-1"] += 1
        slack = min(limited.single[way], own.burst) + in_doubt(run, own, time)
        if own.free < -slack:
            _violate(run, "R-1", limited, index, _too_much(own, own.free, way))
    if group is not None:
        meter = group.meters[way]
        meter.update(time)
        meter.take(size)
        group.totals[way] += size
        group.acts[run.thread] = (index, way, size)
        run.checked["R-2"] += 1
        slack = sum(each.largest[way] for each in group.members.values())
        if meter.free < -slack - in_doubt(run, meter, time, 1):
            name = limited.group_name
            what = f"{name}'s members {_too_much(meter, meter.free, way)}"
            run.violate("R-2", name, index, what)


def _too_much(meter: Meter, level: int, way: int) -> str:
    return (
        f"{('read', 'wrote')[way]} {-level} bytes more than {meter.rate} a tick and"
        f" {meter.burst} at once let"
    )


def given_back(
    limited: Limited, way: int, rest: int, own: Meter | None, group: Group | None, passes: int
) -> None:
    """An operation has ended: what it did not move goes back where it was taken."""
    limited.settle(way)
    own = own if own is limited.own[way] else None
    if own is not None:
        own.low = min(own.burst, own.low + rest)
    if group is not None:
        meter = group.meters[way]
        meter.low = min(meter.burst, meter.low + rest)
        group.totals[way] -= rest
        group.owing[limited.name] = limited
    limited.pending[way] = (rest, own, group)
    limited.pending_pass[way] = passes


def doubt(run: Run, view: View, limited: Limited) -> None:
    """A socket is given up. An operation that has ended may not have been processed by then: if so
    it is one in flight, a send that moved everything, a receive that moved nothing. Beside workers
    that holds of the loop thread's own too: one of them may have come first to the lock."""
    rest, own, group = limited.pending[WRITE]
    if own is not None:
        own.low -= rest
    if group is not None:
        group.meters[WRITE].low -= rest
        group.more[WRITE] += rest
    _, own, group = limited.pending[READ]
    untold = run.workers or limited.pending_pass[READ] == UNCOUNTED
    moved = view.fresh_in if untold else 0
    if own is not None:
        own.give_late(moved)
    if group is not None:
        group.meters[READ].give_late(moved)
        group.fewer[READ] += moved


def told_bucket(run: Run, name: str, index: int, time: int, levels: tuple[int, int]) -> None:
    """R-1, R-2: a bucket says what it holds."""
    rates = run.rates
    assert rates is not None
    group = rates.groups.get(name)
    limited = rates.limited.get(name)
    for way in (0, 1):
        if group is not None:
            meter: Meter | None = group.meters[way]
            pending, rule = group.pending(way), "R-2"
        elif limited is not None:
            meter, pending, rule = limited.own[way], limited.own_pending(way), "R-1"
        else:
            return
        if meter is None:
            continue
        meter.update(time)
        run.checked[rule] += 1
        slack = in_doubt(run, meter, time, int(group is not None))
        most = min(meter.burst, meter.high + pending + slack)
        least = meter.low - pending - slack
        if group is not None and run.threaded and levels[way] > most:
            most += uncharged(run, group, name, index)[way]
        if not least <= levels[way] <= most:
            what = f"{levels[way]} bytes to {_WORDS[way]} are in the bucket of {name},"
            run.violate(rule, name, index, f"{what} where {_between(least, most)} should be")


def _between(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def told_totals(run: Run, name: str, index: int, totals: object) -> None:
    """R-2: a group's totals."""
    rates = run.rates
    group = rates.groups.get(name) if rates is not None else None
    if group is None or not isinstance(totals, (list, tuple)):
        return
    run.checked["R-2"] += 1
    if not all(
        group.totals[way] - group.fewer[way] <= totals[way] <= group.totals[way] + group.more[way]
        for way in (READ, WRITE)
    ):
        read, written = group.totals
        run.violate(
            "R-2",
            name,
            index,
            f"{name} says that its members read {totals[0]} and wrote {totals[1]} bytes, and they"
            f" read {read} and wrote {written}",
        )


#


def reckon(limited: Limited, way: int, time: int) -> None:
    """When a suspended direction has tokens again, as things stand."""
    reasons = limited.reasons[way]
    ready = 0
    own, group = limited.own[way], limited.group
    if reasons & SUSPEND_BW and own is not None:
        own.update(time)
        ready = own.ready_at(1, limited.own_pending(way))
    if reasons & SUSPEND_BW_GROUP and group is not None:
        meter = group.meters[way]
        meter.update(time)
        ready = max(ready, meter.ready_at(group.share, group.pending(way)))
    if ready:
        limited.ready_at[way] = ready
        limited.strikes[way] = 0
    else:
        limited.ready_at[way] = min(limited.ready_at[way] or time, time)


def waited(run: Run, index: int, time: int, *, last: bool = False) -> None:
    """A pass begins: whoever has had tokens for long must not be suspended in two of them."""
    assert run.rates is not None
    for limited in run.rates.suspended.values():
        if limited.freed:
            continue
        for way in (0, 1):
            if limited.reasons[way] & (SUSPEND_BW | SUSPEND_BW_GROUP):
                reckon(limited, way, time)
                due = limited.ready_at[way] + 2 * _tick_ns(limited, way)
                if time > due + run.tolerance + GRANULE_NS:
                    if run.threaded and not last and refused(run, limited.name, index):
                        continue  # a callback that takes long has its lock: it is tried again
                    limited.strikes[way] += 1
                    if limited.strikes[way] > 1 or last:
                        _stalled(run, limited, index, way, time)


def _tick_ns(limited: Limited, way: int) -> int:
    own, group = limited.own[way], limited.group
    ticks = [] if own is None else [own.tick_ns]
    if group is not None:
        ticks.append(group.meters[way].tick_ns)
    return max(ticks, default=0)


def _stalled(run: Run, limited: Limited, index: int, way: int, time: int) -> None:
    late = (time - limited.ready_at[way]) / 1e6
    what = f"may not {_WORDS[way]}, though its buckets have had bytes for {late:g} ms"
    _violate(run, "R-3", limited, index, what)


__all__ = ["PROPERTIES", "Rates"]
