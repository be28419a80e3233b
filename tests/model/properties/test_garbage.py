"""Records that no run would write: the check never raises, and says which it could not read."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import Errno, NtStatus, Win32Error
from model.properties import PROPERTY, check
from model.trace import FIELDS, Record

_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "bev": st.sampled_from(["c0", "s0", "l0", "g0"]),
    "direction": st.sampled_from(["read", "write"]),
    "reasons": st.sampled_from([0, 2, 4, 6, None]),
    "read_limit": st.integers(-9, 9),
    "write_limit": st.integers(-9, 9),
    "peer": st.sampled_from(["c0", "s0"]),
    "fd": st.integers(3, 6),
    "overlapped": st.integers(1, 3),
    "which": st.sampled_from(["read", "write", "event", "accept"]),
    "what": st.integers(0, 255),
    "enabled": st.sampled_from([0, 2, 4, 6]),
    "input_length": st.integers(0, 9),
    "output_length": st.integers(0, 9),
    "size": st.integers(0, 9),
    "type": st.sampled_from(["socket", "listener"]),
    "options": st.sampled_from([0, 1, 5]),
    "data": st.binary(max_size=9),
    "name": st.sampled_from(
        [
            *("enable", "disable", "setwatermark", "set_timeouts", "setcb", "connect", "free"),
            *("set_rate_limit", "add_to_rate_limit_group", "remove_from_rate_limit_group"),
            *("decrement_read_limit", "set_max_single_write", "rate_limit_group_new"),
            *("rate_limit_group_set_cfg", "rate_limit_group_set_min_share"),
        ]
    ),
    "args": st.one_of(
        st.lists(st.integers(0, 6), max_size=3).map(tuple),
        st.tuples(*[st.integers(0, 6)] * 5),
        st.sampled_from([(5, 9, 5, 9, 1_000_000), (0,), (None,)]),
    ),
    "mask": st.integers(0, 7),
    "op": st.integers(1, 3),
    "operation": st.sampled_from(
        ["recv", "send", "connect", "accept", "shutdown", "close", "reset"]
    ),
    "status": st.sampled_from([NtStatus.SUCCESS, NtStatus.CONNECTION_RESET]),
    "timeout_ns": st.sampled_from([None, 0, 1_000_000]),
}
_RESULT = st.one_of(
    st.none(),
    st.integers(-1, 9),
    st.binary(max_size=9),
    st.sampled_from([Errno.EAGAIN, Errno.ECONNRESET, Win32Error.WSA_IO_PENDING, Errno.EBADF]),
    st.lists(st.tuples(st.integers(3, 6), st.integers(0, 31)), max_size=2),
)
_ANYTHING = st.one_of(_RESULT, st.text(max_size=3), st.floats(), st.lists(st.integers()))


def _record(kind: str) -> st.SearchStrategy[Record]:
    fields = [_FIELD.get(name, _RESULT) for name in FIELDS[kind]]
    return st.tuples(st.integers(0, 10**9), st.just(kind), *fields)


PLAUSIBLE = st.lists(st.sampled_from(sorted(FIELDS)).flatmap(_record), max_size=40)
WILD = st.lists(
    st.tuples(st.integers(), st.sampled_from([*sorted(FIELDS), "?"])).flatmap(
        lambda head: st.lists(_ANYTHING, max_size=9).map(lambda rest: (*head, *rest))
    ),
    max_size=20,
)


@given(st.one_of(PLAUSIBLE, WILD), st.booleans(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_it_never_raises(records: list[Record], completion: bool, simulated: bool) -> None:
    verdicts = check(records, completion=completion, simulated=simulated, close_tolerance_ns=0)
    assert set(verdicts.checked) == set(PROPERTY)
    assert all(0 <= index < len(records) for index in verdicts.unreadable)
    for violation in verdicts.violations:
        assert violation.property in PROPERTY
        assert -1 <= violation.record < len(records)


def test_an_unreadable_record_is_named_and_the_others_are_judged() -> None:
    records: list[Record] = [
        (0, "new", "s0", "socket", 1, 5),
        (0, "op", "s0", "enable", ()),
        (0, "cb", "s0", "read", 0, None, 0, 0, 6),
    ]
    verdicts = check(records, completion=False, simulated=True, close_tolerance_ns=0)
    assert verdicts.unreadable == (1,)
    assert [each.property for each in verdicts.violations] == ["C-2"]
