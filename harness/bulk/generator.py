"""Cases: what one run is made of, drawn fresh or made out of another, in microseconds.

A case is bytes (the noise of a scenario and of a tape, see `harness.noise`) and the swarm that says
what exists in it, so whatever is done to its bytes, it is a valid scenario. Hypothesis draws the
same noise at some twenty times the cost, and shrinks it; nothing here shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from harness.bulk import swarm
from harness.bulk.swarm import Swarm, SwarmNoise
from harness.foreign import within
from harness.motifs import MOTIFS, with_motif
from harness.noise import Noise, scenario_of, tape_of
from harness.scenario import Scenario

#: bytes of noise, most of them few: a short run is soon over, and most bugs need no more
SIZES = (16, 32, 48, 64, 96, 160)
TAPE_SIZES = (4, 16, 48)
NOISE_MAX, TAPE_MAX = 512, 256  # bytes, of what mutation makes longer
_MUTATIONS = 3  # at most, at once


class Case(NamedTuple):
    """One scenario and one tape as bytes, and what exists in them."""

    noise: bytes
    tape: bytes = b""
    swarm: Swarm = Swarm()
    race_free: bool = False  # it tells one story in every world, and is run in all
    motif: tuple[int, int] = (0, 0)  # of foreign subjects: see harness.motifs


def fresh(
    random: Random,
    *,
    focus: str | None = None,
    race_free: bool = False,
    foreign: bool = False,
) -> Case:
    """A case out of nothing. `focus` fixes the swarm's; a foreign subject gets motifs."""
    drawn = swarm.draw(random, focus)
    noise = random.randbytes(SIZES[random.getrandbits(16) % len(SIZES)])
    tape = b""
    if drawn.taped:
        tape = random.randbytes(TAPE_SIZES[random.getrandbits(16) % len(TAPE_SIZES)])
    motif = (random.randrange(len(MOTIFS)), random.getrandbits(8)) if foreign else (0, 0)
    return Case(noise, tape, drawn, race_free, motif)


def mutated(case: Case, random: Random, others: Sequence[Case]) -> Case:
    """A case near `case`: some bytes changed, one part of `others` taken over, a step more or less.

    Whether it is race-free stays: what runs in every world goes on doing so.
    """
    noise, tape, drawn, race_free, motif = case
    for _ in range(1 + random.getrandbits(8) % _MUTATIONS):
        how = random.getrandbits(4)
        if how < 8:
            noise = _changed(noise, random)[:NOISE_MAX]
        elif how < 12:
            tape = _changed(tape, random)[:TAPE_MAX]
        elif how == 12 and others:
            other = others[random.randrange(len(others))]
            cut = random.randrange(len(noise) + 1)
            noise = (noise[:cut] + other.noise[cut:])[:NOISE_MAX]
        elif how == 13 and others:
            tape = others[random.randrange(len(others))].tape
        elif how == 14:
            drawn = drawn._replace(verbs=drawn.verbs ^ 1 << random.randrange(len(swarm.VERBS)))
        else:
            drawn = drawn._replace(taped=True)
            motif = (motif[0], random.getrandbits(8))
    return Case(noise, tape, drawn, race_free, motif)


def _changed(data: bytes, random: Random) -> bytes:
    """One edit: a byte, some bytes less, some more, some twice."""
    place = random.randrange(len(data) + 1)
    how = random.getrandbits(2)
    if how == 0 or not data:
        return data[:place] + random.randbytes(1 + random.getrandbits(2)) + data[place:]
    if how == 1:
        return data[:place] + random.randbytes(1) + data[place + 1 :]
    if how == 2:
        return data[:place] + data[place + 1 + random.getrandbits(2) :]
    start = random.randrange(len(data))
    return data[:place] + data[start : start + 1 + random.getrandbits(3)] + data[place:]


def scenario_and_tape(case: Case, foreign: bool = False) -> tuple[Scenario, tuple[int, ...]]:
    """What a case tells; the same case always tells the same."""
    noise: Noise
    if case.race_free:
        noise = Noise(case.noise)
        scenario = scenario_of(noise, race_free=True)
    else:
        scenario = scenario_of(SwarmNoise(case.noise, case.swarm), focus=case.swarm.focus)
    if foreign:
        scenario = within(scenario)
        if not case.race_free:
            scenario = with_motif(scenario, *case.motif)
    return scenario, tape_of(case.tape) if case.swarm.taped else ()
