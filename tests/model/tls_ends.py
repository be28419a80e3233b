"""TLS ends on a rig: over its bufferevents, or against a raw peer."""

from __future__ import annotations

from typing import cast

from harness.tls import SslEngine
from model.bufferevent_ssl import SslBufferevent
from model.layer import Underlying
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS
from model.tls import SslState, TlsEngine
from model.world import RawSocket
from tests.model.rig import RW, Rig, Spy

CLOSE = BEV_OPT_CLOSE_ON_FREE
DEFER = CLOSE | BEV_OPT_DEFER_CALLBACKS


class Tls:
    """What only a TLS bufferevent has, of the one that a spy watches."""

    def __init__(self, spy: Spy) -> None:
        assert isinstance(spy.bev, SslBufferevent)
        self.bev = spy.bev


def engine(server: bool, version: str = "1.3") -> SslEngine:
    """An engine with the carried certificate."""
    return SslEngine(server, version)


def on(rig: Rig, below: Spy, made: TlsEngine, state: SslState, options: int) -> Spy:
    """TLS on the bufferevent of `below`, which is no end of its own any more."""
    if options & BEV_OPT_CLOSE_ON_FREE:
        rig.spies.remove(below)
    underlying = cast(Underlying, below.bev)
    return rig.watch(rig.base.bufferevent_ssl_filter_new(underlying, made, state, options))


def over(
    rig: Rig,
    below: tuple[Spy, Spy],
    options: int = CLOSE,
    version: str = "1.3",
    opened: bool = False,
) -> tuple[Spy, Spy]:
    """TLS over two joined bufferevents, client and server."""
    states = SslState.CONNECTING, SslState.ACCEPTING
    client, server = (
        on(
            rig,
            spy,
            engine(bool(side), version),
            SslState.OPEN if opened else states[side],
            options,
        )
        for side, spy in enumerate(below)
    )
    return client, server


def tls_sockets(rig: Rig, options: int = CLOSE, ready: bool = False) -> tuple[Spy, Spy]:
    """TLS over connected sockets; `ready`: enabled, behind the handshake, which is forgotten."""
    client, server = over(rig, rig.pair(), options)
    if ready:
        client.bev.enable(RW)
        server.bev.enable(RW)
        rig.settle()
        for end in (client, server):
            assert end.events() == ["CONNECTED"]
            end.seen.clear()
            end.errors.clear()
    return client, server


def tls_peer(rig: Rig, server: bool) -> tuple[Spy, RawSocket]:
    """A TLS end, server or client side, on a socket whose other end is raw."""
    below, peer = rig.peer()
    state = SslState.ACCEPTING if server else SslState.CONNECTING
    end = on(rig, below, engine(server), state, CLOSE)
    rig.settle()
    return end, peer
