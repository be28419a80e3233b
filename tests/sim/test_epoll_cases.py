"""Every case of harness/cases/epoll*.jsonl on the simulated Linux.

`epoll.jsonl` was checked by hand, `epoll_found.jsonl` came out of random programs,
`epoll_space.jsonl` keeps what was measured of send space, `epoll_rules.jsonl` applies the rules
that no other case does. The results are Linux 6.18's; `tests.real.test_epoll_cases` holds the
running kernel to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.conform.cases import Case, differences, own_cases
from harness.conform.vocabulary import operations
from model.choices import Choices
from model.errors import UsageError
from sim import epoll_cases
from sim.epoll_cases import BLOCKED, play

CASES = own_cases("epoll")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    assert not differences(play(case.steps), case.expected(None))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_dull_tape_changes_nothing(case: Case) -> None:
    """While the tape lasts the kernel takes other paths through its code."""
    assert play(case.steps, Choices([0] * 500)) == play(case.steps)


def test_the_whole_vocabulary() -> None:
    assert set(epoll_cases.OPERATIONS) == set(operations("epoll"))


def test_what_never_happens_is_blocked() -> None:
    steps: Sequence[Sequence[Any]] = [
        ["epoll_create", "e"],
        ["wait", "e", -1],
        ["start_wait", "T", "e", -1],
        ["join", "T"],
        ["signal", "T"],
        ["join", "T"],
    ]
    assert play(steps) == ["ok", BLOCKED, "ok", BLOCKED, "ok", "EINTR"]


def test_a_thread_or_an_address_that_nothing_made() -> None:
    with pytest.raises(UsageError, match="step 0, join: there is no thread 'T'"):
        play([["join", "T"]])
    with pytest.raises(UsageError, match="step 1, connect: 'l' has no address"):
        play([["socket", "s"], ["connect", "s", "l"]])
