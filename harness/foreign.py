"""Drawn scenarios for foreign subjects: without what is not bound, or not sorted yet.

Threads of the application need locks, which only the subject libevent-pthreads has; workers are a
completion kernel's. TLS is drawn on a descriptor of its own. Over another bufferevent libevent's
breaks more than has been told apart (findings/README.md), so a stack with TLS becomes that.
"""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import TLS_LAYERS, Connection, Scenario


def within(scenario: Scenario) -> Scenario:
    """The same without threads, and with TLS on descriptors only."""
    connections = tuple([_bound(each) for each in scenario.connections])
    return replace(scenario, connections=connections, threads=(), workers=None)


def _bound(connection: Connection) -> Connection:
    if any(layer.kind in TLS_LAYERS for layer in connection.layers):
        return replace(connection, transport="tls", layers=())
    return connection
