"""regress_buffer.c, ported: reserved space, expand, peek, searches and freezing."""

from __future__ import annotations

from typing import Any

import pytest

from model.evbuffer import Change, Eol, Evbuffer, Iovec, Position
from model.evbuffer.chain import CHAIN_MAX, MIN_BUFFER_SIZE
from tests.model.evbuffer.machine_moves import PlainKernel
from tests.upstream.test_regress_buffer import content, holding, pulled


def reserved(buffer: Evbuffer, size: int, pieces: int) -> list[Iovec]:
    vectors = buffer.reserve_space(size, pieces)
    assert vectors is not None
    buffer.check()
    return vectors


def place_of(vector: Iovec) -> tuple[int, int]:
    """Where a vector points."""
    return id(vector.chain.storage), vector.start


def committed(buffer: Evbuffer, vectors: list[Iovec], *written: bytes) -> None:
    for vector, data in zip(vectors, written, strict=False):
        vector.base[: len(data)] = data
        vector.len = len(data)
    assert buffer.commit_space(vectors[: len(written)]) == 0
    buffer.check()


def test_reserve2() -> None:
    buffer = Evbuffer()
    vectors = reserved(buffer, 1_024, 2)
    assert len(vectors) == 1 and buffer.length == 0
    block, room = place_of(vectors[0])[0], len(vectors[0].base)
    assert room >= 1_024
    committed(buffer, vectors, b"X" * 512)
    vectors = reserved(buffer, 32, 2)
    assert [place_of(each) for each in vectors] == [(block, 512)]
    assert len(vectors[0].base) == room - 512
    committed(buffer, vectors, b"Y" * 8)
    room -= 520
    vectors = reserved(buffer, room + 64, 2)
    assert (place_of(vectors[0]), len(vectors[0].base)) == ((block, 520), room)
    assert len(vectors) == 2 and len(vectors[1].base) >= 64
    second = place_of(vectors[1])
    committed(buffer, vectors, b"Z")
    vectors = reserved(buffer, room + 63, 2)
    assert [place_of(each) for each in vectors] == [(block, 521), second]
    assert buffer.commit_space(vectors[::-1]) == -1  # the wrong way round
    committed(buffer, vectors, b"W" * 400, b"x" * 60)
    assert buffer.length == 981
    needed, extents = buffer.peek_extents(-1, None, 2)
    assert needed == 2
    assert extents[0] == b"X" * 512 + b"Y" * 8 + b"Z" + b"W" * 400
    assert extents[1] == b"x" * 60


@pytest.mark.parametrize("first", ["", "add", "fill"])
def test_reserve_many(first: str) -> None:
    """reserve_many, reserve_many2 and reserve_many3."""
    buffer = Evbuffer()
    vectors = reserved(buffer, 128, 2)
    assert len(vectors) == 1 and len(vectors[0].base) >= 128
    one = place_of(vectors[0])
    if first == "add":
        committed(buffer, vectors, b"X")
        one = (one[0], one[1] + 1)
    elif first == "fill":
        committed(buffer, vectors, b"X" * len(vectors[0].base))
        vectors = reserved(buffer, 128, 2)
        assert len(vectors) == 1
        one = place_of(vectors[0])
    vectors = reserved(buffer, len(vectors[0].base) + 128, 2)
    assert len(vectors) == 2 and place_of(vectors[0]) == one
    two = place_of(vectors[1])
    total = sum(len(each.base) for each in vectors)
    vectors = reserved(buffer, total + 128, 3)
    assert len(vectors) == 3
    assert [place_of(each) for each in vectors[:2]] == [one, two]
    total = sum(len(each.base) for each in vectors)
    vectors = reserved(buffer, total + 128, 2)  # more, in fewer pieces: chains are replaced
    assert len(vectors) == (2 if first == "add" else 1)
    assert sum(len(each.base) for each in vectors) >= total + 128
    assert first != "add" or place_of(vectors[0]) == one


