"""Every case of harness/cases/iocp*.jsonl on the simulated completion kernel, under both profiles.

`duopoll conform` plays the same on Wine 8. `iocp_more.jsonl` states what the sources say of calls
that `iocp.jsonl` leaves out, and what Wine 8 was seen to do there.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.conform.cases import Case, differences, own_cases
from model.errors import UsageError
from sim.iocp_cases import BLOCKED, play
from sim.iocp_profile import PROFILES

CASES = own_cases("iocp")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, profile: str) -> None:
    assert not differences(play(case.steps, profile), case.expected(profile))


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(UsageError, match="step 1, recv: the name 'a' stands for nothing"):
        play([["port", "p"], ["recv", "a", "o", 8]])


def test_a_plain_call_that_cannot_return() -> None:
    assert play([["tcp_pair", "a", "b"], ["raw_recv", "a", 8], ["raw_send", "b", 3]]) == [
        "ok",
        BLOCKED,
        3,
    ]


def test_an_overlapped_is_the_operation_submitted_last() -> None:
    steps: list[list[Any]] = [
        ["port", "p"],
        ["tcp_pair", "a", "b"],
        ["assoc", "p", "a", 7],
        ["recv", "a", "o", 8],
        ["recv", "a", "o", 8],
        ["cancel", "a", "o"],
        ["get", "p", 0],
        ["get", "p", 0],
    ]
    assert play(steps)[6:] == [["fail", 995, 7, "o", 0], ["none", 258]]
