"""Observations have the form that Hypothesis documents, and say what the runs were.

The checks here are written from the documentation's description of each field.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from harness.cli import main
from harness.observe import ENVIRONMENT, observation
from harness.run import run
from harness.scenario import Scenario
from harness.scenario_json import from_json
from harness.strategies import scenarios, tapes
from tests.harness.views.runs import broken

#: field -> what it may be
FORM: dict[str, tuple[type, ...]] = {
    "type": (str,),
    "status": (str,),
    "status_reason": (str,),
    "representation": (str,),
    "arguments": (dict,),
    "how_generated": (str, type(None)),
    "features": (dict,),
    "coverage": (dict, type(None)),
    "timing": (dict,),
    "metadata": (dict,),
    "property": (str,),
    "run_start": (int, float),
}


def check(told: dict[str, Any]) -> None:
    """One line of a file against the documented form: all fields, no other, of their types."""
    assert told.keys() == FORM.keys()
    for name, types in FORM.items():
        assert type(told[name]) in types, name
    assert told["type"] == "test_case"
    assert told["status"] in {"passed", "failed", "gave_up"}
    assert bool(told["status_reason"]) == (told["status"] != "passed")
    for seconds in told["timing"].values():
        assert type(seconds) in {int, float} and seconds >= 0


@given(scenarios(), tapes())
def test_every_run_has_the_documented_form(scenario: Scenario, tape: tuple[int, ...]) -> None:
    outcome = run(scenario, "sim-epoll", tape=tape)
    text = json.dumps(observation(outcome, 0.01, "drawn", 12.5))
    told = json.loads(text)
    check(told)
    assert from_json(told["arguments"]["scenario"]) == scenario
    assert tuple(told["arguments"]["tape"]) == tape
    assert told["features"]["target: records"] == len(outcome.records)


def test_a_failure_says_why() -> None:
    failure = broken()
    outcome = run(failure.scenario, "sim-iocp", mutant=failure.mutant)
    told = observation(outcome, 0.01, "drawn", 12.5)
    check(json.loads(json.dumps(told)))
    assert told["status"] == "failed"
    assert told["status_reason"].startswith("B-1 at record 54: c0 read 1 bytes")


def test_a_campaign_writes_one_line_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, wished = tmp_path / "deep" / "asked.jsonl", tmp_path / "wished.jsonl"
    arguments = ["fuzz", "--world", "sim-iocp", "--runs", "20", "--seed", "3", "--json"]
    arguments += ["--out", str(tmp_path)]
    assert main([*arguments, "--observe", str(asked)]) == 0
    report = json.loads(capsys.readouterr().out)
    monkeypatch.setenv(ENVIRONMENT, str(wished))
    assert main(arguments) == 0
    capsys.readouterr()
    for path in (asked, wished):
        told = [json.loads(line) for line in path.read_text().splitlines()]
        for each in told:
            check(each)
        how = [each["how_generated"] for each in told]
        (world,) = report["worlds"]
        assert how.count("drawn by Hypothesis") == world["runs"] == 20
        assert len({each["run_start"] for each in told}) == 1
    assert main([*arguments, "--observe", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
