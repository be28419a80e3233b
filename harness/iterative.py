"""Every schedule of a program, those with the fewest preemptions first.

`Exhaustive` (`harness.schedules`) goes depth first: cut short, it has seen how a program ends in
every order, and its beginning in one. Here all schedules without a preemption come first, then
those with one, then with two (Musuvathi, Qadeer: Iterative Context Bounding, PLDI 2007). A search
that is cut short has still seen all with so many preemptions (`seen`), and may go on later. It
keeps every schedule that may have children yet; `Exhaustive` keeps but the one it is at.

Each schedule but the first has a parent: the same up to its last decision that is not dull, and
dull there. So none comes twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from harness.schedules import PREEMPTION, THREAD_DRAWS, Prefix, Source

ANY = 1 << 30  # preemptions: more than a run has switch points

#: what a run answered, and where it might have answered otherwise: the place and how many answers
_Parent = tuple[tuple[int, ...], list[tuple[int, int]]]


class Iterative:
    """`bound` is the most preemptions of a run (None: no bound), `until` the most for now: then
    `source` has nothing more until it is raised."""

    def __init__(self, bound: int | None) -> None:
        self.name = "iterative" if bound is None else f"iterative, {bound} preemptions"
        self.until = bound
        self._bound = bound
        self._level = 0  # preemptions of the runs that are on
        self._given: Iterator[list[int]] = iter([[]])
        self._now: deque[_Parent] = deque()  # whose children have as many
        self._next: deque[_Parent] = deque()  # and whose have one more
        self._place = 0  # behind what was given to the run that is on
        self._idle = False  # all of this level were given out
        self._cut = False
        self.runs = 0

    @property
    def complete(self) -> bool:
        """Whether every schedule within the bound has been seen."""
        return self._idle and not self._next

    @property
    def unbounded(self) -> bool:
        """Whether that is every schedule that there is."""
        return self.complete and not self._cut

    @property
    def seen(self) -> int:
        """With how many preemptions, at most, every schedule has been seen; -1: not even without
        any."""
        if self.unbounded:
            return ANY
        return self._level if self._idle else self._level - 1

    def source(self) -> Source | None:
        """The next schedule that has not been seen."""
        given = self._next_given()
        self._idle = given is None
        if given is None:
            return None
        self._place = len(given)
        return Prefix(given)

    def _next_given(self) -> list[int] | None:
        while (given := next(self._given, None)) is None:
            if not self._now:
                if not self._next or (self.until is not None and self._level >= self.until):
                    return None
                self._now, self._next = self._next, deque()
                self._level += 1
            self._given = _children(*self._now.popleft())
        return given

    def ended(self, source: Source) -> None:
        """Notes where a run may leave this one, behind what was given."""
        self.runs += 1
        free: list[tuple[int, int]] = []
        paid: list[tuple[int, int]] = []
        decisions = source.decisions
        for place in range(self._place, len(decisions)):
            name, bound, _ = decisions[place]
            if name in THREAD_DRAWS:
                (paid if name == PREEMPTION else free).append((place, bound))
        values = tuple([each.value for each in decisions])
        if free:
            self._now.append((values, free))
        if paid and (self._bound is None or self._level < self._bound):
            self._next.append((values, paid))
        elif paid:
            self._cut = True


def _children(values: Sequence[int], places: list[tuple[int, int]]) -> Iterator[list[int]]:
    for place, bound in places:
        for value in range(1, bound):
            yield [*values[:place], value]
