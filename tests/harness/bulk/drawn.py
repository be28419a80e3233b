"""Hypothesis strategies for swarms, cases and entries."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from harness.bulk import swarm
from harness.bulk.corpus import KEY_MAX, Entry
from harness.bulk.generator import Case, fresh
from harness.bulk.search import Findings
from harness.bulk.swarm import Swarm
from harness.motifs import MOTIFS
from harness.noise import CALLBACKS, FOCUSES

randoms = st.integers(0, 1 << 64).map(Random)
swarms = st.builds(
    Swarm,
    verbs=st.integers(0, swarm.ALL),
    parts=st.lists(st.sampled_from(swarm.PARTS), unique=True).map(tuple),
    kinds=st.sampled_from(swarm.kinds_of_connections()),
    focus=st.sampled_from(FOCUSES),
    sparsity=st.sampled_from(swarm.SPARSITIES),
    taped=st.booleans(),
    callbacks=st.lists(st.sampled_from(CALLBACKS), unique=True).map(tuple),
)
cases = st.builds(
    Case,
    noise=st.binary(max_size=128),
    tape=st.binary(max_size=32),
    swarm=swarms,
    race_free=st.booleans(),
    motif=st.tuples(st.integers(0, len(MOTIFS) - 1), st.integers(0, 255)),
)
fresh_cases = st.builds(fresh, randoms, race_free=st.booleans(), foreign=st.booleans())
_KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=KEY_MAX)
entries = st.builds(
    Entry,
    case=cases | fresh_cases,
    world=st.sampled_from(("sim-epoll", "sim-iocp")),
    new=st.lists(_KEYS, max_size=5).map(tuple),
)


def timeless(findings: Findings) -> Findings:
    """The same but for the times that it took."""
    findings.seconds = 0.0
    for each in findings.observed:
        each["timing"] = {}
    return findings
