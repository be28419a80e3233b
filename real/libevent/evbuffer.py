"""libevent's evbuffers, with as much of `model.evbuffer.Evbuffer` as layers and wrappers use.

A buffer lives as long as its bufferevent: C keeps it, and nothing here outlives the base. What
listens to it is a list; libevent knows of one callback, which is set when the first listener comes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from model.evbuffer import Change
from model.subject import EV_READ
from real.libevent.callbacks import current
from real.libevent.layer_prototypes import BUFFER_CB, BufferChange

if TYPE_CHECKING:
    from real.libevent.bufferevent import LibeventBufferevent

BufferListener = Callable[[Any, Change], None]


class LibeventBuffer:
    """The input or the output of a bufferevent."""

    __slots__ = ("_listeners", "_registered", "base", "library", "owner", "pointer")

    def __init__(self, owner: LibeventBufferevent, pointer: int) -> None:
        self.owner = owner
        self.base = owner.base
        self.library = owner.library
        self.pointer = pointer
        self._listeners: list[BufferListener] = []  # newest first, as libevent calls them
        self._registered = False

    @property
    def length(self) -> int:
        """Bytes; 0 once its bufferevent is freed."""
        return int(self.library.evbuffer_get_length(self.pointer)) if self.owner.alive else 0

    def add_cb(self, listener: BufferListener) -> None:
        """Tells of every change from now on."""
        self._listeners.insert(0, listener)
        if not self._registered:
            self._registered = True
            with self.base.unfailing():  # it is the harness that listens
                self._let_watermarks_listen()
                number = self.base.name(self)
                self.library.evbuffer_add_cb(self.pointer, CHANGED, number)

    def _let_watermarks_listen(self) -> None:
        """The one called first is the newest, and the harness is to hear of a change before
        anything follows from it. So the callback that high watermarks need is made before ours:
        a watermark is set and taken away at once, while there is nothing in the buffer.
        """
        owner, set_to = self.owner, self.library.bufferevent_setwatermark
        if owner.input is self and not self.length and owner.getwatermark(EV_READ) == (0, 0):
            set_to(owner.pointer, EV_READ, 0, 1)
            set_to(owner.pointer, EV_READ, 0, 0)

    def remove_cb(self, listener: BufferListener) -> None:
        self._listeners.remove(listener)

    def changed(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(self, change)

    # What filter functions do. A layer may always take at the front and add at the end.

    def copyout(self, size: int) -> bytes:
        """A copy of the first `size` bytes at most."""
        size = min(size, self.length)
        buffer = ctypes.create_string_buffer(size or 1)
        got = self.library.evbuffer_copyout(self.pointer, buffer, size)
        return buffer.raw[: max(0, got)]

    def drain_frozen(self, size: int) -> None:
        self.library.evbuffer_drain(self.pointer, size)

    def append_frozen(self, data: bytes) -> None:
        if self.library.evbuffer_add(self.pointer, data, len(data)):
            with self.base.unfailing():  # all or nothing: who has the bytes tries again
                self.library.evbuffer_add(self.pointer, data, len(data))

    def take_frozen(self, source: LibeventBuffer) -> int:
        """Moves all of another buffer: the number of bytes."""
        size = source.length
        moved = self.library.evbuffer_add_buffer(self.pointer, source.pointer) == 0
        return size if moved else 0


def _on_change(_: int, info: int, number: int) -> None:
    base = current[-1]
    buffer = base.objects[number]
    told = BufferChange.from_address(info)
    base.guarded(buffer.changed, Change(told.orig_size, told.n_added, told.n_deleted))


CHANGED = BUFFER_CB(_on_change)
