"""What is true of a buffer's chains between any two calls, as assertions for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.evbuffer.chain import (
    DANGLING,
    FILESEGMENT,
    FLAGS,
    IMMUTABLE,
    MULTICAST,
    PINNED_R,
    REFERENCE,
    SENDFILE,
    SHARED,
    Chain,
)

if TYPE_CHECKING:
    from model.evbuffer.chains import ChainList

_KINDS = (0, REFERENCE, FILESEGMENT, FILESEGMENT | SENDFILE, MULTICAST)
_KIND = REFERENCE | FILESEGMENT | SENDFILE | MULTICAST


def check_buffer(buffer: ChainList) -> None:
    """The structural invariants of one buffer. Raises AssertionError."""
    chains = list(buffer.chains())
    assert len({id(chain) for chain in chains}) == len(chains), "a chain is in the list twice"
    assert (buffer.first is None) is (buffer.last is None)
    assert buffer.last is (chains[-1] if chains else None), "last is not the last chain"
    assert buffer.length == sum(chain.off for chain in chains), "length is not the sum of all off"
    full = [chain for chain in chains if chain.off]
    assert buffer.last_with_data is (full[-1] if full else None), "last_with_data"
    assert buffer.refcnt >= 0
    filled = [bool(chain.flags & PINNED_R) for chain in chains]
    assert filled == sorted(filled), "what a kernel fills is not the tail"
    for chain in chains:
        check_chain(chain)


def check_chain(chain: Chain) -> None:
    """The invariants of one chain that is in a buffer. Raises AssertionError."""
    flags = chain.flags
    assert chain.off >= 0 and chain.misalign >= 0
    assert chain.misalign + chain.off <= chain.capacity, "bytes outside of the storage"
    assert not flags & ~FLAGS, "a flag that there is not"
    assert not flags & DANGLING, "a chain that was freed is still in a buffer"
    assert flags & _KIND in _KINDS, "a chain is of two kinds"
    assert flags & IMMUTABLE or not flags & _KIND, "somebody else's memory may be written into"
    assert flags & IMMUTABLE or type(chain.storage) is bytearray, "the storage is not ours"
    extra = chain.extra
    assert extra is not None or not flags & (_KIND | SHARED), "a chain without its owner"
    if extra is not None:
        assert extra.refcnt >= 1, "freed, and in a buffer"
        assert (extra.refcnt > 1) <= bool(flags & SHARED), "shared by users who do not say so"
        assert flags & IMMUTABLE or not flags & SHARED, "views would see what is written"
        assert bool(flags & MULTICAST) is (extra.parent is not None)
        assert bool(flags & FILESEGMENT) is (extra.segment is not None)
        assert extra.segment is None or extra.segment.refcnt >= 1, "its segment is gone"
        assert extra.parent is None or (extra.parent.extra is not None), "a view without its parent"
