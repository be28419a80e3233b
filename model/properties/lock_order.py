"""The order in which threads take locks, and the circles in it that could hang.

Havelund's GoodLock: an edge from each lock that a thread held to the one it took. A circle counts
where it could be closed in one run: each edge by another thread, no lock held in common around it,
none of the threads ended before another began.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple, TypeAlias

Clock: TypeAlias = dict[str, int]  # thread -> how much of it is known to have happened


class Edge(NamedTuple):
    """`thread` took the second lock while it held the first and those in `gates`."""

    thread: str
    record: int
    gates: frozenset[str]
    forks: Clock  # what had ended or not begun, by spawn and join only

    def ordered(self, other: Edge) -> bool:
        """Whether one of the two threads' acts came before the other in every schedule."""
        return _knows(other.forks, self.forks, self.thread) or _knows(
            self.forks, other.forks, other.thread
        )


def _knows(clock: Clock, other: Clock, thread: str) -> bool:
    """Whether what `thread` had done at `other` happened before `clock`."""
    return other.get(thread, 0) <= clock.get(thread, 0)


def circles(edges: dict[tuple[str, str], list[Edge]]) -> Iterator[tuple[str, int]]:
    """Every circle of locks that could hang, with the record that closed it."""
    after: dict[str, list[str]] = {}
    for first, second in sorted(edges):
        after.setdefault(first, []).append(second)
    for start in sorted(after):
        paths = [[start]]
        while paths:
            path = paths.pop()
            for lock in after.get(path[-1], ()):
                if lock == start and len(path) > 1:
                    circle = _could_hang([edges[pair] for pair in _pairs(path)])
                    if circle is not None:
                        yield _circle_text(path, circle), max(edge.record for edge in circle)
                elif lock > start and lock not in path:
                    paths.append([*path, lock])


def _pairs(path: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(path, [*path[1:], path[0]], strict=True))


def _could_hang(choices: list[list[Edge]]) -> tuple[Edge, ...] | None:
    for circle in product(*choices):
        if not any(
            one.thread == other.thread or one.gates & other.gates or one.ordered(other)
            for one, other in combinations(circle, 2)
        ):
            return circle
    return None


def _circle_text(path: Sequence[str], circle: Sequence[Edge]) -> str:
    told = (
        f"{edge.thread} takes {second} holding {first} (record {edge.record})"
        for (first, second), edge in zip(_pairs(path), circle, strict=True)
    )
    return "locks in a circle: " + ", ".join(told)
