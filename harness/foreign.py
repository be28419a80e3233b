"""Drawn scenarios for foreign subjects: without what is not bound, or not sorted yet.

Threads of the application need locks, which only the subject libevent-pthreads has; workers are a
completion kernel's. Small chains that share a record (`tls-batch`) are a setting of later versions
of libevent, so such a layer is plain TLS. A stack of several layers with TLS among them, of which
libevent's breaks more than has been told apart (findings/README.md), becomes TLS alone: of two
layers on a descriptor of its own, of more over the socket's bufferevent or the end of a pair.
"""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import TLS_LAYERS, Connection, Scenario

UNBOUND_LAYERS = {"tls-batch": "tls"}  # and what is drawn in their place


def within(scenario: Scenario) -> Scenario:
    """The same without threads, and with nothing but TLS where there is TLS."""
    connections = tuple([_bound(each) for each in scenario.connections])
    return replace(scenario, connections=connections, threads=(), workers=None)


def _bound(connection: Connection) -> Connection:
    encrypted = [layer for layer in connection.layers if layer.kind in TLS_LAYERS]
    if not encrypted:
        return connection
    if len(connection.layers) == 2 or connection.transport == "tls":
        return replace(connection, transport="tls", layers=())
    kind = encrypted[0].kind
    layer = replace(encrypted[0], kind=UNBOUND_LAYERS.get(kind, kind))
    return replace(connection, layers=(layer,))
