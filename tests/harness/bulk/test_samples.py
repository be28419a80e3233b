"""A campaign's sample of runs: of the documented form, all over the campaign, and never torn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bulk.sample import BROKEN, NEW, RUNS, SAMPLED, how_observed, is_observed
from harness.observe import OBSERVATIONS, Observer
from harness.scenario_json import from_json
from harness.views.campaigns import observation_rows, observations
from tests.harness.bulk.test_campaigns import go
from tests.harness.test_observe import check


@given(st.integers(0, 1 << 40))
def test_some_hundred_batches_of_each_doubling_are_observed(start: int) -> None:
    size = 1 << start.bit_length()  # batches from `size` to twice as many
    step = max(1, size >> 8)
    assert all(is_observed(size + step * number) for number in range(min(size, 256)))
    assert is_observed(start) == (start % max(1, (size >> 1) >> 8) == 0)
    assert how_observed(start, 0, kept=False, broken=True) == BROKEN
    assert how_observed(start, RUNS, kept=True, broken=False) == NEW
    assert how_observed(start, RUNS, kept=False, broken=False) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    go(tmp_path, 120, mutant="timeout-early")
    return tmp_path


def test_a_campaign_leaves_observations_that_notebooks_read(folder: Path) -> None:
    told: list[dict[str, Any]] = list(observations(folder / OBSERVATIONS))
    for each in told:
        check(each)
        from_json(each["arguments"]["scenario"])
        assert each["metadata"]["mutant"] == "timeout-early"
    assert {each["how_generated"] for each in told} == {SAMPLED, NEW, BROKEN}
    broken = [each for each in told if each["how_generated"] == BROKEN]
    assert all(each["status"] == "failed" for each in broken)
    elapsed = [row[1] for row in observation_rows(folder / OBSERVATIONS)]
    assert elapsed == sorted(elapsed) and elapsed[-1] > 0


def test_a_torn_line_is_left_out_and_then_gone(folder: Path) -> None:
    path = folder / OBSERVATIONS
    before = list(observations(path))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:1000])
    assert list(observations(path)) == before
    go(folder, 200, mutant="timeout-early")
    assert path.read_bytes().startswith(whole + b"{")
    assert len(list(observations(path))) > len(before)


@pytest.mark.parametrize("size", [0, 1, 70_000, 200_000])
def test_what_was_torn_may_be_of_any_length(tmp_path: Path, size: int) -> None:
    path = tmp_path / OBSERVATIONS
    for whole in (b"", b"{}\n", b"{}\n" * 50_000):
        path.write_bytes(whole + b"x" * size)
        Observer(path).close()
        assert path.read_bytes() == whole
