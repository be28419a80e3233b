"""regress_buffer.c, ported: contents, moves, references and views. Every step ends in `check`."""

from __future__ import annotations

from typing import Any

import pytest

from model.evbuffer import (
    CB_ENABLED,
    CB_NODEFER,
    Change,
    Evbuffer,
)
from model.evbuffer.chain import MIN_BUFFER_SIZE
from model.kernel import Buffer
from tests.model.evbuffer.watched import Queue

HEAP = 4_096


def holding(*pieces: bytes) -> Evbuffer:
    """A buffer with one chain a piece."""
    buffer = Evbuffer()
    for piece in pieces:
        part = Evbuffer()
        part.add(piece)
        buffer.add_buffer(part)
    return buffer


def content(*buffers: Evbuffer) -> bytes | tuple[bytes, ...]:
    """What is in each, after their structure was checked."""
    for buffer in buffers:
        buffer.check()
    seen = tuple(buffer.copyout(1 << 20) for buffer in buffers)
    return seen[0] if len(seen) == 1 else seen


def pulled(buffer: Evbuffer, size: int = -1) -> bytes | None:
    """What pullup gives."""
    view = buffer.pullup(size)
    return None if view is None else bytes(view)


def test_evbuffer() -> None:
    one, two = Evbuffer(), Evbuffer()
    one.add(b"%s:%d" % (b"port", 80))
    assert (content(one), one.length) == (b"port:80", 7)
    assert one.add_buffer(two) == 0
    one.drain(len(b"port:8"))
    assert content(one) == b"0"
    two.add(b", port")
    assert one.add_buffer(two) == 0
    assert content(one, two) == (b"0, port", b"")
    block = bytes(512)
    one.add(block)
    assert pulled(one, 7 + 512) == b"0, port" + block
    one.prepend(b"listening")
    one.prepend(b"not ")
    assert pulled(one, 20) == b"not listening0, port"
    one.check()
    one.drain(1 << 62)
    two.drain(1 << 62)
    for _ in range(3):
        two.add(block)
        one.add_buffer(two)
        assert content(one, two) == (one.copyout(1 << 20), b"")
    assert (one.length, two.length) == (3 * 512, 0)
    assert one.remove_buffer(two, 1_280) == 1_280
    assert (one.length, two.length) == (256, 1_280)
    assert pulled(one) == bytes(256)
    assert pulled(two) == bytes(1_280)
    for _ in range(3):
        one.check()
        vectors = one.reserve_space(10_000)
        assert vectors is not None
        vectors[0].base[:10_000] = bytes(place & 255 for place in range(10_000))
        assert one.commit_space(vectors) == 0
        assert one.length >= 10_000
        one.drain(1 << 30)
        one.check()


def test_remove_buffer_with_empty() -> None:
    source, target = Evbuffer(), holding(b"ab")
    source.add_reference(b"12")
    source.add_reference(b"34")
    target.add_reference(b"")
    assert source.remove_buffer(target, 3) == 3
    assert content(source, target) == (b"4", b"ab123")


def test_remove_buffer_with_empty2() -> None:
    source, target, third = Evbuffer(), Evbuffer(), Evbuffer()
    third.add_reference(b"world")
    third.add_reference(b"")
    target.add_reference(b"")
    target.add_buffer(third)
    source.add_buffer(target)
    assert source.remove_buffer(target, 2) == 2
    target.add(b"!")
    assert content(source, target, third) == (b"rld", b"wo!", b"")


def test_remove_buffer_with_empty3() -> None:
    source, target = Evbuffer(), Evbuffer()
    for piece in (b"foo", b"", b"b", b"", b"", b"arf"):
        source.add_reference(piece)
    moved = b""
    for size in (1, 3, 2, 99):
        before = source.copyout(99)
        assert source.remove_buffer(target, size) == min(size, len(before))
        moved += before[:size]
        assert content(source, target) == (before[size:], moved)
    assert moved == b"foobarf"


def test_remove_buffer_with_empty_front() -> None:
    source, target = Evbuffer(), Evbuffer()
    source.add_reference(b"foo")
    assert source.prepend(b"") == 0
    assert source.remove_buffer(target, 1) == 1
    source.add(b"bar")
    assert content(source, target) == (b"oobar", b"f")


def test_remove_buffer_adjust_last_with_datap_with_empty() -> None:
    one, two = Evbuffer(), Evbuffer()
    vectors = one.reserve_space(1 << 12, 2)
    assert vectors is not None
    vectors[0].base[:6] = b"aaaaaa"
    vectors[0].len = 6
    assert one.commit_space(vectors[:1]) == 0
    more = one.reserve_space(1 << 13, 2)
    assert more is not None and len(more) == 2
    two.add(b"bddd")
    front = holding(b"")
    assert one.prepend_buffer(front) == 0
    one.add_buffer(two)
    one.add(b"c")
    assert one.remove_buffer(two, 11) == 11
    assert content(one, two) == (b"", b"aaaaaabdddc")


