"""A simulated world: one host, its kernel, its clock and its threads, for one run.

    world = SimWorld("epoll", Choices(tape))
    world.run(main)

Everything free in a run comes from the tape; everything else is fixed. A world serves one run and
is cheap to make. Virtual time begins at 0 and moves only while nothing can run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from model.choices import Choices
from model.errors import Errno, UsageError
from model.kernel import CompletionKernel, ReadinessKernel
from sim.epoll import SimEpoll
from sim.iocp import SimIocp
from sim.iocp_profile import find_profile
from sim.network import Network
from sim.peers import SimRawListener, SimRawSocket, raw_listen
from sim.scheduler import Scheduler
from sim.tcp import Endpoint

if TYPE_CHECKING:
    from model.world import SimulatedWorld

BUFFER = 131_072  # bytes; a socket's send and receive buffer unless the scenario says otherwise


class SimWorld:
    """model.world.SimulatedWorld: "epoll" (readiness kernel) or "iocp" (completion kernel).

    `profile` is for "iocp": whose completion kernel it is, "nt" or "wine-8" (`sim.iocp_profile`).
    The world sim-iocp is always NT; Wine's is for comparisons with what was recorded there.
    """

    __slots__ = ("choices", "completion", "name", "network", "readiness", "scheduler")

    kernel_version = "simulated"
    quiet_ns = 500_000_000

    def __init__(
        self,
        kind: Literal["epoll", "iocp"],
        choices: Choices | None = None,
        sndbuf: int = BUFFER,
        rcvbuf: int = BUFFER,
        profile: str = "nt",
    ) -> None:
        self.choices = Choices() if choices is None else choices
        self.name = f"sim-{kind}"
        self.readiness: ReadinessKernel | None = None
        self.completion: CompletionKernel | None = None
        scheduler = self.scheduler = Scheduler(self.choices)
        if kind == "epoll":
            self.network = Network(scheduler, sndbuf, rcvbuf, "linux")
            self.readiness = SimEpoll(scheduler, self.network)
        elif kind == "iocp":
            self.network = Network(scheduler, sndbuf, rcvbuf, "nt")
            self.completion = SimIocp(scheduler, self.network, find_profile(profile))
        else:
            raise UsageError(f"no simulated kernel {kind!r}: there are 'epoll' and 'iocp'")

    def now_ns(self) -> int:
        """Virtual time."""
        return self.scheduler.now

    def sleep(self, duration_ns: int) -> None:
        """Blocks the current task, at most until the run is over."""
        self.scheduler.park(duration_ns)

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """A peer's thread; it runs when the current task parks."""
        self.scheduler.spawn(name, target)

    def raw_listen(self, backlog: int) -> SimRawListener:
        """A raw listener on a free port."""
        return raw_listen(self.scheduler, self.network, backlog)

    def raw_unused_port(self) -> int:
        """A port that refuses connections."""
        port = self.network.allocate_port()
        if isinstance(port, Errno):
            raise self.network.exhausted(port)
        return port

    def raw_connect(self, port: int) -> SimRawSocket | Errno:
        """Blocks until connected or refused."""
        raw = SimRawSocket(self.scheduler, Endpoint(self.network))
        error = raw.connect(port)
        if error is not None:
            raw.close()
            return error
        return raw

    def run(self, main: Callable[[], None]) -> None:
        """Runs `main`, then ends the peers. Raises what it or a peer raised."""
        self.scheduler.run(main)


if TYPE_CHECKING:
    _WORLD: SimulatedWorld = SimWorld("epoll")
