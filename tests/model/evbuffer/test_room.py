"""Room at the tail of an evbuffer: all that is asked for or nothing, and only that is committed."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from model.evbuffer import Evbuffer
from model.evbuffer import space as space_module
from model.evbuffer.chain import Chain, new_chain
from tests.model.evbuffer.machine import pattern


def _nothing(size: int) -> Chain | None:
    return None


def _content(buffer: Evbuffer) -> bytes:
    buffer.check()
    return bytes(buffer.copyout_from(None, 1 << 20))


def test_what_was_reserved_behind_too_small_a_room_is_committed() -> None:
    """Found beside libevent's: the first room is too small, the last chain is another one."""
    source, buffer = Evbuffer(), Evbuffer()
    for each, size, pieces in ((buffer, 1, 1), (source, 488, 1)):
        space = each.reserve_space(size, pieces)
        assert space is not None
        space[0].len = 0 if each is buffer else size
        assert each.commit_space(space) == 0
    space = source.reserve_space(539, 2)
    assert space is not None and len(space) == 2
    space[0].len, space[1].len = 404, 0
    assert source.commit_space(space) == 0
    assert buffer.prepend_buffer(source) == 0
    space = buffer.reserve_space(85)
    assert space is not None and space[0].chain is not buffer.last
    space[0].base[:3] = b"end"
    space[0].len = 3
    assert buffer.commit_space(space) == 0
    assert buffer.copyout(900)[-3:] == b"end"
    buffer.check()


@example([100], 0, [(1_500, 2)], (5_000, 2))
@example([], 0, [], (-1, 1))
@example([], 0, [], (0, 1))
@given(
    st.lists(st.integers(1, 900), max_size=2),
    st.integers(0, 1_800),
    st.lists(st.tuples(st.integers(1, 2_000), st.integers(2, 3)), max_size=3),
    st.tuples(st.integers(-1, 6_000), st.integers(0, 4)),
)
def test_room_is_whole_or_not_given(
    sizes: list[int], drained: int, unused: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    """evbuffer_reserve_space: all that is asked for in so many pieces at most, or nothing where
    memory is missing; also when room was asked for before, and not used. None for nonsense."""
    wanted, pieces = asked
    buffer = Evbuffer()
    for size in sizes:
        buffer.expand(size)  # a chain of its own, where the one before has no room for it
        buffer.add(pattern(size))
    buffer.drain(drained)
    for each in unused:
        assert buffer.reserve_space(*each) is not None
    before = bytes(buffer.copyout_from(None, 1 << 20))
    for denied in (True, False):
        with patch.object(space_module, "new_chain", _nothing if denied else new_chain):
            room = buffer.reserve_space(wanted, pieces)
        assert (room is not None) == (wanted >= 0 and pieces > 0) or denied
        if room is not None:
            assert len(room) <= pieces
            assert sum(each.len for each in room) >= wanted
        assert _content(buffer) == before


@given(
    st.integers(0, 900),
    st.integers(1, 2_000),
    st.sampled_from(("longer", "negative", "elsewhere", "twice", "moved", "frozen")),
)
def test_room_that_was_not_reserved_is_not_committed(size: int, wanted: int, how: str) -> None:
    """evbuffer_commit_space: -1, and nothing has changed."""
    buffer = Evbuffer()
    buffer.add(pattern(size))
    pieces = buffer.reserve_space(wanted, 2)
    assert pieces
    if how == "longer":
        pieces[-1].len = len(pieces[-1].base) + 1
    elif how == "negative":
        pieces[0].len = -1
    elif how == "elsewhere":
        other = Evbuffer()
        pieces = other.reserve_space(wanted, 2) or []
    elif how == "twice":
        pieces = [*pieces, pieces[0]]
    elif how == "moved":
        buffer.drain(size)
        buffer.add(b"x")
    else:
        buffer.freeze(False)
    before = bytes(buffer.copyout_from(None, 1 << 20))
    assert buffer.commit_space(pieces) == -1
    assert _content(buffer) == before
