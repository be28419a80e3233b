"""Hypothesis strategies for scenarios and tapes: strings of noise, read by `harness.noise`.

Each is two draws, a size class and the bytes. The classes overlap, so that what shrinks in one can
go on shrinking in the next smaller.
"""

from __future__ import annotations

from functools import cache, partial

from hypothesis import strategies as st

from harness.noise import scenario_of, tape_of
from harness.scenario import Scenario


@cache
def scenarios(*, race_free: bool = False, max_connections: int = 2) -> st.SearchStrategy[Scenario]:
    """Whole scenarios, small by default.

    `race_free` ones tell the same story in every world (`harness.compare.race_free` holds).
    """
    noise = st.one_of(
        st.binary(max_size=16),
        st.binary(min_size=8, max_size=48),
        st.binary(min_size=32, max_size=200),
    )
    read = partial(scenario_of, race_free=race_free, max_connections=max_connections)
    return noise.map(read)


@cache
def tapes() -> st.SearchStrategy[tuple[int, ...]]:
    """Tapes: none, short or long."""
    noise = st.one_of(st.just(b""), st.binary(max_size=16), st.binary(min_size=8, max_size=100))
    return noise.map(tape_of)
