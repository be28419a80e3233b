"""`duopoll show FILE --lanes`: how the threads of a failing run took turns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.failure import FailureFile, save
from harness.interleaving import interleaving, marks_of, shown
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, Scenario
from harness.story import LINE_WIDTH, LINES_MAX, story
from harness.thread_hunt import breaks
from model.choices import Choices
from model.errors import Divergence, UsageError
from model.mutants import MUTANTS

HANG = MUTANTS["two-orders-hang"]
SAFE = BuffereventEnd(options=("CLOSE_ON_FREE", "THREADSAFE"))
TAPES = [(0,) * zeros + (1,) * ones for zeros in range(9) for ones in range(1, 7)]


@pytest.fixture(scope="module")
def hang() -> FailureFile:
    """A thread stops reading while the connect ends on the loop's."""
    scenario = Scenario((Connection(SAFE),), threads=((AppStep("disable", "c0", ("R",)),),))
    runs = (run(scenario, "sim-iocp", tape=tape, mutant=HANG.name) for tape in TAPES)
    return FailureFile.of(next(each for each in runs if breaks(each, HANG)), HANG.breaks)


def test_each_thread_has_a_column_and_the_hang_its_rows(hang: FailureFile) -> None:
    table = list(interleaving(hang))
    columns = {name: table[0].index(name) for name in ("main", "t0")}
    waits = [line for line in table if "waits for lock" in line]
    assert sorted(line.index("waits") for line in waits) == sorted(columns.values())
    assert all(line.isascii() and line.isprintable() for line in table)


def test_the_decisions_that_matter_are_enough_and_each_is_needed(hang: FailureFile) -> None:
    marks = marks_of(hang)
    matter = [mark for mark in marks if mark.matters]
    assert matter
    drawn = [decision.value for decision in hang.decisions]
    needed = {mark.number for mark in matter}

    def fails(numbers: set[int]) -> bool:
        tape = [value if number in numbers else 0 for number, value in enumerate(drawn)]
        outcome = run(hang.scenario, hang.world, choices=Choices(tape), mutant=hang.mutant)
        return breaks(outcome, HANG)

    assert fails(needed)
    assert not any(fails(needed - {number}) for number in needed)
    table = list(interleaving(hang))
    assert all(any(f"{mark.number}!" in line for line in table) for mark in matter)


def test_what_is_not_shown_is_counted(hang: FailureFile) -> None:
    few = list(interleaving(hang, rows=3))
    counted = sum(int(line.split()[1]) for line in few if line.startswith("..."))
    records = [record for record in hang.records if record[1] != "on"]
    assert counted + len(shown(hang, marks_of(hang), 3)) == len(records)


def test_the_story_of_threads_is_a_table(hang: FailureFile) -> None:
    lines = story(hang)
    assert len(lines) <= LINES_MAX and all(len(line) <= LINE_WIDTH for line in lines)
    assert any(line.split() == ["#", "main", "t0"] for line in lines)
    taken = [line for line in lines if "acquire" in line]
    assert {line.split()[-1] for line in taken} == {"base", "c0"}


def test_the_command_shows_it(
    hang: FailureFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(save(tmp_path / "hang.jsonl", hang))
    assert main(["show", path, "--lanes"]) == 0
    assert "without it no failure" in capsys.readouterr().out
    assert main(["show", path, "--lanes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lanes"] == list(interleaving(hang))


def test_a_run_with_one_thread_has_no_lanes() -> None:
    with pytest.raises(UsageError, match="--lanes: the run has one thread"):
        list(interleaving(FailureFile.of(run(Scenario(), "sim-epoll"))))


def test_a_run_that_is_another_one_now_is_told(hang: FailureFile) -> None:
    with pytest.raises(Divergence, match="another one now"):
        marks_of(replace(hang, records=hang.records[:-1]))
