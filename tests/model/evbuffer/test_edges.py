"""An evbuffer at its edges: pinned memory without memory beside it, vast sizes, nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import Errno
from model.evbuffer import FS_CLOSE_ON_FREE, Evbuffer, FileSegment
from model.evbuffer import contents as contents_module
from model.evbuffer import moves as moves_module
from model.evbuffer import space as space_module
from model.evbuffer.chain import CHAIN_MAX, HEADER, Chain, chain_capacity, new_chain
from model.evbuffer.chains import FLAG_DRAINS_TO_FD
from model.kernel import ReadinessKernel
from sim.memory_file import MemoryFile
from tests.model.evbuffer.machine import pattern
from tests.model.evbuffer.test_scarce import Vast

SMALL = st.integers(0, 900)


def _nothing(size: int) -> Chain | None:
    return None


def _note(cleaned: list[int], number: int, _: object) -> None:
    cleaned.append(number)


def _content(buffer: Evbuffer) -> bytes:
    buffer.check()
    return bytes(buffer.copyout_from(None, 1 << 20))


@given(SMALL, SMALL, st.sampled_from(("add", "prepend", "take")), st.booleans(), st.integers(0, 9))
def test_bytes_beside_what_a_kernel_fills(
    size: int, other_size: int, how: str, denied: bool, filled: int
) -> None:
    """Moved away they are copied out of the chain that the kernel fills, or nothing has happened;
    what the kernel writes comes behind them, in the buffer that asked for it."""
    source, target = Evbuffer(), Evbuffer()
    source.add(pattern(size))
    target.add(pattern(other_size))
    launch = source.launch_read(20)
    assert launch is not None
    moved = True
    with patch.object(moves_module, "new_chain", _nothing if denied else new_chain):
        if how == "take":
            try:
                target.take_frozen(source)
            except MemoryError:
                moved = False
        else:
            move = target.add_buffer if how == "add" else target.prepend_buffer
            moved = move(source) == 0
    assert moved or (denied and size)
    whole = (pattern(size), pattern(other_size))
    wanted = b"".join(whole if how == "prepend" else whole[::-1]) if moved else whole[1]
    assert _content(target) == wanted
    assert _content(source) == (b"" if moved else whole[0])
    launch.pieces[0][:filled] = pattern(filled)  # type: ignore[index]  # what is lent can be written
    source.commit_read(launch, filled)
    assert _content(source) == (b"" if moved else whole[0]) + pattern(filled)
    assert _content(target) == wanted


_VAST = st.one_of(
    st.integers(0, 10_000),
    st.integers(-3, 3).map(lambda more: CHAIN_MAX // 2 - HEADER + more),
    st.integers(-3, 3).map(lambda more: CHAIN_MAX - HEADER + more),
)


@given(_VAST)
def test_capacities(size: int) -> None:
    """evbuffer_chain_new: the next power of two, but for what is so large that it is exact."""
    whole = chain_capacity(size) + HEADER
    assert whole >= size + HEADER
    if size + HEADER < CHAIN_MAX // 2:
        assert whole & (whole - 1) == 0
        assert whole < 2 * (size + HEADER) or whole == chain_capacity(0) + HEADER
    else:
        assert whole == size + HEADER
    if size > CHAIN_MAX - HEADER:
        assert new_chain(size) is None
    elif size <= 10_000:
        made = new_chain(size)
        assert made is not None and made.space == chain_capacity(size)


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from(("move", "file")))
def test_what_does_not_fit_any_more(spare: int, size: int, how: str) -> None:
    """EVBUFFER_CHAIN_MAX: a part of another buffer, or of a file."""
    full, other = Evbuffer(), Evbuffer()
    full.set_flags(FLAG_DRAINS_TO_FD)
    assert full.add_file(Vast(CHAIN_MAX - spare)) == 0
    other.add(bytes(9))
    if how == "move":
        moved = other.remove_buffer(full, size)
        assert moved == (-1 if size > spare else size)
        assert other.length == 9 - max(moved, 0)
    else:
        added = full.add_file(MemoryFile(bytes(size)))
        assert added == (-1 if size > spare else 0)
    fits = size <= spare
    assert full.length == CHAIN_MAX - spare + (size if fits else 0)


class Readable:
    """A kernel that has bytes for one descriptor."""

    def __init__(self, data: bytes | Errno) -> None:
        self.data = data

    def readv(self, _: int, buffers: Sequence[memoryview]) -> int | Errno:
        if isinstance(self.data, Errno):
            return self.data
        taken = 0
        for buffer in buffers:
            piece = self.data[taken : taken + len(buffer)]
            buffer[: len(piece)] = piece
            taken += len(piece)
        return taken


@given(
    st.sampled_from((b"", b"before", pattern(5_000))),
    st.one_of(SMALL.map(pattern), st.just(pattern(9_000)), st.just(Errno.EAGAIN)),
    st.sampled_from((-1, 0, 1, 100, 4_096, 5_000)),
    st.booleans(),
    st.booleans(),
)
def test_read_takes_what_a_descriptor_has(
    before: bytes, data: bytes | Errno, size: int, frozen: bool, denied: bool
) -> None:
    """evbuffer_read: at most 4,096 bytes; nothing where the tail is frozen or memory is missing."""
    buffer = Evbuffer()
    buffer.add(before)
    if frozen:
        buffer.freeze(False)
    kernel = cast(ReadinessKernel, Readable(data))
    with patch.object(space_module, "new_chain", _nothing if denied else new_chain):
        taken = buffer.read(kernel, 3, size)
    most = 4_096 if size < 0 or size > 4_096 else size
    wanted: int | Errno = data if isinstance(data, Errno) else min(len(data), most)
    if frozen:
        wanted = -1
    elif not size:
        wanted = 0
    assert taken == wanted or (denied and taken == -1)
    added = data[: max(taken, 0)] if isinstance(taken, int) and isinstance(data, bytes) else b""
    assert _content(buffer) == before + added


@given(
    st.integers(-2, 5), st.integers(-2, 5), st.booleans(), st.booleans(), st.sampled_from((0, 1))
)
def test_which_places_a_file_has(
    offset: int, length: int, gone: bool, keeps: bool, users: int
) -> None:
    """evbuffer_file_segment_new: made, or not; then closed once, iff that was asked for."""
    file = MemoryFile(b"abc")
    if gone:
        file.close()
    before = file.closed
    made = FileSegment.new(file, offset, length, 0 if keeps else FS_CLOSE_ON_FREE)
    if length < 0 and gone:
        assert made is Errno.EBADF
    elif offset < 0 or (length < 0 and offset > 3):
        assert made is Errno.EINVAL
    else:
        assert not isinstance(made, Errno)
        assert made.length == (length if length >= 0 else 3 - offset)
        cleaned: list[int] = []
        made.add_cleanup_cb(lambda _, flags: cleaned.append(flags))
        buffer = Evbuffer()
        if users:
            buffer.set_flags(FLAG_DRAINS_TO_FD)
            assert buffer.add_file_segment(made) == 0
        made.free()
        assert not users or not cleaned
        buffer.free()
        assert len(cleaned) == 1
        assert file.closed == before + (not keeps)
        return
    assert file.closed == before


@given(SMALL, SMALL)
def test_nothing_is_found_where_one_looks(size: int, start: int) -> None:
    """evbuffer_search of no bytes."""
    buffer = Evbuffer()
    buffer.add(pattern(size))
    place = buffer.position(min(start, size))
    found = buffer.search(b"", place)
    assert found is not None and place is not None
    assert found.pos == place.pos
    first = buffer.search(b"")
    assert first is not None and first.pos == 0


@given(st.lists(st.sampled_from(("set", "none", "add", "remove", "data")), max_size=8))
def test_one_callback_in_place_of_all(steps: list[str]) -> None:
    """evbuffer_setcb beside evbuffer_add_cb and evbuffer_remove_cb (B-4)."""
    buffer = Evbuffer()
    heard: list[str] = []
    there: list[str] = []

    def first(*_: Any) -> None:
        heard.append("set")

    def second(*_: Any) -> None:
        heard.append("add")

    for step in steps:
        if step in ("set", "none"):
            buffer.set_cb(first if step == "set" else None)
            there = ["set"] if step == "set" else []
        elif step == "add":
            buffer.add_cb(second)
            there = ["add", *there]
        elif step == "remove":
            assert buffer.remove_cb(second) == (0 if "add" in there else -1)
            if "add" in there:
                there.remove("add")
        else:
            buffer.add(b"x")
            assert heard == there
            heard.clear()


@given(st.sampled_from((b"", b"ab")), st.integers(0, 40), st.booleans())
def test_a_piece_that_is_committed_where_nothing_may_be_written(
    before: bytes, size: int, reference: bool
) -> None:
    """evbuffer_commit_space: refused for memory that a reference has put there meanwhile."""
    buffer = Evbuffer()
    buffer.add(before)
    vectors = buffer.reserve_space(max(size, 1), 1)
    assert vectors is not None
    (vector,) = vectors
    vector.base[:size] = pattern(size)
    vector.len = size
    if reference:
        assert buffer.add_reference(b"in between") == 0
        with pytest.raises(AssertionError):
            assert buffer.commit_space(vectors) == 0
        assert _content(buffer) == before + b"in between"
    else:
        assert buffer.commit_space(vectors) == 0
        assert _content(buffer) == before + pattern(size)


@given(
    st.integers(1, 300), st.integers(0, 299), st.lists(st.integers(1, 120), min_size=1, max_size=4)
)
def test_what_lies_behind_is_pulled_up_in_place(first: int, drained: int, more: list[int]) -> None:
    """evbuffer_pullup: a first chain with room takes the bytes of the others behind its own,
    wherever these begin."""
    whole = pattern(first + sum(more))
    buffer = Evbuffer()
    buffer.expand(900)
    buffer.add(whole[:first])
    place = first
    for size in more:
        buffer.add_reference(whole[place : place + size], None)
        place += size
    drained = min(drained, first - 1)
    buffer.drain(drained)
    for size in range(first - drained + 1, place - drained + 1):
        pulled = buffer.pullup(size)
        assert pulled is not None and bytes(pulled)[:size] == whole[drained : drained + size]
    assert _content(buffer) == whole[drained:]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=6))
def test_flags_are_set_and_cleared_bit_by_bit(steps: list[tuple[bool, int]]) -> None:
    """evbuffer_set_flags, evbuffer_clear_flags."""
    buffer, expected = Evbuffer(), set[int]()
    for on, mask in steps:
        bits = {bit for bit in range(4) if mask >> bit & 1}
        expected = expected | bits if on else expected - bits
        assert (buffer.set_flags if on else buffer.clear_flags)(mask) == 0
        assert buffer.flags == sum(1 << bit for bit in expected)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=3), st.lists(st.integers(1, 700)))
def test_what_is_lent_is_kept_until_the_last_byte_left(sizes: list[int], parts: list[int]) -> None:
    """evbuffer_add_reference: its cleanup is called once, when the kernel has taken all of it."""
    buffer, cleaned = Evbuffer(), list[int]()
    for number, size in enumerate(sizes):
        buffer.add_reference(pattern(size), partial(_note, cleaned, number))
    gone = 0
    for part in (*parts, *sizes):
        if launch := buffer.launch_write(1_000):
            taken = min(part, sum(map(len, launch.pieces)))
            buffer.commit_write(launch, taken)
            gone += taken
        ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        assert cleaned == [number for number, end in enumerate(ends) if end <= gone]


@given(st.lists(st.integers(1, 900), max_size=3), st.integers(1, 3_000), st.integers(0, 3))
def test_nothing_is_put_or_seen_in_front(sizes: list[int], more: int, extents: int) -> None:
    """evbuffer_prepend without memory: -1, and nothing has changed. evbuffer_peek of no bytes: no
    chain."""
    buffer = Evbuffer()
    for size in sizes:
        buffer.add_reference(pattern(size), None)
    before = _content(buffer)
    assert buffer.peek_extents(0, None, extents) == (0, [])
    with patch.object(contents_module, "new_chain", _nothing):
        assert buffer.prepend(pattern(more)) == -1
    assert _content(buffer) == before
