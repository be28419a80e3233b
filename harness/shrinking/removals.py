"""The list of removals: every single thing that can be taken out of a failing run.

Parts of the scenario (`parts`), rounder numbers (`numbers`), less tape (`tapes`). A certificate
says that none of them fails; its `LIST` is the version of this list, to be raised when it changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.shrinking.case import Case, Removal
from harness.shrinking.parts import parts_out
from harness.shrinking.tapes import smaller_tapes

NUMBERS = frozenset({"number"})


def removals(case: Case, by_name: bool) -> Iterator[Removal]:
    """All of them, the ones that take most first.

    With `by_name` a scenario without a part is also tried with the decisions that are not dull
    given to the draws of the same names.
    """
    scenario, tape = case
    tapes = list(smaller_tapes(tape))
    for kind, smaller in tapes[:1]:
        yield Removal(kind, Case(scenario, smaller))
    for kind, fewer in parts_out(scenario):
        yield Removal(kind, Case(fewer, tape))
        if by_name and tape:
            yield Removal(kind, Case(fewer, tape), named=True)
    for kind, smaller in tapes[1:]:
        if smaller != tape:
            yield Removal(kind, Case(scenario, smaller))


def counted(case: Case, by_name: bool) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(sorted(Counter(each.kind for each in removals(case, by_name)).items()))
