"""What the records of a trace say about one socket: bounds on what can have reached it, and when.

A `Life` is a socket from the call that made it to its close. Whoever reads a trace from its end
knows when something can *not* have arrived yet: a receive that gave EAGAIN says that until then
there were no more bytes than had been read. So the search for an explanation lets everything
arrive as early as the records allow. What arrives earlier than it did in reality contradicts no
record, by the way these bounds are made.

Positions are numbers of records for a socket of the application; for a raw end, whose calls are
recorded some time after they were made, they are numbers of its own calls.
"""

from __future__ import annotations

from typing import Literal

from harness.inclusion.held import ENDLESS


class Life:
    """One socket. `fd` is its number in the trace, or None for a raw end.

    Bounds: `exact` pairs a position with the bytes that had arrived, at most; before `no_fin`,
    `no_reset` and `unconnected` neither the end of the stream nor a reset had come, nor the answer
    to a connect. `joins` is `exact` for the connections of a listener. `pressure` says at which
    positions there was no space to send (True) and at which there was (False).
    """

    __slots__ = (
        *("accepted", "arrived", "closed", "exact", "exact_at", "fd", "joined", "joins"),
        *("joins_at", "listener", "name", "no_fin", "no_reset", "opened", "position"),
        *("pressure", "pressure_at", "read", "stream", "syns", "terminal", "unconnected"),
        "reset_seen",
    )

    def __init__(self, name: str, fd: int | None, opened: int) -> None:
        self.name = name
        self.fd = fd
        self.opened = opened
        self.closed: int | None = None
        self.read = 0  # bytes that its owner ever read
        self.stream: list[bytes] = []  # those bytes
        self.exact: list[tuple[int, int]] = []
        self.exact_at = 0
        self.no_fin = -1
        self.no_reset = -1
        self.unconnected = -1
        self.reset_seen = False  # only while the records are read
        self.terminal: Literal["eof", "reset"] | None = None  # how its owner saw the stream end
        self.listener: Life | None = None
        self.accepted: list[Life] = []
        self.joins: list[tuple[int, int]] = []
        self.joins_at = 0
        self.pressure: list[tuple[int, bool]] = []
        self.pressure_at = 0
        # While a trace is explained:
        self.position = 0
        self.arrived = 0  # bytes
        self.joined = 0  # connections, into the accept queue
        self.syns = 0

    def __repr__(self) -> str:
        return f"<{self.name} fd {self.fd}>"

    # What the records say, in their order.

    def has_read(self, data: bytes) -> None:
        """Its owner got these bytes."""
        self.read += len(data)
        if data:
            self.stream.append(data)

    def is_drained(self, position: int) -> None:
        """All that had arrived was read: no byte more until then."""
        self.exact.append((position, self.read))

    def is_quiet(self, position: int) -> None:
        """Nothing was there: no byte, no end of file, no reset."""
        self.is_drained(position)
        self.no_fin = position
        self.is_sound(position)

    def is_sound(self, position: int) -> None:
        """No reset had come, unless one was seen before."""
        if not self.reset_seen:
            self.no_reset = position

    def is_reset(self) -> None:
        """A reset was seen."""
        self.reset_seen = True
        self.terminal = self.terminal or "reset"

    def is_ended(self) -> None:
        """End of file was seen."""
        self.terminal = self.terminal or "eof"

    # What may come now.

    def rewind(self) -> None:
        """Back to the beginning, for another search."""
        self.exact_at = self.joins_at = self.pressure_at = 0
        self.position = self.arrived = self.joined = self.syns = 0

    def bytes_allowed(self) -> int:
        """How many bytes more may arrive."""
        exact = self.exact
        while self.exact_at < len(exact) and exact[self.exact_at][0] < self.position:
            self.exact_at += 1
        if self.exact_at == len(exact):
            return ENDLESS
        return exact[self.exact_at][1] - self.arrived

    def fin_allowed(self) -> bool:
        return self.no_fin < self.position

    def reset_allowed(self) -> bool:
        return self.no_reset < self.position

    def answer_allowed(self) -> bool:
        """Whether a connect may be answered."""
        return self.unconnected < self.position

    def join_allowed(self) -> bool:
        """Whether one more connection may join the accept queue."""
        joins = self.joins
        while self.joins_at < len(joins) and joins[self.joins_at][0] < self.position:
            self.joins_at += 1
        return self.joins_at == len(joins) or self.joined < joins[self.joins_at][1]

    def space_allowed(self) -> bool:
        """Whether sent bytes may be acknowledged: not while the records still say "full"."""
        pressure = self.pressure
        while self.pressure_at < len(pressure) and pressure[self.pressure_at][0] < self.position:
            self.pressure_at += 1
        return self.pressure_at == len(pressure) or not pressure[self.pressure_at][1]
