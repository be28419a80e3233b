"""What is shrunk: a scenario with a tape; and one smaller thing to try in its place."""

from __future__ import annotations

from typing import NamedTuple

from harness.scenario import Scenario, steps_of


class Case(NamedTuple):
    """A run in a simulated world is a function of these two."""

    scenario: Scenario
    tape: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of the application, its threads, its callbacks and its peers."""
        return len(list(steps_of(self.scenario)))

    @property
    def decisions(self) -> int:
        """Decisions that are not dull."""
        return sum(map(bool, self.tape))


class Removal(NamedTuple):
    """One thing less. `named`: the tape's decisions go to the draws of the same names.

    Without that they go to the draws in the same places, which are other draws where those of the
    part that was removed are missing.
    """

    kind: str
    case: Case
    named: bool = False
