"""What the ports of libevent's own cases stand on: a base on a world, simulated or real.

A case is a function over a `Rig`. It imports no test tools, since the world `iocp` runs it under
Wine: `python -m tests.upstream.windows MODULE` plays every case of a module there.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.scenario import Network
from harness.worlds import is_completion, make_world
from model.bases import new_base
from model.choices import Choices
from model.errors import Errno, Win32Error
from model.event_base import EventBase, TimerEvent
from model.faults import NONE
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    LEV_OPT_CLOSE_ON_FREE,
    AcceptCallback,
    Listener,
)
from model.world import World
from tests.model.spy import Spy

MS = 1_000_000
LIMIT_NS = 5_000 * MS  # for anything that a case waits for
Body = Callable[["Rig"], None]


class Rig:
    """A base in a world, and what a case has made in it."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.base: EventBase = new_base(world)
        self.spies: list[Spy] = []
        self.listeners: list[Listener] = []

    @property
    def is_completion(self) -> bool:
        return is_completion(self.name)

    def new(self, fd: int | None = None, options: int = BEV_OPT_CLOSE_ON_FREE) -> Spy:
        """A bufferevent with its spy."""
        spy = Spy(self.base.bufferevent_socket_new(fd, options))
        self.spies.append(spy)
        return spy

    def listen(
        self, accepted: AcceptCallback | None, flags: int = LEV_OPT_CLOSE_ON_FREE
    ) -> Listener:
        """A listener on a free port."""
        listener = self.base.listener_new(accepted, 0, 16, flags)
        assert not isinstance(listener, (Errno, Win32Error)), listener
        self.listeners.append(listener)
        return listener

    def pair(self, options: int = BEV_OPT_CLOSE_ON_FREE) -> tuple[Spy, Spy]:
        """Two bufferevents that are connected: what a socketpair is upstream."""
        accepted: list[int] = []
        listener = self.listen(lambda _listener, fd, _port: accepted.append(fd))
        first = self.new(None, options)
        assert first.bev.socket_connect(listener.port) == 0
        self.until(lambda: bool(accepted and first.seen), "the connection")
        assert first.events() == ["CONNECTED"]
        first.seen.clear()
        listener.free()
        second = self.new(accepted[0], options)
        self.base.loop(EVLOOP_NONBLOCK)
        assert first.seen == second.seen == []
        return first, second

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Runs the loop until the condition holds."""
        late: list[bool] = []

        def stop() -> None:
            late.append(True)
            self.base.loopbreak()

        limit = TimerEvent(self.base, stop)
        limit.start(LIMIT_NS)
        while not condition():
            self.base.loop(EVLOOP_ONCE)
            assert not late, f"waited in vain for {what}"
        limit.stop()

    def rest(self, duration_ns: int) -> None:
        """Runs the loop for that long."""
        self.base.once(duration_ns, self.base.loopbreak)
        self.base.loop(EVLOOP_NO_EXIT_ON_EMPTY)

    def dispatch(self) -> int:
        """event_base_dispatch, which a limit ends if nothing else does."""
        limit = TimerEvent(self.base, self.base.loopbreak)
        limit.start(LIMIT_NS)
        self.base.event_count -= 1  # the limit keeps no loop alive
        result = self.base.loop()
        if limit.added:
            self.base.event_count += 1
            limit.stop()
        return result

    def close(self) -> None:
        """Frees what is left: nothing may stay alive."""
        for spy in self.spies:
            if not spy.freed:
                spy.free()
        for listener in self.listeners:
            listener.free()
        self.base.loop(EVLOOP_NONBLOCK)
        assert self.base.free() == 0, "bufferevents alive after base_free"


def play(name: str, body: Body) -> None:
    """Plays a case in a world of this process."""
    world = make_world(name, Choices(()), Network(), NONE)

    def main() -> None:
        rig = Rig(world, name)
        body(rig)
        rig.close()

    world.run(main)