@pytest.mark.parametrize("chains", [1, 2])
def test_add_buffer_with_empty(chains: int) -> None:
    """add_buffer_with_empty and _empty2: a target that has nothing but empty chains."""
    source, target = holding(b"bytes"), Evbuffer()
    target.add_reference(b"")
    if chains == 2:
        target.expand(100)
    target.add_buffer(source)
    assert content(source, target) == (b"", b"bytes")
    rest = Evbuffer()
    assert target.remove_buffer(rest, 4) == 4
    assert content(target, rest) == (b"s", b"byte")


def test_reference() -> None:
    text = b"bytes that belong to somebody else"
    cleaned: list[Any] = []
    source, target = Evbuffer(), Evbuffer()
    assert source.add_reference(text, cleaned.append) == 0
    vectors = target.reserve_space(len(text))
    assert vectors is not None
    head = source.remove(10)
    assert head == text[:10]
    source.prepend(b"xxxxx")
    assert content(source) == b"xxxxx" + text[10:]
    source.drain(5)
    vectors[0].base[: len(text)] = head + (source.remove(99) or b"")
    vectors[0].len = len(text)
    assert target.commit_space(vectors) == 0
    assert cleaned == [text]
    assert content(source, target) == (b"", text)
    assert text == b"bytes that belong to somebody else"


def test_reference2() -> None:
    buffer = holding(b"P" * (MIN_BUFFER_SIZE - 58))
    assert buffer.expand(100) == 0
    buffer.add_reference(b"2")
    buffer.check()
    buffer.add(b"3")
    assert content(buffer) == b"P" * (MIN_BUFFER_SIZE - 58) + b"23"
    assert pulled(buffer) == content(buffer)


def test_iterative() -> None:
    buffer, total = Evbuffer(), 0
    letters = b"abcdefghijklmnopqrstuvwxyz" * 4
    for number in range(1_000):
        size = number % len(letters) + 1
        buffer.add(b"%s" % letters[:size])
        total += size
        if not number % 97:
            buffer.check()
    assert buffer.length == total
    wasted = sum(chain.space for chain in buffer.chains() if chain is not buffer.last_with_data)
    assert wasted < buffer.capacity / 8


def test_callbacks() -> None:
    buffer = Evbuffer()
    logs: tuple[list[str], ...] = ([], [], [])

    def logging(log: list[str]) -> Any:
        return lambda _, change: log.append(
            f"{change.orig_size}>{change.orig_size + change.n_added - change.n_deleted}"
        )

    loggers = [logging(log) for log in logs]
    first, second = buffer.add_cb(loggers[0]), buffer.add_cb(loggers[1])
    buffer.add(b"three words here")
    buffer.cb_clear_flags(second, CB_ENABLED)
    buffer.drain(6)
    buffer.prepend(b"those")
    buffer.cb_set_flags(second, CB_ENABLED)
    buffer.add_reference(b"again")
    assert buffer.remove_cb_entry(first) == 0
    buffer.drain(buffer.length)
    assert buffer.remove_cb(loggers[0]) == -1
    buffer.add(b"X")
    assert buffer.remove_cb(loggers[1]) == 0
    assert logs[0] == ["0>16", "16>10", "10>15", "15>20"]
    assert logs[1] == ["0>16", "15>20", "20>0", "0>1"]
    buffer.drain(1)
    buffer.add_cb(loggers[2])

    def self_draining(changed: Evbuffer, change: Change) -> None:
        if change.n_added > change.n_deleted:
            changed.drain(changed.length)

    buffer.set_cb(self_draining)  # it alone
    buffer.add(b"gone at once")
    assert (content(buffer), logs[2]) == (b"", [])
    buffer.set_cb(None)
    buffer.add(b"stays")
    assert content(buffer) == b"stays"


def test_callbacks_deferred() -> None:
    """The same case's deferred part: one call for all, unless NODEFER."""
    buffer, base = Evbuffer(), Queue()
    late: list[Change] = []
    now: list[Change] = []
    buffer.add_cb(lambda _, change: late.append(change))
    entry = buffer.add_cb(lambda _, change: now.append(change))
    buffer.cb_set_flags(entry, CB_NODEFER)
    assert buffer.defer_callbacks(base) == 0
    buffer.add(b"12345")
    buffer.drain(2)
    buffer.add(b"6")
    assert late == []
    assert now == [Change(0, 5, 0), Change(5, 0, 2), Change(3, 1, 0)]
    assert len(base.queued) == 1
    base.run()
    assert (late, len(now)) == ([Change(0, 6, 2)], 3)
    base.run()
    assert len(late) == 1


