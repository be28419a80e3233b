"""The interleaving of a run with threads: what `duopoll show FILE --lanes` prints.

A file holds the tape, not where its decisions fell. So the run is played again, byte for byte the
recorded one, and of the last decisions that left the dull order those are made dull that the
failure does not need: what is left are the few that matter.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.failure import FailureFile
from harness.lanes import Mark, MarkedChoices, lanes, marked_rows, thread_names
from harness.run import Outcome, run
from harness.show import load_any
from harness.story import story
from harness.words import count
from harness.worlds import is_simulated
from model.choices import Choices
from model.errors import Divergence, UsageError
from model.trace import encode_trace

ROWS_MAX = 60  # records of the table, those with marks not counted
TRIES_MAX = 64  # decisions that are tried, the last ones


def interleaving(failure: FailureFile, rows: int = ROWS_MAX) -> Iterator[str]:
    """The table, then the decisions that were not dull, those that matter first.

    Raises `UsageError` for a run with one thread, `Divergence` when it does not replay.
    """
    if len(thread_names(failure.records)) < 2:
        raise UsageError("--lanes: the run has one thread: show it without")
    marks = marks_of(failure)
    yield from lanes(failure.records, marks, shown(failure, marks, rows))
    if not is_simulated(failure.world):
        yield f"In {failure.world} the system decided who goes on."
        return
    told = sorted(marks, key=lambda mark: not mark.matters)
    yield from map(str, [mark for mark in told if mark.matters is not False])
    useless = sum(mark.matters is False for mark in marks)
    if useless:
        yield f"{count(useless, 'decision')} more without which it fails as well"
    if not marks:
        yield "every decision was dull"


def marks_of(failure: FailureFile) -> list[Mark]:
    """Where the run left the dull order, and which of that matters; of a real run nothing."""
    if not is_simulated(failure.world):
        return []
    tape = [decision.value for decision in failure.decisions]
    marked = MarkedChoices(tape)
    outcome = _play(failure, marked)
    if encode_trace(outcome.records) != encode_trace(failure.records):
        raise Divergence("the run is another one now: `duopoll replay` says where it differs")
    if failure.broken is None:
        return marked.marks

    def play(choices: Choices) -> str | None:
        """The property of the file, if it breaks with these choices."""
        broken = {each.property for each in _play(failure, choices).verdicts.violations}
        return failure.broken if failure.broken in broken else None

    last = marked.marks[-TRIES_MAX:]
    return [*marked.marks[: len(marked.marks) - len(last)], *_tried(last, tape, play)]


def _tried(marks: list[Mark], tape: list[int], play: Callable[[Choices], str | None]) -> list[Mark]:
    """The marks of a failing run, each made dull beside those before that were not needed: of two
    of which one is enough, one matters."""
    failure = play(Choices(tape))
    told = []
    for mark in marks:
        without = [*tape[: mark.number], 0, *tape[mark.number + 1 :]]
        matters = play(Choices(without)) != failure
        told.append(replace(mark, matters=matters))
        tape = tape if matters else without
    return told


def _play(failure: FailureFile, choices: Choices) -> Outcome:
    return run(
        failure.scenario,
        failure.world,
        choices=choices,
        subject=failure.subject,
        mutant=failure.mutant,
    )


def shown(failure: FailureFile, marks: list[Mark], rows: int) -> set[int]:
    """The last records up to what broke, what a hang says behind that, and those with marks."""
    records = failure.records
    violation = failure.violation
    stop = len(records) if violation is None or violation.record < 0 else violation.record + 1
    while stop < len(records) and records[stop][1] == "blocked":
        stop += 1
    told = [index for index in range(stop) if records[index][1] != "on"]
    return {*told[-rows:], *(row for row in marked_rows(records, marks) if row < stop)}


def show_lanes(options: argparse.Namespace) -> int:
    """`duopoll show FILE --lanes`: the story, the table and the decisions."""
    failure, _ = load_any(options.file)
    if failure is None:
        raise UsageError("--lanes: a bare trace has no tape: name a failure file")
    table = list(interleaving(failure, options.tail or ROWS_MAX))
    if options.json:
        print(json.dumps({"lanes": table}))
    else:
        print("\n".join([*story(failure), "", *table]))
    return 0
