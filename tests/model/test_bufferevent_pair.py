"""Pairs of bufferevents: bufferevent_pair.c, and its rows of the contract."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.content import content
from model.subject import (
    BEV_FINISHED,
    BEV_FLUSH,
    BEV_NORMAL,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_UNLOCK_CALLBACKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play


@given(
    sizes=st.lists(st.tuples(st.booleans(), st.integers(1, 5_000)), max_size=8),
    highs=st.tuples(*[st.sampled_from((0, 1, 100, 4_096))] * 2),
    masks=st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from((2, 4, 6))), max_size=8),
)
def test_what_one_writes_the_other_reads(
    sizes: list[tuple[bool, int]],
    highs: tuple[int, int],
    masks: list[tuple[bool, bool, int]],
) -> None:
    """B-1, B-2, W-1, L-3: whatever is enabled when, in order, and all of it in the end."""

    def body(rig: Rig) -> None:
        ends = rig.inner_pair()
        written = [0, 0]
        for end, high in zip(ends, highs, strict=True):
            end.bev.setwatermark(EV_READ, 0, high)
        for turn in range(8):
            for which, size in sizes[turn : turn + 1]:
                ends[which].bev.write(content(int(which), written[which], size))
                written[which] += size
            for which, on, mask in masks[turn : turn + 1]:
                (ends[which].bev.enable if on else ends[which].bev.disable)(mask)
            rig.settle()
        for end in ends:
            end.bev.enable(RW)
        rig.settle(100 * MS)
        for writer, other in ((0, 1), (1, 0)):
            assert bytes(ends[other].data) == content(writer, 0, written[writer])
            lengths = [int(length) for kind, length in ends[other].seen if kind == "read"]
            assert not highs[other] or max(lengths, default=0) <= highs[other]

    play("epoll", body)


@in_worlds("epoll")
def test_getters(rig: Rig) -> None:
    first, second = rig.inner_pair()
    assert first.bev.get_partner() is second.bev
    assert second.bev.get_partner() is first.bev
    assert first.bev.getfd() is None
    assert first.bev.get_underlying() is None
    second.free()
    assert first.bev.get_partner() is None


@in_worlds("epoll")
def test_callbacks_are_always_deferred(rig: Rig) -> None:
    first, second = rig.inner_pair(0)
    second.bev.enable(EV_READ)
    first.bev.write(b"abc")
    assert (first.seen, second.seen) == ([], [])
    assert second.bev.input_length() == 3
    rig.settle()
    assert second.seen == [("read", 3)]
    assert first.seen == [("write", 0)]


@in_worlds("epoll")
def test_unlock_is_legal_since_deferral_is_forced(rig: Rig) -> None:
    rig.inner_pair(BEV_OPT_UNLOCK_CALLBACKS)


@in_worlds("epoll")
def test_the_application_cannot_reach_into_the_other_end(rig: Rig) -> None:
    """B-3."""
    first, _ = rig.inner_pair()
    first.bev.write(b"abc")
    assert rig.base.bufferevents == 2
    bev: Any = first.bev  # its buffers are no part of the subject's protocol
    assert bev.output.drain(1) == bev.input.add(b"x") == -1


@in_worlds("epoll")
def test_write_waits_for_the_reader(rig: Rig) -> None:
    """Disabled, suspended by its watermark: the bytes stay with the writer."""
    first, second = rig.inner_pair()
    first.bev.write(content(0, 0, 50))
    rig.settle()
    assert (first.bev.output_length(), second.seen) == (50, [])
    second.on_read = Spy.leave
    second.bev.setwatermark(EV_READ, 0, 30)
    second.bev.enable(EV_READ)
    rig.settle()
    assert (first.bev.output_length(), second.bev.input_length()) == (20, 30)
    assert second.bev.read(10) == content(0, 0, 10)
    assert (first.bev.output_length(), second.bev.input_length()) == (10, 30)
    first.bev.disable(EV_WRITE)
    second.bev.read(30)
    assert (first.bev.output_length(), second.bev.input_length()) == (10, 0)
    first.bev.enable(EV_WRITE)
    assert (first.bev.output_length(), second.bev.input_length()) == (0, 10)


@pytest.mark.parametrize("mode", [BEV_NORMAL, BEV_FLUSH, BEV_FINISHED])
@pytest.mark.parametrize("iotype", [EV_READ, EV_WRITE, RW])
def test_flush(mode: int, iotype: int) -> None:
    """FLUSH moves past the watermark; FINISHED tells the end, in the partner's directions."""

    def body(rig: Rig) -> None:
        first, second = rig.inner_pair()
        for end in (first, second):
            end.on_read = Spy.leave
            end.bev.setwatermark(EV_READ, 0, 10)
            end.bev.enable(EV_READ)
            end.bev.write(bytes(25))
        assert first.bev.flush(iotype, mode) == 0
        pushed, pulled = mode and iotype & EV_WRITE, mode and iotype & EV_READ
        assert first.bev.output_length() == (0 if pushed else 15)
        assert second.bev.output_length() == (0 if pulled else 15)
        rig.settle()
        expected = {EV_READ: "WRITING|EOF", EV_WRITE: "READING|EOF", RW: "READING|WRITING|EOF"}
        assert second.events() == ([expected[iotype]] if mode == BEV_FINISHED else [])
        assert first.events() == []
        assert second.bev.get_enabled() == RW

    play("epoll", body)


