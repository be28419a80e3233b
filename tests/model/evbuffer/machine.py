"""Several buffers, a bytes model of each, and every operation of an evbuffer as a rule.

After each step every buffer is compared with its model byte by byte, its chains are held to the
structural invariants, and what its callbacks were told is held to what must have been told (B-4).
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from model.evbuffer import CB_ENABLED, Evbuffer
from tests.model.evbuffer.watched import Queue, Told, Watched

SIDES = 3
WHICH = st.integers(0, SIDES - 1)


def pattern(size: int) -> bytes:
    """Bytes that tell their place."""
    return bytes((place * 7 + (place >> 8)) & 255 for place in range(size))


LONG = (500, 970, 976, 977, 1_400, 2_100, 5_000)
SHORT = st.one_of(st.binary(max_size=12), st.text("ab\r\n\0", max_size=12).map(str.encode))
DATA = st.one_of(SHORT, SHORT, st.sampled_from(LONG).map(pattern))
KINDS = st.sampled_from((bytes, bytearray, memoryview))
SIZES = st.one_of(st.integers(0, 24), st.sampled_from((100, 500, 976, 1_000, 3_000, 20_000)))


class Reference:
    """User memory given to a buffer, and how often its cleanup was called."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data) or bytearray(1)  # an identity of its own
        self.size = len(data)
        self.cleaned = 0

    def cleanup(self, data: Any) -> None:
        assert data is self.data
        self.cleaned += 1


