"""The whole machine: rules for searches, and for what single rules seldom meet together."""

from __future__ import annotations

import re

from hypothesis import strategies as st
from hypothesis.stateful import rule

from model.evbuffer import Eol
from tests.model.evbuffer.machine import SHORT, SIZES, WHICH, pattern
from tests.model.evbuffer.machine_moves import MovingMachine

_ENDS = {
    Eol.ANY: re.compile(rb"[\r\n]+"),
    Eol.CRLF: re.compile(rb"\r?\n"),
    Eol.CRLF_STRICT: re.compile(rb"\r\n"),
    Eol.LF: re.compile(rb"\n"),
    Eol.NUL: re.compile(rb"\0"),
}


class WholeMachine(MovingMachine):
    """All that an evbuffer can do."""

    # Searches.

    @rule(which=WHICH, what=st.text("ab\r\n\0", min_size=1, max_size=3), start=SIZES, end=SIZES)
    def search(self, which: int, what: str, start: int, end: int) -> None:
        side = self.side(which)
        wanted = what.encode()
        place = side.buffer.position(min(start, len(side.model)))
        limit = side.buffer.position(min(end, len(side.model)))
        assert place is not None and limit is not None
        found = side.buffer.search(wanted, place)
        assert (-1 if found is None else found.pos) == side.model.find(wanted, place.pos)
        found = side.buffer.search_range(wanted, place, limit)
        assert (-1 if found is None else found.pos) == side.model.find(wanted, place.pos, limit.pos)
        if found is not None:
            assert side.buffer.copyout_from(found, len(wanted)) == wanted

    @rule(which=WHICH, style=st.sampled_from(Eol), start=SIZES)
    def search_eol(self, which: int, style: Eol, start: int) -> None:
        side = self.side(which)
        place = side.buffer.position(min(start, len(side.model)))
        assert place is not None
        found = side.buffer.search_eol(style, place)
        wanted = _ENDS[style].search(side.model, place.pos)
        assert (found is None) is (wanted is None)
        if found is not None and wanted is not None:
            assert (found[0].pos, found[1]) == (wanted.start(), len(wanted[0]))

    @rule(which=WHICH, style=st.sampled_from(Eol))
    def readln(self, which: int, style: Eol) -> None:
        side = self.side(which)
        end = None if side.buffer.start_frozen else _ENDS[style].search(side.model)
        line = side.buffer.readln(style)
        if end is None:
            assert line is None
            self.told()
            return
        assert line == side.model[: end.start()]
        taken = self.take(side, end.end())
        self.told((side, 0, len(taken)))

    @rule(which=WHICH, text=st.text("a\r\n", max_size=6), reference=st.booleans())
    def add_text(self, which: int, text: str, reference: bool) -> None:
        """Ends of lines, also in chains of their own."""
        if reference:
            for character in text:
                self.add_reference(which, character.encode(), 0, 0)
        else:
            self.add(which, text.encode(), bytes)
        for style in Eol:
            self.search_eol(which, style, 0)

    @rule(which=WHICH, data=SHORT)
    def add_to_all(self, which: int, data: bytes) -> None:
        """So that few steps find bytes everywhere."""
        for each in range(len(self.sides)):
            self.add_reference(each, data, 0, 0)
            self.add((each + which) % len(self.sides), data, bytes)

    # Together.

    @rule(which=WHICH, chains=st.integers(0, 4), extents=st.integers(1, 5))
    def peek_at_a_chain(self, which: int, chains: int, extents: int) -> None:
        """To the very end of a chain."""
        sizes = [chain.off for chain in self.side(which).buffer.chains()]
        self.peek_extents(which, sum(sizes[:chains]), 0, extents)

    @rule(which=WHICH, other=WHICH)
    def empty_chain_in_front(self, which: int, other: int) -> None:
        """The first of two vectors is committed without a byte."""
        side = self.side(which)
        if not side.model and not side.buffer.end_frozen and side.buffer.first is None:
            self.expand(which, 10)
            self.reserve_and_commit(which, 3_000, 2, [0, 3])
            self.add_reference(which, b"behind", 0, 0)
            self.remove_buffer_at_a_chain(other, which, 2, 0)
            self.add(other, b"more", bytes)

    @rule(which=WHICH, data=SHORT, deferred=st.booleans())
    def several_changes(self, which: int, data: bytes, deferred: bool) -> None:
        """Heard by two callbacks, of which one may wait for the loop."""
        if deferred:
            self.defer(which)
        self.add_cb(which, False, False)
        self.add_cb(which, False, True)
        for size in (1, 2):
            self.add(which, data, bytes)
            self.drain(which, size)
        self.run_deferred()

    @rule(which=WHICH, other=WHICH, size=SIZES.filter(bool), way=st.integers(0, 3))
    def while_a_kernel_reads(self, which: int, other: int, size: int, way: int) -> None:
        """What a buffer goes through with a read in flight."""
        self.launch_read(which, size, 2)
        if way == 0:
            self.drain(which, 1 << 30)
        elif way == 1:
            self.move_all(other, which, front=False)
        elif way == 2:
            self.move_all(other, which, front=True)
        else:
            self.remove_buffer(other, which, size)
        self.buffers_hold_their_models()
        self.commit_read(which, 3)

    @rule(which=WHICH, size=SIZES.filter(bool), room=st.booleans())
    def while_a_kernel_writes(self, which: int, size: int, room: bool) -> None:
        """What it reads stays where it is, although moving it would make room."""
        self.add(which, pattern(500), bytes)
        self.drain(which, 400)
        self.launch_write(which, size)
        if room:
            self.expand(which, 800)
        self.add(which, pattern(800), bytes)
        self.buffers_hold_their_models()
        self.commit_write(which, 1 << 20)
