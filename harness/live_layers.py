"""The layers of an end of the application, put on its bufferevent (`harness.live`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from harness.named_base import LayeringBase
from harness.scenario import TLS_LAYERS
from model.filters import FILTERS
from model.layer import Filters
from model.subject import EV_READ, EV_WRITE, Bufferevent
from model.tls import SslState

if TYPE_CHECKING:
    from harness.live import Live


def stack_on(bev: Bufferevent, end: Live) -> Bufferevent:
    """The end's layers on `bev`: the top one."""
    base = cast(LayeringBase, end.driver.base)
    for number, layer in enumerate(end.layers, 1):
        if layer.read_high:
            bev.setwatermark(EV_READ, 0, layer.read_high)
        if layer.write_high:
            bev.setwatermark(EV_WRITE, 0, layer.write_high)
        end.lower.append(bev)
        name = end.name if number == len(end.layers) else f"{end.name}/{number}"
        if layer.kind in TLS_LAYERS:
            bev = _tls_on(base, bev, layer.kind, end, name)
        else:
            bev = base.bufferevent_filter_new(bev, _filters(end, number), end.options, name=name)
    return bev


def tls_on_socket(fd: int | None, end: Live, name: str) -> Bufferevent:
    """TLS on a descriptor, which a client end's connect makes: bufferevent_openssl_socket_new."""
    from harness.tls import SslEngine

    base = cast(LayeringBase, end.driver.base)
    server = bool(end.index & 1)
    state = SslState.ACCEPTING if server else SslState.CONNECTING
    return base.bufferevent_ssl_socket_new(fd, SslEngine(server), state, end.options, name=name)


def _filters(end: Live, number: int) -> Filters:
    """The functions of a layer. Below TLS nothing is compressed: how far it goes would depend on
    what is random."""
    kind = end.layers[number - 1].kind
    encrypted = any(layer.kind in TLS_LAYERS for layer in end.layers[number:])
    return FILTERS["stored" if kind == "zlib" and encrypted else kind]()


def _tls_on(base: LayeringBase, below: Bufferevent, kind: str, end: Live, name: str) -> Bufferevent:
    """TLS on `below`; client ends connect."""
    from harness.tls import SslEngine  # the standard library's ssl: only where needed

    server = bool(end.index & 1)
    state = SslState.ACCEPTING if server else SslState.CONNECTING
    if kind == "tls-open":
        state = SslState.OPEN
    engine = SslEngine(server, "1.2" if kind == "tls-1.2" else "1.3")
    bev = base.bufferevent_ssl_filter_new(below, engine, state, end.options, name=name)
    if kind == "tls-dirty":
        bev.set_allow_dirty_shutdown(2)  # any value but 0
    if kind == "tls-batch":
        bev.set_batch_write(1)
    return bev