class Machine(RuleBasedStateMachine):
    """The rules that move bytes in and out; those with kernels, files and moves come on top."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Told] = []
        self.queue = Queue()
        self.made = 0
        self.sides = [self.new_side() for _ in range(SIDES)]
        self.references: list[Reference] = []
        self.freed: list[Evbuffer] = []  # by the user, but views on them may live

    def new_side(self) -> Watched:
        self.made += 1
        return Watched(self.made, self.log, self.queue)

    def told(self, *changes: tuple[Watched, int, int]) -> None:
        """The calls since the last look are those for these changes, in order."""
        expected = [
            each for side, added, deleted in changes for each in side.expect(added, deleted)
        ]
        assert self.log == expected
        self.log.clear()

    def side(self, which: int) -> Watched:
        return self.sides[which]

    # Adding.

    @rule(which=WHICH, data=DATA, kind=KINDS)
    def add(self, which: int, data: bytes, kind: Any) -> None:
        side = self.side(which)
        frozen = side.buffer.end_frozen
        chains = len(list(side.buffer.chains()))
        assert side.buffer.add(kind(data)) == (-1 if frozen else 0)
        if frozen:
            data = b""
        side.model += data
        self.put_in(side, len(data))
        if data:
            assert len(list(side.buffer.chains())) <= chains + 1

    def put_in(self, side: Watched, size: int) -> None:
        self.told((side, size, 0))

    @rule(which=WHICH, data=DATA)
    def append_frozen(self, which: int, data: bytes) -> None:
        """For owners; none does so while a kernel fills the tail."""
        side = self.side(which)
        if side.reading is None:
            side.buffer.append_frozen(data)
            side.model += data
            self.put_in(side, len(data))

    @rule(which=WHICH, data=DATA, kind=KINDS)
    def prepend(self, which: int, data: bytes, kind: Any) -> None:
        side = self.side(which)
        frozen = side.buffer.start_frozen
        assert side.buffer.prepend(kind(data)) == (-1 if frozen else 0)
        if frozen:
            data = b""
        side.model = data + side.model
        self.put_in(side, len(data))

    @rule(which=WHICH, data=DATA, offset=st.integers(0, 8), spare=st.integers(0, 3))
    def add_reference(self, which: int, data: bytes, offset: int, spare: int) -> None:
        side = self.side(which)
        frozen = side.buffer.end_frozen
        reference = Reference(data)
        offset = min(offset, len(data))
        size = max(len(data) - offset - spare, 0)
        result = side.buffer.add_reference_with_offset(
            reference.data, offset, size, reference.cleanup
        )
        assert result == (-1 if frozen else 0)
        added = b"" if frozen else data[offset : offset + size]
        if not frozen:
            self.references.append(reference)
        side.model += added
        self.put_in(side, len(added))

    @rule(which=WHICH, pieces=st.lists(SHORT, max_size=4))
    def add_iovec(self, which: int, pieces: list[bytes]) -> None:
        side = self.side(which)
        wanted = [] if side.buffer.end_frozen else pieces
        expected = []
        for piece in wanted:
            side.model += piece
            expected += side.expect(len(piece), 0)
        assert side.buffer.add_iovec(pieces) == sum(map(len, wanted))
        assert self.log == expected
        self.log.clear()

    # Taking away.

    def take(self, side: Watched, size: int) -> bytes:
        """What the first `size` bytes are, out of the model."""
        taken, side.model = side.model[:size], side.model[size:]
        return taken

    @rule(which=WHICH, size=SIZES)
    def drain(self, which: int, size: int) -> None:
        side = self.side(which)
        frozen = side.buffer.start_frozen
        taken = b"" if frozen else self.take(side, size)
        assert side.buffer.drain(size) == (-1 if frozen else 0)
        self.told((side, 0, len(taken)))

    @rule(which=WHICH, size=SIZES)
    def drain_frozen(self, which: int, size: int) -> None:
        side = self.side(which)
        if side.writing is None:
            taken = self.take(side, size)
            side.buffer.drain_frozen(size)
            self.told((side, 0, len(taken)))

    @rule(which=WHICH)
    def drain_a_chain(self, which: int) -> None:
        """To the very end of the first chain."""
        side = self.side(which)
        self.drain(which, 0 if side.buffer.first is None else side.buffer.first.off)

    @rule(which=WHICH, size=SIZES)
    def remove(self, which: int, size: int) -> None:
        side = self.side(which)
        frozen = side.buffer.start_frozen
        wanted = None if frozen else self.take(side, size)
        taken = side.buffer.remove(size)
        assert taken == wanted
        assert taken is None or type(taken) is bytes
        self.told((side, 0, len(wanted or b"")))

    # Looking.

    @rule(which=WHICH, size=SIZES, start=SIZES)
    def copyout(self, which: int, size: int, start: int) -> None:
        side = self.side(which)
        assert side.buffer.copyout(size) == side.model[:size]
        place = side.buffer.position(start)
        assert (place is None) is (start > len(side.model))
        if place is not None:
            assert side.buffer.copyout_from(place, size) == side.model[start : start + size]
            further = side.buffer.advance(place, size)
            assert (further is None) is (start + size > len(side.model))
            assert further is None or further.pos == start + size
        self.told()

    @rule(which=WHICH, size=SIZES, chains=st.integers(1, 20))
    def peek(self, which: int, size: int, chains: int) -> None:
        side = self.side(which)
        pieces = side.buffer.peek(size, chains)
        assert len(pieces) <= chains
        assert all(len(piece) for piece in pieces)
        seen = b"".join(pieces)
        assert side.model[:size].startswith(seen)
        whole = len(seen) == min(size, len(side.model)) or len(pieces) == chains
        assert whole or b"" in [chain.storage for chain in side.buffer.chains()], "it stopped early"
        self.told()

    @rule(which=WHICH, size=st.one_of(st.just(-1), SIZES), start=SIZES, extents=st.integers(0, 4))
    def peek_extents(self, which: int, size: int, start: int, extents: int) -> None:
        side = self.side(which)
        place = side.buffer.position(min(start, len(side.model)))
        assert place is not None
        needed, seen = side.buffer.peek_extents(size, place, extents)
        rest = side.model[place.pos :]
        got = b"".join(seen)
        assert rest.startswith(got)
        assert len(seen) == min(needed, extents)
        if needed <= extents and size >= 0:
            assert len(got) >= min(size, len(rest))
            assert not seen or len(got) - len(seen[-1]) < size, "one past the end"
        self.told()

    @rule(which=WHICH, size=st.one_of(st.just(-1), SIZES))
    def pullup(self, which: int, size: int) -> None:
        side = self.side(which)
        lent = side.reading is not None or side.writing is not None
        view = side.buffer.pullup(size)
        wanted = len(side.model) if size < 0 else size
        if view is not None:
            assert view == side.model[:wanted]
            assert len(view) == wanted
        else:
            assert not wanted or wanted > len(side.model) or lent
        self.told()

    # What is told.

    @rule(which=WHICH, at_front=st.booleans())
    def freeze(self, which: int, at_front: bool) -> None:
        self.side(which).buffer.freeze(at_front)

    @rule(which=WHICH, at_front=st.booleans())
    def unfreeze(self, which: int, at_front: bool) -> None:
        side = self.side(which)
        if (side.writing if at_front else side.reading) is None:
            side.buffer.unfreeze(at_front)

    @rule(which=WHICH, one_shot=st.booleans(), nodefer=st.booleans())
    def add_cb(self, which: int, one_shot: bool, nodefer: bool) -> None:
        if len(self.side(which).watchers) < 4:
            self.side(which).watch(one_shot, nodefer)

    @rule(which=WHICH, index=st.integers(0, 3))
    def remove_cb(self, which: int, index: int) -> None:
        side = self.side(which)
        if side.watchers:
            watcher = side.watchers.pop(index % len(side.watchers))
            assert side.buffer.remove_cb_entry(watcher.entry) == 0
            assert side.buffer.remove_cb_entry(watcher.entry) == -1

    @rule(which=WHICH, index=st.integers(0, 3), enabled=st.booleans())
    def switch_cb(self, which: int, index: int, enabled: bool) -> None:
        side = self.side(which)
        if side.watchers:
            watcher = side.watchers[index % len(side.watchers)]
            change = side.buffer.cb_set_flags if enabled else side.buffer.cb_clear_flags
            assert change(watcher.entry, CB_ENABLED) == 0
            watcher.enabled = enabled

    @rule(which=WHICH)
    def defer(self, which: int) -> None:
        self.side(which).defer()

    @rule()
    def run_deferred(self) -> None:
        queued = [each.buffer for each in self.queue.queued]
        order = {id(buffer): place for place, buffer in enumerate(queued)}
        due = sorted(
            (side for side in self.sides if id(side.buffer) in order),
            key=lambda side: order[id(side.buffer)],
        )
        expected = [each for side in due for each in side.expect_deferred()]
        self.queue.run()
        assert self.log == expected
        self.log.clear()

    # Life.

    @rule(which=WHICH)
    def free(self, which: int) -> None:
        """The buffer goes; views on it, and a loop that owes it callbacks, keep it alive."""
        side = self.side(which)
        if side.reading is None and side.writing is None:
            for watcher in side.watchers:
                side.buffer.remove_cb_entry(watcher.entry)
            side.buffer.owner = None
            side.buffer.free()
            self.freed.append(side.buffer)
            self.sides[which] = self.new_side()

    @invariant()
    def buffers_hold_their_models(self) -> None:
        for side in self.sides:
            side.holds()

    @invariant()
    def references_are_cleaned_up_once(self) -> None:
        """By the time that nobody uses them, and not before."""
        self.freed = [buffer for buffer in self.freed if buffer.refcnt]
        alive = (*(side.buffer for side in self.sides), *self.freed)
        used = set()
        for buffer in alive:
            for chain in buffer.chains():
                used.add(id(chain.storage))
        for reference in self.references:
            assert reference.cleaned == (id(reference.data) not in used)

    def teardown(self) -> None:
        """Packets come, the loop runs, all goes: then everything was cleaned up, once."""
        self.queue.run()
        for side in self.sides:
            if side.reading is not None:
                side.buffer.commit_read(side.reading.launch, 0)
            if side.writing is not None:
                side.buffer.commit_write(side.writing.launch, 0)
        for side in self.sides:
            side.buffer.owner = None
            side.buffer.free()
        assert not any(side.buffer.refcnt for side in self.sides)
        assert all(reference.cleaned == 1 for reference in self.references)