def test_add_reference() -> None:
    one, two = Evbuffer(), Evbuffer()
    texts = (b"a first sentence", b"and a second one", b"the last")
    cleaned: list[Any] = []
    one.add_reference(texts[0], cleaned.append)
    one.add(b", ")
    one.add_reference(texts[1], cleaned.append)
    assert one.remove(2) == b"a "
    assert one.remove(5) == b"first"
    assert one.prepend(b"the next") == 0
    assert texts[0] == b"a first sentence"
    assert content(one) == b"the next sentence, and a second one"
    one.drain(8 + 8)
    assert cleaned == []
    assert one.remove(1) == b"e"
    assert cleaned == [texts[0]]
    one.drain(6)
    two.add(b"not ")
    two.add_buffer(one)
    assert cleaned == [texts[0]]
    assert content(one, two) == (b"", b"not a second one")
    assert two.remove(100) == b"not a second one"
    assert cleaned == [*texts[:2]]
    one.add(b"before ")
    one.add_reference(texts[2], cleaned.append)
    one.add(b" behind")
    one.free()
    assert cleaned == [*texts]


def test_add_reference_with_offset() -> None:
    buffer, cleaned = Evbuffer(), list[Any]()
    assert buffer.add_reference_with_offset(b"0123456789", 3, 4, cleaned.append) == 0
    assert content(buffer) == b"3456"
    assert buffer.add_reference_with_offset(b"01", 1, 2, cleaned.append) == -1
    buffer.prepend(b"x")
    assert content(buffer) == b"x3456"
    buffer.drain(9)
    assert cleaned == [b"0123456789"]


def test_multicast() -> None:
    source, one, two = Evbuffer(), Evbuffer(), Evbuffer()
    cleaned: list[Any] = []
    source.add(b"copied, ")
    source.add_reference(b"lent", cleaned.append)
    assert one.add_buffer_reference(source) == 0
    assert two.add_buffer_reference(source) == 0
    assert Evbuffer().add_buffer_reference(one) == -1  # no views of views
    assert source.add_buffer_reference(source) == -1
    assert content(source, one, two) == (b"copied, lent",) * 3
    one.drain(5)
    assert content(source, one, two) == (b"copied, lent", b"d, lent", b"copied, lent")
    source.drain(2)
    source.prepend(b"re")  # not into memory that others see
    source.add(b"!")
    assert content(source, one, two) == (b"repied, lent!", b"d, lent", b"copied, lent")
    source.free()
    assert content(one, two) == (b"d, lent", b"copied, lent")
    one.free()
    assert cleaned == []
    two.free()
    assert cleaned == [b"lent"]


def test_multicast_drain() -> None:
    source, view = holding(b"one", b"two"), Evbuffer()
    view.add_buffer_reference(source)
    source.drain(source.length)
    assert content(source, view) == (b"", b"onetwo")
    source.add(b"new")
    view.drain(4)
    assert content(source, view) == (b"new", b"wo")


def test_prepend() -> None:
    buffer, told = Evbuffer(), list[int]()
    buffer.add_cb(lambda _, change: told.append(change.n_added))
    buffer.prepend(b"This line has so many letters")
    buffer.prepend(b"Well, ")
    buffer.drain(6 + 9)
    buffer.prepend(b"it")
    assert buffer.first is not None
    assert bytes(buffer.first.view()[:6]) == b"it has"
    buffer.prepend(b"Nobody ever said before that ")
    assert content(buffer) == b"Nobody ever said before that it has so many letters"
    assert told == [29, 6, 0, 2, 29]
    for size in (1, 31, 32, 33, 975, 976, 977, 1_024, 5_000):
        wanted = bytes(size) + buffer.copyout(1 << 20)
        buffer.prepend(bytes(size))
        assert content(buffer) == wanted
        assert told[-1] == size
    one, two = Evbuffer(), Evbuffer()
    for number in (1, 2):
        one.add(b"line %d. " % number)
        two.prepend_buffer(one)
    assert content(one, two) == (b"", b"line 2. line 1. ")


def test_empty_reference_prepend() -> None:
    buffer = Evbuffer()
    buffer.add_reference(b"")
    buffer.prepend(b"foo")
    buffer.add_reference(b"bar")
    assert content(buffer) == b"foobar"


def test_empty_reference_prepend_buffer() -> None:
    buffer = Evbuffer()
    buffer.add_reference(b"")
    assert buffer.prepend_buffer(holding(b"foo")) == 0
    buffer.add_reference(b"bar")
    assert content(buffer) == b"foobar"


def test_add_iovec() -> None:
    buffer = Evbuffer()
    pieces: list[Buffer] = [b"one, ", bytearray(b"two"), memoryview(b" and three"), b""]
    assert buffer.add_iovec(pieces) == buffer.length == 18
    assert content(buffer) == b"one, two and three"
    assert buffer.add_iovec([]) == 0
    buffer.freeze(at_front=False)
    assert buffer.add_iovec(pieces) == 0


def test_copyout() -> None:
    buffer = holding(b"Mary had", b" a little", b" lamb")
    assert buffer.copyout(0) == b""
    assert buffer.copyout(10) == b"Mary had a"
    assert buffer.copyout(1_000) == b"Mary had a little lamb"
    for start in (0, 5, 8, 9, 17, 21, 22):
        place = buffer.position(start)
        for size in (0, 1, 4, 12, 100):
            assert (
                buffer.copyout_from(place, size) == b"Mary had a little lamb"[start : start + size]
            )
    assert content(buffer) == b"Mary had a little lamb"
