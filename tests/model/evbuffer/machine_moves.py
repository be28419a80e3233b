"""The machine's rules for moves between buffers, reserved space, kernels and files."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from model.errors import Errno
from model.evbuffer import (
    FLAG_DRAINS_TO_FD,
    FS_CLOSE_ON_FREE,
    FS_DISABLE_MMAP,
    FS_DISABLE_SENDFILE,
    FileSegment,
)
from model.evbuffer.chain import FILESEGMENT, MULTICAST, SENDFILE
from sim.memory_file import MemoryFile
from sim.stream import scatter
from tests.model.evbuffer.machine import DATA, SIZES, WHICH, Machine, pattern
from tests.model.evbuffer.watched import Lent


class PlainKernel:
    """A kernel that has `data` to read, and takes at most `room` bytes."""

    def __init__(self, data: bytes, room: int) -> None:
        self.data = data
        self.room = room
        self.taken = b""
        self.vectors = 0

    def readv(self, _fd: int, buffers: Any) -> int | Errno:
        self.vectors = len(buffers)
        size = sum(map(len, buffers))
        return scatter(self.data[:size], buffers) if self.data else Errno.EAGAIN

    def send(self, _fd: int, chunks: Any) -> int | Errno:
        self.vectors = len(chunks)
        self.taken = b"".join(chunks)[: self.room]
        return len(self.taken) or Errno.EAGAIN

    def sendfile(self, _fd: int, file: Any, offset: int, size: int) -> int | Errno:
        self.vectors = 1
        self.taken = file.read(offset, size)[: self.room]
        return len(self.taken) or Errno.EAGAIN


class MovingMachine(Machine):
    """Rules that move chains, reserve space, and lend memory."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[tuple[MemoryFile, list[int]]] = []

    # Between buffers.

    @rule(target_side=WHICH, source_side=WHICH, front=st.booleans())
    def move_all(self, target_side: int, source_side: int, front: bool) -> None:
        target, source = self.side(target_side), self.side(source_side)
        moved = b"" if target is source else source.model
        closed = target.buffer.start_frozen if front else target.buffer.end_frozen
        refused = bool(moved) and (closed or source.buffer.start_frozen)
        call = target.buffer.prepend_buffer if front else target.buffer.add_buffer
        assert call(source.buffer) == (-1 if refused else 0)
        if refused:
            moved = b""
        if moved:
            source.model = b""
            target.model = moved + target.model if front else target.model + moved
        self.told((source, 0, len(moved)), (target, len(moved), 0))

    @rule(target_side=WHICH, source_side=WHICH)
    def take_frozen(self, target_side: int, source_side: int) -> None:
        target, source = self.side(target_side), self.side(source_side)
        if target is source or target.reading or source.writing:
            return
        moved, source.model = source.model, b""
        target.model += moved
        assert target.buffer.take_frozen(source.buffer) == len(moved)
        self.told((source, 0, len(moved)), (target, len(moved), 0))

    @rule(target_side=WHICH, source_side=WHICH, size=SIZES)
    def remove_buffer(self, target_side: int, source_side: int, size: int) -> None:
        target, source = self.side(target_side), self.side(source_side)
        self.moved_part(target, source, size)

    @rule(target_side=WHICH, source_side=WHICH, chains=st.integers(1, 3), more=st.integers(-1, 1))
    def remove_buffer_at_a_chain(
        self, target_side: int, source_side: int, chains: int, more: int
    ) -> None:
        """To the end of a chain, or one byte beside it."""
        target, source = self.side(target_side), self.side(source_side)
        sizes = [chain.off for chain in source.buffer.chains()]
        self.moved_part(target, source, max(sum(sizes[:chains]) + more, 0))

    def moved_part(self, target: Any, source: Any, size: int) -> None:
        nothing = target is source or not size
        refused = not nothing and (source.buffer.start_frozen or target.buffer.end_frozen)
        everything = size >= len(source.model)
        result = source.buffer.remove_buffer(target.buffer, size)
        if nothing or refused:
            assert result == (-1 if refused else 0)
            self.told()
            return
        moved = self.take(source, size)
        assert result == len(moved)
        target.model += moved
        changes = [(target, len(moved), 0), (source, 0, len(moved))]
        self.told(*(reversed(changes) if everything else changes))

    @rule(target_side=WHICH, source_side=WHICH)
    def add_buffer_reference(self, target_side: int, source_side: int) -> None:
        target, source = self.side(target_side), self.side(source_side)
        odd = any(
            chain.flags & (FILESEGMENT | SENDFILE | MULTICAST) for chain in source.buffer.chains()
        )
        refused = bool(source.model) and (target.buffer.end_frozen or target is source or odd)
        result = target.buffer.add_buffer_reference(source.buffer)
        assert result == (-1 if refused else 0)
        added = b"" if refused else source.model
        target.model += added
        self.told((target, len(added), 0))

    # Space.

    @rule(which=WHICH, size=SIZES)
    def expand(self, which: int, size: int) -> None:
        side = self.side(which)
        frozen = side.buffer.end_frozen
        assert side.buffer.expand(size) == (-1 if frozen else 0)
        if not frozen and size:
            assert max(chain.space for chain in side.buffer.chains()) >= size
        self.told()

    @rule(
        which=WHICH,
        size=SIZES,
        pieces=st.integers(1, 4),
        parts=st.lists(st.sampled_from((0, 1, 3, 1 << 20)), min_size=1, max_size=4),
    )
    def reserve_and_commit(self, which: int, size: int, pieces: int, parts: list[int]) -> None:
        side = self.side(which)
        vectors = side.buffer.reserve_space(size, pieces)
        if side.buffer.end_frozen:
            assert vectors is None
            assert side.buffer.commit_space([]) == -1
            return
        assert vectors is not None and len(vectors) <= pieces
        assert sum(len(vector.base) for vector in vectors) >= size
        written = b""
        for vector, part in zip(vectors, parts, strict=False):
            vector.len = min(part, len(vector.base))
            vector.base[: vector.len] = pattern(vector.len)
            written += pattern(vector.len)
        used = vectors[: len(parts)]
        self.wrong_commits(side, used)
        assert side.buffer.commit_space(used) == 0
        side.model += written
        self.told((side, len(written), 0))
        if written:  # the same space a second time
            assert side.buffer.commit_space(used) == -1
            self.told()

    def wrong_commits(self, side: Any, vectors: list[Any]) -> None:
        """-1 and no effect."""
        if len(vectors) > 1:
            assert side.buffer.commit_space(vectors[::-1]) == -1
        for vector in vectors:
            kept, vector.len = vector.len, len(vector.base) + 1
            assert side.buffer.commit_space(vectors) == -1
            vector.len = kept
        self.told()

    # Kernels.

    @rule(which=WHICH, size=st.one_of(st.just(-1), SIZES), data=DATA)
    def read(self, which: int, size: int, data: bytes) -> None:
        side = self.side(which)
        kernel: Any = PlainKernel(data, 0)
        result = side.buffer.read(kernel, 3, size)
        limit = 4_096 if not 0 <= size <= 4_096 else size
        got = data[:limit]
        if side.buffer.end_frozen:
            assert result == -1
            got = b""
        elif not limit:
            assert result == 0
        else:
            assert result == (len(got) if data else Errno.EAGAIN)
            assert 1 <= kernel.vectors <= 4
        side.model += got
        self.told((side, len(got), 0))

    @rule(which=WHICH, size=st.one_of(st.just(-1), SIZES), room=SIZES)
    def write_atmost(self, which: int, size: int, room: int) -> None:
        side = self.side(which)
        kernel: Any = PlainKernel(b"", room)
        head = next((chain for chain in side.buffer.chains() if chain.off), None)
        alone = head is not None and head.flags & SENDFILE
        result = side.buffer.write_atmost(kernel, 3, size)
        offered = side.model if size < 0 else side.model[:size]
        if side.buffer.start_frozen:
            assert result == -1
            assert not kernel.vectors
            return
        if not offered:
            assert result == 0
            return
        assert 1 <= kernel.vectors <= (1 if alone else 128)
        assert kernel.taken == side.model[: len(kernel.taken)]
        assert len(kernel.taken) <= len(offered)
        assert result == (len(kernel.taken) or Errno.EAGAIN)
        taken = self.take(side, len(kernel.taken))
        self.told((side, 0, len(taken)))

    @rule(which=WHICH, size=SIZES.filter(bool), pieces=st.integers(1, 4))
    def launch_read(self, which: int, size: int, pieces: int) -> None:
        side = self.side(which)
        frozen = side.buffer.end_frozen
        launch = side.buffer.launch_read(size, pieces)
        assert (launch is None) is frozen
        if launch is not None:
            assert sum(map(len, launch.pieces)) == size
            for piece in launch.pieces:
                assert isinstance(piece, memoryview)
                piece[:] = b"\xee" * len(piece)  # it may be written into from now on
            side.reading = Lent(launch)
            assert side.buffer.launch_read(1) is None

    @rule(which=WHICH, part=st.sampled_from((0, 1, 5, 1 << 20)))
    def commit_read(self, which: int, part: int) -> None:
        side = self.side(which)
        if side.reading is None:
            return
        launch, side.reading = side.reading.launch, None
        size = min(part, sum(map(len, launch.pieces)))
        views: Any = launch.pieces
        assert scatter(pattern(size), views) == size
        side.buffer.commit_read(launch, size)
        side.model += pattern(size)
        self.told((side, size, 0))

    @rule(which=WHICH, size=SIZES.filter(bool))
    def launch_write(self, which: int, size: int) -> None:
        side = self.side(which)
        frozen = side.buffer.start_frozen
        head = next((chain for chain in side.buffer.chains() if chain.off), None)
        launch = side.buffer.launch_write(size)
        if launch is None:
            assert frozen or head is None or head.flags & SENDFILE
        else:
            side.writing = Lent(launch, b"".join(launch.pieces))
            assert side.model[:size].startswith(side.writing.data)

    @rule(which=WHICH, part=st.sampled_from((0, 1, 1 << 20)))
    def commit_write(self, which: int, part: int) -> None:
        side = self.side(which)
        if side.writing is None:
            return
        lent, side.writing = side.writing, None
        size = min(part, len(lent.data))
        side.buffer.commit_write(lent.launch, size)
        assert self.take(side, size) == lent.data[:size]
        self.told((side, 0, size))

    # Files.

    @rule(which=WHICH, on=st.booleans())
    def drains_to_fd(self, which: int, on: bool) -> None:
        buffer = self.side(which).buffer
        (buffer.set_flags if on else buffer.clear_flags)(FLAG_DRAINS_TO_FD)

    @rule(
        which=WHICH,
        data=DATA,
        start=st.integers(0, 3),
        parts=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 9)), max_size=3),
        flags=st.sampled_from((0, FS_DISABLE_MMAP, FS_DISABLE_SENDFILE)),
        mappable=st.booleans(),
    )
    def add_file_segment(
        self,
        which: int,
        data: bytes,
        start: int,
        parts: list[tuple[int, int]],
        flags: int,
        mappable: bool,
    ) -> None:
        side = self.side(which)
        file = MemoryFile(data, mappable)
        segment = FileSegment.new(file, start, -1, flags | FS_CLOSE_ON_FREE)
        if start > len(data):
            assert segment is Errno.EINVAL
            return
        assert isinstance(segment, FileSegment)
        cleaned: list[int] = []
        segment.add_cleanup_cb(lambda _, flags: cleaned.append(flags))
        self.files.append((file, cleaned))
        inside = data[start:]
        for offset, length in parts:
            wanted = inside[offset:] if length < 0 else inside[offset : offset + length]
            there = offset <= len(inside) and (length < 0 or offset + length <= len(inside))
            refused = side.buffer.end_frozen or not there
            result = side.buffer.add_file_segment(segment, offset, length)
            assert result == (-1 if refused else 0)
            if not refused:
                side.model += wanted
                self.told((side, len(wanted), 0))
        segment.free()

    @rule(which=WHICH, data=DATA, offset=st.integers(0, 20), length=st.integers(-1, 20))
    def add_file(self, which: int, data: bytes, offset: int, length: int) -> None:
        side = self.side(which)
        file = MemoryFile(data)
        inside = data[offset:] if length < 0 else data[offset : offset + length]
        drains = side.buffer.flags & FLAG_DRAINS_TO_FD
        there = offset <= len(data) if length < 0 else len(inside) == length
        if drains and length >= 0 and not there:
            return  # only sendfile would find out
        refused = side.buffer.end_frozen or not there
        assert side.buffer.add_file(file, offset, length) == (-1 if refused else 0)
        if refused:
            assert file.closed == 1
            return
        self.files.append((file, [1]))
        side.model += inside
        self.told((side, len(inside), 0))

    def teardown(self) -> None:
        super().teardown()
        for file, cleaned in self.files:
            assert (file.closed, len(cleaned)) == (1, 1)
