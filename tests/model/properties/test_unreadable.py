"""One field of another type than its kind has: the record is named, and the rest is judged."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import NtStatus
from model.properties import PROPERTY, check
from model.trace import FIELDS, Record
from tests.model.properties.pairs import LEGAL, PAIRS, Builder
from tests.model.properties.traces import FD, MS, Tape

ALL: tuple[Builder, ...] = (
    *(build for good, bad in PAIRS.values() for build in (*good, *bad)),
    *LEGAL,
)
NO_BYTES = st.one_of(st.integers(1, 99), st.text(min_size=1, max_size=3), st.just((1, 2)))
NO_NAME = st.one_of(st.integers(), st.none(), st.binary(max_size=3), st.just(("s", 7)))
NO_BITS = st.one_of(st.none(), st.floats(), st.text(max_size=3), st.booleans())
NO_LIMIT = st.one_of(st.integers(-9, 0), st.none(), st.floats(), st.text(max_size=3))


def _limits(odd: Any, place: int) -> tuple[Any, ...]:
    limits: list[Any] = [100, 300, 100, 300, MS]
    limits[place] = odd
    return tuple(limits)


UNREADABLE = st.one_of(
    st.tuples(st.just("peer"), st.just("c0"), st.just("recv"), st.just(3), NO_BYTES),
    st.tuples(st.just("peer"), NO_NAME, st.just("send"), st.just(3), st.just(b"abc")),
    st.tuples(st.just("new"), NO_NAME, st.just("socket"), st.just(1), st.just(9)),
    st.tuples(st.just("cb"), NO_NAME, st.just("read"), *map(st.just, (0, None, 0, 0, 6))),
    st.tuples(st.just("write"), st.just("s0"), NO_BYTES, st.just(0)),
    st.tuples(st.just("read"), st.just("s0"), st.just(3), NO_BYTES),
    st.tuples(st.just("suspend"), st.just("s0"), st.sampled_from(("read", "write")), NO_BITS),
    st.tuples(
        *map(st.just, ("op", "s0", "set_rate_limit")),
        st.builds(_limits, NO_LIMIT, st.integers(0, 4)).filter(lambda args: args[0] is not None),
    ),
    st.tuples(
        *map(st.just, ("op", "g0", "rate_limit_group_new")),
        st.builds(_limits, NO_LIMIT, st.integers(0, 4)),
    ),
)


@given(UNREADABLE, st.booleans(), st.booleans())
def test_it_is_named_and_the_rest_is_judged(
    fields: tuple[Any, ...], completion: bool, foreign: bool
) -> None:
    """What is wrong behind it is found all the same."""
    tape = Tape(completion=completion).accepted().wait()
    place = len(tape.records)
    tape.add(*fields).wait().event(0x11)
    verdicts = check(
        tape.records, completion=completion, simulated=True, close_tolerance_ns=0, foreign=foreign
    )
    assert verdicts.unreadable == (place,)
    assert ("E-3", len(tape.records) - 2) in [(e.property, e.record) for e in verdicts.violations]


@given(NO_BYTES)
def test_what_a_packet_brought_is_bytes(odd: object) -> None:
    tape = Tape(completion=True).accepted().wait()
    tape.add("completion", FD, 1, "recv", NtStatus.SUCCESS, odd)
    verdicts = check(tape.records, completion=True, simulated=True, close_tolerance_ns=0)
    assert verdicts.unreadable == (len(tape.records) - 1,)


def _told_oddly(records: list[Record], place: int, field: int, odd: object) -> list[Record]:
    record = list(records[place])
    record[2 + field % max(1, len(FIELDS[record[1]]))] = odd
    return [*records[:place], tuple(record), *records[place + 1 :]]


_ODD = st.one_of(NO_BYTES, NO_NAME, NO_BITS, NO_LIMIT, st.sampled_from((b"", "quiet", (), (None,))))


@given(st.integers(0, 1 << 16), st.integers(0, 8), _ODD, st.booleans())
@settings(max_examples=40)
def test_every_trace_is_judged_with_one_field_of_another_type(
    place: int, field: int, odd: object, foreign: bool
) -> None:
    """Whatever it is, the check ends, and names records that there are."""
    for build in ALL:
        tape = build()
        at = place % len(tape.records)
        if not FIELDS[tape.records[at][1]]:
            continue
        records = _told_oddly(tape.records, at, field, odd)
        verdicts = check(
            records,
            completion=tape.completion,
            simulated=True,
            close_tolerance_ns=0,
            foreign=foreign,
        )
        assert set(verdicts.checked) == set(PROPERTY)
        assert all(0 <= each < len(records) for each in verdicts.unreadable)
        assert len(set(verdicts.unreadable)) == len(verdicts.unreadable)
        assert all(-1 <= each.record < len(records) for each in verdicts.violations)
