"""One bufferevent, several descriptors: setfd, disable_hard, and connecting anew."""

from __future__ import annotations

from model.errors import Errno
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play


def connected(rig: Rig, spy: Spy) -> int:
    """Connects a bufferevent to a raw listener: the descriptor it has now."""
    listening = rig.world.raw_listen(4)
    assert spy.bev.socket_connect(listening.port) == 0
    peer = listening.accept()
    assert not isinstance(peer, Errno)
    rig.settle()
    peer.send(b"new")
    rig.settle()
    fd = spy.bev.getfd()
    assert fd is not None
    return fd


def give_up(rig: Rig, spy: Spy) -> None:
    """What evhttp does: no events any more, close, and setfd(-1)."""
    enabled = spy.bev.get_enabled()
    fd = spy.bev.getfd()
    spy.bev.disable_hard(RW)
    if fd is not None:
        rig.base.close_fd(fd)
    assert spy.bev.setfd(None) == 0
    assert spy.bev.drain_output() == 0
    spy.bev.enable(enabled)


@in_worlds()
def test_what_is_in_flight_does_not_kill_the_next_connection(rig: Rig) -> None:
    """A read and a write of the old socket fail when it is closed; nobody hears of it."""
    client, peer = rig.peer()
    client.bev.enable(RW)
    client.bev.write(bytes(1 << 20))  # more than the buffers take
    rig.settle()
    client.seen.clear()
    give_up(rig, client)
    assert client.bev.output_length() == 0
    connected(rig, client)
    assert client.events() == ["CONNECTED"]
    assert client.data == b"new"
    client.bev.write(b"out")
    rig.settle()
    assert client.bev.output_length() == 0
    peer.close()


@in_worlds()
def test_giving_up_a_connect(rig: Rig) -> None:
    """One outcome: that of the connect that was not given up."""
    listening = rig.world.raw_listen(4)
    client = rig.new()
    client.bev.enable(EV_READ)
    assert client.bev.socket_connect(listening.port) == 0
    give_up(rig, client)
    connected(rig, client)
    assert client.events() == ["CONNECTED"]
    assert client.data == b"new"


@in_worlds()
def test_connecting_anew_inside_the_event_callback(rig: Rig) -> None:
    """In CONNECTED, in EOF and after a refusal alike."""
    client = rig.new()
    client.bev.enable(RW)
    attempts: list[str] = []

    def again(spy: Spy) -> None:
        attempts.append(str(spy.seen[-1][1]))
        if len(attempts) < 3:
            give_up(rig, spy)
            if len(attempts) == 1:
                assert spy.bev.socket_connect(listening.port) == 0
            else:
                assert spy.bev.socket_connect(rig.world.raw_unused_port()) == 0

    client.on_event = again
    listening = rig.world.raw_listen(4)
    assert client.bev.socket_connect(listening.port) == 0
    rig.settle()
    assert attempts == ["CONNECTED", "CONNECTED", "ERROR"]


@in_worlds()
def test_what_was_still_to_be_told_is_not_told(rig: Rig) -> None:
    """Deferred callbacks of the old connection are dropped with it."""
    client, peer = rig.peer(BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
    client.bev.enable(EV_READ)
    client.bev.trigger_event(0x11, 0)
    client.bev.trigger(EV_WRITE, 0)
    assert client.seen == []
    give_up(rig, client)
    rig.settle()
    assert client.seen == []
    peer.close()


@in_worlds("epoll")
def test_the_buffers_thaw_without_a_descriptor(rig: Rig) -> None:
    """LE-195, B-3: frozen while there is a descriptor, and again with the next one."""
    client, peer = rig.peer()
    assert client.bev.drain_output() == -1
    give_up(rig, client)
    inside = rig.base.bufferevent_socket_new(None, 0)
    assert inside.drain_output() == -1, "frozen when it is made"
    inside.free()
    connected(rig, client)
    assert client.bev.drain_output() == -1
    peer.close()


@in_worlds()
def test_the_same_descriptor_again(rig: Rig) -> None:
    """LE-114: nothing is lost, also with a read in flight; and a connect goes on."""
    client, peer = rig.peer()
    client.bev.enable(EV_READ)
    rig.settle()
    assert client.bev.setfd(client.bev.getfd()) == 0
    peer.send(b"abc")
    rig.settle()
    assert client.data == b"abc"
    peer.close()
    rig.settle()
    assert client.events() == ["READING|EOF"]
    listening = rig.world.raw_listen(4)
    connecting = rig.new()
    assert connecting.bev.socket_connect(listening.port) == 0
    connecting.bev.setfd(connecting.bev.getfd())
    rig.settle()
    assert connecting.events() == ["CONNECTED"]


@in_worlds("iocp")
def test_bytes_in_flight_are_gone_with_the_old_socket(rig: Rig) -> None:
    """What the kernel was given to write is not written again to the next one."""
    client, peer = rig.peer()
    client.bev.write(b"x" * 16_384)
    client.bev.write(bytes(1 << 20))
    rig.settle()
    before = client.bev.output_length()
    fd = client.bev.getfd()
    assert fd is not None
    assert client.bev.drain_output() == -1, "its head is the kernel's"
    rig.base.close_fd(fd)
    client.bev.setfd(None)
    assert 0 < client.bev.output_length() < before
    assert client.bev.drain_output() == 0
    peer.close()


def test_disable_hard_while_connecting() -> None:
    """LE-160: nothing is registered any more, so that the number can be closed and given again."""

    def body(rig: Rig) -> None:
        client = rig.new()
        client.bev.enable(EV_READ)
        assert client.bev.socket_connect(rig.world.raw_listen(1).port) == 0
        client.bev.disable_hard(RW)
        rig.settle(MS)
        assert client.seen == []
        assert client.bev.get_enabled() == 0

    play("epoll", body, tape=(4,))


@in_worlds()
def test_references(rig: Rig) -> None:
    """incref keeps it from being finalised; the last decref lets it go, from the loop."""
    before = rig.base.bufferevents
    bev = rig.base.bufferevent_socket_new(None, 0)
    bev.incref()
    bev.free()
    rig.settle()
    assert rig.base.bufferevents == before + 1
    bev.decref()
    assert rig.base.bufferevents == before + 1, "not inside the call"
    rig.settle()
    assert rig.base.bufferevents == before
