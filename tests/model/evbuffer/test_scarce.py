"""An evbuffer without memory, at its largest, or over files that fail: an operation happens as a
whole, or says that it did not and changes nothing (B-3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.errors import Errno
from model.evbuffer import FS_CLOSE_ON_FREE, Evbuffer, FileSegment, Launch
from model.evbuffer import contents as contents_module
from model.evbuffer import looking as looking_module
from model.evbuffer import moves as moves_module
from model.evbuffer import space as space_module
from model.evbuffer.chain import CHAIN_MAX, Chain, new_chain
from model.evbuffer.chains import FLAG_DRAINS_TO_FD
from sim.memory_file import MemoryFile
from tests.model.evbuffer.machine import pattern

SIZES = (0, 1, 10, 100, 500, 900, 976, 977, 1_500, 2_500, 5_000, 9_000)
_USERS = (contents_module, looking_module, moves_module, space_module)


class Memory:
    """Gives out chains, but for the n-th ones."""

    def __init__(self, denied: set[int]) -> None:
        self.denied = denied
        self.asked = 0

    def new_chain(self, size: int) -> Chain | None:
        self.asked += 1
        return None if self.asked in self.denied else new_chain(size)


class Pair:
    """Two buffers, and the bytes that they must hold."""

    def __init__(self) -> None:
        self.buffers = Evbuffer(), Evbuffer()
        self.models = [b"", b""]
        self.reading: list[Launch | None] = [None, None]
        self.writing: list[Launch | None] = [None, None]
        self.heard = [0, 0]
        for side, buffer in enumerate(self.buffers):
            buffer.set_cb(partial(self.hear, side))

    def hear(self, side: int, _: Any, change: Any) -> None:
        self.heard[side] += change.n_added - change.n_deleted

    def compare(self) -> None:
        for side, buffer in enumerate(self.buffers):
            buffer.check()
            assert buffer.length == len(self.models[side]) == self.heard[side]
            assert bytes(buffer.copyout_from(None, 1 << 20)) == self.models[side]

    # Each takes a side and two numbers.

    def add(self, side: int, size: int, _: int) -> None:
        if self.buffers[side].add(pattern(size)) == 0:
            self.models[side] += pattern(size)

    def append(self, side: int, size: int, more: int) -> None:
        if self.reading[side] is not None:
            return
        data = pattern(size)
        try:
            self.buffers[side].append_frozen(bytearray(data) if more % 2 else data)
        except MemoryError:
            return
        self.models[side] += data

    def add_iovec(self, side: int, size: int, more: int) -> None:
        pieces = [pattern(size), pattern(more), pattern(size)]
        added = self.buffers[side].add_iovec(pieces)
        whole = b"".join(pieces)
        assert added in {0, size, size + more, len(whole)}
        self.models[side] += whole[:added]

    def add_reference(self, side: int, size: int, _: int) -> None:
        if self.buffers[side].add_reference(pattern(size)) == 0:
            self.models[side] += pattern(size)

    def prepend(self, side: int, size: int, _: int) -> None:
        if self.buffers[side].prepend(pattern(size)) == 0:
            self.models[side] = pattern(size) + self.models[side]

    def expand(self, side: int, size: int, _: int) -> None:
        buffer = self.buffers[side]
        if buffer.expand(size) == 0:
            assert not size or any(chain.space >= size for chain in buffer.chains())

    def reserve(self, side: int, size: int, more: int) -> None:
        vectors = self.buffers[side].reserve_space(size, 1 + more % 3)
        if vectors is None:
            return
        assert sum(vector.len for vector in vectors) >= size
        written = b""
        left = size if more % 2 else size // 2
        for vector in vectors:
            vector.len = min(vector.len, left)
            left -= vector.len
            data = pattern(vector.len)
            vector.base[: vector.len] = data
            written += data
        if self.buffers[side].commit_space(vectors) == 0:
            self.models[side] += written

    def drain(self, side: int, size: int, _: int) -> None:
        if self.buffers[side].drain(size) == 0:
            self.models[side] = self.models[side][size:]

    def remove(self, side: int, size: int, _: int) -> None:
        data = self.buffers[side].remove(size)
        if data is not None:
            assert data == self.models[side][:size]
            self.models[side] = self.models[side][size:]

    def pullup(self, side: int, size: int, more: int) -> None:
        size = -1 if more % 7 == 0 else size
        view = self.buffers[side].pullup(size)
        wanted = self.models[side] if size < 0 else self.models[side][:size]
        assert view is None or bytes(view) == wanted

    def add_buffer(self, side: int, _: int, __: int) -> None:
        if self.buffers[side].add_buffer(self.buffers[1 - side]) == 0:
            self.models[side] += self.models[1 - side]
            self.models[1 - side] = b""

    def prepend_buffer(self, side: int, _: int, __: int) -> None:
        if self.buffers[side].prepend_buffer(self.buffers[1 - side]) == 0:
            self.models[side] = self.models[1 - side] + self.models[side]
            self.models[1 - side] = b""

    def take(self, side: int, _: int, __: int) -> None:
        if self.reading[side] is None and self.writing[1 - side] is None:
            try:
                self.buffers[side].take_frozen(self.buffers[1 - side])
            except MemoryError:
                return
            self.models[side] += self.models[1 - side]
            self.models[1 - side] = b""

    def remove_buffer(self, side: int, size: int, _: int) -> None:
        moved = self.buffers[side].remove_buffer(self.buffers[1 - side], size)
        assert moved in {-1, min(size, len(self.models[side]))} or moved < size
        moved = max(moved, 0)
        self.models[1 - side] += self.models[side][:moved]
        self.models[side] = self.models[side][moved:]

    def launch_read(self, side: int, size: int, more: int) -> None:
        launch = self.buffers[side].launch_read(max(size, 1), 1 + more % 3)
        if launch is not None:
            assert self.reading[side] is None
            self.reading[side] = launch

    def commit_read(self, side: int, size: int, _: int) -> None:
        launch, self.reading[side] = self.reading[side], None
        if launch is not None:
            written = b""
            for piece in launch.pieces:
                data = pattern(min(len(piece), size - len(written)))
                piece[: len(data)] = data  # type: ignore[index]  # what is lent to a kernel can be written
                written += data
            self.buffers[side].commit_read(launch, len(written))
            self.models[side] += written

    def launch_write(self, side: int, size: int, more: int) -> None:
        launch = self.buffers[side].launch_write(max(size, 1), 1 + more % 3)
        if launch is not None:
            assert self.writing[side] is None
            lent = b"".join(bytes(piece) for piece in launch.pieces)
            assert self.models[side].startswith(lent)
            self.writing[side] = launch

    def commit_write(self, side: int, size: int, _: int) -> None:
        launch, self.writing[side] = self.writing[side], None
        if launch is not None:
            taken = min(size, sum(len(piece) for piece in launch.pieces))
            self.buffers[side].commit_write(launch, taken)
            self.models[side] = self.models[side][taken:]

    def search(self, side: int, size: int, more: int) -> None:
        what = pattern(1 << 10)[more % 900 :][: 1 + size % 5]
        found = self.buffers[side].search(what)
        assert (-1 if found is None else found.pos) == self.models[side].find(what)


NAMES = [name for name in vars(Pair) if name not in {"hear", "compare"} and name[0] != "_"]
_STEP = st.tuples(
    st.sampled_from(NAMES), st.integers(0, 1), st.sampled_from(SIZES), st.sampled_from(SIZES)
)
#: long ones too: by itself Hypothesis draws lists of five, in which little has had time to happen
STEPS = st.one_of(st.lists(_STEP, max_size=12), st.lists(_STEP, min_size=15, max_size=60))


def _played(steps: list[tuple[str, int, int, int]], denied: set[int]) -> None:
    pair = Pair()
    memory = Memory(denied)
    with ExitStack() as patches:
        for module in _USERS:
            patches.enter_context(patch.object(module, "new_chain", memory.new_chain))
        for name, side, size, more in steps:
            getattr(pair, name)(side, size, more)
            pair.compare()
    for side in (0, 1):
        pair.commit_read(side, 7, 0)
        pair.commit_write(side, 7, 0)
        pair.compare()
    for buffer in pair.buffers:
        buffer.free()


@given(STEPS)
@example(
    [
        ("add", 0, 500, 0),
        ("add_reference", 0, 0, 0),
        ("expand", 1, 0, 0),
        ("prepend_buffer", 1, 0, 0),
        ("reserve", 1, 500, 1),
    ]
)
@settings(max_examples=400)
def test_in_small_steps_of_every_size(steps: list[tuple[str, int, int, int]]) -> None:
    _played(steps, set())


@given(STEPS, st.sets(st.integers(1, 12), min_size=1))
@settings(max_examples=400)
def test_without_memory_all_or_nothing(
    steps: list[tuple[str, int, int, int]], denied: set[int]
) -> None:
    _played(steps, denied)


class Vast(MemoryFile):
    """A file of any size, which nobody can read."""

    def __init__(self, size: int) -> None:
        super().__init__(b"", mappable=False)
        self.vast = size

    def size(self) -> int | Errno:
        return self.vast

    def read(self, offset: int, size: int) -> bytes | Errno:
        return Errno.EIO


GROWING: dict[str, Callable[[Evbuffer, Evbuffer], bool]] = {
    "add": lambda buffer, _: buffer.add(b"xyz") == 0,
    "prepend": lambda buffer, _: buffer.prepend(b"xyz") == 0,
    "expand": lambda buffer, _: buffer.expand(2_000) == 0,
    "reserve": lambda buffer, _: buffer.reserve_space(2_000, 2) is not None,
    "reserve one": lambda buffer, _: buffer.reserve_space(2_000, 1) is not None,
    "iovec": lambda buffer, _: buffer.add_iovec([b"xyz"]) == 3,
    "add_buffer": lambda buffer, other: buffer.add_buffer(other) == 0,
    "prepend_buffer": lambda buffer, other: buffer.prepend_buffer(other) == 0,
    "remove_buffer": lambda buffer, other: other.remove_buffer(buffer, 2) == 2,
    "file": lambda buffer, _: buffer.add_file(MemoryFile(b"xyz")) == 0,
    "launch_read": lambda buffer, _: buffer.launch_read(2_000) is not None,
}


@given(
    st.sampled_from(sorted(GROWING)),
    st.integers(0, 5_000),
    st.sampled_from((b"", b"abc", b"d" * 990)),
)
@settings(max_examples=200)
def test_no_buffer_grows_beyond_what_a_size_can_say(name: str, spare: int, tail: bytes) -> None:
    """EVBUFFER_CHAIN_MAX: refused, and nothing has happened."""
    buffer, other = Evbuffer(), Evbuffer()
    other.add(b"xyz")
    buffer.set_flags(FLAG_DRAINS_TO_FD)
    file = Vast(CHAIN_MAX - spare - len(tail))
    assert buffer.add_file(file) == 0
    assert tail == b"" or buffer.add(tail) == 0
    length = buffer.length
    assert length == CHAIN_MAX - spare
    grown = GROWING[name](buffer, other)
    needs = {"expand": 2_000, "reserve": 2_000, "reserve one": 2_000, "launch_read": 2_000}
    if spare < min(needs.get(name, 3), 2 if name == "remove_buffer" else 1 << 30):
        roomy = name in {"expand", "reserve", "reserve one", "launch_read"} and tail
        assert not grown or roomy
    if not grown:
        assert (buffer.length, other.length) == (length, 3)
        assert buffer.first is not None and buffer.first.off == CHAIN_MAX - spare - len(tail)
    assert buffer.length <= CHAIN_MAX


@given(
    st.lists(st.sampled_from(("text", "good", "bad", "unmapped")), max_size=5),
    st.integers(1, 40),
    st.booleans(),
)
@settings(max_examples=200)
def test_a_file_that_cannot_be_read_is_not_looked_into(
    kinds: list[str], size: int, drains: bool
) -> None:
    """Whatever looks at bytes stops before those that are not there; sizes stay right."""
    buffer = Evbuffer()
    if drains:
        buffer.set_flags(FLAG_DRAINS_TO_FD)
    readable, whole = b"", True
    total = 0
    files = []
    for kind in kinds:
        if kind == "text":
            assert buffer.add(b"line\r\n") == 0
            data = b"line\r\n"
        else:
            file = Vast(9) if kind == "bad" else MemoryFile(b"from file", kind == "good")
            files.append(file)
            added = buffer.add_file(file)
            assert added == (-1 if kind == "bad" and not drains else 0)
            data = b"from file" if kind != "bad" else b""
            total += 9 if kind == "bad" and drains else 0
            whole = whole and not (kind == "bad" and drains)
        total += len(data)
        readable += data if whole else b""
    assert buffer.length == total
    assert buffer.copyout(1 << 10) == readable or not whole
    assert bytes(buffer.copyout_from(None, size)) == readable[:size]
    found = buffer.search(b"\r\n")
    if found is not None:
        assert whole or found.pos >= 0
    elif whole:
        assert b"\r\n" not in readable
    view = buffer.pullup(size)
    assert view is None or bytes(view) == readable[:size]
    needed, extents = buffer.peek_extents(-1, None, 3)
    assert len(extents) == min(needed, 3)
    buffer.free()
    assert all(file.closed == 1 for file in files)


def test_a_place_that_the_file_does_not_have() -> None:
    gone = MemoryFile(b"abc")
    gone.close()
    assert FileSegment.new(gone) is Errno.EBADF
    assert FileSegment.new(MemoryFile(b"abc"), 4) is Errno.EINVAL
    assert FileSegment.new(MemoryFile(b"abc"), 1, CHAIN_MAX, FS_CLOSE_ON_FREE) is Errno.EINVAL
