"""A simulated world: one host, its kernel, its clock and its threads, for one run.

    world = SimWorld("epoll", Choices(tape))
    world.run(main)

`faults` says what may go wrong (`sim.faults`); by default nothing does. `pool` makes many short
runs cheaper (`sim.task.Pool`).

Everything free in a run comes from the tape; everything else is fixed. A world serves one run and
is cheap to make. Virtual time begins at 0 and moves only while nothing can run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from model.choices import Choices
from model.errors import Errno, UsageError
from model.faults import NONE, Faults
from model.kernel import CompletionKernel, ReadinessKernel
from sim.epoll import SimEpoll
from sim.faults import FaultyNetwork, Injector
from sim.faulty_kernels import FaultyCompletion, FaultyReadiness
from sim.iocp import SimIocp
from sim.iocp_pool import PooledIocp
from sim.iocp_profile import find_profile
from sim.memory_file import MemoryFile
from sim.network import Network
from sim.peers import SimRawListener, SimRawSocket, raw_listen
from sim.scheduler import Scheduler
from sim.task import Pool
from sim.tcp import Endpoint
from sim.threads import SimThreads

if TYPE_CHECKING:
    from model.world import SimulatedWorld

_now = attrgetter("now")  # virtual time; no frame of Python's

BUFFER = 131_072  # bytes; a socket's send and receive buffer unless the scenario says otherwise


class SimWorld:
    """model.world.SimulatedWorld: "epoll" (readiness kernel) or "iocp" (completion kernel).

    `profile` is for "iocp": whose completion kernel it is, "nt" or "wine-8" (`sim.iocp_profile`).
    The world sim-iocp is always NT; Wine's is for comparisons with what was recorded there.
    """

    __slots__ = (
        "_threads",
        "choices",
        "completion",
        "injector",
        "name",
        "network",
        "now_ns",
        "readiness",
        "scheduler",
    )

    kernel_version = "simulated"
    quiet_ns = 500_000_000

    def __init__(
        self,
        kind: Literal["epoll", "iocp"],
        choices: Choices | None = None,
        sndbuf: int = BUFFER,
        rcvbuf: int = BUFFER,
        profile: str = "nt",
        faults: Faults = NONE,
        pool: Pool | None = None,
    ) -> None:
        if kind not in ("epoll", "iocp"):
            raise UsageError(f"no simulated kernel {kind!r}: there are 'epoll' and 'iocp'")
        self.choices = Choices() if choices is None else choices
        self.name = f"sim-{kind}"
        self.readiness: ReadinessKernel | None = None
        self.completion: CompletionKernel | None = None
        self.injector: Injector | None = None
        self._threads: SimThreads | None = None
        scheduler = self.scheduler = Scheduler(self.choices, pool)
        self.now_ns: Callable[[], int] = partial(_now, scheduler)  # asked for every record
        flavour: Literal["linux", "nt"] = "linux" if kind == "epoll" else "nt"
        if faults != NONE:
            self._make_faulty(flavour, sndbuf, rcvbuf, profile, faults)
            return
        self.network = Network(scheduler, sndbuf, rcvbuf, flavour)
        if kind == "epoll":
            self.readiness = SimEpoll(scheduler, self.network)
        else:
            self.completion = SimIocp(scheduler, self.network, find_profile(profile))

    def _make_faulty(
        self,
        flavour: Literal["linux", "nt"],
        sndbuf: int,
        rcvbuf: int,
        profile: str,
        faults: Faults,
    ) -> None:
        """The same with faults, between the kernel and whoever uses it."""
        network = FaultyNetwork(self.scheduler, sndbuf, rcvbuf, flavour, faults)
        self.network = network
        self.injector = network.injector
        if flavour == "linux":
            kernel = SimEpoll(self.scheduler, network)
            self.readiness = FaultyReadiness(kernel, network.injector)
        else:
            pool_pages = faults.pool_pages if "pool" in faults.kinds else None
            self.completion = FaultyCompletion(
                PooledIocp(self.scheduler, network, find_profile(profile)),
                network.injector,
                pool_pages,
            )

    @property
    def threads(self) -> SimThreads:
        """The application's threads; made when first asked for."""
        if self._threads is None:
            self._threads = SimThreads(self.scheduler)
        return self._threads

    def record_faults(self, emit: Callable[..., None]) -> None:
        """`emit(kind, *fields)` gets the records of faults and of the pool from here on."""
        if self.injector is not None:
            self.injector.emit = emit

    def sleep(self, duration_ns: int) -> None:
        """Blocks the current task, at most until the run is over."""
        self.scheduler.park(duration_ns)

    def open_file(self, data: bytes) -> MemoryFile:
        """A file with these bytes, that buffers of this world can send pieces of."""
        return MemoryFile(data)

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
