"""Filter functions, and pairs of them (`FILTERS`) that give back at one end what was written at the
other. All input functions keep the limit; output functions exceed it by `OVERRUN` bytes at most.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from model.evbuffer import Evbuffer
from model.layer import FilterFunction, FilterResult, Filters, move
from model.subject import BEV_FINISHED

#: bytes by which one call of an output function here may exceed its limit: a block of `Deflate`
OVERRUN = 1_024 + 64

OK, NEED_MORE, ERROR = FilterResult.OK, FilterResult.NEED_MORE, FilterResult.ERROR


def _allowed(source: Evbuffer, limit: int) -> int:
    return source.length if limit < 0 else min(source.length, limit)


def copy(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
    """be_null_filter: the bytes as they are."""
    return OK if move(source, destination, _allowed(source, limit)) else NEED_MORE


def pieces(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
    """The same, at most 100 bytes a call."""
    return OK if move(source, destination, min(100, _allowed(source, limit))) else NEED_MORE


def double(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
    """An `x` before each byte; a limit of one byte lets one byte and its `x` pass."""
    size = source.length if limit < 0 else min(source.length, max(1, limit // 2))
    if not size:
        return NEED_MORE
    data = bytearray(b"x" * (2 * size))
    data[1::2] = source.copyout(size)
    source.drain_frozen(size)
    destination.append_frozen(bytes(data))
    return OK


def strip(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
    """Takes the `x`s of `double` away; half a couple waits for the other half."""
    size = source.length // 2 if limit < 0 else min(source.length // 2, limit)
    if size <= 0:
        return NEED_MORE
    data = source.copyout(2 * size)
    source.drain_frozen(2 * size)
    destination.append_frozen(data[1::2])
    return OK


class Prepend:
    """Puts a header of 20 bytes before the stream, on top of the limit."""

    SIZE = 20

    def __init__(self) -> None:
        self.done = False

    def __call__(
        self, source: Evbuffer, destination: Evbuffer, limit: int, mode: int
    ) -> FilterResult:
        if not self.done and source.length:
            self.done = True
            destination.append_frozen(b"H" * self.SIZE)
        return OK if move(source, destination, _allowed(source, limit)) else NEED_MORE


class Behead:
    """Takes the header of `Prepend` away."""

    def __init__(self) -> None:
        self.left = Prepend.SIZE

    def __call__(
        self, source: Evbuffer, destination: Evbuffer, limit: int, mode: int
    ) -> FilterResult:
        header = min(self.left, source.length)
        source.drain_frozen(header)
        self.left -= header
        # A source that is a pair's has more of the header as soon as some was drained.
        moved = 0 if self.left else move(source, destination, _allowed(source, limit))
        return OK if header or moved else NEED_MORE


class Failing:
    """Does nothing and returns ERROR on its n-th call, else as `function`."""

    def __init__(self, function: FilterFunction, call: int) -> None:
        self.function = function
        self.left = call

    def __call__(
        self, source: Evbuffer, destination: Evbuffer, limit: int, mode: int
    ) -> FilterResult:
        self.left -= 1
        return ERROR if not self.left else self.function(source, destination, limit, mode)


class Deflate:
    """Compresses. Each call ends with a sync flush, so that no byte stays inside; FINISHED ends
    the stream, and what is written later begins another one.

    Blocks of at most 1,024 bytes and Huffman codes alone, so that every build of zlib gives the
    same bytes: a trace must not depend on where it was made.
    """

    BLOCK = 1_024

    def __init__(self, level: int = 6) -> None:
        self._level = level  # 0: stored
        self._stream = self._new()
        self._begun = False

    def _new(self) -> zlib._Compress:
        return zlib.compressobj(
            self._level, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY
        )

    def __call__(
        self, source: Evbuffer, destination: Evbuffer, limit: int, mode: int
    ) -> FilterResult:
        size = min(self.BLOCK, source.length)
        last = mode == BEV_FINISHED and size == source.length
        if not size and not (last and self._begun):
            return NEED_MORE
        data = source.copyout(size)
        source.drain_frozen(size)
        given = self._stream.compress(data)
        given += self._stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        self._begun = not last
        if last:
            self._stream = self._new()
        destination.append_frozen(given)
        return OK


class Inflate:
    """Decompresses stream after stream; keeps the limit. A damaged stream is an ERROR for ever."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def __call__(
        self, source: Evbuffer, destination: Evbuffer, limit: int, mode: int
    ) -> FilterResult:
        data = source.copyout(16_384)
        if not data or not limit:
            return NEED_MORE
        try:
            given = self._stream.decompress(data, max(limit, 0))
        except zlib.error:
            return ERROR
        rest = self._stream.unused_data or self._stream.unconsumed_tail
        if self._stream.eof:
            self._stream = zlib.decompressobj()
        taken = len(data) - len(rest)
        if taken <= 0 and not given:
            return NEED_MORE
        source.drain_frozen(taken)
        destination.append_frozen(given)
        return OK


#: kind of filter -> the functions of one end, made anew
FILTERS: dict[str, Callable[[], Filters]] = {
    "copy": Filters,
    "pieces": lambda: Filters(pieces, pieces),
    "double": lambda: Filters(strip, double),
    "prepend": lambda: Filters(Behead(), Prepend()),
    "error": lambda: Filters(Failing(copy, 3), Failing(copy, 2)),
    "zlib": lambda: Filters(Inflate(), Deflate()),
    "stored": lambda: Filters(Inflate(), Deflate(0)),
}
