"""Looking at bytes where they are, copying them, and bringing them together (libevent: buffer.c,
evbuffer_copyout_from, evbuffer_peek, evbuffer_pullup).
"""

from __future__ import annotations

from typing import NamedTuple

from model.evbuffer.chain import PINNED, SENDFILE, Chain, new_chain, put, release
from model.evbuffer.space import Space
from model.kernel import Buffer


class Position(NamedTuple):
    """A place in a buffer (struct evbuffer_ptr), good until the buffer changes.

    `pos` counts from the head. One past the end has no chain.
    """

    pos: int
    chain: Chain | None
    pos_in_chain: int


class Looking(Space):
    """A chain list whose bytes can be looked at."""

    __slots__ = ()

    def copyout(self, size: int) -> bytes:
        """evbuffer_copyout: the first `size` bytes (or all), which stay where they are."""
        pieces = self.peek(size, 2)
        if len(pieces) == 1 and len(pieces[0]) >= min(size, self.length):
            data = pieces[0]
            return data if type(data) is bytes else bytes(data)
        return self.copyout_from(None, size)

    def copyout_from(self, start: Position | None, size: int) -> bytes:
        """evbuffer_copyout_from: at most `size` bytes from `start` (None: the head) on."""
        chain, skip = (self.first, 0) if start is None else (start.chain, start.pos_in_chain)
        pieces: list[memoryview] = []
        while chain is not None and size > 0:
            if not self._loaded(chain):
                break
            piece = chain.view()[skip : skip + size]
            skip = 0
            pieces.append(piece)
            size -= len(piece)
            chain = chain.next
        return b"".join(pieces)

    def peek(self, size: int, chains_max: int = 128) -> list[Buffer]:
        """Up to `size` bytes in up to `chains_max` pieces, uncopied; stops at a SENDFILE chain."""
        chain = self.first
        if chain is None or size <= 0:
            return []
        if chain is self.last_with_data or chain.off >= size:  # one piece
            storage = chain.storage
            taken = chain.off if chain.off < size else size
            if taken == len(storage):
                return [storage]
            if chain.flags & SENDFILE:
                return []
            return [memoryview(storage)[chain.misalign : chain.misalign + taken]]
        pieces: list[Buffer] = []
        while chain is not None and size > 0 and chains_max:
            taken = chain.off if chain.off < size else size
            if taken:
                if chain.flags & SENDFILE:
                    break
                storage = chain.storage
                if taken == len(storage):
                    pieces.append(storage)
                else:
                    start = chain.misalign
                    pieces.append(memoryview(storage)[start : start + taken])
                size -= taken
                chains_max -= 1
            chain = chain.next
        return pieces

    def peek_extents(
        self, size: int, start: Position | None = None, extents: int = 0
    ) -> tuple[int, list[memoryview]]:
        """evbuffer_peek: how many chains hold `size` bytes from `start`, and the first `extents`.

        A negative `size` means as much as fits the extents, or all when there are none. Extents are
        whole chains (the first from `start` on), so they may hold more than `size`.
        """
        chain, skip = (self.first, 0) if start is None else (start.chain, start.pos_in_chain)
        if size < 0 and not extents:
            size = self.length - (0 if start is None else start.pos)
        seen: list[memoryview] = []
        needed = so_far = 0
        while chain is not None and (size < 0 or so_far < size):
            if len(seen) < extents and self._loaded(chain):
                seen.append(chain.view()[skip:])
            elif size < 0:
                break
            needed += 1
            so_far += chain.off - skip
            skip = 0
            chain = chain.next
        return needed, seen

    def pullup(self, size: int = -1) -> memoryview | None:
        """evbuffer_pullup: the first `size` bytes in one piece (-1: all), uncopied if they are.

        None when there are not so many, for 0, and where a pinned chain is in the way.
        """
        if size < 0:
            size = self.length
        chain = self.first
        if not size or size > self.length or chain is None:
            return None
        if not self._loaded(chain):
            return None
        if chain.off < size and not self._gather(chain, size):
            return None
        assert self.first is not None
        return self.first.view()[:size]

    def _gather(self, first: Chain, size: int) -> bool:
        """Brings `size` bytes into the first chain, or into a new one in its place."""
        needed = first.off
        behind = first.next
        while needed < size:
            assert behind is not None
            if behind.flags & PINNED or not self._loaded(behind):
                return False
            needed += behind.off
            behind = behind.next
        target: Chain | None = first
        if first.space < size - first.off:
            if first.flags & PINNED:
                return False
            target = new_chain(size)
        if target is None:
            return False
        chain: Chain | None = first.next if target is first else first
        while chain is not None and target.off < size:
            taken = min(chain.off, size - target.off)
            put(target, target.misalign + target.off, chain.view()[:taken])
            target.off += taken
            if taken < chain.off:
                chain.misalign += taken
                chain.off -= taken
                break
            following = chain.next
            release(chain)
            chain = following
        target.next = chain
        self.first = target
        if chain is None:
            self.last = target
        self.last_with_data = target
        self._advance()
        return True
