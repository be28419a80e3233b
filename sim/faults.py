"""Where the faults of a run come from: the network that makes them, and who decides.

`Injector` decides: it draws the faults that are on ("fault." and the kind; 0 is none, and only a
small number of the other answers is a fault, so that a run goes on between two of them), counts
calls for the faults of an n-th call, and writes a record of everything that it injects.

`FaultyNetwork` takes the place of `sim.network.Network`: it knows which conditions are off, and it
delays. The wrappers of the kernel ports are in `sim.faulty_kernels`. A run without faults has
neither, and pays nothing.

Faults do not outlast the tape by more than `LONGEST_NS`, so that every run comes to rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from model.errors import Errno
from model.faults import CONDITIONS, Faults
from sim.network import LATENCIES, Network
from sim.scheduler import Scheduler
from sim.segments import ESTABLISHED, Connection

#: how many answers a decision has; 1 is the fault (or the first of its durations)
ODDS = 8
RESET_ODDS = 32
#: ns; of shortages, closed windows and stalls, by the answer
DURATIONS = (0, 1_000_000, 20_000_000, 200_000_000)
LONGEST_NS = max(DURATIONS)
OVERTAKEN_NS = 1  # enough for everything else of the instant


def _nowhere(*_record: object) -> None:
    """For a world whose faults nobody records."""


class Injector:
    """Decides which faults happen. `emit(kind, *fields)` takes records of them."""

    __slots__ = ("_calls", "_seen", "emit", "kinds", "network", "short_until")

    def __init__(self, faults: Faults, network: Network) -> None:
        self.network = network
        self.kinds = frozenset(faults.kinds)
        self.emit: Callable[..., None] = _nowhere
        self.short_until = 0  # ns; descriptors are wanting until then
        self._calls = {(each.call, each.n): Errno[each.outcome] for each in faults.calls}
        self._seen: dict[str, int] = {}

    def injected(self, kind: str, fd: int | None) -> None:
        """Notes a fault that happens now."""
        self.emit("fault", kind, fd)

    def draw(self, kind: str, odds: int = ODDS) -> int:
        """The tape's answer for a kind; 0 where it is off."""
        if kind not in self.kinds or not self.network.live:
            return 0
        return self.network.draw("fault." + kind, odds)

    def drawn(self, kind: str, fd: int | None) -> bool:
        """Whether a fault happens; if so it is noted."""
        if self.draw(kind) != 1:
            return False
        self.injected(kind, fd)
        return True

    def duration(self, kind: str) -> int:
        """How long a fault lasts, in ns; 0: there is none."""
        answer = self.draw(kind)
        return DURATIONS[answer] if answer < len(DURATIONS) else 0

    def nth(self, call: str, fd: int | None) -> Errno | None:
        """Counts one call: the outcome that it must have, if any."""
        if not self._calls:
            return None
        number = self._seen[call] = self._seen.get(call, 0) + 1
        outcome = self._calls.get((call, number))
        if outcome is not None:
            self.injected(f"{call} {number} {outcome.name}", fd)
        return outcome

    def short_of_descriptors(self, fd: int | None) -> bool:
        """Whether a call that makes a descriptor fails: a shortage lasts for a while."""
        now = self.network.scheduler.now
        if now >= self.short_until:
            self.short_until = now + self.duration("emfile")
        if now >= self.short_until:
            return False
        self.injected("emfile", fd)
        return True

    def connection(self, endpoint: Connection, fd: int, receiving: bool) -> None:
        """What may befall a connection at a call: a reset, or a window that closes."""
        if not self.network.live or endpoint.state is not ESTABLISHED:
            return
        if self.draw("reset", RESET_ODDS) == 1:
            self.reset(endpoint, fd)
            return
        receiver = endpoint if receiving else endpoint.peer
        if receiver is not None and receiver.rcvbuf:
            duration = self.duration("zero_window")
            if duration:
                self.injected("zero_window", fd)
                close_window(receiver, duration)

    def reset(self, endpoint: Connection, fd: int) -> None:
        """A reset for both ends, as from something between them."""
        self.injected("reset", fd)
        break_connection(endpoint)

    def reset_one(self, endpoints: list[tuple[int, Connection]]) -> None:
        """A reset for one of the connections, or for none, at a moment that no call chose."""
        answer = self.draw("reset", RESET_ODDS)
        if 0 < answer <= len(endpoints):
            fd, endpoint = endpoints[answer - 1]
            self.reset(endpoint, fd)


def break_connection(endpoint: Connection) -> None:
    """Both ends get a reset now; nothing is left of what was on its way."""
    for each in (endpoint, endpoint.peer):
        if each is not None and each.state is ESTABLISHED:
            each._arrive_rst()


def close_window(receiver: Connection, duration_ns: int) -> None:
    """The receiver takes nothing for a while, as one whose kernel has no memory."""
    size = receiver.rcvbuf
    receiver.rcvbuf = 0

    def reopen() -> None:
        receiver.rcvbuf = size
        receiver.withheld = 0
        if receiver.peer is not None:
            receiver.peer._flush()

    receiver.network.scheduler.call_later(duration_ns, reopen)


class FaultyNetwork(Network):
    """A network whose conditions may be off, that may stall and reorder."""

    __slots__ = ("injector", "off")

    def __init__(
        self,
        scheduler: Scheduler,
        sndbuf: int,
        rcvbuf: int,
        kernel: Literal["linux", "nt"],
        faults: Faults,
    ) -> None:
        self.off = frozenset(
            name for kind, names in CONDITIONS.items() if kind not in faults.kinds for name in names
        )
        super().__init__(scheduler, sndbuf, rcvbuf, kernel)
        self.injector = Injector(faults, self)

    def draw(self, name: str, bound: int) -> int:
        return 0 if name in self.off else super().draw(name, bound)

    def latency(self, name: str) -> int:
        """Beside the latency itself: overtaken by others, or held up by a stall."""
        if not self.live:
            return 0
        delay = LATENCIES[self.draw(name, len(LATENCIES))]
        if name not in ("tcp.latency", "tcp.ack_latency"):
            return delay
        if self.injector.drawn("reordering", None):
            delay = max(delay, OVERTAKEN_NS)
        stall = self.injector.duration("stall")
        if stall:
            self.injector.injected("stall", None)
        return max(delay, stall)
