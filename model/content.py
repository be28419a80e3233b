"""The bytes that runs send: one table of noise, so that every byte tells where it belongs.

Stream `k` starts at a place of its own in the table; byte `i` of a stream is the table's byte at
that place plus `i`, around the end. Eight consecutive bytes occur in one place only, so a trace
names content by its place (`64@1000` is 64 bytes from place 1000) and loses nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache

TABLE_SIZE = 1 << 20
_STREAM_STRIDE = 61_681  # odd, so that streams start in different places for 2**20 streams
_MATCH_BYTES = 8
_ZEROS = bytes(16)
_ZEROS_MAX = 1 << 24  # bytes that one name of zeros may stand for


@cache
def table() -> bytes:
    """The table, and its first 64 KiB again so that a slice need not wrap."""
    noise = hashlib.shake_128(b"duopoll content").digest(TABLE_SIZE)
    return noise + noise[: 1 << 16]


def place(stream: int, offset: int) -> int:
    """Where byte `offset` of `stream` stands in the table."""
    return (stream * _STREAM_STRIDE + offset) % TABLE_SIZE


def content(stream: int, offset: int, size: int) -> bytes:
    """`size` bytes of `stream` from `offset`."""
    start = place(stream, offset)
    noise = table()
    if start + size <= len(noise):
        return noise[start : start + size]
    whole = noise[:TABLE_SIZE] * (2 + size // TABLE_SIZE)
    return whole[start : start + size]


class ContentEncoder:
    """Writes bytes as places in the table: `64@1000`, `3@7+5@90`, `hex:0a0b`; empty bytes as ``;
    16 and more zeros, the trace's stand-in for what is encrypted, as `zeros:700`.

    Remembers where earlier content ended, so that short pieces are named as what they continue.
    """

    def __init__(self) -> None:
        self._ends: dict[int, None] = {}  # insertion-ordered, newest last

    def encode(self, data: bytes) -> str:
        """A lossless name of `data`."""
        if data[:16] == _ZEROS and not data.strip(b"\0"):
            return f"zeros:{len(data)}"
        parts: list[str] = []
        rest = data
        while rest:
            found = self._locate(rest)
            if found is None:
                return "hex:" + data.hex()
            start, size = found
            parts.append(f"{size}@{start}")
            end = (start + size) % TABLE_SIZE
            self._ends.pop(start, None)
            self._ends[end] = None
            rest = rest[size:]
        return "+".join(parts)

    def _locate(self, data: bytes) -> tuple[int, int] | None:
        """The place of the longest run at the head of `data`: (place, size)."""
        noise = table()
        head = data[:_MATCH_BYTES]
        for start in reversed(self._ends):
            if noise.startswith(head, start):
                break
        else:
            start = noise.find(head)
            if start < 0 or len(head) < 4:
                return None
        return start, self._run_length(data, start)

    @staticmethod
    def _run_length(data: bytes, start: int) -> int:
        noise = table()
        limit = min(len(data), len(noise) - start)
        if noise.startswith(data[:limit], start):
            return limit
        low, high = 0, limit  # the first `low` bytes agree, the first `high` do not
        while high - low > 1:
            middle = (low + high) // 2
            if noise.startswith(data[:middle], start):
                low = middle
            else:
                high = middle
        return low


def decode_content(name: str) -> bytes:
    """The bytes that `ContentEncoder.encode` named. Raises ValueError for anything else."""
    if not name:
        return b""
    if name.startswith("hex:"):
        return bytes.fromhex(name[4:])
    if name.startswith("zeros:"):
        count = int(name[6:])
        if not 0 < count <= _ZEROS_MAX:
            raise ValueError(f"no content {name!r}: 1 to {_ZEROS_MAX} zeros")
        return bytes(count)
    noise = table()
    parts = []
    for part in name.split("+"):
        size_text, _, start_text = part.partition("@")
        size, start = int(size_text), int(start_text)
        if not (0 < size <= len(noise) and 0 <= start < TABLE_SIZE and start + size <= len(noise)):
            raise ValueError(f"no content {part!r}: a size and a place below {TABLE_SIZE}")
        parts.append(noise[start : start + size])
    return b"".join(parts)
