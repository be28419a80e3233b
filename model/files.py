"""Files, as far as a buffer sends pieces of them: `real.files` has real ones, `sim.memory_file`
those of simulated worlds.

Expected outcomes are values, as in `model.kernel`.
"""

from __future__ import annotations

from typing import Protocol

from model.errors import Errno
from model.kernel import Buffer


class File(Protocol):
    """An open regular file. Offsets and sizes are bytes."""

    @property
    def fd(self) -> int:
        """Its descriptor, where it has one; -1 once it is closed."""

    def size(self) -> int | Errno:
        """fstat(2): st_size."""

    def read(self, offset: int, size: int) -> bytes | Errno:
        """pread(2): fewer bytes than asked for only at the end of the file."""

    def map(self, offset: int, size: int) -> Buffer | Errno:
        """mmap(2), read-only; `offset` need not be a multiple of the page's size."""

    def close(self) -> Errno | None:
        """close(2). What was mapped stays."""
