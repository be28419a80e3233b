"""Finding things and reading lines (libevent: buffer.c, evbuffer_search_range, evbuffer_readln)."""

from __future__ import annotations

from enum import Enum

from model.evbuffer.chain import Chain
from model.evbuffer.looking import Position
from model.evbuffer.moves import Moves


class Eol(Enum):
    """How a line ends (enum evbuffer_eol_style)."""

    ANY = "any run of CR and LF"
    CRLF = "LF, with a CR before it or without"
    CRLF_STRICT = "CR and LF"
    LF = "LF"
    NUL = "a zero byte"


_LITERAL = {Eol.CRLF_STRICT: b"\r\n", Eol.LF: b"\n", Eol.NUL: b"\0", Eol.CRLF: b"\n"}


class Search(Moves):
    """A buffer that can be searched."""

    __slots__ = ()

    def position(self, pos: int) -> Position | None:
        """evbuffer_ptr_set with EVBUFFER_PTR_SET: `pos` bytes from the head; None past the end.

        The end itself is a position: one past the last byte, without a chain.
        """
        if not 0 <= pos <= self.length:
            return None
        left = pos
        for chain in self.chains():
            if left < chain.off:
                return Position(pos, chain, left)
            left -= chain.off
        return Position(pos, None, 0)

    def advance(self, start: Position, size: int) -> Position | None:
        """evbuffer_ptr_set with EVBUFFER_PTR_ADD: `size` bytes on; None past the end."""
        return None if size < 0 else self.position(start.pos + size)

    def search(self, what: bytes, start: Position | None = None) -> Position | None:
        """evbuffer_search: where `what` occurs first, from `start` (None: the head) on."""
        return self.search_range(what, start, None)

    def search_range(
        self, what: bytes, start: Position | None = None, end: Position | None = None
    ) -> Position | None:
        """evbuffer_search_range: the same, all of `what` before `end` (None: the end)."""
        pos = 0 if start is None else start.pos
        limit = self.length if end is None else min(end.pos, self.length)
        chain, skip = (self.first, 0) if start is None else (start.chain, start.pos_in_chain)
        if not what:
            return start if start is not None else self.position(0)
        while chain is not None and pos + len(what) <= limit:
            found = self._find(chain, skip, what, limit - pos)
            if found is not None:
                return Position(pos + found - skip, chain, found)
            pos += chain.off - skip
            chain, skip = chain.next, 0
        return None

    def _find(self, chain: Chain, skip: int, what: bytes, left: int) -> int | None:
        """The place in `chain`, from `skip` on, of the first `what`, which may run into the next.

        No more than `left` bytes from `skip` on are looked at.
        """
        if not self._loaded(chain):
            return None
        storage = chain.storage
        end = min(chain.off, skip + left)
        if isinstance(storage, memoryview):
            place = bytes(chain.view()[:end]).find(what, skip)
        else:
            place = storage.find(what, chain.misalign + skip, chain.misalign + end)
            place -= chain.misalign if place >= 0 else 0
        if place >= 0:
            return place
        for start in range(max(skip, chain.off - len(what) + 1), chain.off):
            if start - skip + len(what) > left:
                break
            if self.copyout_from(Position(0, chain, start), len(what)) == what:
                return start
        return None

    # Lines.

    def search_eol(
        self, style: Eol = Eol.ANY, start: Position | None = None
    ) -> tuple[Position, int] | None:
        """evbuffer_search_eol: where the first end of line from `start` on is, and its bytes."""
        if style is Eol.ANY:
            return self._search_any(start)
        found = self.search(_LITERAL[style], start)
        if found is None:
            return None
        if style is Eol.CRLF and found.pos > (0 if start is None else start.pos):
            before = self.position(found.pos - 1)
            if before is not None and self.copyout_from(before, 1) == b"\r":
                return before, 2
        return found, len(_LITERAL[style])

    def _search_any(self, start: Position | None) -> tuple[Position, int] | None:
        """The first CR or LF, and the run of them that it begins."""
        found = [each for each in (self.search(b"\r", start), self.search(b"\n", start)) if each]
        if not found:
            return None
        first = min(found, key=lambda each: each.pos)
        size = 0
        chain, skip = first.chain, first.pos_in_chain
        while chain is not None:
            if not self._loaded(chain):
                break
            data = bytes(chain.view()[skip:])
            run = len(data) - len(data.lstrip(b"\r\n"))
            size += run
            if run < len(data):
                break
            chain, skip = chain.next, 0
        return first, size

    def readln(self, style: Eol = Eol.ANY) -> bytes | None:
        """evbuffer_readln: takes a line and its end; the line, None without one or when frozen."""
        if self.start_frozen:
            return None
        found = self.search_eol(style)
        if found is None:
            return None
        place, size = found
        line = self.copyout(place.pos)
        self.drain_frozen(place.pos + size)
        return line
