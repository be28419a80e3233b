"""Drawn scenarios for foreign subjects: without what is not bound, or not sorted yet.

Threads of the application need locks, which only the subject libevent-pthreads has; workers are a
completion kernel's. Small chains that share a record (`tls-batch`) are a setting of later versions
of libevent, so such a layer is plain TLS. A stack of several layers with TLS among them, of which
libevent's breaks more than has been told apart (findings/README.md), becomes TLS on a descriptor of
its own; TLS alone, over a socket's bufferevent or an end of a pair, stays.
"""

from __future__ import annotations

from dataclasses import replace

from harness.scenario import TLS_LAYERS, Connection, Layer, Scenario

UNBOUND_LAYERS = {"tls-batch": "tls"}  # and what is drawn in their place


def within(scenario: Scenario) -> Scenario:
    """The same without threads, and with nothing but TLS where there is TLS."""
    connections = tuple([_bound(each) for each in scenario.connections])
    return replace(scenario, connections=connections, threads=(), workers=None)


def _bound(connection: Connection) -> Connection:
    layers = connection.layers
    if not any(layer.kind in TLS_LAYERS for layer in layers):
        return connection
    if len(layers) > 1 or connection.transport == "tls":
        return replace(connection, transport="tls", layers=())
    return replace(connection, layers=(_known(layers[0]),))


def _known(layer: Layer) -> Layer:
    return replace(layer, kind=UNBOUND_LAYERS.get(layer.kind, layer.kind))
