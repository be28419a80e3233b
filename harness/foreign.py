"""Drawn scenarios for foreign subjects: without what their binding does not reach.

`real.libevent.unbound` refuses the same, in one line, where a user's scenario asks for it.
"""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import BuffereventEnd, Connection, End, Reaction, Scenario

UNBOUND = frozenset(
    {
        *("set_rate_limit", "clear_rate_limit", "join_group", "leave_group", "set_group_limit"),
        *("decrement_read", "decrement_write", "tls_shutdown", "reconnect"),
    }
)


def within(scenario: Scenario) -> Scenario:
    """The same on plain sockets, without rate limits, reconnects, threads and workers."""
    connections = tuple([_plain(each) for each in scenario.connections])
    app = tuple([step for step in scenario.app if step.do not in UNBOUND])
    return replace(scenario, connections=connections, app=app, groups=(), threads=(), workers=None)


def _plain(connection: Connection) -> Connection:
    return Connection(_end(connection.client), _end(connection.server))


def _end(end: End) -> End:
    if not isinstance(end, BuffereventEnd):
        return end
    return replace(
        end,
        setup=_bound(end.setup),
        on_read=tuple(map(_bound, end.on_read)),
        on_write=tuple(map(_bound, end.on_write)),
        on_event=tuple(map(_bound, end.on_event)),
        on_accept=tuple(map(_bound, end.on_accept)),
    )


def _bound(reaction: Reaction) -> Reaction:
    return tuple([step for step in reaction if step.do not in UNBOUND])
