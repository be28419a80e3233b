"""The memory of overlapped operations: blocks at fixed places, pointers to them, pinned buffers.

What one operation needs (OVERLAPPED, WSABUF, byte count, flags, addresses) is one block, so that
it can be pooled. ctypes objects that are made once, with their pointers, cost a call half of what
plain integers do: that is why these classes keep pointers beside the memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from ctypes import addressof, c_char, c_size_t, c_void_p

from model.kernel import Buffer
from real import winsock

assert sys.platform == "win32", "real.overlapped needs Windows, or Wine (duopoll setup-wine)"


class Slot:
    """The memory of one operation, pointers to its parts, and what it keeps alive."""

    __slots__ = ("addresses", "at", "buf", "flags", "memory", "nbytes", "number", "pins", "pointer")

    def __init__(self) -> None:
        self.memory = winsock.Memory()
        self.at = at = addressof(self.memory)  # of the OVERLAPPED, which comes first
        self.pointer = c_void_p(at)
        self.buf = c_void_p(at + winsock.BUF_AT)
        self.nbytes = c_void_p(at + winsock.NBYTES_AT)
        self.flags = c_void_p(at + winsock.FLAGS_AT)
        self.addresses = c_void_p(at + winsock.ADDRESSES_AT)
        self.number = 0  # the caller's name for it
        self.pins: object = None


class Batch:
    """The packets of one dequeue, as words, and how many there are."""

    __slots__ = ("entries", "memory", "removed", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        words = (c_size_t * (1 + winsock.ENTRY_WORDS * size))()
        at = addressof(words)
        self.memory = memoryview(words).cast("B").cast("Q")  # word 0 is the count
        self.removed = c_void_p(at)
        self.entries = c_void_p(at + 8)


def gather(slot: Slot, chunks: Sequence[Buffer]) -> c_void_p:
    """Pins `chunks` to the slot: a pointer to their WSABUFs."""
    pins = [pin(chunk) for chunk in chunks]
    buffers = (winsock.Wsabuf * len(chunks))()
    for buffer, chunk, (place, _) in zip(buffers, chunks, pins, strict=True):
        buffer.len, buffer.buf = len(chunk), place
    slot.pins = (pins, buffers)
    return c_void_p(addressof(buffers))


def pin(chunk: Buffer) -> tuple[bytes | int | None, object]:
    """What a WSABUF takes for `chunk` (itself, or its address), and what keeps it there."""
    if type(chunk) is bytes:
        return chunk, chunk
    if isinstance(chunk, bytes) or (isinstance(chunk, memoryview) and chunk.readonly):
        copied = bytes(chunk)  # ctypes gives no address of a view that cannot be written
        return copied, copied
    if len(chunk) == 0:
        return None, None
    place = c_char.from_buffer(chunk)
    return addressof(place), place
