"""Bugs of an evbuffer, libevent's own and others, for its stateful test: no run of bufferevents
reaches most of them. Each function is the model's own of that place with the bug, or wraps it.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.evbuffer import CB_ENABLED, CallbackEntry, Change, Eol, Evbuffer, FileSegment, Iovec
from model.evbuffer.callbacks import Callbacks
from model.evbuffer.chain import IMMUTABLE, MAX_TO_REALIGN, PINNED, SHARED, Chain, release_all
from model.evbuffer.chains import ChainList
from model.evbuffer.contents import Contents
from model.evbuffer.looking import Looking, Position
from model.evbuffer.moves import Moves
from model.evbuffer.search import Search
from model.evbuffer.segments import FS_CLOSE_ON_FREE, Segments
from model.evbuffer.space import Space
from model.files import File
from model.mutants.mutant import BOTH, Mutant, Patch, planted

_prepend_buffer = Moves.prepend_buffer
_prepend = Contents._prepend
_commit_space = Space.commit_space
_search_eol = Search.search_eol
_hand_over = Moves._hand_over
_add_buffer_reference = Moves.add_buffer_reference
_add_cb = ChainList.add_cb


def prepend_buffer_keeps_last(self: Moves, source: Moves) -> int:
    """LE-103: after prepend_buffer into an empty buffer the last chain with data is the first."""
    empty = self.last_with_data is None
    result = _prepend_buffer(self, source)
    if empty and self.length:
        self.last_with_data = self.first
    return result


def prepend_keeps_last(self: Contents, data: memoryview) -> bool:
    """LE-101: bytes put before an empty first chain leave the last chain with data as it was."""
    before = self.last_with_data
    result = _prepend(self, data)
    self.last_with_data = before
    return result


def commit_takes_all(self: Space, pieces: Sequence[Iovec]) -> int:
    """The first vector is committed whole, however much of it was written."""
    if len(pieces) > 1:
        pieces[0].len = len(pieces[0].base)
    return _commit_space(self, pieces)


def search_eol_in_one_chain(
    self: Search, style: Eol = Eol.ANY, start: Position | None = None
) -> tuple[Position, int] | None:
    """The CR of a CRLF is overlooked in the chain before the LF's."""
    found = _search_eol(self, style, start)
    if style is Eol.CRLF and found is not None and found[1] == 2:
        place, _ = found
        if place.chain is not None and place.pos_in_chain == place.chain.off - 1:
            behind = self.position(place.pos + 1)
            return None if behind is None else (behind, 1)
    return found


def no_pinned_tail(self: ChainList) -> bool:
    """LE-107: draining everything frees the chain that a kernel is filling."""
    return False


def clear_cleans_twice(self: ChainList) -> None:
    """The cleanup of a reference at the head runs again when all is freed."""
    chain = self.first
    self._forget()
    release_all(chain)
    if chain is not None and chain.extra is not None and chain.extra.cleanup is not None:
        chain.extra.cleanup(chain.storage)


def remove_buffer_counts_chains(self: Moves, target: Moves, size: int) -> int:
    """n_deleted of a partial move counts whole chains only."""
    if size <= 0 or target is self:
        return 0
    if self.start_frozen or target.end_frozen:
        return -1
    if size >= self.length:
        size = self.length
        return size if not target.add_buffer(self) else -1
    whole = self._whole_chains(size)
    chain = self._hand_over(target, whole) if whole else self.first
    if size > whole and chain is not None:
        self._hand_over_part(target, chain, size - whole)
    target._changed(size, 0)
    self._changed(0, whole)
    return size


def realign_anything(self: Chain, size: int) -> bool:
    """Memory that is not the buffer's own is realigned."""
    capacity = len(self.storage)
    return (
        not self.flags & PINNED
        and capacity - self.off >= size
        and self.off < capacity // 2
        and self.off <= MAX_TO_REALIGN
    )


def realign_pinned(self: Chain, size: int) -> bool:
    """Bytes are moved within their chain while a kernel is reading them."""
    capacity = len(self.storage)
    return (
        not self.flags & IMMUTABLE
        and capacity - self.off >= size
        and self.off < capacity // 2
        and self.off <= MAX_TO_REALIGN
    )


def peek_one_more(
    self: Looking, size: int, start: Position | None = None, extents: int = 0
) -> tuple[int, list[memoryview]]:
    """One chain more than is needed when the bytes end where a chain does."""
    chain, skip = (self.first, 0) if start is None else (start.chain, start.pos_in_chain)
    if size < 0 and not extents:
        size = self.length - (0 if start is None else start.pos)
    seen: list[memoryview] = []
    needed = so_far = 0
    while chain is not None and (size < 0 or so_far <= size):
        if len(seen) < extents and self._loaded(chain):
            seen.append(chain.view()[skip:])
        elif size < 0:
            break
        needed += 1
        so_far += chain.off - skip
        skip = 0
        chain = chain.next
    return needed, seen


def hand_over_keeps_last(self: Moves, target: Moves, size: int) -> Chain | None:
    """LE-102: with an empty chain in front, the target's last chain is the wrong one."""
    first = self.first
    empty = first is not None and not first.off
    rest = _hand_over(self, target, size)
    if empty:
        target.last_with_data = first
    return rest


def cut_nothing(self: Moves) -> Chain | None:
    """LE-174: chains that a kernel is filling move to the other buffer."""
    return None


