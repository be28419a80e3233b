"""Runs `iocp_contract` where there is a completion kernel: in the Windows interpreter, or here."""

from __future__ import annotations

import json
import sys
from functools import cache

import pytest

from real import wine
from real.world import why_not
from tests.real import iocp_contract


@cache
def results() -> dict[str, str | None]:
    """Check -> None, or how it failed; all checks in one process."""
    if sys.platform == "win32":
        return iocp_contract.run_all()
    code, output = _run_checks()
    if code == 0 and not output:  # on a loaded machine Wine 8 loses a process as it starts
        code, output = _run_checks()
    assert code == 0, output
    told: dict[str, str | None] = json.loads(output.strip().splitlines()[-1])
    return told


def _run_checks() -> tuple[int, str]:
    return wine.run_interpreter(["-m", "tests.real.iocp_contract"], timeout_s=60)


@pytest.mark.parametrize("name", sorted(iocp_contract.CHECKS))
def test_contract(name: str) -> None:
    if reason := why_not("iocp"):
        pytest.skip(reason)
    assert results()[name] is None, results()[name]
