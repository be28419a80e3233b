"""Moving bytes between buffers chain by chain (libevent: buffer.c, evbuffer_add_buffer and others).

Whole chains change hands uncopied. Chains that a kernel is filling (PINNED_R) stay where they are:
what the first of them holds already is copied, and the kernel's next byte goes where it did.
"""

from __future__ import annotations

from model.evbuffer.chain import (
    CHAIN_MAX,
    FILESEGMENT,
    IMMUTABLE,
    MULTICAST,
    PINNED_R,
    SENDFILE,
    SHARED,
    Chain,
    new_chain,
    put,
)
from model.evbuffer.contents import Contents

_NOT_VIEWED = FILESEGMENT | SENDFILE | MULTICAST


class Moves(Contents):
    """A buffer that exchanges chains with others."""

    __slots__ = ()

    def add_buffer(self, source: Moves) -> int:
        """evbuffer_add_buffer: moves all of `source` to the tail without copying; 0 or -1.

        -1 when our tail or the source's head is frozen. Callbacks: the source's first, then ours.
        """
        if source is self or not source.length:
            return 0
        if self.end_frozen or source.start_frozen or self.length + source.length > CHAIN_MAX:
            return -1
        if source._has_pinned_tail() and not source._free_of_pins():
            return -1
        self.take_frozen(source)
        return 0

    def take_frozen(self, source: Moves) -> int:
        """Moves all of `source` to our tail whatever is frozen: the number of bytes moved.

        Raises MemoryError when what a kernel is filling cannot be copied.
        """
        moved = source.length
        if not moved or source is self:
            return 0
        pinned = None
        if source.last is not None and source.last.flags & PINNED_R:
            if not source._free_of_pins():
                raise MemoryError(f"no memory to copy a pinned chain of {source.length} bytes")
            pinned = source._cut_pinned()
        if self.first is None:
            self.first = source.first
        else:
            before = self._free_trailing()
            if before is None:
                self.first = source.first
            else:
                before.next = source.first
        self.last = source.last
        self.last_with_data = source.last_with_data
        self.length += moved
        source._restore(pinned)
        if source.owner is not None or source._callbacks is not None:
            source._changed(0, moved)
        if self.owner is not None or self._callbacks is not None:
            self._changed(moved, 0)
        return moved

    def prepend_buffer(self, source: Moves) -> int:
        """evbuffer_prepend_buffer: moves all of `source` to the head without copying; 0 or -1.

        -1 when our head or the source's is frozen. Callbacks: the source's first, then ours.
        """
        if source is self or not source.length:
            return 0
        if self.start_frozen or source.start_frozen or self.length + source.length > CHAIN_MAX:
            return -1
        if source._has_pinned_tail() and not source._free_of_pins():
            return -1
        moved = source.length
        pinned = source._cut_pinned() if source._has_pinned_tail() else None
        assert source.last is not None
        source.last.next = self.first
        if self.first is None:
            self.last = source.last
        if self.last_with_data is None:
            self.last_with_data = source.last_with_data
        self.first = source.first
        self.length += moved
        source._restore(pinned)
        source._changed(0, moved)
        self._changed(moved, 0)
        return 0

    def _free_of_pins(self) -> bool:
        """PRESERVE_PINNED's copy: the bytes of the first read-pinned chain go to one of their own.

        It then stands before the pinned one, which is empty. False without memory.
        """
        chain = self.last_with_data
        if chain is None or not chain.flags & PINNED_R:
            return True
        copied = new_chain(chain.off)
        if copied is None:
            return False
        put(copied, 0, chain.view())
        copied.off = chain.off
        chain.misalign += chain.off
        chain.off = 0
        before = self._before(chain)
        copied.next = chain
        if before is None:
            self.first = copied
        else:
            before.next = copied
        self.last_with_data = copied
        return True

    def _before(self, chain: Chain) -> Chain | None:
        """The chain before `chain`; None: it is the first."""
        before = None
        each = self.first
        while each is not None and each is not chain:
            before, each = each, each.next
        return before

    def _cut_pinned(self) -> Chain | None:
        """Takes what is behind the data off the list, if a kernel is filling it."""
        last = self.last_with_data
        assert last is not None
        pinned = last.next
        last.next = None
        self.last = last
        return pinned

    def _restore(self, pinned: Chain | None) -> None:
        """RESTORE_PINNED: everything has left but what a kernel is filling."""
        self.first = self.last = pinned
        self.last_with_data = None
        self.length = 0
        while self.last is not None and self.last.next is not None:
            self.last = self.last.next

    def remove_buffer(self, target: Moves, size: int) -> int:
        """evbuffer_remove_buffer: moves the first `size` bytes (or all) to `target`'s tail.

        The number of bytes moved; -1 when our head or the target's tail is frozen. Callbacks: the
        target's first, then ours; all of a buffer is an `add_buffer`.
        """
        if size <= 0 or target is self:
            return 0
        if self.start_frozen or target.end_frozen:
            return -1
        if size >= self.length:
            size = self.length
            return size if not target.add_buffer(self) else -1
        if target.length + size > CHAIN_MAX:
            return -1
        whole = self._whole_chains(size)
        rest = size - whole
        chain = self.first
        if whole:
            chain = self._hand_over(target, whole)
        if rest and chain is not None and not self._hand_over_part(target, chain, rest):
            size = whole
        if size:
            target._changed(size, 0)
            self._changed(0, size)
        return size

    def _whole_chains(self, size: int) -> int:
        """Bytes of the chains at the head that lie within the first `size` bytes."""
        whole = 0
        for chain in self.chains():
            if whole + chain.off > size:
                break
            whole += chain.off
        return whole

    def _hand_over(self, target: Moves, size: int) -> Chain | None:
        """Moves chains with `size` bytes, all of them whole; our first chain then.

        Never all there are.
        """
        first = last = self.first
        assert first is not None and last is not None
        left = size - last.off
        while left:
            assert last.next is not None
            last = last.next
            left -= last.off
        self.first = last.next
        last.next = None
        self.length -= size
        before = target._free_trailing()
        if before is None:
            target.first = first
        else:
            before.next = first
        target.last = target.last_with_data = last
        target.length += size
        return self.first

    def _hand_over_part(self, target: Moves, chain: Chain, size: int) -> bool:
        """Copies the first `size` bytes of the first chain that has any. False without memory."""
        while not chain.off:
            assert chain.next is not None
            chain = chain.next
        if not self._loaded(chain) or not target._fill(chain.view()[:size], size):
            return False
        self._drop(size)
        return True

    def add_buffer_reference(self, source: Moves) -> int:
        """evbuffer_add_buffer_reference: appends views of all of `source`'s bytes, uncopied.

        From then on nothing is written into its chains, and each lives until no view is left (in
        libevent the whole source does, and one that has got views on itself for ever). 0; -1 when
        our tail is frozen, for the buffer itself, and when it has pieces of files or views of its
        own. Only we are told.
        """
        if not source.length:
            return 0
        if self.end_frozen or source is self or self.length + source.length > CHAIN_MAX:
            return -1
        if any(chain.flags & _NOT_VIEWED for chain in source.chains()):
            return -1
        added = source.length
        for chain in source.chains():
            if chain.off:
                self._insert(_view_of(chain))
        self._changed(added, 0)
        return 0


def _view_of(chain: Chain) -> Chain:
    """A MULTICAST chain on the bytes that `chain` has now."""
    view = Chain(chain.storage, chain.off, MULTICAST | IMMUTABLE)
    view.misalign = chain.misalign
    chain.flags |= IMMUTABLE | SHARED
    chain.more().refcnt += 1
    view.more().parent = chain
    return view