def test_reserve_with_empty() -> None:
    buffer = Evbuffer()
    buffer.add_reference(b"")
    buffer.expand(10)
    vectors = reserved(buffer, 4_096, 2)
    committed(buffer, vectors, *(bytes(len(each.base)) for each in vectors))
    assert buffer.length >= 4_096
    assert pulled(buffer) == bytes(buffer.length)
    buffer.check()


def test_reserve_invalid_last_with_datap() -> None:
    buffer, other = Evbuffer(), Evbuffer()
    reserved(other, 1, 1)
    vectors = reserved(other, 16, 2)
    committed(other, vectors, b"bytes")
    other.add_reference(b"")
    assert buffer.expand(8) == 0
    assert buffer.prepend_buffer(other) == 0
    vectors = reserved(buffer, 3_000, 2)
    committed(buffer, vectors, b"!")
    assert content(buffer, other) == (b"bytes!", b"")


def test_expand() -> None:
    buffer = Evbuffer()
    assert buffer.expand(20_000) == 0
    buffer.check()
    first = buffer.first
    assert first is not None and first is buffer.last
    assert (first.off, first.capacity >= 20_000) == (0, True)
    buffer.add(bytes(1_024))
    assert buffer.expand(1_024) == 0
    assert buffer.first is first  # there was room

    buffer = Evbuffer()
    buffer.add(b"x" * 400)
    first = buffer.first
    assert first is not None
    buffer.add(b"x" * (first.capacity - 401))
    assert buffer.last is first and first.off == first.capacity - 1
    buffer.drain(first.off - 1)
    assert (first.misalign > 0, first.off) == (True, 1)
    storage = first.storage
    assert buffer.expand(40) == 0  # its one byte moves to the front
    assert buffer.first is buffer.last is first
    assert (first.misalign, first.off, first.storage is storage) == (0, 1, True)
    assert content(buffer) == b"x"

    buffer = holding(bytes(4_096), bytes(4_096))
    assert buffer.expand(1_024) == 0
    assert pulled(buffer) == bytes(8_192)
    buffer.check()


@pytest.mark.parametrize("size", [CHAIN_MAX, CHAIN_MAX - 1, CHAIN_MAX + 1, 1 << 64])
def test_expand_overflow(size: int) -> None:
    buffer = holding(b"still here")
    told: list[Change] = []
    buffer.add_cb(lambda _, change: told.append(change))
    assert buffer.expand(size) == -1
    assert buffer.reserve_space(size, 1) is None
    assert buffer.reserve_space(size, 2) is None
    assert (content(buffer), told) == (b"still here", [])
    assert buffer.expand(100) == 0
    buffer.add(b", and more")
    assert content(buffer) == b"still here, and more"


def test_add1() -> None:
    buffer = holding(b"1")
    buffer.expand(2_048)
    buffer.check()
    buffer.add(b"2")
    buffer.add(b"%d" % 3)
    assert content(buffer) == b"123" == pulled(buffer)


def test_add2() -> None:
    full = b"P" * (MIN_BUFFER_SIZE - 48 - 10)
    buffer = holding(full)
    buffer.expand(100)
    buffer.check()
    buffer.add(b"2")
    buffer.add(b"3")
    assert content(buffer) == full + b"23"
    assert pulled(buffer) == full + b"23"


LINES: dict[Eol, tuple[bytes, list[bytes], bytes]] = {
    Eol.ANY: (b"a line\r\n\n\r\rnext\0\n\nrest", [b"a line", b"next\0"], b"rest"),
    Eol.CRLF: (b"a\rb\nc\r\n\nd\n\r", [b"a\rb", b"c", b"", b"d"], b"\r"),
    Eol.CRLF_STRICT: (b"a\nb\r\n\r\nc\rd\r\ne\r", [b"a\nb", b"", b"c\rd"], b"e\r"),
    Eol.LF: (b"a\rb\r\n\nc", [b"a\rb\r", b""], b"c"),
    Eol.NUL: (b"a\nb\0\0c", [b"a\nb", b""], b"c"),
}


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize("style", Eol)
def test_readln(style: Eol, cut: int) -> None:
    """Every style, in one chain and in chains of one, two and three bytes."""
    text, lines, rest = LINES[style]
    step = cut or len(text)
    buffer = holding(*(text[at : at + step] for at in range(0, len(text), step)))
    for line in lines:
        assert buffer.readln(style) == line
        buffer.check()
    assert buffer.readln(style) is None
    assert content(buffer) == rest


