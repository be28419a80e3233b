"""Every mutant is found, and by the property that it names."""

from __future__ import annotations

import pytest

from harness.cli import main
from harness.mutation import hunt
from model.mutants import MUTANTS

RUNS = 20_000  # at most; half of the mutants need fewer than 60


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_found_by_its_property(name: str) -> None:
    found = hunt(MUTANTS[name], runs=RUNS, number=1)
    assert found.found, f"{name} lived through {found.runs} runs"
    assert MUTANTS[name].breaks in found.broken


def test_the_board_says_what_lives(capsys: pytest.CaptureFixture[str]) -> None:
    """One run for each: most mutants live, and the exit code says so."""
    assert main(["mutants", "--find", "--runs", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    medians = lines.pop()
    assert [line.split()[0] for line in lines] == list(MUTANTS)
    assert medians.startswith("median of those found: ") and medians.endswith(" seconds")
    assert any("NOT FOUND" in line for line in lines)
