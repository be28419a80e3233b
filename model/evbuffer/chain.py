"""A chain: one stretch of memory with bytes in it, and what has to happen when it goes
(libevent: evbuffer-internal.h, struct evbuffer_chain).

The bytes are `storage[misalign : misalign + off]`. Storage that a buffer allocated is a bytearray
of a fixed size, never resized, so views of it stay valid; any other storage is IMMUTABLE. A
SENDFILE chain has no storage: its `misalign` is a place in the file.

Sizes are libevent's on a 64-bit machine, so that the same calls make the same chains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from model.errors import SimulatorError
from model.kernel import Buffer

if TYPE_CHECKING:
    from model.evbuffer.segments import FileSegment

# evbuffer-internal.h: the flags of a chain.
REFERENCE = 0x01  # the user's memory, with a cleanup to call
IMMUTABLE = 0x02  # nothing may be written into it
FILESEGMENT = 0x04  # a piece of a file that is mapped or was read
SENDFILE = 0x08  # a piece of a file that only sendfile(2) can move
MULTICAST = 0x10  # a view on a chain of another buffer
PINNED_R = 0x20  # a kernel may write into its space
PINNED_W = 0x40  # a kernel may read its bytes
DANGLING = 0x80  # freed while pinned: goes when it is unpinned
SHARED = 0x100  # ours: views on it exist
KEPT = 0x200  # ours: made for a reservation; stays, emptied, when it is drained and alone

PINNED = PINNED_R | PINNED_W
HELD = REFERENCE | FILESEGMENT | SENDFILE | MULTICAST | PINNED | SHARED
FLAGS = HELD | IMMUTABLE | DANGLING | KEPT

HEADER = 48  # bytes: sizeof(struct evbuffer_chain); storage and header together are a power of 2
MIN_BUFFER_SIZE = 1_024  # of one allocation, header included
CHAIN_MAX = (1 << 63) - 1  # EVBUFFER_CHAIN_MAX: SSIZE_MAX
MAX_AUTO_SIZE = 4_096  # chains up to half of it are doubled when the next one is made
MAX_TO_REALIGN = 2_048  # bytes that are moved within a chain rather than a new one made
MAX_TO_COPY = 4_096  # bytes that expand copies into a larger chain
_BY_SLICE = 512  # below it, assigning to a slice of a bytearray is quicker than through a view

Cleanup: TypeAlias = Callable[[Buffer], None]


class Extra:
    """What few chains have: users beside the buffer, and whom to tell at the end."""

    __slots__ = ("cleanup", "parent", "refcnt", "segment")

    def __init__(self) -> None:
        self.refcnt = 1  # the buffer, and each view
        self.cleanup: Cleanup | None = None  # of a REFERENCE
        self.segment: FileSegment | None = None  # of a FILESEGMENT or SENDFILE
        self.parent: Chain | None = None  # of a MULTICAST: the chain that it views


class Chain:
    """One chain. `off` is the number of bytes in it, `misalign` where they begin."""

    __slots__ = ("extra", "flags", "misalign", "next", "off", "storage")

    def __init__(self, storage: Buffer, off: int, flags: int) -> None:
        self.next: Chain | None = None
        self.storage = storage
        self.misalign = 0
        self.off = off
        self.flags = flags
        self.extra: Extra | None = None

    @property
    def capacity(self) -> int:
        """buffer_len: bytes of its storage; of a SENDFILE chain the place where it ends."""
        return self.misalign + self.off if self.flags & SENDFILE else len(self.storage)

    @property
    def space(self) -> int:
        """CHAIN_SPACE_LEN: bytes that may be written behind the data."""
        if self.flags & (IMMUTABLE | PINNED_R):
            return 0
        return len(self.storage) - self.misalign - self.off

    def view(self) -> memoryview:
        """Its bytes, uncopied."""
        return memoryview(self.storage)[self.misalign : self.misalign + self.off]

    def more(self) -> Extra:
        """Its `extra`, made when it is asked for."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    def should_realign(self, size: int) -> bool:
        """evbuffer_chain_should_realign: moving its bytes to the front makes room for `size`."""
        if self.flags & (IMMUTABLE | PINNED):
            return False
        capacity = len(self.storage)
        return (
            capacity - self.off >= size and self.off < capacity // 2 and self.off <= MAX_TO_REALIGN
        )

    def realign(self) -> None:
        """evbuffer_chain_align: moves its bytes to the front of its storage."""
        if self.misalign:
            moved = bytes(self.view())
            self.misalign = 0
            put(self, 0, moved)


def chain_capacity(size: int) -> int:
    """Bytes of storage of a new chain for `size` bytes (evbuffer_chain_new)."""
    needed = size + HEADER
    if needed < CHAIN_MAX // 2:
        needed = max(MIN_BUFFER_SIZE, 1 << (needed - 1).bit_length())
    return needed - HEADER


def new_chain(size: int) -> Chain | None:
    """An empty chain with room for `size` bytes; None when there is no memory for it."""
    if size > CHAIN_MAX - HEADER:
        return None
    try:
        return Chain(bytearray(chain_capacity(size)), 0, 0)
    except (MemoryError, OverflowError):
        return None


def put(chain: Chain, start: int, data: Buffer) -> None:
    """Writes `data` into a mutable chain's storage from `start`; it must fit."""
    storage = chain.storage
    assert type(storage) is bytearray, "only what a buffer allocated is written into"
    size = len(data)
    assert start + size <= len(storage), "no room"
    if size < _BY_SLICE:
        storage[start : start + size] = data
    else:
        memoryview(storage)[start : start + size] = data


def release(chain: Chain) -> None:
    """evbuffer_chain_free: one user of the chain less. Its end comes with the last one."""
    flags = chain.flags
    if not flags & HELD:
        return
    extra = chain.more()
    if extra.refcnt > 1:
        extra.refcnt -= 1
        return
    if flags & PINNED:
        chain.flags = flags | DANGLING
        return
    extra.refcnt = 0
    if extra.cleanup is not None:
        extra.cleanup(chain.storage)
    if extra.segment is not None:
        extra.segment.free()
    if extra.parent is not None:
        release(extra.parent)


def release_all(chain: Chain | None) -> None:
    """evbuffer_free_all_chains: `chain` and all behind it."""
    while chain is not None:
        following = chain.next
        release(chain)
        chain = following


def pin(chain: Chain, flag: int) -> None:
    """evbuffer_chain_pin_: its memory is lent to a kernel."""
    if chain.flags & flag:
        raise SimulatorError("a chain is lent to a kernel a second time in one direction")
    chain.flags |= flag


def unpin(chain: Chain, flag: int) -> None:
    """evbuffer_chain_unpin_: the kernel has done with it; it goes now if it was freed meanwhile."""
    chain.flags &= ~flag
    if chain.flags & DANGLING and not chain.flags & PINNED:
        chain.flags &= ~DANGLING
        release(chain)
