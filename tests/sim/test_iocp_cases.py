"""Every case of tests/cases/iocp*.jsonl on the simulated completion kernel, under both profiles.

`iocp.jsonl` was checked against Wine 8.0. `iocp_more.jsonl` states what the sources say of calls
that it leaves out; no real kernel has run it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.iocp_profile import PROFILES
from tests.sim.iocp_cases import agrees, expectation, run_case

CASES = Path(__file__).parents[1] / "cases"


def load() -> list[Any]:
    """The cases, with the profile that each is run under."""
    lines = [
        line
        for name in ("iocp.jsonl", "iocp_more.jsonl")
        for line in (CASES / name).read_text(encoding="utf-8").splitlines()
    ]
    cases = [json.loads(line) for line in lines]
    return [
        pytest.param(case, profile, id=f"{profile}-{case['name']}")
        for profile in PROFILES
        for case in cases
    ]


@pytest.mark.parametrize(("case", "profile"), load())
def test_case(case: dict[str, Any], profile: str) -> None:
    results = run_case(case, PROFILES[profile])
    expected = expectation(case, PROFILES[profile])
    wrong = [
        (index, step, result, want)
        for index, (step, result, want) in enumerate(
            zip(case["steps"], results, expected, strict=True)
        )
        if not agrees(result, want)
    ]
    assert not wrong
