"""Bytes on their way: by connection and direction, what was written, sent, received and read.

A `Move` says that a record took the bytes from `start` to `end` of a direction past a stage; so
much is in the output, in flight or in the input as the counts of neighbouring stages differ by. A
move whose end is before its start takes back: what the application drained. Bytes that a
reconnected bufferevent still had in its output begin the next connection's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.views import flows
from harness.views.flows import Flow, Happening, Socket
from harness.words import moved, named
from model.trace import Record

WRITTEN, SENT, RECEIVED, READ, TOLD = range(5)
STAGES = ("written", "sent", "received", "read", "told")  # told: in the input of a read callback

#: what a happening makes of its connection, after the end's name
_STATES = {
    flows.SHUTDOWN: "has shut down",
    flows.CLOSE: "has closed",
    flows.RESET: "has reset",
    flows.REFUSED: "was refused",
}


class Pipe(NamedTuple):
    """One direction of one connection."""

    flow: int
    source: str
    target: str


class Move(NamedTuple):
    """What one record did to one pipe."""

    record: int
    pipe: int
    stage: int
    start: int
    end: int


@dataclass
class Traffic:
    """All pipes, what moved in them, and (record, flow, what the connection is then)."""

    pipes: list[Pipe] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    states: list[tuple[int, int, str]] = field(default_factory=list)


def traffic(records: Sequence[Record]) -> Traffic:
    """What the records say of bytes."""
    found = flows.happenings(records)
    return _Counter(records, found, flows.flows(found)).traffic()


class _Counter:
    def __init__(
        self, records: Sequence[Record], found: Sequence[Happening], made: Sequence[Flow]
    ) -> None:
        self.records = records
        self.made = made  # keeps its sockets alive, whose identities are keys here
        self.result = Traffic()
        self.counts: list[list[int]] = []
        self.outward: dict[int, int] = {}  # id of a socket -> the pipe that it sends into
        self.flow_of: dict[int, int] = {}
        self.current: dict[str, Socket] = {}  # end -> its socket now
        self.happened: dict[int, list[Happening]] = {}
        for number, flow in enumerate(made):
            self._pipes(number, flow)
        for happening in found:
            self.happened.setdefault(happening.record, []).append(happening)
            if happening.socket.end:  # what is written before is the first socket's
                self.current.setdefault(happening.socket.end, happening.socket)

    def _pipes(self, number: int, flow: Flow) -> None:
        client, server = flow.client.end or f"c{flow.index}", flow.server.end or f"s{flow.index}"
        for socket, ends in ((flow.client, (client, server)), (flow.server, (server, client))):
            self.outward[id(socket)] = len(self.result.pipes)
            self.flow_of[id(socket)] = number
            self.result.pipes.append(Pipe(number, *ends))
            self.counts.append([0, 0, 0, 0])

    def traffic(self) -> Traffic:
        for index, record in enumerate(self.records):
            for happening in self.happened.get(index, ()):
                self._kernel(happening)
            self._application(index, record)
        return self.result

    def _kernel(self, happening: Happening) -> None:
        record, socket, what, data = happening
        out = self.outward.get(id(socket))
        if out is None:
            return
        peer = self.records[record][1] == "peer"
        if what == flows.NAMED:
            self._named(record, socket)
        elif what == flows.SEND:
            if peer:
                self._move(record, out, WRITTEN, len(data))
            self._move(record, out, SENT, len(data))
        elif what == flows.RECV:
            self._move(record, out ^ 1, RECEIVED, len(data))
            if peer:
                self._move(record, out ^ 1, READ, len(data))
        state = _STATES.get(what)
        if state is not None:
            state = f"{socket.end} {state}"
        elif what == flows.CONNECT:
            state = "connecting"
        elif what in {flows.ESTABLISHED, flows.ACCEPT}:
            state = "open"
        if state is not None:
            self.result.states.append((record, self.flow_of[id(socket)], state))

    def _named(self, record: int, socket: Socket) -> None:
        """An end's next socket takes over what waits in its output."""
        before = self.current.get(socket.end)
        self.current[socket.end] = socket
        if before is not None and before is not socket and id(before) in self.outward:
            old, new = self.outward[id(before)], self.outward[id(socket)]
            waiting = self.counts[old][WRITTEN] - self.counts[old][SENT]
            if waiting > 0:
                self._move(record, old, WRITTEN, -waiting)
                self._move(record, new, WRITTEN, waiting)

    def _application(self, index: int, record: Record) -> None:
        kind = record[1]
        if kind not in {"write", "read", "echo", "drain", "cb"}:
            return
        socket = self.current.get(str(record[2]))
        out = None if socket is None else self.outward.get(id(socket))
        if out is None:
            return
        counts = self.counts[out]
        if kind == "drain" and not record[3]:
            self._move(index, out, WRITTEN, min(0, counts[SENT] - counts[WRITTEN]))
        elif kind == "cb" and record[3] == "read" and isinstance(record[6], int):
            begin = self.counts[out ^ 1][READ]
            self.result.moves.append(Move(index, out ^ 1, TOLD, begin, begin + record[6]))
        for _, direction, size in moved(kind, named(record)):
            stage, pipe = (WRITTEN, out) if direction == "out" else (READ, out ^ 1)
            self._move(index, pipe, stage, size)

    def _move(self, record: int, pipe: int, stage: int, size: int) -> None:
        if size:
            start = self.counts[pipe][stage]
            self.counts[pipe][stage] = start + size
            self.result.moves.append(Move(record, pipe, stage, start, start + size))
