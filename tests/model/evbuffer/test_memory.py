"""What a buffer holds in memory, which memory is lent, and what is handed on without a copy."""

from __future__ import annotations

from typing import Any

import pytest

from model.errors import SimulatorError
from model.evbuffer import Evbuffer
from model.evbuffer.chain import HEADER, MIN_BUFFER_SIZE, PINNED_W, chain_capacity, pin

SMALLEST = MIN_BUFFER_SIZE - HEADER


@pytest.mark.parametrize(
    ("size", "capacity"),
    [
        (0, SMALLEST),
        (1, SMALLEST),
        (976, SMALLEST),
        (977, 2_048 - HEADER),
        (2_000, 2_048 - HEADER),
        (2_001, 4_096 - HEADER),
        (65_536, 131_072 - HEADER),
    ],
)
def test_sizes_of_chains(size: int, capacity: int) -> None:
    """evbuffer_chain_new: storage and header are a power of two, 1,024 at least."""
    assert chain_capacity(size) == capacity


def test_an_empty_buffer_has_nothing() -> None:
    buffer = Evbuffer()
    assert (buffer.capacity, buffer.slack, buffer.pinned) == (0, 0, 0)
    buffer.add(b"abc")
    assert (buffer.capacity, buffer.slack) == (SMALLEST, SMALLEST - 3)
    buffer.drain(3)
    assert buffer.capacity == 0


def test_what_counts_as_its_own() -> None:
    """Received bytes do; the user's memory and views of another buffer do not."""
    buffer, view = Evbuffer(), Evbuffer()
    buffer.append_frozen(bytes(1_000))
    buffer.add_reference(bytes(5_000))
    assert (buffer.capacity, buffer.slack) == (1_000, 0)
    view.add_buffer_reference(buffer)
    assert (view.length, view.capacity, view.slack) == (6_000, 0, 0)
    buffer.drain(400)
    assert (buffer.capacity, buffer.slack) == (1_000, 400)


def test_pinned_memory_is_counted() -> None:
    buffer = Evbuffer()
    buffer.add(b"abc")
    write = buffer.launch_write(2)
    assert write is not None
    assert (write.pieces, buffer.pinned, buffer.start_frozen) == ([b"ab"], SMALLEST, True)
    assert buffer.launch_write(2) is None
    read = buffer.launch_read(2_000, 2)
    assert read is not None
    assert (buffer.pinned, buffer.end_frozen) == (buffer.capacity, True)
    buffer.commit_write(write, 2)
    buffer.commit_read(read, 0)
    assert (buffer.pinned, buffer.start_frozen, buffer.end_frozen) == (0, False, False)
    assert buffer.copyout(9) == b"c"
    buffer.check()


def test_nothing_is_lent_twice() -> None:
    buffer = Evbuffer()
    buffer.add(b"abc")
    assert buffer.first is not None
    pin(buffer.first, PINNED_W)
    with pytest.raises(SimulatorError, match="a second time"):
        pin(buffer.first, PINNED_W)


def test_an_owner_may_drain_what_is_lent() -> None:
    """The chain leaves the buffer and dangles until the kernel has done with it."""
    cleaned: list[Any] = []
    buffer = Evbuffer()
    buffer.add_reference(b"lent", cleaned.append)
    launch = buffer.launch_write(9)
    assert launch is not None
    buffer.drain_frozen(4)
    assert (buffer.length, cleaned, launch.pieces) == (0, [], [b"lent"])
    buffer.commit_write(launch, 0)
    assert cleaned == [b"lent"]


def test_a_freed_buffer_waits_for_its_kernel() -> None:
    cleaned: list[Any] = []
    buffer = Evbuffer()
    buffer.add_reference(b"lent", cleaned.append)
    launch = buffer.launch_write(9)
    assert launch is not None
    buffer.free()
    assert cleaned == []
    buffer.commit_write(launch, 0)
    assert (cleaned, buffer.refcnt) == ([b"lent"], 0)


def test_bytes_are_not_copied_on_their_way() -> None:
    """What was received goes through input and output as the object that it is."""
    received = bytes(range(256)) * 4
    inside, outside = Evbuffer(), Evbuffer()
    inside.append_frozen(received)
    outside.take_frozen(inside)
    assert outside.peek(1_024)[0] is received
    assert outside.remove(1_024) is received


def test_small_pieces_share_a_chain() -> None:
    buffer = Evbuffer()
    for _ in range(900):
        buffer.append_frozen(b"x")
    assert len(list(buffer.chains())) == 2  # the first by reference, the others together
    assert buffer.copyout(1_000) == b"x" * 900


def test_reserved_space_is_used_again() -> None:
    """A chain that was made for a reservation stays when all of it was drained."""
    buffer = Evbuffer()
    for _ in range(3):
        vectors = buffer.reserve_space(10_000)
        assert vectors is not None
        storage = vectors[0].chain.storage
        vectors[0].len = 10_000
        assert buffer.commit_space(vectors) == 0
        buffer.drain(10_000)
        assert buffer.first is not None and buffer.first.storage is storage
        assert buffer.capacity == buffer.slack == chain_capacity(10_000)
        buffer.check()


def test_no_memory() -> None:
    """What cannot be had is refused, and nothing has happened (all or nothing)."""
    buffer = Evbuffer()
    buffer.add(b"abc")
    buffer.length = (1 << 63) - 4  # as if there were so many
    assert buffer.add(b"12345") == -1
    assert buffer.prepend(b"12345") == -1
    assert buffer.expand(5_000) == -1
    with pytest.raises(MemoryError, match="5 bytes"):
        buffer.append_frozen(b"12345")
    buffer.length = 3
    buffer.check()
    assert buffer.copyout(9) == b"abc"
