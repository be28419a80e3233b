"""A buffer under test: the bytes that it must hold, and all that its callbacks were told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from model.evbuffer import CB_NODEFER, CallbackEntry, Change, Evbuffer, Launch

Told = tuple[int, int, int, int, int]  # buffer, callback, orig_size, n_added, n_deleted
OWNER = -1  # its number as a callback


class Queue:
    """The part of an event base that deferred callbacks need."""

    def __init__(self) -> None:
        self.queued: list[Any] = []

    def schedule_deferred(self, deferred: Any) -> None:
        self.queued.append(deferred)

    def run(self) -> None:
        queued, self.queued = self.queued, []
        for each in queued:
            each.run()


@dataclass
class Watcher:
    """One callback."""

    number: int
    one_shot: bool
    entry: CallbackEntry
    nodefer: bool
    enabled: bool = True


@dataclass
class Lent:
    """Memory that a completion kernel has, and what it must find there."""

    launch: Launch
    data: bytes = b""


@dataclass
class Watched:
    """One buffer, its model, and its callbacks, newest first."""

    name: int
    log: list[Told]
    queue: Queue
    buffer: Evbuffer = field(default_factory=Evbuffer)
    model: bytes = b""
    watchers: list[Watcher] = field(default_factory=list)
    deferred: bool = False
    unheard: tuple[int, int] = (0, 0)  # what deferred callbacks have yet to be told
    made: int = 0
    owner_sum: int = 0
    reading: Lent | None = None
    writing: Lent | None = None

    def __post_init__(self) -> None:
        self.buffer.owner = self._owned

    def _owned(self, added: int, deleted: int) -> None:
        """The owner's changes sum up to the length, at each of them."""
        self.owner_sum += added - deleted
        assert self.owner_sum == self.buffer.length
        self.log.append((self.name, OWNER, self.buffer.length - added + deleted, added, deleted))

    def watch(self, one_shot: bool, nodefer: bool) -> None:
        number = self.made
        self.made += 1

        def callback(buffer: Evbuffer, change: Change) -> None:
            assert buffer is self.buffer
            assert change.orig_size + change.n_added - change.n_deleted == buffer.length
            assert change.n_added or change.n_deleted
            self.log.append((self.name, number, *change))
            if one_shot:
                assert buffer.remove_cb(callback) == 0
                assert buffer.remove_cb(callback) == -1

        entry = self.buffer.add_cb(callback)
        if nodefer:
            self.buffer.cb_set_flags(entry, CB_NODEFER)
        self.watchers.insert(0, Watcher(number, one_shot, entry, nodefer))

    def defer(self) -> None:
        self.deferred = True
        self.buffer.defer_callbacks(self.queue)

    def expect(self, added: int, deleted: int) -> list[Told]:
        """Who must be told of this change, in order. The model has it already."""
        if not added and not deleted:
            return []
        orig = len(self.model) - added + deleted
        if self.deferred:
            if self.watchers:
                self.unheard = (self.unheard[0] + added, self.unheard[1] + deleted)
            else:
                self.unheard = (0, 0)
        called = [
            each for each in self.watchers if each.enabled and (each.nodefer or not self.deferred)
        ]
        self._shot(called)
        return [
            (self.name, number, orig, added, deleted)
            for number in (*(each.number for each in called), OWNER)
        ]

    def _shot(self, called: list[Watcher]) -> None:
        """One-shot callbacks that were called have removed themselves."""
        self.watchers = [each for each in self.watchers if not (each.one_shot and each in called)]

    def expect_deferred(self) -> list[Told]:
        """Who must be told when the loop runs."""
        (added, deleted), self.unheard = self.unheard, (0, 0)
        if not added and not deleted:
            return []
        orig = len(self.model) - added + deleted
        called = [each for each in self.watchers if each.enabled and not each.nodefer]
        self._shot(called)
        return [(self.name, each.number, orig, added, deleted) for each in called]

    def holds(self) -> None:
        """Bytes and structure are right."""
        buffer = self.buffer
        buffer.check()
        assert buffer.length == len(self.model) == self.owner_sum
        assert b"".join(bytes(piece) for piece in self.views()) == self.model
        assert buffer.capacity >= buffer.slack >= 0
        if self.writing is not None:
            lent = b"".join(bytes(piece) for piece in self.writing.launch.pieces)
            assert lent == self.writing.data, "bytes changed while a kernel was reading them"
        pinned = bool(self.reading or self.writing)
        assert bool(buffer.pinned) is pinned or not self.model, "pinned memory"

    def views(self) -> list[bytes]:
        """The chains' bytes, also of those that only sendfile can move."""
        seen = []
        for chain in self.buffer.chains():
            extra = chain.extra
            if extra is not None and extra.segment is not None and not chain.storage:
                data = extra.segment.file.read(chain.misalign, chain.off)
                assert isinstance(data, bytes)
            else:
                data = bytes(chain.view())
            seen.append(data)
        return seen
