"""What a verdict may not depend on: the clock's start, names and numbers, and other connections.

Every hand-written trace of `pairs`, good or bad, is told again in other words; what it breaks, and
where, stays the same. Then traces are damaged record by record: the check reads what is left,
answers the same thing twice, and keeps to the form of its answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.properties import PROPERTY, Verdicts, check, compare_runs
from model.trace import FIELDS, Record
from tests.model.properties.pairs import LEGAL, PAIRS, Builder
from tests.model.properties.traces import Tape

GOOD: tuple[Builder, ...] = (*(build for good, _ in PAIRS.values() for build in good), *LEGAL)
BAD = tuple((name, build) for name, (_, bad) in PAIRS.items() for build in bad)
ALL: tuple[Builder, ...] = (*GOOD, *(build for _, build in BAD))

#: fields that hold a descriptor, a port of completions or an operation's number
_HANDLES = frozenset({"fd", "epfd", "acceptor", "key"})
_MAKERS = frozenset({"socket", "accept", "epoll_create", "create_port"})  # result: a descriptor


def _judged(tape: Tape, records: list[Record]) -> Verdicts:
    return check(records, completion=tape.completion, simulated=True, close_tolerance_ns=0)


def _found(verdicts: Verdicts) -> list[tuple[str, int]]:
    return [(each.property, each.record) for each in verdicts.violations]


@given(st.integers(0, 10**15))
@settings(max_examples=10)
def test_when_the_clock_started_does_not_matter(start_ns: int) -> None:
    for build in ALL:
        tape = build()
        moved = [(record[0] + start_ns, *record[1:]) for record in tape.records]
        before, after = tape.verdicts(), _judged(tape, moved)
        assert _found(after) == _found(before), build.__name__
        assert after.checked == before.checked, build.__name__


def _handles_moved(record: Record, by: int) -> Record:
    fields: list[Any] = list(record)
    for place, name in enumerate(FIELDS[record[1]], 2):
        value = fields[place]
        is_handle = name in _HANDLES or (name == "result" and record[1] in _MAKERS)
        if is_handle and type(value) is int:
            fields[place] = value + by
    if record[1] == "epoll_wait" and isinstance(fields[4], list):
        fields[4] = [(fd + by, mask) for fd, mask in fields[4]]
    if record[1] == "op" and record[3] == "setfd" and type(record[4][0]) is int:
        fields[4] = (record[4][0] + by, *record[4][1:])
    if record[1] == "cb" and record[3] == "accept":
        fields[4] = record[4] + by
    return tuple(fields)


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_numbers_of_descriptors_do_not_matter(by: int) -> None:
    for build in ALL:
        tape = build()
        moved = [_handles_moved(record, by) for record in tape.records]
        assert _found(_judged(tape, moved)) == _found(tape.verdicts()), build.__name__


#: of a connection of its own, and true whatever happens around them
_NEIGHBOUR: tuple[tuple[Any, ...], ...] = (
    ("new", "s7", "socket", 1, 77),
    ("op", "s7", "set_timeouts", (None, None)),
    ("op", "s7", "disable", (6,)),
    ("peer", "c7", "connect", 0, None),
    ("peer", "c7", "send", 3, b"abc"),
    ("op", "s7", "free", ()),
    ("close", 77, None),
    ("peer", "c7", "close", 0, None),
)


@given(st.lists(st.integers(0, 1 << 16), min_size=len(_NEIGHBOUR), max_size=len(_NEIGHBOUR)))
@settings(max_examples=10)
def test_a_neighbour_does_not_matter(places: list[int]) -> None:
    for build in ALL:
        tape = build()
        count = len(tape.records)
        cuts = sorted(place % (count + 1) for place in places)
        records: list[Record] = []
        where: dict[int, int] = {-1: -1}
        for index, record in enumerate(tape.records):
            # A pass is one piece. A wait's record is written at its end; this is before it begins.
            while cuts and cuts[0] <= index and record[1] in ("epoll_wait", "gqcs"):
                now = records[-1][0] if records else 0
                records.append((now, *_NEIGHBOUR[len(_NEIGHBOUR) - len(cuts)]))
                cuts.pop(0)
            where[index] = len(records)
            records.append(record)
        verdicts = _judged(tape, records)
        found = [(name, where[index]) for name, index in _found(tape.verdicts())]
        assert _but_for_spinning(_found(verdicts)) == _but_for_spinning(found), build.__name__


def _but_for_spinning(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """L-5 is of the whole loop: a neighbour that does something is progress, too."""
    return [each for each in found if each[0] != "L-5"]


Damage = Callable[[list[Record], int, int], list[Record]]


def _drop(records: list[Record], place: int, _: int) -> list[Record]:
    return [*records[:place], *records[place + 1 :]]


def _repeat(records: list[Record], place: int, _: int) -> list[Record]:
    return [*records[: place + 1], *records[place:]]


def _swap(records: list[Record], place: int, other: int) -> list[Record]:
    swapped = list(records)
    other %= len(records)
    swapped[place], swapped[other] = swapped[other], swapped[place]
    return swapped


def _cut(records: list[Record], place: int, _: int) -> list[Record]:
    return records[:place]


def _delay(records: list[Record], place: int, by: int) -> list[Record]:
    """All that comes later comes much later."""
    later = by * 1_000_000
    tail = [(record[0] + later, *record[1:]) for record in records[place:]]
    return [*records[:place], *tail]


def _alter(records: list[Record], place: int, by: int) -> list[Record]:
    """A number, or the length of some bytes, becomes another."""
    fields = list(records[place])
    which = 2 + by % max(len(fields) - 2, 1)
    if which < len(fields):
        value = fields[which]
        if isinstance(value, bytes):
            fields[which] = value[1:] if by % 2 else value[::-1]
        elif type(value) is int:
            fields[which] = value + (1 if by % 2 else -1)
        elif isinstance(value, tuple) and value and type(value[0]) is int:
            fields[which] = (value[0] ^ 2, *value[1:])
    return [*records[:place], tuple(fields), *records[place + 1 :]]


def _defer(records: list[Record], place: int, by: int) -> list[Record]:
    """One record of them all comes some places later."""
    rest = _drop(records, place, 0)
    later = min(place + 1 + by % 5, len(rest))
    return [*rest[:later], records[place], *rest[later:]]


DAMAGES: tuple[Damage, ...] = (_drop, _repeat, _swap, _cut, _delay, _alter, _defer)


_HARM = st.lists(
    st.tuples(st.sampled_from(DAMAGES), st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
    min_size=1,
    max_size=3,
)


@given(_HARM)
@settings(max_examples=300)
def test_a_damaged_trace_is_judged_all_the_same(harm: list[tuple[Damage, int, int]]) -> None:
    for build in ALL:
        tape = build()
        records = tape.records
        for damage, place, other in harm:
            records = damage(records, place % len(records), other) if records else records
        verdicts = _judged(tape, records)
        assert verdicts == _judged(tape, list(records))
        assert set(verdicts.checked) == set(PROPERTY)
        found = verdicts.violations
        assert len({(each.property, each.message) for each in found}) == len(found)
        assert all(-1 <= each.record < len(records) for each in found)
        assert all("\n" not in each.message for each in found)


@given(_HARM, st.integers(0, 1 << 16), st.booleans())
@settings(max_examples=60)
def test_runs_are_compared_in_either_order(
    harm: list[tuple[Damage, int, int]], which: int, across: bool
) -> None:
    """A trace beside a damaged copy of itself, and beside itself."""
    worlds = ("sim-epoll", "sim-iocp") if across else ("sim-epoll", "epoll")
    for build in ALL[which % 3 :: 3]:
        first = build().records
        second = first
        for damage, place, other in harm:
            second = damage(second, place % len(second), other) if second else second
        runs = list(zip(worlds, (first, second), strict=True))
        forward, backward = compare_runs(runs), compare_runs(runs[::-1])
        assert [each.property for each in forward.violations] == [
            each.property for each in backward.violations
        ], build.__name__
        assert forward.checked == backward.checked
        assert compare_runs([(worlds[0], second), (worlds[0], second)]).violations == ()


@given(st.integers(0, 1 << 16))
@settings(max_examples=20)
def test_what_is_found_early_is_found_in_the_end(place: int) -> None:
    """A prefix breaks nothing that the whole trace keeps, but for what its end alone says."""
    for _, build in BAD:
        tape = build()
        cut = place % (len(tape.records) + 1)
        whole = _found(tape.verdicts())
        for name, index in _found(_judged(tape, tape.records[:cut])):
            assert (name, index) in whole, build.__name__
