"""Every failure that our own model once had, shrunk, must stay mended.

A file in tests/regressions is the failure file of the day: its scenario and tape are run again,
and no property may break.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.failure import load
from harness.run import run

FILES = sorted((Path(__file__).parent / "regressions").glob("*.jsonl"))


def test_there_are_some() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stays_mended(path: Path) -> None:
    failure = load(path)
    assert failure.violations, "the file says what broke"
    outcome = run(failure.scenario, failure.world, tape=failure.tape)
    assert outcome.verdicts.violations == ()
