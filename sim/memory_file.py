"""A file of a simulated world: bytes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import Errno

if TYPE_CHECKING:
    from model.files import File


class MemoryFile:
    """Implements `model.files.File`. `mappable` False: mmap fails, as on some file systems."""

    __slots__ = ("_data", "closed", "mappable")

    fd = -1  # sendfile of a simulated kernel takes the bytes from here

    def __init__(self, data: bytes, mappable: bool = True) -> None:
        self._data = data
        self.closed = 0  # times
        self.mappable = mappable

    def size(self) -> int | Errno:
        """fstat(2)."""
        return Errno.EBADF if self.closed else len(self._data)

    def read(self, offset: int, size: int) -> bytes | Errno:
        """pread(2)."""
        return Errno.EBADF if self.closed else self._data[offset : offset + size]

    def map(self, offset: int, size: int) -> memoryview | Errno:
        """mmap(2): EINVAL for nothing, ENODEV where files cannot be mapped."""
        if self.closed:
            return Errno.EBADF
        if not self.mappable:
            return Errno.ENODEV
        if not size or offset + size > len(self._data):
            return Errno.EINVAL
        return memoryview(self._data)[offset : offset + size]

    def close(self) -> Errno | None:
        """close(2)."""
        self.closed += 1
        return Errno.EBADF if self.closed > 1 else None


if TYPE_CHECKING:
    _FILE: File = MemoryFile(b"")
