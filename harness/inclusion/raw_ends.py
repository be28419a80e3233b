"""The raw peers of a trace: inputs of the network, made again as the scenario says.

A peer's record is written after its call has returned, by another thread than the loop's. So the
call was made at some time between the peer's record before and its own; and of the loop's calls
only the one that was running when the record was written may have come before it: the loop's next
record. A peer's last call may have no record, when the trace ended before it did.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias

from harness.inclusion.life import Life
from harness.peers import RECEIVE_SIZE
from harness.scenario import PeerEnd
from model.content import content
from model.errors import Errno
from model.trace import Record
from sim.tcp import Endpoint


class Call(NamedTuple):
    """One call of a peer. `record` is the number of its record, None if there is none."""

    operation: str
    size: int
    data: bytes  # of a send
    result: Any
    record: int | None


Program: TypeAlias = Generator[tuple[str, int, bytes], Any, None]


def program(end: PeerEnd, stream: int, client: bool) -> Program:
    """The calls that `harness.peers.Peer` makes: yields each, is sent its result."""
    result = yield ("connect" if client else "accept", 0, b"")
    if isinstance(result, Errno):
        return
    sent = 0
    for step in end.steps:
        if step.do == "send":
            for size in step.args[0]:
                taken = yield ("send", size, content(stream, sent, size))
                sent += 0 if isinstance(taken, Errno) else len(taken)
                if isinstance(taken, Errno) or len(taken) < size:
                    break
        elif step.do in ("recv", "echo"):
            yield from _receive(step.args[0], echo=step.do == "echo")
        elif step.do == "recv_all":
            while True:
                data = yield ("recv", RECEIVE_SIZE, b"")
                if isinstance(data, Errno) or not data:
                    break
        elif step.do != "pause":
            yield (step.do, 0, b"")
        if step.do in ("close", "reset"):
            return


def _receive(size: int, echo: bool) -> Program:
    while size > 0:
        data = yield ("recv", size, b"")
        if isinstance(data, Errno) or not data:
            return
        if echo:
            taken = yield ("send", len(data), data)
            if isinstance(taken, Errno) or len(taken) < len(data):
                return
        size -= len(data)


class RawEnd:
    """A raw peer: its calls in order, how many of them were made, and its socket."""

    def __init__(self, name: str, end: PeerEnd) -> None:
        self.name = name
        self.index = int(name[1:])
        self.client = name[0] == "c"
        self.end = end
        self.calls: list[Call] = []
        self.life = Life(name, None, 0)
        self.done = 0  # calls made
        self.endpoint: Endpoint | None = None
        self.misfit: int | None = None  # a record that the scenario's program would not have made

    def rewind(self) -> None:
        self.life.rewind()
        self.done = 0
        self.endpoint = None

    def read_calls(self, records: Sequence[tuple[int, Record]]) -> None:
        """Takes the peer's records; adds a last call that has none; notes bounds."""
        stream = 2 * self.index + (0 if self.client else 1)
        calls = program(self.end, stream, self.client)
        wanted = next(calls)
        for number, record in records:
            operation, size, result = record[3:]
            if operation != wanted[0] or size != wanted[1]:
                self.misfit = number
                return
            self._note(Call(operation, size, wanted[2], result, number))
            try:
                wanted = calls.send(result)
            except StopIteration:
                return
        self._note(Call(*wanted, None, None))

    def _note(self, call: Call) -> None:
        position = len(self.calls)
        self.calls.append(call)
        life = self.life
        if call.record is None:
            return
        if isinstance(call.result, Errno):
            if call.operation in ("send", "recv") and call.result is not Errno.ETIMEDOUT:
                life.is_reset()
        elif call.operation == "recv":
            life.has_read(call.result)
            if not call.result:
                life.is_ended()
        elif call.operation in ("send", "shutdown"):
            life.is_sound(position)
        elif call.operation == "close":
            life.closed = position

    def may_begin(self, record: int) -> Call | None:
        """The next call, if it can have been made before the end of the call at `record`."""
        if self.done >= len(self.calls):
            return None
        before = self.calls[self.done - 1].record if self.done else None
        if before is not None and before >= record:
            return None
        return self.calls[self.done]