def test_readln_later() -> None:
    """An end of line that arrives after the line, and one that is cut in two by it."""
    buffer = holding(b"half")
    assert buffer.readln(Eol.CRLF_STRICT) is None
    buffer.add_buffer(holding(b"\r"))
    assert buffer.readln(Eol.CRLF_STRICT) is None
    buffer.add_buffer(holding(b"\nx"))
    assert buffer.readln(Eol.CRLF_STRICT) == b"half"
    assert content(buffer) == b"x"
    long = b"y" * 9_000
    buffer.add(long + b"\n")
    assert buffer.readln(Eol.LF) == b"x" + long


def eol(buffer: Evbuffer, style: Eol, start: Position | None) -> tuple[int, int] | None:
    found = buffer.search_eol(style, start)
    return None if found is None else (found[0].pos, found[1])


def test_search_eol() -> None:
    buffer = holding(b"a line? \r\n\r\nz\n")
    at = buffer.position
    assert eol(buffer, Eol.CRLF, None) == (8, 2)
    assert eol(buffer, Eol.CRLF, at(8)) == (8, 2)
    assert eol(buffer, Eol.CRLF, at(9)) == (9, 1)  # the CR is before the start
    assert eol(buffer, Eol.CRLF_STRICT, at(9)) == (10, 2)
    assert eol(buffer, Eol.LF, None) == (9, 1)
    assert eol(buffer, Eol.LF, at(9)) == (9, 1)
    assert eol(buffer, Eol.LF, at(10)) == (11, 1)
    assert eol(buffer, Eol.ANY, None) == (8, 4)
    assert eol(buffer, Eol.NUL, None) is None
    for style in Eol:
        assert eol(buffer, style, at(buffer.length)) is None


def test_find() -> None:
    """Nothing is found in what was drained, or behind the end."""
    buffer = Evbuffer()
    buffer.add(b"0987654321\r\n")
    buffer.drain(12)
    buffer.add(b"0987654321\r")
    assert buffer.search(b"\r\n") is None
    buffer.drain(11)
    buffer.add(b"a" * (MIN_BUFFER_SIZE - 49) + b"x")
    assert buffer.first is not None and buffer.first.off == buffer.first.capacity
    assert buffer.search(b"xy") is None
    found = buffer.search(b"ax")
    assert found is not None and found.pos == buffer.length - 2


def test_ptr_set() -> None:
    buffer = holding(b"1" * 5_000, b"2" * 4_000, b"3" * 3_000)
    assert buffer.position(13_000) is None
    assert buffer.position(-1) is None
    start = buffer.position(0)
    assert start is not None and start.pos == 0
    assert buffer.advance(start, 13_000) is None
    further = buffer.advance(start, 10_000)
    assert further is not None and further.pos == 10_000
    assert buffer.copyout_from(further, 1) == b"3"
    end = buffer.advance(further, 2_000)
    assert end is not None and (end.pos, end.chain) == (12_000, None)
    assert buffer.advance(end, 1) is None
    assert buffer.advance(end, 0) == end


def peeked(
    buffer: Evbuffer, size: int, start: Position | None = None, extents: int = 0
) -> tuple[int, list[bytes]]:
    """What peek_extents gives, as bytes."""
    needed, seen = buffer.peek_extents(size, start, extents)
    return needed, [bytes(each) for each in seen]


def found_at(place: Position | None) -> int:
    return -1 if place is None else place.pos


def test_search() -> None:
    buffer = holding(b"hello", b"foo", b"cat", b"attack")
    assert found_at(buffer.search(b"attack")) == 11
    assert found_at(buffer.search(b"attacker")) == -1
    place = buffer.search(b"oc")
    assert found_at(place) == 7
    place = buffer.search(b"cat", place)
    assert found_at(place) == 8
    assert found_at(buffer.search(b"tacking", place)) == -1
    place = buffer.search(b"foo", buffer.position(5))
    assert place is not None and place.pos == 5
    assert found_at(buffer.search(b"tat", buffer.advance(place, 2))) == 10
    end = buffer.position(12)
    assert found_at(buffer.search_range(b"foo", None, end)) == 5
    assert found_at(buffer.search_range(b"foocata", None, end)) == 5
    assert found_at(buffer.search_range(b"foocatat", None, end)) == -1
    assert found_at(buffer.search_range(b"ack", None, end)) == -1


