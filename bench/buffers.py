"""Contenders for moving bytes through a buffer: the evbuffer, and a bare ring.

Each step copies one block of 64 KiB into free space and copies it out again into a block of the
receiver's, as a kernel would at either end. The ring is the least that does so: a bytearray and two
places in it, with no growth, no chains and nobody to tell.
"""

from __future__ import annotations

from time import perf_counter

from model.evbuffer import Evbuffer

STEP = 65_536
_MIB = 1 << 20
_KEPT_BYTES = 1 << 20  # see real.epoll: malloc keeps blocks up to this size once one was freed


def evbuffer(mebibytes: int) -> float:
    """MiB a second through reserve_space, commit_space, peek and drain."""
    bytes(_KEPT_BYTES)
    source, sink = bytes(range(256)) * (STEP // 256), memoryview(bytearray(STEP))
    buffer = Evbuffer()
    started = perf_counter()
    for _ in range(mebibytes * _MIB // STEP):
        vectors = buffer.reserve_space(STEP)
        assert vectors is not None
        vectors[0].base[:STEP] = source
        vectors[0].len = STEP
        buffer.commit_space(vectors)
        at = 0
        for piece in buffer.peek(STEP):
            sink[at : at + len(piece)] = piece
            at += len(piece)
        buffer.drain(STEP)
    elapsed = perf_counter() - started
    assert bytes(sink) == source and not buffer.length
    return mebibytes / elapsed


def ring(mebibytes: int) -> float:
    """MiB a second through a bytearray of two steps and two places in it."""
    bytes(_KEPT_BYTES)
    source, sink = bytes(range(256)) * (STEP // 256), memoryview(bytearray(STEP))
    memory = memoryview(bytearray(2 * STEP))
    size = len(memory)
    written = read = 0
    started = perf_counter()
    for _ in range(mebibytes * _MIB // STEP):
        start = written % size
        memory[start : start + STEP] = source
        written += STEP
        start = read % size
        sink[:] = memory[start : start + STEP]
        read += STEP
    elapsed = perf_counter() - started
    assert bytes(sink) == source and written == read
    return mebibytes / elapsed
