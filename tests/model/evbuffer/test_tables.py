"""Cases of the evbuffer: freezing, callbacks, what is copied and what is not (B-4, O-4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evbuffer import Change, Evbuffer


@given(count=st.integers(1, 400), size=st.integers(0, 1_000))
def test_remove_spans_any_number_of_chains(count: int, size: int) -> None:
    """`remove` gives every byte that it drains, however many chains they stand in."""
    chains = [bytes((index & 255, index >> 8)) for index in range(count)]
    whole = b"".join(chains)
    buffer = Evbuffer()
    for chain in chains:
        buffer.add(chain)
    assert buffer.remove(size) == whole[:size]
    assert buffer.copyout(len(whole)) == whole[size:]


@pytest.mark.parametrize(
    ("end", "call", "refused"),
    [
        ("front", "add", False),
        ("front", "prepend", True),
        ("front", "drain", True),
        ("front", "remove", True),
        ("front", "add_buffer_to", False),
        ("front", "add_buffer_from", True),
        ("front", "copyout", False),
        ("back", "add", True),
        ("back", "prepend", False),
        ("back", "drain", False),
        ("back", "remove", False),
        ("back", "add_buffer_to", True),
        ("back", "add_buffer_from", False),
        ("back", "copyout", False),
    ],
)
def test_freezing(end: str, call: str, refused: bool) -> None:
    """regress_buffer.c: freeze_start and freeze_end."""
    buffer, other = Evbuffer(), Evbuffer()
    buffer.add(b"abc")
    other.add(b"xyz")
    buffer.freeze(end == "front")
    calls: dict[str, Any] = {
        "add": lambda: buffer.add(b"1"),
        "prepend": lambda: buffer.prepend(b"1"),
        "drain": lambda: buffer.drain(1),
        "remove": lambda: buffer.remove(1),
        "add_buffer_to": lambda: buffer.add_buffer(other),
        "add_buffer_from": lambda: other.add_buffer(buffer),
        "copyout": lambda: buffer.copyout(3),
    }
    result = calls[call]()
    assert (result in (-1, None)) is refused
    if refused:
        assert (buffer.copyout(9), other.copyout(9)) == (b"abc", b"xyz")
    buffer.unfreeze(end == "front")
    assert calls[call]() not in (-1, None)


def test_moving_to_itself_and_from_nothing() -> None:
    """add_buffer of itself, or of an empty buffer: 0, nothing moves, nobody is told."""
    buffer, empty = Evbuffer(), Evbuffer()
    buffer.add(b"abc")
    told: list[Change] = []
    buffer.add_cb(lambda _, change: told.append(change))
    buffer.freeze(at_front=False)
    assert buffer.add_buffer(buffer) == 0
    assert buffer.add_buffer(empty) == 0
    assert (told, buffer.copyout(9)) == ([], b"abc")


def test_callback_log() -> None:
    """regress_buffer.c: callbacks. Every change with its original size."""
    buffer = Evbuffer()
    told: list[tuple[int, ...]] = []
    buffer.add_cb(lambda _, change: told.append(tuple(change)))
    buffer.add(b"x" * 10)
    buffer.add(b"y" * 5)
    buffer.drain(10)
    buffer.prepend(b"hello")
    buffer.drain(0)
    buffer.drain(1_000)
    assert told == [(0, 10, 0), (10, 5, 0), (15, 0, 10), (5, 5, 0), (10, 0, 10)]


def test_callback_may_modify_the_buffer() -> None:
    """A callback that drains what was added: both changes are told, the buffer stays whole."""
    buffer = Evbuffer()
    told: list[tuple[int, ...]] = []

    def draining(changed: Evbuffer, change: Change) -> None:
        told.append(tuple(change))
        changed.drain(changed.length)

    buffer.add_cb(draining)
    buffer.add(b"abcdef")
    assert told == [(0, 6, 0), (6, 0, 6)]
    assert buffer.length == 0
    buffer.check()


def test_callback_removed_by_a_newer_one() -> None:
    """One that a newer callback removes is not called any more."""
    buffer = Evbuffer()
    called: list[str] = []

    def older(_: Evbuffer, __: Change) -> None:
        called.append("older")

    def newer(changed: Evbuffer, __: Change) -> None:
        called.append("newer")
        changed.remove_cb(older)

    buffer.add_cb(older)
    buffer.add_cb(newer)
    buffer.add(b"a")
    assert called == ["newer"]


def test_the_owner_is_told_last() -> None:
    """The bufferevent's own callback is the oldest, so the newest-first order puts it last."""
    buffer = Evbuffer()
    called: list[str] = []
    buffer.owner = lambda added, deleted: called.append(f"owner {added} {deleted}")
    buffer.add_cb(lambda _, __: called.append("user"))
    buffer.add(b"ab")
    buffer.remove(2)
    assert called == ["user", "owner 2 0", "user", "owner 0 2"]


def test_chains_are_not_copied() -> None:
    """peek hands out the chain itself, and a view when the head is partly drained."""
    buffer, chain = Evbuffer(), b"0123456789"
    buffer.append_frozen(chain)
    assert buffer.peek(10)[0] is chain
    buffer.drain(4)
    assert bytes(buffer.peek(100)[0]) == b"456789"
    assert buffer.peek(0) == []
    assert Evbuffer().peek(10) == []
