"""Room at the tail: expand, reserve and commit (libevent: buffer.c, evbuffer_expand_fast_).

A reservation is a list of `Iovec`: views of free memory that the caller may write into and then
commit, whole or shortened, in order. Anything else that changes the buffer makes it worthless.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.evbuffer.chain import (
    CHAIN_MAX,
    IMMUTABLE,
    KEPT,
    MAX_TO_COPY,
    PINNED,
    PINNED_R,
    Chain,
    new_chain,
    put,
    release,
)
from model.evbuffer.chains import ChainList


class Iovec:
    """One piece of reserved space. `base` is all of it; set `len` to what was written."""

    __slots__ = ("base", "chain", "len", "start")

    def __init__(self, chain: Chain, start: int, size: int) -> None:
        self.chain = chain
        self.start = start
        self.base = memoryview(chain.storage)[start : start + size]
        self.len = size


class Space(ChainList):
    """A chain list that can make room."""

    __slots__ = ()

    def _first_with_space(self) -> Chain | None:
        """The first chain at the tail that can be written into, or None."""
        return self._with_space(self.last_with_data or self.first)

    @staticmethod
    def _with_space(chain: Chain | None) -> Chain | None:
        """`chain`, or the first behind it that has room: a reference to nothing may lie between."""
        while chain is not None and not chain.space:
            chain = chain.next
        return chain

    # Expanding.

    def expand(self, size: int) -> int:
        """evbuffer_expand: `size` contiguous bytes at the tail; 0, or -1 without memory.

        -1 as well when the tail is frozen: a chain behind one that a kernel is filling would be in
        the wrong place.
        """
        return -1 if self.end_frozen or self._expand_single(size) is None else 0

    def _expand_single(self, size: int) -> Chain | None:
        """evbuffer_expand_singlechain: the chain that has the room."""
        chain = self._first_with_space()
        if chain is None or chain.flags & (IMMUTABLE | PINNED):
            return self._insert_new(size)
        if chain.space >= size:
            return chain
        if not chain.off:
            return self._insert_new(size)
        if chain.should_realign(size):
            chain.realign()
            return chain
        if self.length + size > CHAIN_MAX:
            return None
        if chain.space < chain.capacity // 8 or chain.off > MAX_TO_COPY:
            behind = chain.next
            return behind if behind is not None and behind.space >= size else self._insert_new(size)
        return self._enlarge(chain, size)

    def _insert_new(self, size: int) -> Chain | None:
        """A new empty chain at the tail, in place of the empty ones there."""
        if self.length + size > CHAIN_MAX:
            return None
        chain = new_chain(size)
        if chain is not None:
            self._insert(chain)
        return chain

    def _enlarge(self, chain: Chain, size: int) -> Chain | None:
        """Puts a larger chain in the place of `chain`, with its bytes and room for `size`."""
        larger = new_chain(chain.off + size)
        if larger is None:
            return None
        put(larger, 0, chain.view())
        larger.off = chain.off
        larger.next = chain.next
        if self.first is chain:
            self.first = larger
        else:
            before = self.first
            while before is not None and before.next is not chain:
                before = before.next
            assert before is not None
            before.next = larger
        if self.last is chain:
            self.last = larger
        if self.last_with_data is chain:
            self.last_with_data = larger
        release(chain)
        return larger

    def _expand_fast(self, size: int, pieces: int) -> int:
        """evbuffer_expand_fast_: `size` bytes of room in at most `pieces` > 1 chains; 0 or -1."""
        if self.length + size > CHAIN_MAX:
            return -1
        last = self.last
        if last is None or last.flags & (IMMUTABLE | PINNED_R):
            return -1 if self._insert_new(size) is None else 0
        used = available = 0
        chain = self.last_with_data or self.first
        while chain is not None:
            if not chain.off and not chain.flags & (PINNED | IMMUTABLE):
                chain.misalign = 0
            space = chain.space
            if space:
                available += space
                used += 1
            if available >= size:
                return 0
            if used == pieces:
                break
            chain = chain.next
        if used < pieces:
            return self._add_empty(size - available)
        return self._start_over(size)

    def _add_empty(self, size: int) -> int:
        """One more empty chain behind the others."""
        chain = new_chain(size)
        if chain is None:
            return -1
        assert self.last is not None
        self.last.next = chain
        self.last = chain
        return 0

    def _start_over(self, size: int) -> int:
        """One empty chain in place of all that are there, for what the last with data lacks."""
        keep = self.last_with_data
        chain = new_chain(size - (keep.space if keep is not None else 0))
        if chain is None:
            return -1
        before = self._free_trailing()
        if before is None:
            self.first = chain
        else:
            before.next = chain
        self.last = chain
        return 0

    # Reserving and committing.

    def reserve_space(self, size: int, pieces: int = 1) -> list[Iovec] | None:
        """evbuffer_reserve_space: free memory at the tail, `size` bytes or more in all.

        At most `pieces` Iovecs; None when the tail is frozen or there is no memory.
        """
        if self.end_frozen or pieces < 1 or size < 0:
            return None
        chain = self.last_with_data or self.first
        # The usual case, quickly.
        if pieces == 1 and chain is not None and chain.flags in (0, KEPT):
            start = chain.misalign + chain.off
            space = len(chain.storage) - start
            if space >= size and space:
                chain.flags = KEPT
                return [Iovec(chain, start, space)]
        return self._room(size, pieces, exact=False)

    def _room(self, size: int, pieces: int, exact: bool) -> list[Iovec] | None:
        """Makes room and says where it is; of `size` bytes and no more if `exact`."""
        if pieces == 1:
            chain = self._expand_single(size)
            if chain is None:
                return None
            chain.flags |= KEPT
            return [Iovec(chain, chain.misalign + chain.off, size if exact else chain.space)]
        if self._expand_fast(size, pieces):
            return None
        return self._iovecs(size, pieces, exact)

    def _iovecs(self, size: int, pieces: int, exact: bool) -> list[Iovec]:
        """evbuffer_read_setup_vecs_: the space there is, cut to `size` if `exact`."""
        made: list[Iovec] = []
        so_far = 0
        chain = self._first_with_space()
        while chain is not None and len(made) < pieces and so_far < size:
            room = chain.space
            if exact:
                room = min(room, size - so_far)
            made.append(Iovec(chain, chain.misalign + chain.off, room))
            so_far += room
            chain = self._with_space(chain.next)
        return made

    def commit_space(self, pieces: Sequence[Iovec]) -> int:
        """evbuffer_commit_space: appends what was written into reserved space; 0 or -1.

        -1 and no effect when the tail is frozen, or when `pieces` are not those reserved, in order,
        each as long as it was or shorter.
        """
        if self.end_frozen:
            return -1
        if not pieces:
            return 0
        last = self.last
        chain = last if len(pieces) == 1 and pieces[0].chain is last else self._first_with_space()
        if len(pieces) == 1:  # room for all of it may be further on than the first room
            while chain is not None and chain is not pieces[0].chain:
                chain = chain.next
        for piece in pieces:
            if chain is None or piece.chain is not chain:
                return -1
            start, size = chain.misalign + chain.off, piece.len
            if piece.start != start or size < 0 or start + size > len(chain.storage):
                return -1
            if size and chain.flags & (IMMUTABLE | PINNED_R):
                return -1
            chain = self._with_space(chain.next)
        added = 0
        for piece in pieces:
            size = piece.len
            if size:
                chain = piece.chain
                chain.off += size
                self.last_with_data = chain
                added += size
        self.length += added
        if added and (self.owner is not None or self._callbacks is not None):
            self._changed(added, 0)
        return 0
