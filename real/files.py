"""Regular files of the running system, for buffers that send pieces of them. No policy."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from model.errors import Errno, SimulatorError

if TYPE_CHECKING:
    from model.files import File

_ERRNO = {member.value: member for member in Errno}


def _outcome(error: OSError) -> Errno:
    try:
        return _ERRNO[error.errno or 0]
    except KeyError:
        raise SimulatorError(
            f"a file said errno {error.errno} ({error.strerror}), which model.errors.Errno does not"
            " name: add it there"
        ) from None


class RealFile:
    """Implements `model.files.File` on a descriptor, which it owns."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def open(cls, path: str) -> RealFile | Errno:
        """open(2), read-only."""
        try:
            return cls(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
        except OSError as error:
            return _outcome(error)

    def size(self) -> int | Errno:
        """fstat(2)."""
        try:
            return os.fstat(self.fd).st_size
        except OSError as error:
            return _outcome(error)

    def read(self, offset: int, size: int) -> bytes | Errno:
        """lseek(2) and read(2) until all is there or the file ends."""
        pieces: list[bytes] = []
        try:
            os.lseek(self.fd, offset, os.SEEK_SET)
            while size > 0:
                piece = os.read(self.fd, size)
                if not piece:
                    break
                pieces.append(piece)
                size -= len(piece)
        except OSError as error:
            return _outcome(error)
        return b"".join(pieces)

    def map(self, offset: int, size: int) -> memoryview | Errno:
        """mmap(2) from the page that `offset` is in; unmapped when the last view of it goes."""
        if self.fd < 0 or size <= 0:
            return Errno.EBADF if self.fd < 0 else Errno.EINVAL
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        try:
            mapped = mmap.mmap(
                self.fd, offset - start + size, access=mmap.ACCESS_READ, offset=start
            )
        except ValueError:  # CPython's own check: beyond the end of the file
            return Errno.EINVAL
        except OSError as error:
            return _outcome(error)
        return memoryview(mapped)[offset - start :]

    def close(self) -> Errno | None:
        """close(2), once."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return Errno.EBADF
        try:
            os.close(fd)
        except OSError as error:
            return _outcome(error)
        return None


if TYPE_CHECKING:
    _FILE: File = RealFile(-1)
