"""Who is told of a buffer's changes, and when (libevent: buffer.c, evbuffer_invoke_callbacks_).

Direct: after each call that changed something. Deferred: the changes add up until the loop runs the
callbacks, once; those with NODEFER are told at once all the same, each change by itself (libevent
tells them the sum since the last deferred run, so that the sums of what they hear do not fit).
Newest first. A callback may remove itself or others, and may change the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from model.evbuffer.transfer import Evbuffer

CB_ENABLED = 1  # EVBUFFER_CB_ENABLED
CB_NODEFER = 2  # EVBUFFER_CB_NODEFER


class Change(NamedTuple):
    """What a callback is told, in bytes: `orig_size + n_added - n_deleted` is the length now."""

    orig_size: int
    n_added: int
    n_deleted: int


BufferCallback: TypeAlias = Callable[["Evbuffer", Change], None]


class _Runnable(Protocol):
    def run(self) -> None: ...


class Deferrer(Protocol):
    """The part of an event base that deferred callbacks need."""

    def schedule_deferred(self, deferred: _Runnable) -> None: ...


class CallbackEntry:
    """struct evbuffer_cb_entry: one callback and its flags; without ENABLED it is not called."""

    __slots__ = ("callback", "flags")

    def __init__(self, callback: BufferCallback) -> None:
        self.callback = callback
        self.flags = CB_ENABLED


class Callbacks:
    """The callbacks of one buffer, and what they have not been told yet."""

    __slots__ = ("base", "buffer", "entries", "n_added", "n_deleted", "queued")

    def __init__(self, buffer: Evbuffer) -> None:
        self.buffer = buffer
        self.entries: list[CallbackEntry] = []  # newest first
        self.base: Deferrer | None = None  # they are deferred to its loop
        self.n_added = 0
        self.n_deleted = 0
        self.queued = False

    def tell(self, added: int, deleted: int) -> None:
        """The buffer has changed by so much."""
        if not self.entries:
            self.n_added = self.n_deleted = 0
            return
        change = Change(self.buffer.length - added + deleted, added, deleted)
        if self.base is None:
            self._call(change, CB_ENABLED)
            return
        self.n_added += added
        self.n_deleted += deleted
        if not self.queued:
            self.queued = True
            self.buffer.incref()
            self.base.schedule_deferred(self)
        self._call(change, CB_ENABLED | CB_NODEFER)

    def _call(self, change: Change, flags: int) -> None:
        for entry in tuple(self.entries):
            if entry.flags & flags == flags:  # removal by an earlier one clears them
                entry.callback(self.buffer, change)

    def run(self) -> None:
        """evbuffer_deferred_callback: from the loop."""
        self.queued = False
        added, deleted = self.n_added, self.n_deleted
        self.n_added = self.n_deleted = 0
        if added or deleted:
            change = Change(self.buffer.length - added + deleted, added, deleted)
            for entry in tuple(self.entries):
                if entry.flags & (CB_ENABLED | CB_NODEFER) == CB_ENABLED:
                    entry.callback(self.buffer, change)
        self.buffer.decref()

    def remove(self, entry: CallbackEntry) -> int:
        """evbuffer_remove_cb_entry: 0, or -1 when it is not there."""
        if entry not in self.entries:
            return -1
        self.entries.remove(entry)
        entry.flags = 0
        return 0

    def clear(self) -> None:
        """Nobody is told any more."""
        for entry in self.entries:
            entry.flags = 0
        self.entries.clear()
