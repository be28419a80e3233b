"""Freeing, getting and replacing TLS bufferevents and what is below them."""

from __future__ import annotations

from typing import cast

from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS, EV_READ, EV_WRITE
from model.tls import SslState
from tests.model.rig import MS, RW, Rig, Spy, in_worlds
from tests.model.tls_ends import CLOSE, DEFER, Tls, engine, over, tls_sockets


@in_worlds()
def test_free_in_every_callback(rig: Rig) -> None:
    """S-1, C-4."""
    for which in ("on_event", "on_read", "on_write"):
        client, server = tls_sockets(rig)
        setattr(server, which, Spy.free)
        client.bev.enable(RW)
        server.bev.enable(RW)
        client.bev.write(bytes(20_000))
        server.bev.write(b"x")
        rig.settle(5 * MS)
        assert server.freed
        client.free()


@in_worlds()
def test_freed_without_close_on_free(rig: Rig) -> None:
    """LE-181: the one below lives on, without our callbacks, and reads again."""
    below = rig.pair()
    client, _server = over(rig, below, 0)
    rig.settle()
    client.free()
    assert below[0].bev.getcb() == (None, None, None)
    below[0].bev.enable(RW)
    rig.settle()


@in_worlds()
def test_the_one_below_is_freed_first(rig: Rig) -> None:
    """LE-161."""
    below = rig.pair()
    client, server = over(rig, below, 0)
    rig.settle()
    for spy in below:
        spy.free()
    client.bev.write(b"into nothing")
    server.bev.enable(EV_READ)
    rig.settle()
    client.free()
    rig.settle()


@in_worlds("epoll")
def test_a_new_descriptor_is_a_new_connection(rig: Rig) -> None:
    """LE-123: what was left of the old one is forgotten. (Over completion the receive in flight
    still belongs to the old descriptor.)"""
    client, server = tls_sockets(rig, ready=True)
    client.bev.write(b"old")
    Tls(client).bev.tls_shutdown()
    accepted: list[int] = []
    listener = rig.listen(lambda _listener, fd, _port: accepted.append(fd))
    old = client.bev.getfd()
    client.bev.setfd(None)
    assert old is not None
    rig.base.close_fd(old)
    assert client.bev.socket_connect(listener.port) == 0
    rig.settle()
    again = rig.watch(
        rig.base.bufferevent_ssl_socket_new(accepted[0], engine(True), SslState.ACCEPTING, CLOSE)
    )
    again.bev.enable(RW)
    rig.settle()
    client.bev.write(b"new")
    rig.settle()
    assert client.events() == again.events() == ["CONNECTED"]
    assert again.data == b"new"
    assert server.bev.getfd() != again.bev.getfd()


@in_worlds()
def test_getters(rig: Rig) -> None:
    below = rig.pair()
    client, _server = over(rig, below, CLOSE)
    assert Tls(client).bev.underlying is cast(object, below[0].bev)
    assert client.bev.getfd() == below[0].bev.getfd()
    assert client.bev.flush(EV_WRITE, 2) == 0
    assert Tls(client).bev.tls_shutdown() == -1  # not before the handshake
    assert BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS == DEFER
