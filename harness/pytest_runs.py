"""What the pytest plugin does when it is asked: scenarios run and judged, files replayed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.compare import compare, race_free
from harness.failure import FailureFile, load, save_in
from harness.replay import replay
from harness.run import Outcome, run
from harness.scenario import Scenario
from harness.story import replay_command, story, three_blocks
from harness.worlds import SIMULATED, is_simulated
from model.errors import Divergence


@dataclass
class Runs:
    """What one test ran. `failure` is the last one that broke a property: Hypothesis's smallest."""

    worlds: Counter[str] = field(default_factory=Counter)
    failure: FailureFile | None = None

    def keep(self, folder: str) -> tuple[str, str, str]:
        """Writes the failure: its path, the command that replays it, and all there is to say."""
        assert self.failure is not None
        path = save_in(folder, self.failure)
        return str(path), replay_command(path), three_blocks(self.failure, path)


_RUNS = pytest.StashKey[Runs]()


def runs_of(item: pytest.Item) -> Runs | None:
    """What the test ran, if it ran anything."""
    return item.stash.get(_RUNS, None)


class Duopoll:
    """The fixture: one for all tests; `current` says whose runs are counted."""

    def __init__(self, current: Callable[[], pytest.Item]) -> None:
        self._current = current

    def run(
        self,
        scenario: Scenario,
        worlds: Sequence[str] = SIMULATED,
        *,
        tape: Sequence[int] = (),
        subject: str = "model",
        mutant: str | None = None,
    ) -> dict[str, Outcome]:
        """Runs the scenario once in each world and holds the runs to every property.

        The test fails with the story of the first that broke. Worlds are compared with each other
        where the scenario has one story in all of them. Raises `UsageError` for wrong names and
        `WorldUnavailable` for a world that does not run here.
        """
        outcomes = {}
        runs = self._current().stash.setdefault(_RUNS, Runs())
        for world in worlds:
            drawn = tape if is_simulated(world) else ()
            outcomes[world] = run(scenario, world, tape=drawn, subject=subject, mutant=mutant)
            runs.worlds[world] += 1
        if "hypothesis" in sys.modules:
            from harness.strategies import tell_hypothesis

            tell_hypothesis(list(outcomes.values()))
        failure = _first_failure(scenario, list(outcomes.values()))
        if failure is not None:
            runs.failure = failure
            pytest.fail("\n".join(story(failure)), pytrace=False)
        return outcomes


def _first_failure(scenario: Scenario, outcomes: list[Outcome]) -> FailureFile | None:
    for outcome in outcomes:
        if outcome.verdicts.violations:
            return FailureFile.of(outcome)
    if len(outcomes) < 2 or not race_free(scenario):
        return None
    compared = _compared(outcomes)
    others = [outcome.world for outcome in outcomes[1:]]
    return FailureFile.of(compared, others=others) if compared.verdicts.violations else None


def _compared(outcomes: Sequence[Outcome]) -> Outcome:
    """The first of several runs, with what comparing them says."""
    return outcomes[0] if len(outcomes) < 2 else replace(outcomes[0], verdicts=compare(outcomes))


class Replayed(NamedTuple):
    """What a replay came to; `broken` is None if every property was kept."""

    world: str
    runs: int
    broken: str | None
    message: str
    command: str


def replay_failure(path: Path) -> Replayed:
    """Replays a file. A run that no longer fits (its bug may be mended) is judged as it is now.

    Raises `UsageError` for a bad file and `WorldUnavailable` for a world that does not run here.
    """
    failure = load(path)
    command = replay_command(path)
    try:
        result = replay(failure)
        outcome, message = result.outcome, result.message
    except Divergence:
        outcome = _compared([_again(failure, world) for world in (failure.world, *failure.others)])
        message = f"{failure.world}: the run is not the recorded one any more"
    violations = outcome.verdicts.violations
    if not violations:
        return Replayed(failure.world, 1, None, message, command)
    told = "\n".join([message, "", *story(FailureFile.of(outcome)), "", command])
    return Replayed(failure.world, 1, violations[0].property, told, command)


def _again(failure: FailureFile, world: str) -> Outcome:
    tape = failure.tape if is_simulated(world) else ()
    subject, mutant = failure.subject, failure.mutant
    return run(failure.scenario, world, tape=tape, subject=subject, mutant=mutant)
