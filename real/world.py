"""The real worlds: `epoll` on Linux, `iocp` on Windows (and on Linux under Wine, from inside).

A world is for one run. Its clock is the performance counter since it was made (on Windows the
monotonic clock moves in steps of 16 ms, so it is not used). Peers are threads with blocking
sockets; everything is on the loopback address. When `main` returns, blocked peers are woken, their
threads joined within a bound, and what `main` left open in the kernel is closed: a run that crashed
leaves nothing behind.

On Linux the `iocp` world runs in another process, the Windows interpreter that `real.wine` makes;
there this module is imported on win32. `RealWorld("iocp")` on Linux itself is refused.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from time import perf_counter_ns

from model.errors import Errno, SimulatorError, UsageError, WorldUnavailable
from model.kernel import CompletionKernel, ReadinessKernel
from real import raw
from real.files import RealFile
from real.threads import RealThreads

if sys.platform == "linux":
    from real.epoll import RealEpoll
elif sys.platform == "win32":
    from real import winsock
    from real.iocp import RealIocp

WORLDS = ("epoll", "iocp")
QUIET_NS = 20_000_000
JOIN_S = 2 * raw.LIMIT_NS / 1e9  # a connect that nobody answers takes the limit


def why_not(name: str) -> str | None:
    """None where the world `name` runs here; else one line with the reason and the remedy."""
    if name not in WORLDS:
        return f"there is no real world {name!r}: one of {', '.join(WORLDS)}"
    if name == "epoll":
        return None if sys.platform == "linux" else f"epoll is Linux's: this is {sys.platform}"
    if sys.platform == "win32":
        return None
    from real import wine

    return wine.why_not()


def kernel_version() -> str:
    """`Linux 6.18.44`, `Wine 8.0` or `Windows 10.0.22631`."""
    if sys.platform == "win32":
        return winsock.kernel_version()
    release = re.match(r"\d+(\.\d+)*", os.uname().release)
    return f"{os.uname().sysname} {release[0] if release else os.uname().release}"


class RealWorld:
    """Implements `model.world.World` on a running kernel, for one run.

    Raises `WorldUnavailable` (one line, with the remedy) where the kernel is not to be had in
    this process.
    """

    def __init__(self, name: str) -> None:
        self._release_kernel: Callable[[], object]
        self.readiness: ReadinessKernel | None = None
        self.completion: CompletionKernel | None = None
        self._make_kernel(name)
        self.name = name
        self.kernel_version = kernel_version()
        self.quiet_ns = QUIET_NS
        self._started_ns = perf_counter_ns()
        self._peers = raw.Peers()
        self._threads: dict[str, threading.Thread] = {}
        self._errors: list[tuple[str, BaseException]] = []
        self._application: RealThreads | None = None

    def _make_kernel(self, name: str) -> None:
        if sys.platform == "linux" and name == "epoll":
            self.readiness = epoll = RealEpoll()
            self._release_kernel = epoll.close_all
        elif sys.platform == "win32" and name == "iocp":
            self.completion = iocp = RealIocp()
            self._release_kernel = iocp.close_all
        elif name in WORLDS:
            raise WorldUnavailable(
                why_not(name) or f"{name} runs here in a process of its own: python -m harness"
            )
        else:
            raise UsageError(why_not(name))

    # The clock.

    def now_ns(self) -> int:
        """Nanoseconds since the world was made."""
        return perf_counter_ns() - self._started_ns

    def sleep(self, duration_ns: int) -> None:
        """Blocks the calling thread, never for less; the end of the world wakes peers."""
        deadline = perf_counter_ns() + duration_ns
        if threading.current_thread().name not in self._threads:
            wait: Callable[[float], object] = time.sleep
        else:
            wait = self._peers.ended.wait
        while (rest_ns := deadline - perf_counter_ns()) > 0 and not self._peers.ended.is_set():
            wait(rest_ns / 1e9)

    @property
    def threads(self) -> RealThreads:
        """The application's threads; made when first asked for, which main does."""
        if self._application is None:
            self._application = RealThreads(self.now_ns)
        return self._application

    def open_file(self, path: str) -> RealFile | Errno:
        """A file that buffers of this world can send pieces of."""
        return RealFile.open(path)

    # Peers.

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Starts a peer's thread, at once."""
        if name in self._threads:
            raise SimulatorError(f"two peers are called {name!r}: a name must be unique in a run")
        thread = threading.Thread(target=self._play, args=(name, target), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def _play(self, name: str, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # handed to `run`, which raises it
            self._errors.append((name, error))

    def raw_listen(self, backlog: int) -> raw.RealRawListener:
        """A raw listener on a free port."""
        return raw.listen(self._peers, backlog)

    def raw_unused_port(self) -> int:
        """A port on which nobody listens for as long as this world lives."""
        return raw.unused_port(self._peers)

    def raw_connect(self, port: int) -> raw.RealRawSocket | Errno:
        """Connects a raw socket; blocks for at most `raw.LIMIT_NS`."""
        return raw.connect(self._peers, port)

    # The run.

    def run(self, main: Callable[[], None]) -> None:
        """Runs `main` on the calling thread; then ends and joins the peers and releases all.

        Raises what `main` raised, else what the first failing peer raised, with the names of the
        others as notes; `SimulatorError` when a peer cannot be ended within the bound.
        """
        try:
            main()
        finally:
            late = self._release()
        if self._errors:
            name, error = self._errors[0]
            error.add_note(f"raised by the peer {name!r}")
            for other, another in self._errors[1:]:
                error.add_note(f"the peer {other!r} raised as well: {another!r}")
            raise error
        if late:
            raise SimulatorError(f"peers did not end within {JOIN_S:.0f} s: {', '.join(late)}")

    def _release(self) -> list[str]:
        """Ends and closes all; the names of the threads that outlive the bound."""
        self._peers.wake()
        deadline = time.monotonic() + JOIN_S
        joined: list[threading.Thread] = []
        while left := [each for each in list(self._threads.values()) if each not in joined]:
            for thread in left:  # one of them may have started another meanwhile
                thread.join(max(0.0, deadline - time.monotonic()))
            joined += left
        self._peers.close()
        self._release_kernel()
        late = [name for name, thread in self._threads.items() if thread.is_alive()]
        return late + (self._application.alive() if self._application is not None else [])
