"""Drawn scenarios for foreign subjects: without what their binding does not reach.

Threads of the application need locks, which only the subject libevent-pthreads has; workers are a
completion kernel's.
"""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import TLS_LAYERS, BuffereventEnd, Connection, End, Reaction, Scenario

UNBOUND = frozenset({"tls_shutdown"})


def within(scenario: Scenario) -> Scenario:
    """The same without threads and TLS."""
    connections = tuple([_bound_connection(each) for each in scenario.connections])
    app = tuple([step for step in scenario.app if step.do not in UNBOUND])
    return replace(scenario, connections=connections, app=app, threads=(), workers=None)


def _bound_connection(connection: Connection) -> Connection:
    layers = tuple([layer for layer in connection.layers if layer.kind not in TLS_LAYERS])
    return replace(
        connection,
        client=_end(connection.client),
        server=_end(connection.server),
        layers=layers,
    )


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
