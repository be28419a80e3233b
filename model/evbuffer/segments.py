"""Pieces of files in a buffer (libevent: buffer.c, evbuffer_file_segment_new and others).

A segment is added to any number of buffers, whole or in parts. It goes by sendfile(2) where the
segment allows it and the buffer drains to a descriptor at the time of adding; otherwise its bytes
are mapped, otherwise read into memory, once, when they are first needed. It is counted: with the
last user the file is closed (if that was asked for) and the cleanup callback called.

Over a completion kernel no buffer has DRAINS_TO_FD, so a segment is always in memory there: as in
libevent, which does not use TransmitFile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from model.errors import Errno
from model.evbuffer.chain import CHAIN_MAX, FILESEGMENT, IMMUTABLE, SENDFILE, Chain
from model.evbuffer.chains import FLAG_DRAINS_TO_FD
from model.evbuffer.search import Search
from model.files import File
from model.kernel import Buffer

FS_CLOSE_ON_FREE = 0x01  # EVBUF_FS_CLOSE_ON_FREE
FS_DISABLE_MMAP = 0x02  # EVBUF_FS_DISABLE_MMAP
FS_DISABLE_SENDFILE = 0x04  # EVBUF_FS_DISABLE_SENDFILE

SegmentCleanup: TypeAlias = Callable[["FileSegment", int], None]  # the segment and its flags


class FileSegment:
    """`length` bytes of `file` from `offset` on (struct evbuffer_file_segment).

    `FileSegment.new` makes one; whoever made it calls `free` when it has added it where it wants.
    """

    __slots__ = ("cleanup", "contents", "file", "flags", "length", "offset", "refcnt")

    def __init__(self, file: File, offset: int, length: int, flags: int) -> None:
        self.file = file
        self.offset = offset
        self.length = length
        self.flags = flags
        self.contents: Buffer | None = None
        self.refcnt = 1
        self.cleanup: SegmentCleanup | None = None

    @classmethod
    def new(
        cls, file: File, offset: int = 0, length: int = -1, flags: int = 0
    ) -> FileSegment | Errno:
        """evbuffer_file_segment_new: length -1 is all from `offset` on. The file is not closed
        when this fails: EINVAL for a place that the file does not have, or what it said."""
        if length < 0:
            size = file.size()
            if isinstance(size, Errno):
                return size
            length = size - offset
        if offset < 0 or length < 0 or offset + length > CHAIN_MAX:
            return Errno.EINVAL
        return cls(file, offset, length, flags)

    def add_cleanup_cb(self, cleanup: SegmentCleanup) -> None:
        """evbuffer_file_segment_add_cleanup_cb: called once, when the last user is gone."""
        self.cleanup = cleanup

    def free(self) -> None:
        """evbuffer_file_segment_free: one user less."""
        self.refcnt -= 1
        if self.refcnt:
            return
        self.contents = None
        if self.flags & FS_CLOSE_ON_FREE:
            self.file.close()
        if self.cleanup is not None:
            cleanup, self.cleanup = self.cleanup, None
            cleanup(self, self.flags)

    def materialize(self) -> Errno | None:
        """evbuffer_file_segment_materialize: maps or reads the bytes, the first time."""
        if self.contents is not None:
            return None
        if not self.flags & FS_DISABLE_MMAP and self.length:
            mapped = self.file.map(self.offset, self.length)
            if not isinstance(mapped, Errno):
                self.contents = mapped
                return None
        data = self.file.read(self.offset, self.length)
        if isinstance(data, Errno):
            return data
        if len(data) < self.length:
            return Errno.EIO
        self.contents = data
        return None

    def load(self, chain: Chain) -> bool:
        """Gives a SENDFILE chain of ours its bytes. Whether it has them."""
        if self.materialize() is not None:
            return False
        assert self.contents is not None
        chain.storage = self.contents
        chain.misalign -= self.offset
        chain.flags &= ~SENDFILE
        return True


class Segments(Search):
    """A buffer that takes pieces of files."""

    __slots__ = ()

    def add_file_segment(self, segment: FileSegment, offset: int = 0, length: int = -1) -> int:
        """evbuffer_add_file_segment: `length` bytes of it from `offset` on; -1: all that follow.

        0, or -1 when the tail is frozen, the segment has no such bytes, or they cannot be read.
        """
        if length < 0:
            length = segment.length - offset
        if self.end_frozen or not 0 <= offset <= offset + length <= segment.length or length < 0:
            return -1
        if self.length + length > CHAIN_MAX:
            return -1
        if self.flags & FLAG_DRAINS_TO_FD and not segment.flags & FS_DISABLE_SENDFILE:
            chain = Chain(b"", length, FILESEGMENT | SENDFILE | IMMUTABLE)
            chain.misalign = segment.offset + offset
        else:
            if segment.materialize() is not None:
                return -1
            assert segment.contents is not None
            chain = Chain(segment.contents, length, FILESEGMENT | IMMUTABLE)
            chain.misalign = offset
        segment.refcnt += 1
        chain.more().segment = segment
        self._insert(chain)
        self._changed(length, 0)
        return 0

    def add_file(self, file: File, offset: int = 0, length: int = -1) -> int:
        """evbuffer_add_file: a piece of a file that is closed when it was sent, and on failure."""
        segment = FileSegment.new(file, offset, length, FS_CLOSE_ON_FREE)
        if isinstance(segment, Errno):
            file.close()
            return -1
        result = self.add_file_segment(segment)
        segment.free()
        return result
