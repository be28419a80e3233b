"""A poller that is a table, with a virtual clock, for tests of the loop alone."""

from __future__ import annotations

from collections.abc import Callable

from model.bufferevent import Bufferevent
from model.event_base import Event, EventBase
from model.listener import Listener
from model.subject import (
    EV_READ,
    AcceptCallback,
    KernelError,
)


class FakePoller:
    """Readiness by the clock: `ready` holds (time, event) pairs. Time moves only in `poll`."""

    def __init__(self) -> None:
        self.now = 0
        self.base = EventBase(lambda: self.now)
        self.base.poller = self
        self.ready: list[tuple[int, Event]] = []
        self.polls: list[int | None] = []
        self.closed = False

    def poll(self, timeout_ns: int | None) -> None:
        self.polls.append(timeout_ns)
        times = [time for time, _ in self.ready]
        if timeout_ns is not None:
            times.append(self.now + timeout_ns)
        assert times, "the loop would wait for ever"
        self.now = max(self.now, min(times))
        due = [pair for pair in self.ready if pair[0] <= self.now]
        for pair in due:
            self.ready.remove(pair)
            self.base.activate(pair[1], EV_READ)

    def bufferevent(self, fd: int | None, options: int) -> Bufferevent:
        return Bufferevent(self.base, fd, options)

    def listener(
        self, callback: AcceptCallback | None, port: int, backlog: int, flags: int
    ) -> Listener | KernelError:
        raise AssertionError

    def close_fd(self, fd: int) -> None: ...

    def close(self) -> None:
        self.closed = True


class Logged(Event):
    """An event that notes when it fired and with what, and then may do something."""

    def __init__(self, poller: FakePoller, log: list[object], name: object) -> None:
        super().__init__(poller.base)
        self.poller = poller
        self.log = log
        self.name = name
        self.then: Callable[[], None] | None = None

    def fire(self, result: int) -> None:
        self.log.append((self.name, result, self.poller.now))
        if self.then is not None:
            self.then()


class Noted:
    """A deferred callback."""

    def __init__(self, act: Callable[[], None], priority: int = 0) -> None:
        self.run = act
        self.priority = priority
