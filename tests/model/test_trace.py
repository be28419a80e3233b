"""Trace files: every kind of record survives, lines are stable, hostile ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.content import content
from model.errors import Errno, NtStatus, UsageError, Win32Error
from model.trace import FIELDS, BudgetExceeded, Record, Trace, decode_record, encode_trace

INTS = st.integers(0, 1 << 40)
TEXT = st.text(max_size=12)
ERRORS = st.sampled_from([*Errno, *Win32Error])
BYTES = st.one_of(
    st.binary(max_size=20),
    st.builds(content, st.integers(0, 9), st.integers(0, 9_000), st.integers(0, 400)),
)
SCALARS = st.one_of(st.none(), INTS, ERRORS)
PAIRS = st.lists(st.tuples(INTS, INTS), max_size=3)

#: what a field may hold where its name alone does not say it
BY_KIND: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("recv", "result"): st.one_of(BYTES, ERRORS),
    ("send", "result"): st.one_of(BYTES, ERRORS),
    ("peer", "result"): st.one_of(BYTES, SCALARS),
    ("epoll_wait", "result"): st.one_of(PAIRS, ERRORS),
    ("completion", "result"): st.one_of(st.none(), BYTES),
}
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("how", "bev", "name", "type", "which", "operation", "peer", "do"), TEXT),
    **dict.fromkeys(("message", "where", "error_type", "underlying", "direction"), TEXT),
    **dict.fromkeys(("thread", "lock", "condition", "holds"), TEXT),
    "status": st.sampled_from(NtStatus),
    "data": BYTES,
    "args": st.lists(st.one_of(st.none(), INTS), max_size=3).map(tuple),
}


def records_of(kind: str) -> st.SearchStrategy[Record]:
    fields = [BY_KIND.get((kind, name), BY_NAME.get(name, SCALARS)) for name in FIELDS[kind]]
    return st.tuples(INTS, st.just(kind), *fields)


RECORDS = st.sampled_from(sorted(FIELDS)).flatmap(records_of)


def decoded(lines: list[str]) -> list[Record]:
    return [decode_record(json.loads(line)) for line in lines]


@pytest.mark.parametrize("kind", FIELDS)
@given(data=st.data())
def test_every_kind_survives(kind: str, data: st.DataObject) -> None:
    record = data.draw(records_of(kind))
    assert decoded(encode_trace([record])) == [record]


@given(st.lists(RECORDS, max_size=20))
def test_traces_survive(records: list[Record]) -> None:
    """Lossless, one line a record, the same lines each time, and again from what was read."""
    lines = encode_trace(records)
    assert len(lines) == len(records)
    assert not any("\n" in line for line in lines)
    assert decoded(lines) == records
    assert encode_trace(records) == lines
    assert encode_trace(decoded(lines)) == lines


@pytest.mark.parametrize("member", [*Errno, *Win32Error, *NtStatus], ids=lambda each: each.name)
def test_outcomes_are_written_by_name(member: Errno | Win32Error | NtStatus) -> None:
    (line,) = encode_trace([(5, "socket", member)])
    assert line == f'{{"t":5,"k":"socket","result":"{member.name}"}}'
    assert decoded([line]) == [(5, "socket", member)]


def test_a_line() -> None:
    """The format, literally: a change here breaks every stored trace."""
    records = [
        (7, "send", 3, 64, content(0, 0, 64)),
        (8, "recv", 4, 16_384, b""),
        (9, "epoll_wait", 5, None, [(3, 1), (4, 5)]),
        (10, "cb", "c0", "event", 0x11, None, 0, 2, 4),
        (11, "op", "c0", "enable", (2,)),
    ]
    assert encode_trace(records) == [
        '{"t":7,"k":"send","fd":3,"size":64,"result":"64@0"}',
        '{"t":8,"k":"recv","fd":4,"size":16384,"result":""}',
        '{"t":9,"k":"epoll_wait","epfd":5,"timeout_ns":null,"result":[[3,1],[4,5]]}',
        (
            '{"t":10,"k":"cb","bev":"c0","which":"event","what":17,"error":null,'
            '"input_length":0,"output_length":2,"enabled":4}'
        ),
        '{"t":11,"k":"op","bev":"c0","name":"enable","args":[2]}',
    ]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


@given(JSON)
def test_hostile_json(value: Any) -> None:
    """Anything but a record is a UsageError, and nothing else is raised."""
    with pytest.raises(UsageError, match="trace record"):
        decode_record(value)


@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_hostile_fields(kind: str, data: st.DataObject) -> None:
    """The right names with anything in them: a record, or a UsageError."""
    fields = {"t": data.draw(st.one_of(INTS, JSON)), "k": kind}
    fields |= {name: data.draw(JSON) for name in FIELDS[kind]}
    try:
        record = decode_record(fields)
    except UsageError as error:
        assert "trace record" in str(error)  # noqa: PT017  # a record is just as good
        return
    assert len(record) == 2 + len(FIELDS[kind])
    assert record[1] == kind


@pytest.mark.parametrize(
    "line",
    [
        '{"t":0,"k":"nosuch"}',
        '{"t":0,"k":"quiet","more":1}',
        '{"t":0,"k":"loop"}',
        '{"t":"0","k":"quiet"}',
        '{"t":0.5,"k":"quiet"}',
        '{"t":null,"k":"quiet"}',
        '{"t":true,"k":"quiet"}',
        '{"k":"quiet"}',
        '{"t":0,"k":["quiet"]}',
        '{"t":0,"k":"write","bev":"c0","data":"junk","result":0}',
        '{"t":0,"k":"write","bev":"c0","data":"hex:abc","result":0}',
        '{"t":0,"k":"write","bev":"c0","data":"5@99999999","result":0}',
        '{"t":0,"k":"op","bev":"c0","name":"enable","args":7}',
        "[]",
        "null",
        '"quiet"',
    ],
)
def test_what_is_no_record(line: str) -> None:
    with pytest.raises(UsageError, match="duopoll show"):
        decode_record(json.loads(line))


def test_trace_stamps_and_budgets() -> None:
    now = [3]
    trace = Trace(lambda: now[0], budget=2)
    trace.emit("quiet")
    now[0] = 5
    trace.emit("teardown")
    trace.check_budget()
    trace.emit("quiet")
    with pytest.raises(BudgetExceeded):
        trace.check_budget()
    trace.check_budget()
    assert trace.records == [(3, "quiet"), (5, "teardown"), (5, "quiet"), (5, "budget", 3)]
