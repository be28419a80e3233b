"""Which rules are likely to be wrong: those that runs which fail apply, and others do not.

A wrong rule shows in the steps after the one that applied it, if at all, so the step that differs
does not name it. But over many cases and programs the runs that fail have it in common: rules are
ranked by Ochiai's coefficient, failed(rule) / sqrt(failed * applied(rule)), as in the search for
faults by coverage (Abreu, Zoeteweij and van Gemund, 2007).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from math import sqrt
from typing import NamedTuple


class Run(NamedTuple):
    """The rules that one run applied, and whether its results differed."""

    rules: Collection[str]
    failed: bool


class Suspect(NamedTuple):
    """A rule, and how closely applying it goes with failing: 1 is always and only."""

    rule: str
    score: float


def suspects(runs: Iterable[Run], most: int = 5) -> list[Suspect]:
    """The rules that failing runs have most in common, likeliest first; none without a failure.

    At least `most`, and more where the scores of the last ones are the same.
    """
    applied: Counter[str] = Counter()
    failing: Counter[str] = Counter()
    failures = 0
    for run in runs:
        applied.update(set(run.rules))
        if run.failed:
            failures += 1
            failing.update(set(run.rules))
    scored = [
        Suspect(rule, count / sqrt(failures * applied[rule])) for rule, count in failing.items()
    ]
    scored.sort(key=lambda one: (-one.score, one.rule))
    if len(scored) <= most:
        return scored
    return [one for one in scored if one.score >= scored[most - 1].score]
