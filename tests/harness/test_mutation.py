"""Every mutant is found, and by the property that it names."""

from __future__ import annotations

import pytest

from harness.mutation import hunt
from model.mutants import MUTANTS

RUNS = 20_000  # at most; half of the mutants need fewer than 60


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_found_by_its_property(name: str) -> None:
    found = hunt(MUTANTS[name], runs=RUNS, number=1)
    assert found.found, f"{name} lived through {found.runs} runs"
    assert MUTANTS[name].breaks in found.broken
