"""evbuffer against a bytes model: contents, lengths, freezing and callbacks (B-4, O-4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model.evbuffer import Change, Evbuffer

KINDS = (bytes, bytearray, memoryview)
WHICH = st.sampled_from((0, 1))
DATA = st.builds(lambda data, kind: kind(data), st.binary(max_size=40), st.sampled_from(KINDS))
SIZES = st.integers(0, 200)


class Watched:
    """An evbuffer, the bytes it must hold, and what its callbacks were told."""

    def __init__(self, name: int, order: list[tuple[int, int]]) -> None:
        self.buffer = Evbuffer()
        self.model = b""
        self.told: list[Change] = []
        self.length_told = 0
        self.callbacks: list[tuple[int, Any]] = []  # number, function; oldest first
        self.one_shots: set[int] = set()
        self.name = name
        self.order = order  # (buffer, callback number) as called, over both buffers
        self.made = 0
        self.buffer.owner = self._owned

    def _owned(self, added: int, deleted: int) -> None:
        """The sum over all changes is the length."""
        self.length_told += added - deleted
        assert self.length_told == self.buffer.length

    def watch(self, one_shot: bool) -> None:
        number = self.made
        self.made += 1

        def callback(buffer: Evbuffer, change: Change) -> None:
            assert buffer is self.buffer
            assert change.orig_size + change.n_added - change.n_deleted == buffer.length
            assert change.n_added or change.n_deleted
            self.told.append(change)
            self.order.append((self.name, number))
            if one_shot:
                assert buffer.remove_cb(callback) == 0
                self.callbacks = [each for each in self.callbacks if each[0] != number]

        self.callbacks.append((number, callback))
        self.buffer.add_cb(callback)

    def expected_order(self) -> list[tuple[int, int]]:
        return [(self.name, number) for number, _ in reversed(self.callbacks)]


class EvbufferMachine(RuleBasedStateMachine):
    """Two buffers, so that bytes can move between them."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[tuple[int, int]] = []
        self.sides = (Watched(0, self.order), Watched(1, self.order))

    def changes(self, *sides: Watched) -> None:
        """What the next call must notify, in order: the callbacks of these sides."""
        self.order.clear()
        self.expected = [each for side in sides for each in side.expected_order()]

    def notified(self) -> None:
        assert self.order == self.expected

    def put(self, which: int, data: Any, front: bool, frozen: bool) -> None:
        side = self.sides[which]
        self.changes(*([side] if data and not frozen else []))
        before = len(side.told)
        result = side.buffer.prepend(data) if front else side.buffer.add(data)
        assert result == (-1 if frozen else 0)
        if not frozen:
            side.model = bytes(data) + side.model if front else side.model + bytes(data)
        assert all(change[1:] == (len(data), 0) for change in side.told[before:])
        self.notified()

    @rule(which=WHICH, data=DATA)
    def add(self, which: int, data: Any) -> None:
        self.put(which, data, front=False, frozen=self.sides[which].buffer.end_frozen)

    @rule(which=WHICH, data=DATA)
    def prepend(self, which: int, data: Any) -> None:
        self.put(which, data, front=True, frozen=self.sides[which].buffer.start_frozen)

    @rule(which=WHICH, data=DATA)
    def append_frozen(self, which: int, data: Any) -> None:
        side = self.sides[which]
        self.changes(*([side] if data else []))
        side.buffer.append_frozen(data)
        side.model += bytes(data)
        self.notified()

    @rule(which=WHICH, count=st.integers(100, 300))
    def add_many(self, which: int, count: int) -> None:
        """More chains than one peek or one sendmsg takes."""
        side = self.sides[which]
        self.changes(*([side] * count if not side.buffer.end_frozen else []))
        one_shots = {number for number, _ in side.callbacks}
        for index in range(count):
            side.buffer.add(bytes((index & 255,)))
        if not side.buffer.end_frozen:
            side.model += bytes(index & 255 for index in range(count))
        assert {number for _, number in self.order} <= one_shots

    @rule(which=WHICH, size=SIZES)
    def drain(self, which: int, size: int) -> None:
        side = self.sides[which]
        frozen = side.buffer.start_frozen
        self.changes(*([side] if size and side.model and not frozen else []))
        assert side.buffer.drain(size) == (-1 if frozen else 0)
        if not frozen:
            side.model = side.model[size:]
        self.notified()

    @rule(which=WHICH, size=SIZES)
    def drain_frozen(self, which: int, size: int) -> None:
        side = self.sides[which]
        side.buffer.drain_frozen(size)
        side.model = side.model[size:]

    @rule(which=WHICH, size=SIZES)
    def remove(self, which: int, size: int) -> None:
        side = self.sides[which]
        frozen = side.buffer.start_frozen
        self.changes(*([side] if size and side.model and not frozen else []))
        taken = side.buffer.remove(size)
        if frozen:
            assert taken is None
        else:
            assert type(taken) is bytes
            assert taken == side.model[:size]
            side.model = side.model[size:]
        self.notified()

    @rule(which=WHICH, size=SIZES)
    def copyout(self, which: int, size: int) -> None:
        side = self.sides[which]
        self.changes()
        assert side.buffer.copyout(size) == side.model[:size]
        self.notified()

    @rule(which=WHICH, size=SIZES, chains=st.integers(1, 20))
    def peek(self, which: int, size: int, chains: int) -> None:
        side = self.sides[which]
        self.changes()
        pieces = side.buffer.peek(size, chains)
        assert len(pieces) <= chains
        assert all(len(piece) for piece in pieces)
        seen = b"".join(pieces)
        assert side.model[:size].startswith(seen)
        assert len(seen) == min(size, len(side.model)) or len(pieces) == chains
        self.notified()

    @rule(target_side=WHICH, source_side=WHICH)
    def add_buffer(self, target_side: int, source_side: int) -> None:
        target, source = self.sides[target_side], self.sides[source_side]
        nothing = target is source or not source.model
        refused = not nothing and (target.buffer.end_frozen or source.buffer.start_frozen)
        self.changes(*([] if nothing or refused else [source, target]))
        assert target.buffer.add_buffer(source.buffer) == (-1 if refused else 0)
        if not (nothing or refused):
            target.model, source.model = target.model + source.model, b""
        self.notified()

    @rule(target_side=WHICH)
    def take_frozen(self, target_side: int) -> None:
        target, source = self.sides[target_side], self.sides[1 - target_side]
        if source.model:
            assert target.buffer.take_frozen(source.buffer) == len(source.model)
            target.model, source.model = target.model + source.model, b""

    @rule(which=WHICH, at_front=st.booleans())
    def freeze(self, which: int, at_front: bool) -> None:
        self.sides[which].buffer.freeze(at_front)

    @rule(which=WHICH, at_front=st.booleans())
    def unfreeze(self, which: int, at_front: bool) -> None:
        self.sides[which].buffer.unfreeze(at_front)

    @rule(which=WHICH, one_shot=st.booleans())
    def add_cb(self, which: int, one_shot: bool) -> None:
        if len(self.sides[which].callbacks) < 5:
            self.sides[which].watch(one_shot)

    @precondition(lambda self: any(side.callbacks for side in self.sides))
    @rule(which=WHICH, index=st.integers(0, 4))
    def remove_cb(self, which: int, index: int) -> None:
        side = self.sides[which]
        if side.callbacks:
            _, callback = side.callbacks.pop(index % len(side.callbacks))
            assert side.buffer.remove_cb(callback) == 0
            assert side.buffer.remove_cb(callback) == -1

    @invariant()
    def holds_the_model(self) -> None:
        for side in self.sides:
            side.buffer.check()
            assert side.buffer.length == len(side.model) == side.length_told
            assert side.buffer.copyout(len(side.model)) == side.model


TestEvbuffer = EvbufferMachine.TestCase


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
