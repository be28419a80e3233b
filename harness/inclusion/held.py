"""A simulated network in which nothing happens until somebody lets it.

The simulated kernels ask their scheduler to do things later: a segment arrives, an acknowledgement
comes, an operation becomes a packet. Here such a thing is kept, with whose it is, until the search
for an explanation lets it happen. So a latency is not drawn beforehand but found out: it is what
passed between the two, and it is noted as the decision that the tape of a simulated run would have
held. Every other decision is dull unless `answers` says otherwise, and is noted as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

from model.choices import Choices, Decision
from sim.iocp_operation import DELAYS
from sim.network import LATENCIES, Network
from sim.scheduler import Scheduler

ENDLESS = 1 << 40  # bytes: buffers that are never full unless a record says that they were

#: methods that wait, and the decision that says for how long
WAITS = {
    "_deliver": "tcp.latency",
    "_acked": "tcp.ack_latency",
    "_fin_acked": "tcp.ack_latency",
    "_syn": "tcp.connect_latency",
    "pump_receives": "iocp.completion_delay",
    "pump_sends": "iocp.completion_delay",
    "pump_accepts": "iocp.completion_delay",
    "end_connect": "iocp.completion_delay",
    "end_cancelled": "iocp.completion_delay",
    "_end_next": "iocp.completion_delay",
}


class Held(NamedTuple):
    """Something that waits: the method `name` of `who`, asked for at `record` and `t_ns`."""

    action: Callable[[], object]
    who: Any
    name: str
    args: tuple[Any, ...]
    record: int
    t_ns: int
    delay_ns: int


class HeldScheduler(Scheduler):
    """A scheduler without threads whose clock is that of the trace."""

    __slots__ = ("held", "record")

    def __init__(self) -> None:
        super().__init__(Choices())
        self.held: list[Held] = []
        self.record = 0

    def call_later(self, delay_ns: int, callback: Callable[[], object]) -> None:
        """Keeps `callback`, which is a bound method, perhaps with arguments."""
        bound: Any = callback.func if isinstance(callback, partial) else callback
        args = callback.args if isinstance(callback, partial) else ()
        self.held.append(
            Held(callback, bound.__self__, bound.__name__, args, self.record, self.now, delay_ns)
        )

    def park(self, timeout_ns: int | None) -> bool:
        """Nobody waits: calls are made when their answer is there."""
        return False

    def pass_turn(self) -> None:
        """There are no others."""


class HeldNetwork(Network):
    """The network between the ends of a trace."""

    __slots__ = ("answers", "decisions")

    def __init__(self, scheduler: HeldScheduler, kernel: Literal["linux", "nt"]) -> None:
        self.decisions: Counter[Decision] = Counter()
        self.answers: dict[str, int] = {}
        super().__init__(scheduler, ENDLESS, ENDLESS, kernel)

    def draw(self, name: str, bound: int) -> int:
        """The dull answer, unless `answers` has another; a packet's delay is found out."""
        if bound <= 1:
            return 0
        if name == "iocp.completion_delay":
            return 1  # it waits, and what it waited is noted at its end
        value = self.answers.get(name, 0)
        self.decisions[Decision(name, bound, value)] += 1
        return value

    def latency(self, name: str) -> int:
        """Not nothing: the scheduler keeps what waits."""
        return 1

    def waited(self, name: str, duration_ns: int) -> None:
        """Notes that a wait lasted that long: the decision that gives at least as much."""
        table = DELAYS if name == "iocp.completion_delay" else LATENCIES
        self.note(name, len(table), min(bisect_left(table, duration_ns), len(table) - 1))

    def note(self, name: str, bound: int, value: int) -> None:
        """A decision that was found out, and not asked for."""
        self.decisions[Decision(name, bound, value)] += 1
