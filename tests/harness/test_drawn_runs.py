"""Drawn scenarios of every kind in both simulated worlds: none breaks a property.

What Hypothesis draws is a seed. The bytes that a scenario is read out of come from a generator of
random numbers, so that they are as long and as various as those of a hunt.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.noise import FOCUSES, scenario_of, tape_of
from harness.run import run

WORLDS = ("sim-epoll", "sim-iocp")
SIZES = (24, 60, 120, 240)  # bytes of noise


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("focus", [*FOCUSES, "timers"])
@pytest.mark.parametrize("world", WORLDS)
@given(st.integers(0, (1 << 64) - 1), st.sampled_from(SIZES), st.booleans())
@settings(max_examples=120)
def test_no_property_breaks(
    world: str, focus: str, threads: bool, seed: int, size: int, taped: bool
) -> None:
    random = Random(seed)
    scenario = scenario_of(random.randbytes(size), focus=focus, threads=threads)
    tape = tape_of(random.randbytes(40)) if taped else ()
    outcome = run(scenario, world, tape=tape)
    assert outcome.verdicts.violations == ()