@in_worlds("epoll")
def test_the_end_comes_behind_the_bytes(rig: Rig) -> None:
    """O-2."""
    first, second = rig.inner_pair()
    second.bev.enable(EV_READ)
    first.bev.write(b"last words")
    first.bev.flush(EV_WRITE, BEV_FINISHED)
    rig.settle()
    assert second.seen == [("read", 10), ("event", "READING|EOF")]


@in_worlds("epoll")
def test_freeing_one_end_tells_the_other_nothing(rig: Rig) -> None:
    """Writes accumulate; flush says -1; nothing of the freed end is used (LE-135)."""
    first, second = rig.inner_pair()
    second.bev.enable(EV_READ)
    second.free()
    rig.settle()
    first.bev.write(b"nobody")
    first.bev.enable(RW)
    first.bev.disable(EV_WRITE)
    first.bev.enable(EV_WRITE)
    assert first.bev.flush(RW, BEV_FINISHED) == -1
    rig.settle()
    assert (first.seen, first.bev.output_length()) == ([], 6)


@in_worlds("epoll")
def test_free_in_each_callback(rig: Rig) -> None:
    for which in ("on_read", "on_write"):
        first, second = rig.inner_pair(BEV_OPT_DEFER_CALLBACKS)
        setattr(second if which == "on_read" else first, which, Spy.free)
        second.bev.enable(EV_READ)
        first.bev.write(b"abc")
        rig.settle()
        assert first.freed or second.freed


@in_worlds("epoll")
def test_timeouts(rig: Rig) -> None:
    """The reader that gets nothing, the writer that nobody reads; each once."""
    first, second = rig.inner_pair()
    first.bev.set_timeouts(15 * MS, 10 * MS)
    first.bev.enable(RW)
    first.bev.write(b"ABCDEFG")
    second.bev.set_timeouts(None, 20 * MS)
    rig.settle(12 * MS)
    assert first.events() == ["WRITING|TIMEOUT"]
    rig.settle(40 * MS)
    assert first.events() == ["WRITING|TIMEOUT", "READING|TIMEOUT"]
    assert first.bev.get_enabled() == 0
    assert second.events() == []


@in_worlds("epoll")
def test_progress_restarts_the_timers(rig: Rig) -> None:
    first, second = rig.inner_pair()
    second.bev.set_timeouts(10 * MS, None)
    second.bev.enable(EV_READ)
    for _ in range(5):
        rig.settle(6 * MS)
        first.bev.write(b"x")
    rig.settle(9 * MS)
    assert second.events() == []
    rig.settle(2 * MS)
    assert second.events() == ["READING|TIMEOUT"]
