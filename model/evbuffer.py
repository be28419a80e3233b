"""evbuffer: a queue of bytes as a list of chains (libevent: buffer.c).

A chain is any bytes-like object, never changed once it is in the buffer; draining moves an offset
in the first chain, so nothing is copied until a caller asks for bytes that span chains. Either end
can be frozen: then every call that would change that end is refused with -1 and has no effect.
`add`, `prepend` and the mover work at the end named by libevent: the tail is end 0, the head 1.

The bufferevent that owns a buffer moves data past the freeze with `append_frozen` and
`drain_frozen`: it is the only one whom the freeze does not bind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from model.kernel import Buffer


class Change(NamedTuple):
    """What a callback is told, in bytes: `orig_size + n_added - n_deleted` is the length now."""

    orig_size: int
    n_added: int
    n_deleted: int


BufferCallback: TypeAlias = Callable[["Evbuffer", Change], None]
OwnerHook: TypeAlias = Callable[[int, int], None]  # bytes added, bytes deleted


class Evbuffer:
    """A byte queue. `length` is the number of bytes in it; read it, never write it."""

    __slots__ = (
        "_callbacks",
        "_chains",
        "_offset",
        "end_frozen",
        "length",
        "owner",
        "start_frozen",
    )

    def __init__(self) -> None:
        self._chains: list[Buffer] = []
        self._offset = 0  # bytes of the first chain that are already drained
        self.length = 0
        self.start_frozen = False
        self.end_frozen = False
        self._callbacks: list[BufferCallback] | None = None  # oldest first
        self.owner: OwnerHook | None = None  # the bufferevent's own callback: the oldest of all

    # Adding.

    def add(self, data: Buffer) -> int:
        """evbuffer_add: appends `data`; 0, or -1 when the tail is frozen."""
        if self.end_frozen:
            return -1
        self.append_frozen(data)
        return 0

    def append_frozen(self, data: Buffer) -> None:
        """Appends `data` whatever is frozen. An empty one changes nothing and tells nobody."""
        added = len(data)
        if added:
            self._chains.append(data)
            self.length += added
            if self.owner is not None or self._callbacks:
                self._changed(added, 0)

    def prepend(self, data: Buffer) -> int:
        """evbuffer_prepend: puts `data` in front; 0, or -1 when the head is frozen."""
        if self.start_frozen:
            return -1
        added = len(data)
        if added:
            if self._offset:
                self._chains[0] = memoryview(self._chains[0])[self._offset :]
                self._offset = 0
            self._chains.insert(0, data)
            self.length += added
            self._changed(added, 0)
        return 0

    def add_buffer(self, source: Evbuffer) -> int:
        """evbuffer_add_buffer: moves all of `source` to the tail without copying; 0 or -1.

        Callbacks: the source's first, then ours.
        """
        if source is self or not source.length:
            return 0
        if self.end_frozen or source.start_frozen:
            return -1
        self.take_frozen(source)
        return 0

    def take_frozen(self, source: Evbuffer) -> int:
        """Moves all of `source` to our tail whatever is frozen: the number of bytes moved."""
        moved = source.length
        chains = source._chains
        if source._offset:
            chains[0] = memoryview(chains[0])[source._offset :]
            source._offset = 0
        source._chains = []
        source.length = 0
        self._chains += chains
        self.length += moved
        source._changed(0, moved)
        self._changed(moved, 0)
        return moved

    # Taking away.

    def drain(self, size: int) -> int:
        """evbuffer_drain: throws away the first `size` bytes (or all); 0, or -1 when frozen."""
        if self.start_frozen:
            return -1
        self.drain_frozen(size)
        return 0

    def drain_frozen(self, size: int) -> None:
        """Drains whatever is frozen."""
        size = min(size, self.length)
        if not size:
            return
        self.length -= size
        if not self.length:
            self._chains.clear()
            self._offset = 0
        else:
            self._drop(size)
        if self.owner is not None or self._callbacks:
            self._changed(0, size)

    def _drop(self, size: int) -> None:
        """Moves the head by `size` bytes, fewer than there are."""
        chains = self._chains
        size += self._offset
        whole = 0
        while size >= len(chains[whole]):
            size -= len(chains[whole])
            whole += 1
        del chains[:whole]
        self._offset = size

    def remove(self, size: int) -> bytes | None:
        """evbuffer_remove: takes at most `size` bytes from the head; None when it is frozen."""
        if self.start_frozen:
            return None
        chains = self._chains
        if size >= self.length and len(chains) == 1 and not self._offset:
            data = chains[0]
            chains.clear()
            self.length = 0
            if self.owner is not None or self._callbacks:
                self._changed(0, len(data))
            return data if type(data) is bytes else bytes(data)
        copied = self.copyout(size)
        self.drain_frozen(size)
        return copied

    # Looking.

    def copyout(self, size: int) -> bytes:
        """evbuffer_copyout: the first `size` bytes (or all), which stay where they are."""
        return b"".join(self.peek(size, len(self._chains)))

    def peek(self, size: int, chains_max: int = 128) -> list[Buffer]:
        """evbuffer_peek: up to `size` bytes in up to `chains_max` pieces, uncopied."""
        chains = self._chains
        if not chains or size <= 0:
            return []
        first = chains[0]
        if self._offset:
            first = memoryview(first)[self._offset :]
        if len(first) >= size:
            return [first if len(first) == size else memoryview(first)[:size]]
        pieces = [first]
        size -= len(first)
        for chain in chains[1:chains_max]:
            if len(chain) >= size:
                pieces.append(chain if len(chain) == size else memoryview(chain)[:size])
                break
            pieces.append(chain)
            size -= len(chain)
        return pieces

    # Callbacks and freezing.

    def add_cb(self, callback: BufferCallback) -> None:
        """evbuffer_add_cb: told of every change, the most recently added first."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def remove_cb(self, callback: BufferCallback) -> int:
        """evbuffer_remove_cb: 0, or -1 when it is not there. Legal inside the callback itself."""
        if self._callbacks is None or callback not in self._callbacks:
            return -1
        self._callbacks.remove(callback)
        return 0

    def freeze(self, at_front: bool) -> None:
        """evbuffer_freeze: the head when `at_front`, else the tail."""
        if at_front:
            self.start_frozen = True
        else:
            self.end_frozen = True

    def unfreeze(self, at_front: bool) -> None:
        """evbuffer_unfreeze."""
        if at_front:
            self.start_frozen = False
        else:
            self.end_frozen = False

    def _changed(self, added: int, deleted: int) -> None:
        """buffer.c:evbuffer_run_callbacks: most recently added first, hence the owner last."""
        if self._callbacks:
            change = Change(self.length - added + deleted, added, deleted)
            for callback in self._callbacks[::-1]:
                if callback in self._callbacks:  # an earlier one may have removed it
                    callback(self, change)
        if self.owner is not None:
            self.owner(added, deleted)

    def check(self) -> None:
        """The structural invariants, for tests: raises AssertionError where one does not hold."""
        assert self.length == sum(map(len, self._chains)) - self._offset
        assert all(len(chain) for chain in self._chains), "an empty chain"
        assert 0 <= self._offset < len(self._chains[0]) if self._chains else not self._offset
