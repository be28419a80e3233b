"""libevent's evbuffers and the model's: the same operations on both, and the same comes of them.

Where the two differ on purpose is named, and asked as it is: libevent expands a buffer whose tail
is frozen, copies nothing out of one whose head is, takes nothing and does not complain where such a
one is empty, and takes a line and its end one after the other, so that two callbacks come. Room at
the tail is not compared, nor are views of other buffers asked for.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harness.cage import shared
from model.evbuffer import Evbuffer
from model.evbuffer.search import Eol
from real.libevent.library import load
from tests.harness.foreign import needs_libevent
from tests.real.libevent_buffers import Functions, LibeventEvbuffer

pytestmark = needs_libevent

WHICH = st.integers(0, 1)
DATA = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from([b"\r\n", b"\n", b"\r", b"a\r\nb", b"\0"]),
    st.integers(1, 9_000).map(lambda size: (bytes(range(7, 200)) * 50)[:size]),
)
SIZES = st.one_of(st.integers(0, 20), st.integers(0, 12_000))
#: enum evbuffer_eol_style
STYLES = (Eol.ANY, Eol.CRLF, Eol.CRLF_STRICT, Eol.LF, Eol.NUL)
STYLE = st.sampled_from(STYLES)


class Pair:
    """One buffer of each kind."""

    def __init__(self, functions: Functions) -> None:
        self.theirs = LibeventEvbuffer(functions)
        self.ours = Evbuffer()
        self.log: list[tuple[int, int, int]] = []
        self.ours.add_cb(lambda _, change: self.log.append(change[:3]))


class Machine(RuleBasedStateMachine):
    """Two pairs of buffers, and what each was told."""

    def __init__(self) -> None:
        super().__init__()
        library = load()
        library.memory.begin()
        self.library = library
        functions = Functions(library)
        self.pairs = (Pair(functions), Pair(functions))
        self.cleaned = [0, 0]
        self.referenced = 0

    def both(self, which: int, name: str, *args: Any) -> None:
        """The same call of both, with the same result."""
        pair = self.pairs[which]
        ours = getattr(pair.ours, name)(*args)
        assert getattr(pair.theirs, name)(*args) == ours

    @rule(which=WHICH, name=st.sampled_from(["add", "prepend"]), data=DATA)
    def put(self, which: int, name: str, data: bytes) -> None:
        self.both(which, name, data)

    @rule(which=WHICH, name=st.sampled_from(["drain", "remove", "expand"]), size=SIZES)
    def take(self, which: int, name: str, size: int) -> None:
        pair = self.pairs[which]
        if name == "expand" and pair.ours.end_frozen:
            assert (pair.ours.expand(size), pair.theirs.expand(size)) == (-1, 0)
        elif name != "expand" and pair.ours.start_frozen and not pair.ours.length:
            assert getattr(pair.ours, name)(size) in (-1, None)
            assert getattr(pair.theirs, name)(size) in (0, b"")
        else:
            self.both(which, name, size)

    @rule(which=WHICH, name=st.sampled_from(["freeze", "unfreeze"]), at_front=st.booleans())
    def freeze(self, which: int, name: str, at_front: bool) -> None:
        pair = self.pairs[which]
        getattr(pair.ours, name)(at_front)
        assert getattr(pair.theirs, name)(at_front) == 0

    @rule(which=WHICH, name=st.sampled_from(["add_buffer", "prepend_buffer"]))
    def move(self, which: int, name: str) -> None:
        to, source = self.pairs[which], self.pairs[1 - which]
        assert getattr(to.theirs, name)(source.theirs) == getattr(to.ours, name)(source.ours)

    @rule(which=WHICH, size=SIZES)
    def remove_buffer(self, which: int, size: int) -> None:
        source, to = self.pairs[which], self.pairs[1 - which]
        moved = source.ours.remove_buffer(to.ours, size)
        assert source.theirs.remove_buffer(to.theirs, size) == moved

    @rule(which=WHICH, data=DATA)
    def add_reference(self, which: int, data: bytes) -> None:
        def cleaned(side: int) -> None:
            self.cleaned[side] += 1

        pair = self.pairs[which]
        result = pair.ours.add_reference(data, lambda _: cleaned(0))
        assert pair.theirs.add_reference(data, lambda: cleaned(1)) == result
        self.referenced += result == 0

    @rule(
        which=WHICH, size=st.integers(1, 5_000), pieces=st.integers(1, 2), share=st.integers(0, 4)
    )
    def fill(self, which: int, size: int, pieces: int, share: int) -> None:
        pair = self.pairs[which]
        data = bytes(range(65, 91)) * (size // 26 + 1)
        data = data[: size * share // 4]
        space = pair.ours.reserve_space(size, pieces)
        if space is None:
            assert pair.theirs.fill(size, pieces, data) is None
            return
        rest = data
        for each in space:
            part = rest[: len(each.base)]
            each.base[: len(part)] = part
            each.len, rest = len(part), rest[len(part) :]
        assert pair.theirs.fill(size, pieces, data) == pair.ours.commit_space(space)

    @rule(which=WHICH, size=st.one_of(st.just(-1), SIZES))
    def pullup(self, which: int, size: int) -> None:
        pair = self.pairs[which]
        view = pair.ours.pullup(size)
        assert pair.theirs.pullup(size) == (None if view is None else bytes(view))

    @rule(which=WHICH, size=SIZES, start=SIZES)
    def copyout(self, which: int, size: int, start: int) -> None:
        pair = self.pairs[which]
        if pair.ours.start_frozen:
            assert not pair.theirs.copyout(size)
            return
        assert pair.theirs.copyout(size) == pair.ours.copyout(size)
        place = pair.ours.position(start)
        assert pair.theirs.has_position(start) == (place is not None)
        if place is not None:
            assert pair.theirs.copyout(size, start) == pair.ours.copyout_from(place, size)

    @rule(which=WHICH, what=DATA, start=SIZES, end=st.one_of(st.none(), SIZES))
    def search(self, which: int, what: bytes, start: int, end: int | None) -> None:
        pair = self.pairs[which]
        first = pair.ours.position(start)
        last = None if end is None else pair.ours.position(end)
        if first is None or (end is not None and last is None):
            return
        found = pair.ours.search_range(what, first, last)
        assert pair.theirs.search(what, start, end) == (-1 if found is None else found.pos)

    @rule(which=WHICH, style=STYLE, start=SIZES)
    def search_eol(self, which: int, style: Eol, start: int) -> None:
        pair = self.pairs[which]
        first = pair.ours.position(start)
        if first is not None:
            found = pair.ours.search_eol(style, first)
            theirs = pair.theirs.search_eol(STYLES.index(style), start)
            assert theirs == (None if found is None else (found[0].pos, found[1]))

    @rule(which=WHICH, style=STYLE)
    def readln(self, which: int, style: Eol) -> None:
        pair = self.pairs[which]
        assert pair.theirs.readln(STYLES.index(style)) == pair.ours.readln(style)
        told = pair.theirs.log
        if len(told) == 2 and told[0][0] - told[0][2] == told[1][0]:
            told[:] = [(told[0][0], 0, told[0][2] + told[1][2])]

    @invariant()
    def both_hold_the_same(self) -> None:
        for pair in self.pairs:
            length = pair.ours.length
            assert pair.theirs.length == length
            assert b"".join(pair.theirs.peek(-1, 4_096)) == pair.ours.copyout(length)

    @invariant()
    def both_told_the_same(self) -> None:
        for pair in self.pairs:
            assert pair.theirs.log == pair.log
            pair.theirs.log.clear()
            pair.log.clear()
        assert self.cleaned[0] == self.cleaned[1]

    def teardown(self) -> None:
        """Everything is let go, once, and no memory of libevent's is left or was misused."""
        for pair in self.pairs:
            pair.ours.free()
            pair.theirs.free()
        assert self.cleaned == [self.referenced, self.referenced]
        self.library.memory.flush()
        assert not self.library.memory.misuse
        assert not self.library.memory.leaked()


TestEvbuffers = Machine.TestCase
TestEvbuffers.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_it_is_the_library_that_runs_are_made_with() -> None:
    assert load().version == shared("libevent").version("libevent")


@pytest.mark.parametrize("size", [0, 1, 4_096, 20_000])
def test_a_buffer_of_one_chain_or_several(size: int) -> None:
    buffer = LibeventEvbuffer(Functions(load()))
    data = bytes(range(250)) * 80
    for place in range(0, size, 1_000):
        assert buffer.add(data[place : min(size, place + 1_000)]) == 0
    assert buffer.copyout(size) == data[:size]
    assert b"".join(buffer.peek(-1)) == data[:size]
    assert buffer.length == size
    buffer.free()
