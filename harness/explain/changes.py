"""What one change does: decisions that matter, and the nearest run that passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from harness.explain.explanation import FirstDifference, Flip, Side
from harness.explain.runs import Runs
from harness.replay import first_difference
from harness.run import Outcome
from harness.scenario import Scenario
from harness.scenario_json import to_json
from harness.shrinking.case import Case
from harness.shrinking.parts import parts_out
from harness.words import describe, milliseconds, plain
from model.trace import Record

DULL_MAX = 48  # dull decisions that are flipped: those next before the violation
TEXT_MAX = 90  # characters of one side of a change


def flips(runs: Runs) -> Iterator[Flip]:
    """Each decision that was not dull made dull, then dull ones made not dull. Raises `Enough`."""
    decisions = runs.drawn.decisions
    sharp = [index for index, decision in enumerate(decisions) if decision.value]
    stop = runs.first.violation.record
    before = [
        index
        for index, decision in enumerate(decisions)
        if not decision.value and (stop < 0 or runs.drawn.places[index] <= stop)
    ]
    for index in [*sharp, *before[-DULL_MAX:]]:
        name, _, value = decisions[index]
        instead = 0 if value else 1
        still = runs.fails(_flipped(runs.case, index, instead))
        yield Flip(index, name, value, instead, still, runs.record_of(index))


def _flipped(case: Case, index: int, instead: int) -> Case:
    return case._replace(tape=(*case.tape[:index], instead, *case.tape[index + 1 :]))


class Nearest(NamedTuple):
    """A run that passes, one change away, and where it leaves the failing one."""

    difference: FirstDifference
    outcome: Outcome
    common: int  # records


def nearest(runs: Runs, found: list[Flip]) -> Iterator[Nearest]:
    """Runs that pass, each nearer than the one before: those that go longest as the failure
    goes, one decision or one part of the scenario away. Raises `Enough`."""
    best = -1
    for change, case in _changes(runs, found):
        if runs.fails(case):
            continue
        outcome = runs.outcome(case)
        if not runs.is_clean(outcome):
            continue
        common = first_difference(runs.first.outcome.records, outcome.records)
        if common > best:
            best = common
            yield Nearest(_difference(runs, change, outcome, common), outcome, common)


def _changes(runs: Runs, found: list[Flip]) -> Iterator[tuple[str, Case]]:
    for flip in found:
        if not flip.still_fails:
            text = f"decision {flip.index} ({flip.name}): {flip.instead} instead of {flip.value}"
            yield text, _flipped(runs.case, flip.index, flip.instead)
    scenario = runs.case.scenario
    for kind, fewer in parts_out(scenario):
        yield f"{kind}: {changed(scenario, fewer)}", Case(fewer, runs.first.case.tape)


def _difference(runs: Runs, change: str, outcome: Outcome, common: int) -> FirstDifference:
    failing, passing = runs.first.outcome.records, outcome.records
    return FirstDifference(change, side(failing, common), side(passing, common))


def side(records: tuple[Record, ...], index: int) -> Side:
    """A record in words with its time, or the end of the run."""
    if index >= len(records):
        return Side(len(records), "(the run has ended)")
    return Side(index, f"{milliseconds(records[index][0])}  {describe(records[index])}")


def changed(before: Scenario, after: Scenario) -> str:
    """The first place at which two scenarios differ, in the words of their JSON."""
    return _changed(to_json(before), to_json(after), "scenario")


def _changed(one: Any, other: Any, path: str) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            if name not in other:
                return f"{path}.{name} is the default instead of {_json(one[name])}"
            if name not in one:
                return f"{path}.{name} is {_json(other[name])} instead of the default"
            if one[name] != other[name]:
                return _changed(one[name], other[name], f"{path}.{name}")
    if isinstance(one, list) and isinstance(other, list):
        for index, item in enumerate(one):
            if index >= len(other) or (len(other) < len(one) and other[index] != item):
                return f"without {path}[{index}], {_json(item)}"
            if other[index] != item:
                return _changed(item, other[index], f"{path}[{index}]")
    return f"{path} is {_json(other)} instead of {_json(one)}"


def _json(value: Any) -> str:
    return plain(json.dumps(value), TEXT_MAX)
