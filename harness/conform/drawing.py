"""What the random programs of both kernels have in common: drawing steps one after the other.

A program is drawn through one function, `pick(n)`: an integer below n, where 0 is the dull answer;
so whatever draws integers can draw programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Pick = Callable[[int], int]

OPERATIONS_MAX = 24
THREADS_MAX = 2

T = TypeVar("T")


class Drawing:
    """A program that is being drawn: its steps so far, and its threads that wait."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.steps: list[list[Any]] = []
        self.threads: list[str] = []
        self.made = 0

    def one(self, things: Sequence[T]) -> T:
        """One of these."""
        return things[self.pick(len(things))]

    def new(self, kind: str) -> str:
        """A name that nothing has had."""
        self.made += 1
        return f"{kind}{self.made}"

    def add(self, *step: Any, moves: bool = False) -> None:
        """A step; one that `moves` something, or any beside a thread, is followed by a settle."""
        self.steps.append(list(step))
        if moves or self.threads:
            self.steps.append(["settle"])

    def weighed(self, table: Sequence[tuple[int, T]]) -> T:
        """One of the things in a table, each as likely as its weight."""
        point = self.pick(sum(weight for weight, _ in table))
        for weight, thing in table:
            point -= weight
            if point < 0:
                return thing
        raise AssertionError("the weights are summed up")