def test_peek() -> None:
    lines = [b"line number %d\n" % number for number in range(16)]
    buffer = holding(*lines)
    first = len(lines[0])
    assert peeked(buffer, -1) == (16, [])
    assert peeked(buffer, -1, None, 20) == (16, lines)
    assert peeked(buffer, -1, None, 1) == (1, lines[:1])
    assert peeked(buffer, 2 * first - 2, None, 16) == (2, lines[:2])
    assert peeked(buffer, 4 * first + 1) == (5, [])
    assert peeked(buffer, 2 * first + 1, None, 1) == (3, lines[:1])
    assert peeked(buffer, 65_536, None, 20) == (16, lines)
    assert peeked(Evbuffer(), -1, None, 20) == (0, [])
    assert peeked(Evbuffer(), 50, None, 20) == (0, [])
    inside = buffer.position(first + 5)
    wanted = [lines[1][5:], *lines[2:4]]
    assert peeked(buffer, 2 * first, inside, 20) == (3, wanted)
    at_start = buffer.position(2 * first)
    assert peeked(buffer, 2 * first, at_start, 20) == (2, lines[2:4])


def test_peek_first_gt() -> None:
    buffer = holding(b"Contents of a chain", b"and of another")
    assert peeked(buffer, 5, None, 20) == (1, [b"Contents of a chain"])
    assert buffer.peek(5, 20) == [b"Conte"]


@pytest.mark.parametrize("end", ["start", "end"])
def test_freeze(end: str) -> None:
    """freeze_start and freeze_end: what each call gives, and that nothing happens on -1."""
    start = end == "start"
    buffer = holding(b"The bytes\nthat are frozen")
    buffer.freeze(at_front=start)

    def equal(result: Any, with_start: Any, with_end: Any) -> None:
        assert result == (with_start if start else with_end)

    kernel: Any = PlainKernel(b"read", 4)
    before = buffer.length
    equal(buffer.add(b""), 0, -1)
    equal(buffer.add(b"abc"), 0, -1)
    vectors = buffer.reserve_space(10)
    equal(vectors is None, False, True)
    vectors = vectors or []
    for vector in vectors:
        vector.len = 10
    equal(buffer.commit_space(vectors), 0, -1)
    equal(buffer.add_reference(b"lent"), 0, -1)
    equal(buffer.add_iovec([b"some"]), 4, 0)
    equal(buffer.add_buffer(holding(b"other")), 0, -1)
    equal(buffer.add_buffer_reference(holding(b"other")), 0, -1)
    equal(holding(b"other").remove_buffer(buffer, 2), 2, -1)
    equal(buffer.read(kernel, 3), 4, -1)
    assert start or buffer.length == before

    before = buffer.length
    equal(buffer.remove(1), None, b"T")
    equal(buffer.drain(3), -1, 0)
    equal(buffer.prepend(b"dummy"), -1, 0)
    equal(buffer.readln(Eol.LF), None, b"dummybytes")
    equal(buffer.prepend_buffer(holding(b"other")), -1, 0)
    equal(buffer.remove_buffer(Evbuffer(), 2), -1, 2)
    equal(buffer.write_atmost(kernel, 3, 4), -1, 4)
    equal(Evbuffer().add_buffer(buffer), -1, 0)
    assert not start or buffer.length == before
    buffer.check()


def test_pullup_with_empty() -> None:
    buffer = Evbuffer()
    assert pulled(buffer) is None
    for piece in (b"", b"", b"foo", b""):
        buffer.add_reference(piece)
    buffer.check()
    assert pulled(buffer) == b"foo"
    assert content(buffer) == b"foo"
    buffer.drain(3)
    buffer.add_reference(b"")
    assert pulled(buffer) is None
