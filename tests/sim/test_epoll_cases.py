"""The simulated kernel gives what Linux gave, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.epoll_cases import OPERATIONS, load_cases, matches, play

ALL = load_cases()


@pytest.mark.parametrize("case", ALL, ids=[case["name"] for case in ALL])
def test_case(case: dict[str, Any]) -> None:
    results = play(case["steps"])
    for step, expected, got in zip(case["steps"], case["expect"], results, strict=True):
        assert matches(expected, got), f"{step}: Linux gave {expected}, we {got}"


def test_every_operation_is_played() -> None:
    used = {step[0] for case in ALL for step in case["steps"]}
    assert used <= set(OPERATIONS), "operations of the cases that nobody plays"
    assert len(ALL) == 157 + 5
