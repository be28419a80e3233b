"""A world: a kernel with a clock, a network and threads, as the harness sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from model.choices import Choices
from model.errors import Errno
from model.kernel import CompletionKernel, ReadinessKernel
from model.threads import Threads


class RawSocket(Protocol):
    """The peer's end of a connection: plain blocking calls, with no bufferevent above them.

    In a simulated world a blocking call switches to the simulator; in a real one it blocks its
    thread. When the world ends the run, blocked calls return `Errno.ECONNABORTED`.
    """

    @property
    def local_port(self) -> int:
        """This end's TCP port."""

    def send(self, data: bytes) -> int | Errno:
        """Blocks until all of `data` is taken (or an error): the number of bytes taken."""

    def recv(self, size: int) -> bytes | Errno:
        """Blocks until there is something: 1 to `size` bytes, or empty at end of file."""

    def shutdown(self) -> Errno | None:
        """shutdown(SHUT_WR): end of file for the other end."""

    def close(self) -> None:
        """Orderly close; with unread data the kernel sends a reset."""

    def reset(self) -> None:
        """Abortive close (SO_LINGER 0): a reset for the other end."""


class RawListener(Protocol):
    """A peer that listens."""

    @property
    def port(self) -> int:
        """Where to connect."""

    def accept(self) -> RawSocket | Errno:
        """Blocks until a connection arrives."""

    def close(self) -> None:
        """Stops listening."""


class World(Protocol):
    """What a run needs. Exactly one of `readiness` and `completion` is not None."""

    @property
    def name(self) -> str:
        """sim-epoll, sim-iocp, epoll or iocp."""

    @property
    def kernel_version(self) -> str:
        """Which kernel it is: `simulated`, `Linux 6.18.44`, `Wine 8.0`, `Windows 10.0.22631`."""

    @property
    def readiness(self) -> ReadinessKernel | None: ...

    @property
    def completion(self) -> CompletionKernel | None: ...

    @property
    def threads(self) -> Threads:
        """The application's own threads; peers' are not among them."""

    @property
    def quiet_ns(self) -> int:
        """How long nothing must happen before a run counts as quiet."""

    def now_ns(self) -> int:
        """The world's clock: virtual, or monotonic since the world was made."""

    def sleep(self, duration_ns: int) -> None:
        """Blocks the calling thread (a slow callback, a peer's pause)."""

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Starts a peer's thread. Its name goes into schedules and must be unique."""

    def raw_listen(self, backlog: int) -> RawListener:
        """A raw listener on a free port."""

    def raw_unused_port(self) -> int:
        """A port on which nobody listens: connecting to it is refused."""

    def raw_connect(self, port: int) -> RawSocket | Errno:
        """Connects a raw socket, blocking."""

    def run(self, main: Callable[[], None]) -> None:
        """Runs `main` as the loop thread; when it returns, ends the peers and releases all.

        An exception in `main` or in a peer is raised here, after the release.
        """


class SimulatedWorld(World, Protocol):
    """A world whose free decisions come from a tape."""

    @property
    def choices(self) -> Choices: ...
