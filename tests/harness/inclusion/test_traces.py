"""Real traces that the simulated kernels could not have made, until they were found."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.inclusion.command import explain_file
from harness.inclusion.tightness import Tightness

TRACES = sorted((Path(__file__).parent / "traces").glob("*.jsonl"))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_trace_that_was_too_much_once(path: Path) -> None:
    tightness: dict[str, Tightness] = {}
    traced = explain_file(str(path), tightness)
    assert traced.explanation is not None
    assert traced.explanation.explained, traced.told()
    assert tightness[traced.run.world].traces == 1


def test_all_of_them_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(TRACES) >= 8
    files = [argument for path in TRACES for argument in ("--trace", str(path))]
    assert main(["conform", *files]) == 0
    told = capsys.readouterr().out
    assert told.count(": explained\n") == len(TRACES)
    assert "\n  iocp.close_takes          0, 1\n" in told
    assert "\n  iocp.close_meets_reset    1\n" in told
    assert "\n  iocp.reset_told           1\n" in told
