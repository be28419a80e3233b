"""Hypothesis strategies for scenarios and tapes: strings of noise, read by `harness.noise`.

Each is two draws, a size class and the bytes. The classes overlap, so that what shrinks in one can
go on shrinking in the next smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hypothesis import currently_in_test_context, event, target
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from harness.features import events_seen, features
from harness.foreign import within
from harness.motifs import MOTIFS, with_motif
from harness.noise import scenario_of, tape_of
from harness.run import Outcome
from harness.scenario import Scenario

_SCENARIO_NOISE = st.one_of(
    st.binary(max_size=32),
    st.binary(min_size=24, max_size=96),
    st.binary(min_size=64, max_size=256),
)
_TAPE_NOISE = st.one_of(st.just(b""), st.binary(max_size=16), st.binary(min_size=8, max_size=100))
_MOTIF = st.tuples(st.integers(0, len(MOTIFS) - 1), st.integers(0, 255))


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
def foreign_scenarios(draw: st.DrawFn, *, race_free: bool = False) -> Scenario:
    """The same for foreign subjects: within their reach, and unless `race_free` with the situations
    that `harness.motifs` knows."""
    scenario = within(scenario_of(draw(_SCENARIO_NOISE), race_free=race_free))
    if race_free:
        return scenario
    which, number = draw(_MOTIF)
    return with_motif(scenario, which, number)


@st.composite
def tapes(draw: st.DrawFn) -> tuple[int, ...]:
    """Tapes: none, short or long."""
    return tape_of(draw(_TAPE_NOISE))


def tell_hypothesis(outcomes: Sequence[Outcome]) -> None:
    """What runs of one example show, for `--hypothesis-show-statistics` and for targeted search:
    an event for each feature, and as scores how many properties had something to say and how many
    kinds of event callbacks came. Outside of a test of Hypothesis nothing is done.
    """
    if not currently_in_test_context():
        return
    for outcome in outcomes:
        seen = events_seen(outcome.records)
        for feature in sorted(features(outcome.scenario) | seen):
            event(feature)
        for violation in outcome.verdicts.violations:
            event(f"{violation.property} breaks in {outcome.world}")
        judged = sum(1 for times in outcome.verdicts.checked.values() if times)
        scores = (("properties judged", judged), ("kinds of events", len(seen)))
        for name, score in scores:
            with suppress(InvalidArgument):  # a second run of this example in the same world
                target(float(score), label=f"{name} in {outcome.world}")
