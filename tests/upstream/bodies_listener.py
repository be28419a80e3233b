"""Cases of libevent's regress_listener.c."""

from __future__ import annotations

from typing import Any

from model.errors import Errno, Win32Error
from model.listener import CompletionListener, Listener, ReadinessListener
from model.subject import (
    EV_READ,
    LEV_OPT_CLOSE_ON_FREE,
    LEV_OPT_THREADSAFE,
    KernelError,
)
from model.subject import Listener as SubjectListener
from tests.model.spy import Spy
from tests.upstream.rig import MS, Body, Rig


def clients(rig: Rig, port: int, count: int) -> list[Spy]:
    """That many bufferevents that connect there."""
    made = [rig.new() for _ in range(count)]
    for client in made:
        client.bev.enable(EV_READ)
        assert client.bev.socket_connect(port) == 0
    return made


def two_ports(rig: Rig, flags: int) -> None:
    """Two listeners on port 0: two ports, one accept each, and the loop ends."""
    accepted: list[int] = []

    def once(listener: SubjectListener, fd: int, peer_port: int) -> None:
        assert peer_port > 0
        accepted.append(fd)
        assert listener.disable() == 0
        rig.base.close_fd(fd)

    first, second = rig.listen(once, flags), rig.listen(once, flags)
    assert first.port != second.port
    for listener in (first, second):
        clients(rig, listener.port, 1)
    assert rig.dispatch() == 1
    assert len(accepted) == 2


def randport(rig: Rig) -> None:
    """randport"""
    two_ports(rig, LEV_OPT_CLOSE_ON_FREE)


def randport_ts(rig: Rig) -> None:
    """randport_ts: LEV_OPT_THREADSAFE changes nothing."""
    two_ports(rig, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_THREADSAFE)


def on_a_socket_that_does_not_listen(rig: Rig, flags: int) -> Listener:
    """A listener that cannot accept."""
    poller: Any = rig.base.poller
    fd = poller.kernel.socket()
    assert isinstance(fd, int)
    if rig.is_completion:
        assert poller.kernel.bind(fd, 0) > 0
        assert poller.adopt(fd) is None
        return CompletionListener(poller, unexpected, fd, 0, flags)
    return ReadinessListener(poller, unexpected, fd, 0, flags)


def unexpected(_: SubjectListener, fd: int, _port: int) -> None:
    """An accept callback that must not come."""
    raise AssertionError(f"accepted {fd}")


def fails(rig: Rig, flags: int) -> None:
    """The error callback is told, and may disable the listener."""
    listener = on_a_socket_that_does_not_listen(rig, flags)
    told: list[KernelError] = []

    def failed(failing: SubjectListener, error: KernelError) -> None:
        told.append(error)
        failing.disable()

    listener.set_error_cb(failed)
    assert listener.enable() == 0
    assert told == [], "not inside enable"
    assert rig.dispatch() == 1
    assert told == [Win32Error.WSAEINVAL if rig.is_completion else Errno.EINVAL]
    listener.free()


def error(rig: Rig) -> None:
    """error: a listener on a socket that does not listen."""
    fails(rig, LEV_OPT_CLOSE_ON_FREE)


def error_ts(rig: Rig) -> None:
    """error_ts"""
    fails(rig, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_THREADSAFE)


class OutOfDescriptors:
    """A readiness kernel whose accept has no descriptors."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def accept(self, fd: int) -> Errno:
        """accept4(2) with EMFILE."""
        self.calls += 1
        return Errno.EMFILE


def error_unlock(rig: Rig) -> None:
    """error_unlock: EMFILE without an error callback; it rests, and can still be used."""
    poller: Any = rig.base.poller
    listener = rig.listen(unexpected)
    poller.kernel = starved = OutOfDescriptors(poller.kernel)
    clients(rig, listener.port, 1)
    rig.rest(60 * MS)
    assert 1 <= starved.calls <= 6, "pauses, and no spinning"
    poller.kernel = starved.kernel
    accepted: list[int] = []
    listener.set_cb(lambda _listener, fd, _port: accepted.append(fd))
    rig.until(lambda: bool(accepted), "the connection that waited")
    rig.base.close_fd(accepted[0])


def close_accepted_fd(rig: Rig) -> None:
    """close_accepted_fd: freed inside its accept callback; the descriptor is the application's."""
    accepted: list[int] = []

    def free(listener: SubjectListener, fd: int, _port: int) -> None:
        accepted.append(fd)
        listener.free()

    listener = rig.listen(free)
    (client,) = clients(rig, listener.port, 1)
    rig.until(lambda: bool(accepted), "the connection")
    server = rig.new(accepted[0])
    server.bev.write(b"still open")
    rig.until(lambda: client.data == b"still open", "bytes over the accepted descriptor")


def immediate_close(rig: Rig) -> None:
    """immediate_close: two connections wait; disabled in the first callback no second one comes."""
    accepted: list[int] = []

    def stop(listener: SubjectListener, fd: int, _port: int) -> None:
        accepted.append(fd)
        listener.disable()

    listener = rig.listen(stop)
    clients(rig, listener.port, 2)
    rig.rest(50 * MS)
    assert len(accepted) == 1
    for fd in accepted:
        rig.base.close_fd(fd)


_ALL: tuple[Body, ...] = (randport, randport_ts, close_accepted_fd, immediate_close)
#: what runs on the real completion kernel too; not `error`: Wine keeps an AcceptEx on a socket that
#: does not listen pending, where Winsock answers WSAEINVAL
CASES: dict[str, Body] = {body.__name__: body for body in _ALL}
