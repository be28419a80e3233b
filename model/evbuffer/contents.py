"""Putting bytes in and taking bytes out (libevent: buffer.c).

`append_frozen`, `drain_frozen`, `remove` and `peek` are on the path of every byte. What a kernel
received is appended by reference, without a copy, as a chain that nobody writes into; small pieces
behind others are copied together instead, so that a thousand one-byte writes are one chain.
"""

from __future__ import annotations

from collections.abc import Iterable

from model.evbuffer.chain import (
    CHAIN_MAX,
    HELD,
    IMMUTABLE,
    KEPT,
    MAX_AUTO_SIZE,
    PINNED,
    PINNED_R,
    REFERENCE,
    Chain,
    Cleanup,
    new_chain,
    put,
    release,
)
from model.evbuffer.looking import Looking
from model.kernel import Buffer

BY_REFERENCE = 512  # bytes; pieces of that size on are never copied together


class Contents(Looking):
    """A buffer as a queue of bytes."""

    __slots__ = ()

    # Adding.

    def add(self, data: Buffer) -> int:
        """evbuffer_add: copies `data` to the tail; 0, or -1 when frozen or without memory."""
        if self.end_frozen:
            return -1
        added = len(data)
        if not added:
            return 0
        if not self._fill(data, added):
            return -1
        self._changed(added, 0)
        return 0

    def append_frozen(self, data: Buffer) -> None:
        """Appends `data` whatever is frozen. An empty one changes nothing and tells nobody.

        Raises MemoryError when there is none.
        """
        added = len(data)
        if not added:
            return
        if self.first is None and type(data) is bytes:
            self.first = self.last = self.last_with_data = Chain(data, added, IMMUTABLE)
            self.length = added
        elif type(data) is bytes and (added >= BY_REFERENCE or not self.length):
            self._insert(Chain(data, added, IMMUTABLE))
        elif not self._fill(data, added):
            raise MemoryError(f"no memory for {added} bytes")
        if self._callbacks is not None:
            self._changed(added, 0)
        elif self.owner is not None:
            self.owner(added, 0)

    def _fill(self, data: Buffer, added: int) -> bool:
        """evbuffer_add's copy: into the tail's space, then into a new chain. All or nothing."""
        if self.length + added > CHAIN_MAX:
            return False
        chain = self.last_with_data or self.first
        room = 0 if chain is None else chain.space
        if chain is not None and (room >= added or chain.should_realign(added)):
            if room < added:
                chain.realign()
            self._write(chain, data)
            return True
        wanted = 0
        if chain is not None and not chain.flags & IMMUTABLE:
            wanted = chain.capacity
            if wanted <= MAX_AUTO_SIZE // 2:
                wanted *= 2
        fresh = new_chain(max(wanted, added))
        if fresh is None:
            return False
        if room and chain is not None:
            data = memoryview(data)
            self._write(chain, data[:room])
            data = data[room:]
        put(fresh, 0, data)
        fresh.off = len(data)
        self._insert(fresh)
        return True

    def _write(self, chain: Chain, data: Buffer) -> None:
        """Appends `data` to the bytes of a chain that has the space and is the last with data."""
        put(chain, chain.misalign + chain.off, data)
        chain.off += len(data)
        self.length += len(data)
        self.last_with_data = chain

    def add_iovec(self, pieces: Iterable[Buffer]) -> int:
        """evbuffer_add_iovec: the number of bytes added, fewer than given when one failed."""
        added = 0
        for piece in pieces:
            if self.add(piece):
                break
            added += len(piece)
        return added

    def add_reference(self, data: Buffer, cleanup: Cleanup | None = None) -> int:
        """evbuffer_add_reference: `data` itself, uncopied; 0, or -1 when the tail is frozen.

        `cleanup` is called once, with `data`, when no buffer uses it any more; after -1 it is not.
        """
        if self.end_frozen:
            return -1
        self.append_reference(data, cleanup)
        return 0

    def add_reference_with_offset(
        self, data: Buffer, offset: int, size: int, cleanup: Cleanup | None = None
    ) -> int:
        """evbuffer_add_reference_with_offset: `size` bytes of `data` from `offset`; 0 or -1."""
        if self.end_frozen or offset < 0 or size < 0 or offset + size > len(data):
            return -1
        self.append_reference(data, cleanup, offset, size)
        return 0

    def append_reference(
        self, data: Buffer, cleanup: Cleanup | None = None, offset: int = 0, size: int | None = None
    ) -> None:
        """add_reference whatever is frozen. Without bytes it makes an empty chain."""
        chain = Chain(data, len(data) if size is None else size, REFERENCE | IMMUTABLE)
        chain.misalign = offset
        chain.more().cleanup = cleanup
        self._insert(chain)
        self._changed(chain.off, 0)

    def prepend(self, data: Buffer) -> int:
        """evbuffer_prepend: puts `data` in front; 0, or -1 when frozen or without memory."""
        if self.start_frozen:
            return -1
        added = len(data)
        if not added:
            return 0
        if self.length + added > CHAIN_MAX:
            return -1
        if not self._prepend(memoryview(data)):
            return -1
        self.length += added
        self._changed(added, 0)
        return 0

    def _prepend(self, data: memoryview) -> bool:
        """Into the space before the first chain's bytes, then into a new first chain."""
        first = self.first
        room = 0
        if first is not None and not first.flags & (IMMUTABLE | PINNED):
            room = first.misalign if first.off else first.capacity
        into, rest = min(room, len(data)), len(data) - min(room, len(data))
        fresh = new_chain(rest) if rest else None
        if rest and fresh is None:
            return False
        if into and first is not None:
            if not first.off:  # all of it is space
                first.misalign = first.capacity
            first.misalign -= into
            first.off += into
            put(first, first.misalign, data[rest:])
            if self.last_with_data is None:
                self.last_with_data = first
        if fresh is not None:
            fresh.misalign = fresh.capacity - rest
            fresh.off = rest
            put(fresh, fresh.misalign, data[:rest])
            fresh.next = first
            self.first = fresh
            if first is None:
                self.last = fresh
            if self.last_with_data is None:
                self.last_with_data = fresh
        return True

    # Taking away.

    def drain(self, size: int) -> int:
        """evbuffer_drain: throws away the first `size` bytes (or all); 0, or -1 when frozen."""
        if self.start_frozen:
            return -1
        self.drain_frozen(size)
        return 0

    def drain_frozen(self, size: int) -> None:
        """Drains whatever is frozen.

        A chain that was made for a reservation stays if it is the only one: whoever reserves will
        do so again (libevent frees it).
        """
        length = self.length
        if size >= length:
            size = length
            if not size:
                return
            first = self.first
            if first is self.last and first is not None and not first.flags & HELD:
                self.last_with_data = None
                self.length = 0
                if first.flags & KEPT:
                    first.misalign = first.off = 0
                else:
                    self.first = self.last = None
            elif self._has_pinned_tail():
                self._drop(size)
            else:
                self._clear()
        elif size <= 0:
            return
        else:
            first = self.first
            if first is not None and first.off > size:
                first.misalign += size
                first.off -= size
                self.length = length - size
            else:
                self._drop(size)
        if self._callbacks is not None:
            self._changed(0, size)
        elif self.owner is not None:
            self.owner(0, size)

    def _drop(self, size: int) -> None:
        """Moves the head by `size` bytes. A read-pinned chain stays, emptied."""
        self.length -= size
        chain = self.first
        while chain is not None and size >= chain.off:
            if chain.flags & PINNED_R:
                break
            size -= chain.off
            following = chain.next
            if chain is self.last_with_data:
                self.last_with_data = None
            release(chain)
            chain = following
        self.first = chain
        if chain is None:
            self._forget()
            return
        chain.misalign += size
        chain.off -= size
        if not chain.off and chain is self.last_with_data:
            self.last_with_data = None

    def remove(self, size: int) -> bytes | None:
        """evbuffer_remove: takes at most `size` bytes from the head; None when it is frozen."""
        if self.start_frozen:
            return None
        first = self.first
        if first is not None and first.flags == IMMUTABLE and first is self.last:
            data = first.storage
            taken = first.off
            if taken == len(data) and taken <= size:
                self.first = self.last = self.last_with_data = None
                self.length = 0
                if self._callbacks is not None:
                    self._changed(0, taken)
                elif self.owner is not None:
                    self.owner(0, taken)
                return data  # type: ignore[return-value]  # nothing but bytes has this one flag
        copied = self.copyout(size)
        self.drain_frozen(len(copied))
        return copied
