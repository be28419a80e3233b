"""Hypothesis strategies for scenarios and tapes: strings of noise, read by `harness.noise`.

Each is two draws, a size class and the bytes. The classes overlap, so that what shrinks in one can
go on shrinking in the next smaller.
"""

from __future__ import annotations

from hypothesis import strategies as st

from harness.noise import scenario_of, tape_of
from harness.scenario import Scenario

_SCENARIO_NOISE = st.one_of(
    st.binary(max_size=32),
    st.binary(min_size=24, max_size=96),
    st.binary(min_size=64, max_size=256),
)
_TAPE_NOISE = st.one_of(st.just(b""), st.binary(max_size=16), st.binary(min_size=8, max_size=100))


# Composite, and not `map`: so Hypothesis prints the scenario and not the noise.


@st.composite
def scenarios(
    draw: st.DrawFn, *, race_free: bool = False, max_connections: int = 2, focus: str = ""
) -> Scenario:
    """Whole scenarios, small by default.

    `race_free` ones tell the same story in every world (`harness.compare.race_free` holds). With a
    `focus` (`harness.noise.FOCUSES`) every second one has it.
    """
    noise = draw(_SCENARIO_NOISE)
    given = focus if focus and draw(st.booleans()) else ""
    return scenario_of(noise, race_free=race_free, max_connections=max_connections, focus=given)


@st.composite
def tapes(draw: st.DrawFn) -> tuple[int, ...]:
    """Tapes: none, short or long."""
    return tape_of(draw(_TAPE_NOISE))
