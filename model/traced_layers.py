"""The wrappers of bufferevents that stand in a stack or a pair (see `model.traced`).

A layer is the application of the bufferevent below it, and calls its wrapper, so that its calls and
callbacks are in the trace under its own name. What moves without a call is told by `buffer`
records, written from callbacks of the buffers: the input of one without a kernel grows, its output
shrinks; and the layer above takes from the input of the one below and gives to its output.
"""

from __future__ import annotations

from typing import Any

from model.evbuffer import Change, Evbuffer
from model.layer import Callbacks, FilterFunction, FilterResult, Filters
from model.trace import Trace
from model.traced import TracedBufferevent


class TracedLayer(TracedBufferevent):
    """A bufferevent in a stack or a pair. Also what `model.layer.Underlying` asks for.

    `below` is the wrapper of what it sits on, `above` says that something sits on it, `socket`
    that a kernel moves its bytes.
    """

    __slots__ = ("above", "below", "input", "opaque", "output", "socket")

    def __init__(
        self, inner: Any, trace: Trace, name: str, below: TracedLayer | None, socket: bool
    ) -> None:
        super().__init__(inner, trace, name)
        self.below = below
        self.above = False
        self.opaque = False  # what goes through it is encrypted
        self.socket = socket
        self.input: Evbuffer = inner.input
        self.output: Evbuffer = inner.output
        inner.observe_suspension(self._suspended)
        self.input.add_cb(self._input_changed)
        self.output.add_cb(self._output_changed)

    def _input_changed(self, _: Evbuffer, change: Change) -> None:
        added = 0 if self.socket else change.n_added
        deleted = change.n_deleted if self.above else 0
        if added or deleted:
            self._append((self._clock.now, "buffer", self.name, "input", added, deleted))

    def _output_changed(self, _: Evbuffer, change: Change) -> None:
        added = change.n_added if self.above else 0
        deleted = 0 if self.socket else change.n_deleted
        if added or deleted:
            self._append((self._clock.now, "buffer", self.name, "output", added, deleted))

    def conceal(self) -> None:
        """What goes through here is encrypted: no record shows it."""
        self.opaque = True
        fd = self.getfd()
        if self.below is not None:
            self.below.conceal()
        elif fd is not None:
            self._attached(fd)

    def _attached(self, fd: int) -> None:
        if self.opaque:
            self._trace.opaque.add(fd)

    # What a layer above asks.

    @property
    def wm_write_high(self) -> int:
        high: int = self._inner_any.wm_write_high
        return high

    @property
    def _inner_any(self) -> Any:
        """What it wraps, with what only bufferevents of the model have."""
        return self._inner

    def getcb(self) -> Callbacks:
        return self._callbacks

    def suspend_read(self, why: int) -> None:
        self._inner_any.suspend_read(why)

    def unsuspend_read(self, why: int) -> None:
        self._inner_any.unsuspend_read(why)

    def incref(self) -> None:
        self._inner_any.incref()

    def decref(self) -> None:
        self._inner_any.decref()

    # The application's calls: their records stand before those of what they cause.

    def flush(self, iotype: int, mode: int) -> int:
        """Its result is always written."""
        self._append((self._clock.now, "op", self.name, "flush", (iotype, mode)))
        result = self._inner.flush(iotype, mode)
        self._append((self._clock.now, "ret", self.name, "flush", result))
        return result

    def socket_connect(self, port: int) -> int:
        if self.socket:
            return super().socket_connect(port)
        self._append((self._clock.now, "op", self.name, "connect", (port,)))
        result = self._inner.socket_connect(port)
        self._append((self._clock.now, "ret", self.name, "connect", result))
        return result

    def write(self, data: bytes) -> int:
        place = self._reserve("write", data, 0)
        result = self._inner.write(data)
        if result:
            self._fill(place, result)
        return result

    def read(self, size: int) -> bytes:
        place = self._reserve("read", size, b"")
        result = self._inner.read(size)
        self._fill(place, result)
        return result

    def write_input(self) -> int:
        place = self._reserve("echo", 0)
        result = self._inner.write_input()
        self._fill(place, result)
        return result

    def _reserve(self, kind: str, *fields: Any) -> int:
        record = (self._clock.now, kind, self.name, *fields)
        self._append(record)
        records = self._trace.records
        place = len(records) - 1
        while records[place] is not record:  # another thread has written since
            place -= 1
        return place

    def _fill(self, place: int, result: object) -> None:
        """The last field of a record is known."""
        records = self._trace.records
        records[place] = (*records[place][:-1], result)

    # What a stack holds.

    def measure(self) -> None:
        """Writes what all bufferevents of the stack hold together; for its top."""
        length = capacity = pinned = 0
        member: TracedLayer | None = self
        while member is not None:
            for buffer in (member.input, member.output):
                length += buffer.length
                capacity += getattr(buffer, "capacity", buffer.length)
                pinned += getattr(buffer, "pinned", 0)
            member = member.below
        self._append((self._clock.now, "memory", self.name, length, capacity, pinned))

    def _begin(self, which: str, what: int, error: Any) -> None:
        if which == "read" and self.below is not None and not self.above:
            self.measure()
        super()._begin(which, what, error)


def traced_filters(filters: Filters, trace: Trace, name: str) -> Filters:
    """The same functions, with a record of each call."""
    from model.filters import copy

    return Filters(
        _traced_function(filters.input or copy, trace, name, "read"),
        _traced_function(filters.output or copy, trace, name, "write"),
        filters.free_context,
    )


def _traced_function(
    function: FilterFunction, trace: Trace, name: str, direction: str
) -> FilterFunction:
    running: list[list[int]] = []  # libevent calls it again while it runs

    def traced(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
        trace.check_budget()
        moved = [0, 0]  # what it gave may be gone before it returns: so its changes are counted

        def took(_: Evbuffer, change: Change) -> None:
            if running[-1] is moved:
                moved[0] += change.n_deleted

        def gave(_: Evbuffer, change: Change) -> None:
            if running[-1] is moved:
                moved[1] += change.n_added

        running.append(moved)

        source.add_cb(took)
        destination.add_cb(gave)
        result = function(source, destination, limit, mode)
        source.remove_cb(took)
        destination.remove_cb(gave)
        running.pop()
        trace.emit("filter", name, direction, mode, *moved, int(result))
        return result

    return traced
