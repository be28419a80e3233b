"""Trials: short runs whole, long ones mostly given up, and what is told of always a whole run."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings

from harness.bulk.generator import Case
from harness.bulk.novelty import keys_of, never_exercised, text_of
from harness.bulk.search import Search, Trial
from harness.run import run
from model.properties import PROPERTIES
from tests.harness.bulk.drawn import cases

WORLDS = ("sim-epoll", "sim-iocp")


def same_as_a_plain_run(trial: Trial, mutant: str | None) -> bool:
    """Whether each run of the trial that broke something is what anybody else gets."""
    return all(
        run(o.scenario, o.world, tape=o.tape, mutant=mutant).records == o.records
        for o in trial.outcomes
        if o.verdicts.violations
    )


@settings(max_examples=25)
@given(cases)
def test_the_model_breaks_nothing_and_trials_repeat(case: Case) -> None:
    one, other = (Search(Random(3), WORLDS).trial(case) for _ in range(2))
    assert one == other
    assert not one.broken
    assert len(one.outcomes) == (2 if case.race_free else 1)
    assert all(map(text_of, set().union(*map(keys_of, one.outcomes))))


def test_what_is_told_of_is_a_whole_run() -> None:
    """Of a mutant that spins most long runs are given up, the others go on to their end."""
    search = Search(Random(1), ("sim-epoll",), mutant="timeout-repeats")
    trials = [search.trial(search.draw()) for _ in range(60)]
    broken = [trial for trial in trials if trial.broken]
    assert broken
    assert all(same_as_a_plain_run(trial, "timeout-repeats") for trial in broken[:10])


def test_never_exercised_is_what_the_worlds_could_judge() -> None:
    everything = [each.id for each in PROPERTIES]
    assert never_exercised(everything, WORLDS) == []
    silent = never_exercised([], WORLDS)
    assert {"X-1", "L-1", "E-4"} <= set(silent)
    assert not any(name.startswith("K-") for name in silent)
    assert "X-1" not in never_exercised([], ("sim-epoll",))
