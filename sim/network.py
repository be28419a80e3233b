"""The network of one run: TCP ports on one host, the buffer sizes, and the free decisions.

Ports are given out from 40000 upwards and never twice in a run, so that a port names one thing in
a trace. `kernel` is the kind of kernel above: "linux" or "nt"; the few places where NT's TCP
differs ask for it by name.

Decisions (0 is always the dull answer) are drawn only while the tape lasts: `live` turns False
for ever when it has ended, and the send and receive paths then skip every question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.choices import Choices, StrictChoices
from model.errors import Errno, SimulatorError

if TYPE_CHECKING:
    from sim.scheduler import Scheduler
    from sim.tcp import Endpoint

FIRST_PORT = 40_000
LAST_PORT = 65_535

#: ns; loopback, the same rack, a timer tick, another continent
LATENCIES = (0, 1_000, 50_000, 1_000_000, 40_000_000)
#: bytes of a first segment; 0 is all there is
SEGMENTS = (0, 1, 2, 7, 64, 536, 1_448)

_TAPED = (Choices.draw, StrictChoices.draw)  # these answer 0 for ever once the tape has ended


class Network:
    """One host's ports and the conditions between its sockets. Sizes in bytes."""

    __slots__ = (
        "_taped",
        "choices",
        "listeners",
        "live",
        "next_port",
        "nt",
        "rcvbuf",
        "scheduler",
        "sndbuf",
    )

    def __init__(
        self,
        scheduler: Scheduler,
        sndbuf: int = 131_072,
        rcvbuf: int = 131_072,
        kernel: Literal["linux", "nt"] = "linux",
    ) -> None:
        self.scheduler = scheduler
        self.choices = scheduler.choices
        self.sndbuf = sndbuf
        self.rcvbuf = rcvbuf
        self.nt = kernel == "nt"
        self.listeners: dict[int, Endpoint] = {}
        self.next_port = FIRST_PORT
        self._taped = type(self.choices).draw in _TAPED
        self.live = True
        self.draw("", 0)

    def draw(self, name: str, bound: int) -> int:
        """A decision, like `Choices.draw`; notices when the tape has ended."""
        choices = self.choices
        if self._taped and choices.position >= len(choices.tape):
            self.live = False
            return 0
        return choices.draw(name, bound)

    def latency(self, name: str) -> int:
        """A drawn latency in ns: "tcp.latency", "tcp.ack_latency", "tcp.connect_latency", ..."""
        return LATENCIES[self.draw(name, len(LATENCIES))] if self.live else 0

    def allocate_port(self) -> int | Errno:
        """A port that nothing has had in this run."""
        while self.next_port in self.listeners:
            self.next_port += 1
        if self.next_port > LAST_PORT:
            return Errno.EADDRNOTAVAIL
        self.next_port += 1
        return self.next_port - 1

    @staticmethod
    def exhausted(error: Errno) -> SimulatorError:
        """For calls that cannot tell the caller."""
        return SimulatorError(
            f"no port is left ({error.name}): a run has {LAST_PORT + 1 - FIRST_PORT}"
        )
