"""Content: every byte tells where it belongs, and names of bytes lose nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.content import TABLE_SIZE, ContentEncoder, content, decode_content, place, table

STREAMS = st.integers(0, 200)
PIECES = st.one_of(
    st.binary(max_size=60),
    st.builds(content, STREAMS, st.integers(0, TABLE_SIZE * 2), st.integers(0, 3_000)),
    st.builds(
        lambda first, second: first + second,
        st.builds(content, STREAMS, st.integers(0, 5_000), st.integers(1, 30)),
        st.builds(content, STREAMS, st.integers(0, 5_000), st.integers(1, 30)),
    ),
)


@given(st.lists(PIECES, max_size=12))
def test_encoding_loses_nothing(pieces: list[bytes]) -> None:
    """Whatever came before: arbitrary bytes, content, pieces of several streams."""
    encoder = ContentEncoder()
    for piece in pieces:
        assert decode_content(encoder.encode(piece)) == piece


@given(STREAMS, st.integers(0, TABLE_SIZE), st.lists(st.integers(1, 4_000), max_size=8))
def test_a_stream_is_named_by_place(stream: int, offset: int, sizes: list[int]) -> None:
    """Consecutive pieces, however short, are named as what they continue."""
    encoder = ContentEncoder()
    encoder.encode(content(stream, offset, 64))
    offset += 64
    for size in sizes:
        name = encoder.encode(content(stream, offset, size))
        assert not name.startswith("hex:")
        assert name.partition("@")[2].partition("+")[0] == str(place(stream, offset))
        offset += size


@given(STREAMS, st.integers(0, TABLE_SIZE * 3), st.integers(0, 300), st.integers(0, 300))
def test_content_is_one_stream(stream: int, offset: int, first: int, second: int) -> None:
    whole = content(stream, offset, first + second)
    assert len(whole) == first + second
    assert whole == content(stream, offset, first) + content(stream, offset + first, second)


def test_content_longer_than_the_table() -> None:
    size = 2 * TABLE_SIZE + 70_000
    whole = content(3, 11, size)
    assert len(whole) == size
    assert whole[:1_000] == whole[TABLE_SIZE : TABLE_SIZE + 1_000]
    assert decode_content(ContentEncoder().encode(whole)) == whole


def test_streams_do_not_start_alike() -> None:
    starts = {content(stream, 0, 8) for stream in range(2_048)}
    assert len(starts) == 2_048


def test_eight_bytes_occur_once() -> None:
    """What the encoder builds on, sampled."""
    noise = table()[:TABLE_SIZE]
    step = 997
    seen = [noise[start : start + 8] for start in range(0, TABLE_SIZE - 8, step)]
    assert all(noise.find(each) == index * step for index, each in enumerate(seen))


@pytest.mark.parametrize(
    "name",
    ["x", "64", "64@", "@64", "0@5", "-1@5", "5@-1", "hex:0", "hex:zz", "5@1+", f"5@{TABLE_SIZE}"]
    + ["9" * 5_000 + "@1", "1" * 8 + "@0", "1@1@1", "٣@", "5@5 x"],
)
def test_what_is_no_content(name: str) -> None:
    with pytest.raises(ValueError):
        decode_content(name)


@given(st.text(max_size=30))
def test_hostile_names_raise_value_error_only(name: str) -> None:
    try:
        decoded = decode_content(name)
    except ValueError:
        return
    assert isinstance(decoded, bytes)


@given(st.integers(0, 9), st.integers(0, 1 << 21), st.integers(0, 1 << 21), st.integers(0, 1 << 21))
def test_a_long_stretch_is_its_parts(stream: int, offset: int, first: int, second: int) -> None:
    """However often the table of bytes is gone through."""
    whole = content(stream, offset, first + second)
    assert whole == content(stream, offset, first) + content(stream, offset + first, second)
    assert len(whole) == first + second
