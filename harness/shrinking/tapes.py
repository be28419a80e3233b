"""Tapes with less in them; and a tape by names, for scenarios that lost a part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from harness.schedules import Source, trimmed
from model.choices import Decision


def smaller_tapes(tape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Kinds and tapes: all of it dull, one decision dull, spans deleted, one value less.

    The spans that are deleted are the halves, every decision that is not dull, with and without
    the dull ones before it, and of those all, half and one.
    """
    if not tape:
        return
    yield "tape", ()
    half = len(tape) // 2
    if half:
        yield "tape span", trimmed(tape[:half])
        yield "tape span", tape[half:]
    sharp = [place for place, value in enumerate(tape) if value]
    for place in sharp:
        yield "decision", trimmed((*tape[:place], 0, *tape[place + 1 :]))
    before = 0
    for place in sharp:
        yield "tape span", trimmed(tape[:place] + tape[place + 1 :])
        if place > before:
            yield "tape span", trimmed(tape[:before] + tape[place + 1 :])
            for cut in sorted({place - before, (place - before) // 2, 1} - {0}, reverse=True):
                yield "tape span", tape[: place - cut] + tape[place:]
        before = place + 1
    for place in sharp:
        value = tape[place]
        for less in sorted({1, value // 2, value - 1} - {0, value}):
            yield "value", (*tape[:place], less, *tape[place + 1 :])


def smallest_tape(tape: Sequence[int], fails: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """A tape that fails and of which nothing single can go, for runs that are no scenario's."""
    kept = trimmed(tuple(tape))
    while True:
        for _, smaller in smaller_tapes(kept):
            if smaller != kept and fails(smaller):
                kept = smaller
                break
        else:
            return kept


class ByName(Source):
    """Gives the decisions of a recorded run that were not dull to the draws of the same names.

    The third `tcp.latency` of the recorded run is answered at the third of this one.
    """

    __slots__ = ("_seen", "_wanted")

    def __init__(self, decisions: Sequence[Decision]) -> None:
        super().__init__()
        self._seen: Counter[str] = Counter()
        self._wanted: dict[tuple[str, int], int] = {}
        times: Counter[str] = Counter()
        for decision in decisions:
            if decision.value:
                self._wanted[decision.name, times[decision.name]] = decision.value
            times[decision.name] += 1

    def draw(self, name: str, bound: int) -> int:
        if bound <= 1:
            return 0
        value = self._wanted.get((name, self._seen[name]), 0) % bound
        self._seen[name] += 1
        self.decisions.append(Decision(name, bound, value))
        return value
