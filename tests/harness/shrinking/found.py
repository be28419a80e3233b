"""Failures of mutants, found with a fixed seed and as large as they were found."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from harness.failure import FailureFile
from harness.noise import scenario_of, tape_of
from harness.run import run
from harness.thread_hunt import WORLDS, find
from model.mutants import MUTANTS

SIZES = (48, 96, 160)  # bytes of noise


@cache
def found(name: str) -> FailureFile:
    """The first failure of a mutant."""
    mutant = MUTANTS[name]
    if mutant.threads:
        first = find(mutant, seed=1)
        assert first.outcome is not None
        return FailureFile.of(replace(first.outcome, tape=first.tape), mutant.breaks)
    drawn = random.Random(1)
    for _ in range(5_000):
        scenario = scenario_of(drawn.randbytes(drawn.choice(SIZES)))
        tape = tape_of(drawn.randbytes(64))
        outcome = run(scenario, WORLDS[mutant.kernels[0]], tape=tape, mutant=name)
        if any(each.property == mutant.breaks for each in outcome.verdicts.violations):
            return FailureFile.of(outcome, mutant.breaks)
    raise AssertionError(f"{name} was not found")
