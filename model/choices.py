"""The tape: the only source of free decisions in a simulated world.

A decision has a name and a bound; the tape gives the next small integer, reduced to the bound.
0 is always the dull answer (first in, first out; whole transfer; no latency; no fault), and a
tape that has ended answers 0 for ever: so cutting a tape short makes a run duller, which is what a
shrinker wants. Decisions taken from the tape are kept by name, so that a replay that no longer
fits can say where it first differs instead of going astray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from model.errors import Divergence


class Decision(NamedTuple):
    """One answer: `value` in `range(bound)`."""

    name: str
    bound: int
    value: int


class Choices:
    """Answers from a finite tape of non-negative integers, recorded by name."""

    __slots__ = ("decisions", "position", "tape")

    def __init__(self, tape: Sequence[int] = ()) -> None:
        self.tape = tape
        self.position = 0
        self.decisions: list[Decision] = []

    def draw(self, name: str, bound: int) -> int:
        """An integer in `range(bound)`; 0 when the tape has ended. A bound of 1 takes nothing."""
        position = self.position
        if bound <= 1 or position >= len(self.tape):
            return 0
        value = self.tape[position] % bound
        self.position = position + 1
        self.decisions.append(Decision(name, bound, value))
        return value

    def watch(self, candidates: Callable[[], Sequence[str]], position: Callable[[], int]) -> None:
        """A world with threads says how to ask between whom the next thread is being drawn, and
        how many records there are.

        A tape need not know; a source that follows a policy (`harness.schedules`) does.
        """


class StrictChoices(Choices):
    """Replays recorded decisions and refuses to go astray.

    Raises `Divergence` where the name or the bound of a decision is not the recorded one, and
    (from `finish`) where recorded decisions were never asked for.
    """

    __slots__ = ("expected",)

    def __init__(self, expected: Sequence[Decision]) -> None:
        super().__init__([decision.value for decision in expected])
        self.expected = expected

    def draw(self, name: str, bound: int) -> int:
        position = self.position
        if bound > 1 and position < len(self.expected):
            want = self.expected[position]
            if (name, bound) != (want.name, want.bound):
                raise Divergence(
                    f"decision {position}: recorded {want.name!r} of {want.bound},"
                    f" this run asks {name!r} of {bound}"
                )
        return super().draw(name, bound)

    def finish(self) -> None:
        """Call after the run: raises `Divergence` if recorded decisions are left over."""
        if self.position < len(self.expected):
            want = self.expected[self.position]
            raise Divergence(
                f"decision {self.position}: recorded {want.name!r} of {want.bound},"
                " this run ended before it"
            )
