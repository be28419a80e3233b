"""What a run of a scenario needs to know of it beforehand: its times, priorities, reconnects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.scenario import (
    DURATION_MAX_NS,
    AppStep,
    BuffereventEnd,
    Scenario,
    Step,
    group_limits,
)
from model.rate_limit import MIN_SHARE


class Needs(NamedTuple):
    """What the steps of a scenario ask of whoever plays it."""

    longest_timeout_ns: int  # 0: no step sets one
    longest_refill_ns: int  # until a bucket has something again; 0 without limits
    priorities: int  # of the event base
    reconnects: bool  # whether any step does


def needs(scenario: Scenario) -> Needs:
    """Looks at every step once."""
    longest, priority, reconnecting, debt = 0, 0, False, 0
    limits = [(*group_limits(group), group.min_share) for group in scenario.groups]
    for step in _telling(scenario):
        do, args = step.do, step.args
        if do == "set_timeouts":
            longest = max(longest, args[0] or 0, args[1] or 0)
        elif do == "priority":
            priority = max(priority, args[0])
        elif do == "reconnect":
            reconnecting = True
        elif do in ("set_rate_limit", "set_group_limit"):
            limits.append((*args[-5:], MIN_SHARE))
        else:
            debt += max(0, args[0])
    return Needs(longest, _refill_ns(limits, debt), 1 + priority, reconnecting)


_TELLING = frozenset(
    {
        *("set_timeouts", "priority", "reconnect", "set_rate_limit", "set_group_limit"),
        *("decrement_read", "decrement_write"),
    }
)


def _telling(scenario: Scenario) -> list[Step | AppStep]:
    """The steps that `needs` is about: few runs have any, and every run asks."""
    lists: list[Sequence[Step | AppStep]] = [scenario.app, *scenario.threads]
    for connection in scenario.connections:
        for end in (connection.client, connection.server):
            if isinstance(end, BuffereventEnd):
                lists.append(end.setup)
                lists += end.on_read
                lists += end.on_write
                lists += end.on_event
                lists += end.on_accept
    return [step for steps in lists for step in steps if step.do in _TELLING]


def _refill_ns(limits: Sequence[tuple[int, ...]], debt: int) -> int:
    """Two ticks and what the decrements of the program, all of them, put a bucket into debt; never
    more than DURATION_MAX_NS."""
    longest = 0
    for read_rate, _, write_rate, _, tick_ns, share in limits:
        ticks = 3 + (debt + share) // min(read_rate, write_rate)
        longest = max(longest, ticks * tick_ns)
    return min(longest, DURATION_MAX_NS)
