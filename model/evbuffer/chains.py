"""The list of chains below a buffer, and what every operation on it needs (libevent: buffer.c).

`last_with_data` is the last chain that holds bytes, None when none does; every chain behind it is
empty, chains before it may be. `length` is the sum of all `off`. Whoever changes the list keeps to
that; `model.evbuffer.check` says so in full.

Either end can be frozen: then every call that would change that end is refused with -1 and has no
effect. End 0 is the tail, end 1 the head. The owner of a buffer (a bufferevent) moves data past the
freeze with the calls whose names end in `_frozen`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

from model.evbuffer.callbacks import BufferCallback, CallbackEntry, Callbacks, Deferrer
from model.evbuffer.chain import (
    FILESEGMENT,
    MULTICAST,
    PINNED,
    PINNED_R,
    REFERENCE,
    SENDFILE,
    Chain,
    release_all,
)
from model.evbuffer.check import check_buffer

if TYPE_CHECKING:
    from model.evbuffer.transfer import Evbuffer

OwnerHook: TypeAlias = Callable[[int, int], None]  # bytes added, bytes deleted

FLAG_DRAINS_TO_FD = 1  # EVBUFFER_FLAG_DRAINS_TO_FD: what is in it leaves through a descriptor only
_NOT_OURS = REFERENCE | MULTICAST | FILESEGMENT  # memory that somebody else has


class ChainList:
    """The chains of one buffer. `length` is the number of bytes; read it, never write it."""

    __slots__ = (
        "_callbacks",
        "end_frozen",
        "first",
        "flags",
        "last",
        "last_with_data",
        "length",
        "owner",
        "refcnt",
        "start_frozen",
    )

    def __init__(self) -> None:
        self.first: Chain | None = None
        self.last: Chain | None = None
        self.last_with_data: Chain | None = None
        self.length = 0
        self.start_frozen = False
        self.end_frozen = False
        self.owner: OwnerHook | None = None  # the bufferevent's own callback: the oldest of all
        self._callbacks: Callbacks | None = None
        self.flags = 0
        self.refcnt = 1

    # The list.

    def chains(self) -> Iterator[Chain]:
        """The chains from head to tail."""
        chain = self.first
        while chain is not None:
            yield chain
            chain = chain.next

    def _insert(self, chain: Chain) -> None:
        """evbuffer_chain_insert: at the tail; empty chains that are there go. Counts its bytes."""
        before = self._free_trailing()
        if before is None:
            self.first = chain
        else:
            before.next = chain
        self.last = chain
        if chain.off:
            self.last_with_data = chain
            self.length += chain.off

    def _free_trailing(self) -> Chain | None:
        """evbuffer_free_trailing_empty_chains: the chain that is last then; pinned ones stay."""
        before = self.last_with_data
        chain = self.first if before is None else before.next
        while chain is not None and chain.flags & PINNED:
            before, chain = chain, chain.next
        if chain is not None:
            if before is None:
                self.first = None
            else:
                before.next = None
            self.last = before
            release_all(chain)
        return before

    def _forget(self) -> None:
        """ZERO_CHAIN: there are no chains any more."""
        self.first = self.last = self.last_with_data = None
        self.length = 0

    def _clear(self) -> None:
        """Frees all chains."""
        chain = self.first
        self._forget()
        release_all(chain)

    def _advance(self) -> None:
        """advance_last_with_data: chains behind the last with data have got some."""
        chain = self.last_with_data
        following = self.first if chain is None else chain.next
        while following is not None:
            if following.off:
                self.last_with_data = following
            following = following.next

    def _has_pinned_tail(self) -> bool:
        """HAS_PINNED_R: a kernel is filling the tail."""
        return self.last is not None and bool(self.last.flags & PINNED_R)

    def _loaded(self, chain: Chain) -> bool:
        """Whether a chain's bytes are in memory; those of a SENDFILE chain are brought there.

        (libevent has no bytes to look at in such a chain.)
        """
        if not chain.flags & SENDFILE:
            return True
        extra = chain.more()
        assert extra.segment is not None
        return extra.segment.load(chain)

    # Freezing and counting.

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

    @property
    def capacity(self) -> int:
        """Bytes of storage that the buffer, and nobody else, keeps alive: a walk of its chains."""
        return sum(len(chain.storage) for chain in self.chains() if not chain.flags & _NOT_OURS)

    @property
    def slack(self) -> int:
        """Those of `capacity` that hold no bytes of the buffer's."""
        used = sum(chain.off for chain in self.chains() if not chain.flags & _NOT_OURS)
        return self.capacity - used

    @property
    def pinned(self) -> int:
        """Bytes of storage that are lent to a kernel."""
        return sum(len(chain.storage) for chain in self.chains() if chain.flags & PINNED)

    @property
    def contiguous_space(self) -> int:
        """evbuffer_get_contiguous_space: bytes of the first chain."""
        return 0 if self.first is None else self.first.off

    def check(self) -> None:
        """The structural invariants: raises AssertionError where one does not hold."""
        check_buffer(self)

    # Life.

    def incref(self) -> None:
        """evbuffer_incref_: a view, a deferred callback or an operation needs it."""
        self.refcnt += 1

    def decref(self) -> None:
        """evbuffer_decref_and_unlock_: with the last reference its chains go."""
        self.refcnt -= 1
        if not self.refcnt:
            if self._callbacks is not None:
                self._callbacks.clear()
                self._callbacks = None
            self.owner = None
            self._clear()

    def free(self) -> None:
        """evbuffer_free: as soon as nobody else needs it. Not called on a bufferevent's own."""
        self.decref()

    # Callbacks.

    def add_cb(self, callback: BufferCallback) -> CallbackEntry:
        """evbuffer_add_cb: told of every change, the most recently added first."""
        entry = CallbackEntry(callback)
        self._told().entries.insert(0, entry)
        return entry

    def remove_cb(self, callback: BufferCallback) -> int:
        """evbuffer_remove_cb: 0, or -1 when it is not there. Legal inside the callback itself."""
        if self._callbacks is not None:
            for entry in self._callbacks.entries:
                if entry.callback == callback:
                    return self._callbacks.remove(entry)
        return -1

    def remove_cb_entry(self, entry: CallbackEntry) -> int:
        """evbuffer_remove_cb_entry: 0, or -1 when it is not there."""
        return -1 if self._callbacks is None else self._callbacks.remove(entry)

    def cb_set_flags(self, entry: CallbackEntry, flags: int) -> int:
        """evbuffer_cb_set_flags: CB_ENABLED, CB_NODEFER."""
        entry.flags |= flags
        return 0

    def cb_clear_flags(self, entry: CallbackEntry, flags: int) -> int:
        """evbuffer_cb_clear_flags."""
        entry.flags &= ~flags
        return 0

    def set_cb(self, callback: BufferCallback | None) -> None:
        """evbuffer_setcb, obsolete: this callback and no other."""
        if self._callbacks is not None:
            self._callbacks.clear()
        if callback is not None:
            self.add_cb(callback)

    def defer_callbacks(self, base: Deferrer) -> int:
        """evbuffer_defer_callbacks: from now on they run from the base's loop."""
        self._told().base = base
        return 0

    def set_flags(self, flags: int) -> int:
        """evbuffer_set_flags."""
        self.flags |= flags
        return 0

    def clear_flags(self, flags: int) -> int:
        """evbuffer_clear_flags."""
        self.flags &= ~flags
        return 0

    def _told(self) -> Callbacks:
        if self._callbacks is None:
            self._callbacks = Callbacks(cast("Evbuffer", self))
        return self._callbacks

    def _changed(self, added: int, deleted: int) -> None:
        """evbuffer_invoke_callbacks_: the owner is the oldest, so it comes last."""
        if not added and not deleted:
            return
        if self._callbacks is not None:
            self._callbacks.tell(added, deleted)
        if self.owner is not None:
            self.owner(added, deleted)
