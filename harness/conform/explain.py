"""Looks for a tape that makes the simulated kernel give the results of the real one.

A tape explains results when the case played with it gives just these. Tapes are searched by
deviations from the dull one: a long tape of zeros shows which decisions the run would take, and
when; one of those that fall before the first step that differs is changed, then, from the tapes
whose results agree longest, a second, and a third. The search is bounded by the number of plays.
Only decisions that the caller names are changed: a tape that cuts reads short can explain too much.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from model.choices import Choices, Decision

TAPE = 400  # decisions of one run that are looked at
DEPTH = 3  # deviations at most
BREADTH = 6  # tapes to go on from
BUDGET = 400  # plays

#: plays a case: choices, and what is told each step's number; gives the results
Play = Callable[[Choices, Callable[[int], object] | None], Sequence[Any]]


class _Try(NamedTuple):
    """A tape, as its deviations, and for how many steps its results are the wanted ones."""

    agrees: int
    deviations: tuple[tuple[int, int], ...]

    def tape(self, least: int = 0) -> list[int]:
        """The tape itself, of at least this length."""
        last = self.deviations[-1][0] + 1 if self.deviations else 0
        tape = [0] * max(least, last)
        for position, value in self.deviations:
            tape[position] = value
        return tape


def explain(
    play: Play, wanted: Sequence[Any], names: Collection[str], budget: int = BUDGET
) -> list[Decision] | None:
    """The decisions, none of them dull, that lead to `wanted`; None when none were found."""
    front = [_Try(_agreeing(play(Choices(), None), wanted), ())]
    if front[0].agrees == len(wanted):
        return []
    for _ in range(DEPTH):
        found = []
        front.sort(key=lambda one: (-one.agrees, one.deviations))
        for base in front[:BREADTH]:
            for deviations in _further(play, base, names):
                budget -= 1
                if budget < 0:
                    return None
                one = _Try(0, deviations)
                choices = Choices(one.tape())
                agrees = _agreeing(play(choices, None), wanted)
                if agrees == len(wanted):
                    return [decision for decision in choices.decisions if decision.value]
                found.append(one._replace(agrees=agrees))
        front = found
    return None


def _agreeing(results: Sequence[Any], wanted: Sequence[Any]) -> int:
    """How many results at the beginning are the wanted ones."""
    for step, (result, want) in enumerate(zip(results, wanted, strict=True)):
        if result != want:
            return step
    return len(wanted)


def _further(play: Play, base: _Try, names: Collection[str]) -> list[tuple[tuple[int, int], ...]]:
    """The tapes with one deviation more, before the first step that differs has ended."""
    begins: list[int] = []
    choices = Choices(base.tape(TAPE))
    play(choices, lambda step: begins.append(choices.position))
    first = base.deviations[-1][0] + 1 if base.deviations else 0
    after = base.agrees + 1
    last = begins[after] if after < len(begins) else choices.position
    return [
        (*base.deviations, (position, value))
        for position in range(first, last)
        if choices.decisions[position].name in names
        for value in range(1, choices.decisions[position].bound)
    ]