def search_range_ignores_start(
    self: Search, what: bytes, start: Position | None = None, end: Position | None = None
) -> Position | None:
    """LE-157: a place found in the chain that the search began in is off by where it began."""
    pos = 0 if start is None else start.pos
    limit = self.length if end is None else min(end.pos, self.length)
    chain, skip = (self.first, 0) if start is None else (start.chain, start.pos_in_chain)
    while chain is not None and pos + len(what) <= limit:
        found = self._find(chain, skip, what, limit - pos)
        if found is not None:
            return Position(pos + found, chain, found)
        pos += chain.off - skip
        chain, skip = chain.next, 0
    return None


def filled_backwards(self: Evbuffer, pieces: list[Iovec], size: int) -> None:
    """LE-191: what a readv brought is counted on the last chains, not on the first."""
    left = size
    for piece in reversed(pieces):
        taken = min(len(piece.base), left)
        piece.chain.off += taken
        left -= taken
    self.length += size
    self.last_with_data = None
    self._advance()
    self._changed(size, 0)


def add_file_leaks(self: Segments, file: File, offset: int = 0, length: int = -1) -> int:
    """LE-197: a segment that cannot be added is not freed."""
    segment = FileSegment.new(file, offset, length, FS_CLOSE_ON_FREE)
    if not isinstance(segment, FileSegment):
        file.close()
        return -1
    result = self.add_file_segment(segment)
    if result == 0:
        segment.free()
    return result


def views_are_writable(self: Moves, source: Moves) -> int:
    """Memory that other buffers have views of is written into again."""
    result = _add_buffer_reference(self, source)
    for chain in source.chains():
        if chain.flags & SHARED and type(chain.storage) is bytearray and chain.extra is not None:
            if chain.extra.cleanup is None:
                chain.flags &= ~IMMUTABLE
    return result


def tell_forgets(self: Callbacks, added: int, deleted: int) -> None:
    """Deferred callbacks hear of the last deletion only."""
    if not self.entries:
        self.n_added = self.n_deleted = 0
        return
    change = Change(self.buffer.length - added + deleted, added, deleted)
    if self.base is None:
        self._call(change, CB_ENABLED)
        return
    self.n_added += added
    self.n_deleted = deleted
    if not self.queued:
        self.queued = True
        self.buffer.incref()
        self.base.schedule_deferred(self)
    self._call(change, CB_ENABLED | 2)


def add_cb_behind(self: ChainList, callback: object) -> CallbackEntry:
    """Callbacks are called oldest first."""
    entry = _add_cb(self, callback)  # type: ignore[arg-type]  # as it came
    entries = self._told().entries
    entries.append(entries.pop(0))
    return entry


def _bug(name: str, title: str, breaks: str, *patches: Patch) -> Mutant:
    return planted(name, title, breaks, BOTH, *patches)


EVBUFFER: tuple[Mutant, ...] = (
    _bug(
        "EB-prepend-buffer",
        "prepend_buffer leaves the last chain with data behind",
        "B-4",
        (Moves, "prepend_buffer", prepend_buffer_keeps_last),
    ),
    _bug(
        "EB-prepend",
        "prepend leaves the last chain with data behind",
        "B-4",
        (Contents, "_prepend", prepend_keeps_last),
    ),
    _bug(
        "EB-commit",
        "a shortened vector is committed whole",
        "B-4",
        (Space, "commit_space", commit_takes_all),
    ),
    _bug(
        "EB-crlf",
        "CRLF is not seen across two chains",
        "B-4",
        (Search, "search_eol", search_eol_in_one_chain),
    ),
    _bug(
        "EB-pinned-drain",
        "a drain frees what a kernel is filling",
        "B-4",
        (ChainList, "_has_pinned_tail", no_pinned_tail),
    ),
    _bug("EB-cleanup", "a cleanup runs twice", "B-4", (ChainList, "_clear", clear_cleans_twice)),
    _bug(
        "EB-deleted",
        "remove_buffer counts whole chains",
        "B-4",
        (Moves, "remove_buffer", remove_buffer_counts_chains),
    ),
    _bug(
        "EB-realign",
        "somebody else's memory is realigned",
        "B-4",
        (Chain, "should_realign", realign_anything),
    ),
    _bug(
        "EB-realign-pinned",
        "memory is realigned while a kernel reads it",
        "B-4",
        (Chain, "should_realign", realign_pinned),
    ),
    _bug(
        "EB-peek",
        "peek needs one chain too many",
        "B-4",
        (Looking, "peek_extents", peek_one_more),
    ),
    _bug(
        "EB-empty-front",
        "remove_buffer with an empty chain in front",
        "B-4",
        (Moves, "_hand_over", hand_over_keeps_last),
    ),
    _bug(
        "EB-pinned-move",
        "a kernel writes into another buffer",
        "B-4",
        (Moves, "_cut_pinned", cut_nothing),
    ),
    _bug(
        "EB-search",
        "a search from within a chain",
        "B-4",
        (Search, "search_range", search_range_ignores_start),
    ),
    _bug(
        "EB-readv",
        "a readv is counted on the wrong chain",
        "B-4",
        (Evbuffer, "_filled", filled_backwards),
    ),
    _bug("EB-file", "add_file leaks on failure", "B-4", (Segments, "add_file", add_file_leaks)),
    _bug(
        "EB-views",
        "views see what is written",
        "B-4",
        (Moves, "add_buffer_reference", views_are_writable),
    ),
    _bug("EB-deferred", "deletions are forgotten", "B-4", (Callbacks, "tell", tell_forgets)),
    _bug("EB-order", "callbacks run oldest first", "O-4", (ChainList, "add_cb", add_cb_behind)),
)
