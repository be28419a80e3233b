"""What test-ratelim.c does: clients that write as much as they may to servers that echo it.

Clients are limited, each by a bucket of its own, all by a group's, or both; servers are not. What
each client reads is counted for some seconds, and buckets are looked at once a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, pstdev

from harness.scenario import Network
from harness.worlds import make_world
from model.bases import new_base
from model.choices import Choices
from model.errors import Errno, Win32Error
from model.event_base import EventBase
from model.rate_limit import RateLimitConfig, token_bucket_cfg_new
from model.rate_limit_group import RateLimitGroup
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    EV_READ,
    EV_WRITE,
    EVLOOP_NONBLOCK,
    Bufferevent,
    Listener,
)

MS = 1_000_000
LOUD = 4_096  # bytes that a client's write callback adds


@dataclass
class Setup:
    """Sizes are bytes a tick; 0 is no limit. A burst is four ticks' rate, as upstream."""

    clients: int = 30
    connlimit: int = 0
    grouplimit: int = 0
    drain: int = 0  # taken from the group's bucket once a tick by somebody else
    min_share: int | None = None
    tick_ms: int = 100
    ticks: int = 50
    pick: Callable[[str, int], int] | None = None  # the world's choices, if not an empty tape's

    @staticmethod
    def limits(rate: int, tick_ms: int) -> RateLimitConfig:
        """Reading and writing alike."""
        cfg = token_bucket_cfg_new(rate, 4 * rate, rate, 4 * rate, tick_ms * MS)
        assert cfg is not None
        return cfg


@dataclass
class Result:
    """What came of it."""

    received: list[int]  # bytes, of each client
    served: list[list[int]]  # of each client: the ticks in which it read
    conn_levels: list[int] = field(default_factory=list)  # bytes to read in clients' buckets
    group_levels: list[int] = field(default_factory=list)
    ticks: float = 0.0  # that it took, by the world's clock

    @property
    def average(self) -> float:
        """Bytes a tick and client."""
        return mean(self.received) / self.ticks

    @property
    def total(self) -> float:
        """Bytes a tick, of all."""
        return sum(self.received) / self.ticks

    @property
    def deviation(self) -> float:
        """Between clients, bytes a tick."""
        return pstdev(self.received) / self.ticks


def play(world_name: str, setup: Setup) -> Result:
    """One run; frees what it made."""
    world = make_world(world_name, Choices(), Network())
    result: list[Result] = []

    def main() -> None:
        base = new_base(world)
        base.pick = setup.pick or base.pick
        result.append(_Echo(base, setup).play())

    world.run(main)
    return result[0]


def _echo(bev: Bufferevent) -> None:
    bev.write_input()


class _Echo:
    def __init__(self, base: EventBase, setup: Setup) -> None:
        self.base = base
        self.setup = setup
        self.servers: list[Bufferevent] = []
        self.clients: list[Bufferevent] = []
        self.result = Result([0] * setup.clients, [[] for _ in range(setup.clients)])
        self.group: RateLimitGroup | None = None
        self.tick_ns = setup.tick_ms * MS
        self.over = False

    def play(self) -> Result:
        setup = self.setup
        listener = self.base.listener_new(self._accepted, 0, setup.clients)
        assert not isinstance(listener, (Errno, Win32Error))
        if setup.grouplimit:
            cfg = Setup.limits(setup.grouplimit, setup.tick_ms)
            self.group = self.base.rate_limit_group_new(cfg)
            if setup.min_share is not None:
                self.group.set_min_share(setup.min_share)
        for number in range(setup.clients):
            self._client(number, listener.port)
        started = self.base.now_ns()
        self.base.once(self.tick_ns, self._look)
        self.base.once(setup.ticks * self.tick_ns, self.base.loopbreak)
        self.base.loop()
        self.result.ticks = (self.base.now_ns() - started) / self.tick_ns
        self.over = True
        self._check_totals()
        self._free(listener)
        return self.result

    def _accepted(self, listener: Listener, fd: int, port: int) -> None:
        server = self.base.bufferevent_socket_new(fd, BEV_OPT_CLOSE_ON_FREE)
        server.setcb(_echo, None, None)
        server.enable(EV_READ | EV_WRITE)
        self.servers.append(server)

    def _client(self, number: int, port: int) -> None:
        client = self.base.bufferevent_socket_new(None, BEV_OPT_CLOSE_ON_FREE)
        self.clients.append(client)
        result = self.result

        def discard(bev: Bufferevent) -> None:
            result.received[number] += len(bev.read(1 << 30))
            result.served[number].append(self.base.now_ns() // self.tick_ns)

        def loud(bev: Bufferevent) -> None:
            bev.write(bytes(LOUD))

        client.setcb(discard, loud, None)
        if self.setup.connlimit:
            client.set_rate_limit(Setup.limits(self.setup.connlimit, self.setup.tick_ms))
        if self.group is not None:
            client.add_to_rate_limit_group(self.group)
        client.enable(EV_READ | EV_WRITE)
        assert client.socket_connect(port) == 0
        client.write(bytes(LOUD))

    def _look(self) -> None:
        """Once a tick: the buckets' levels, and the drain."""
        if self.over:
            return
        levels = self.result
        if self.setup.connlimit:
            levels.conn_levels += [client.get_read_limit() for client in self.clients]
        if self.group is not None:
            levels.group_levels.append(self.group.get_read_limit())
            if self.setup.drain:
                self.group.decrement_read(self.setup.drain)
        self.base.once(self.tick_ns, self._look)

    def _check_totals(self) -> None:
        """The group's own count: what clients took, what is in their inputs or in flight."""
        if self.group is not None:
            read, written = self.group.get_totals()
            assert read >= sum(self.result.received)
            assert written >= sum(self.result.received)

    def _free(self, listener: Listener) -> None:
        for bev in (*self.clients, *self.servers):
            bev.free()
        listener.free()
        self.base.loop(EVLOOP_NONBLOCK)
        if self.group is not None:
            self.group.free()
        assert self.base.free() == 0
