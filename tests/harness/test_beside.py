"""Two subjects side by side: what applications saw, where it differs, and who broke what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.beside import SILENT, Kind, compare, differences, judged, seen
from harness.cli import main
from harness.failure import load
from harness.run import run
from harness.scenario import Scenario
from harness.scenario_json import to_json
from harness.strategies import foreign_scenarios, scenarios, tapes
from tests.harness.foreign import needs_libevent
from tests.harness.made import ROOT, SCENARIO


@settings(max_examples=20)
@given(scenarios(), tapes())
def test_a_run_does_not_differ_from_itself(scenario: Scenario, tape: tuple[int, ...]) -> None:
    one, other = (run(scenario, "sim-epoll", tape=tape) for _ in range(2))
    assert list(differences(one, other)) == []


def test_what_an_application_saw() -> None:
    told = seen(run(SCENARIO, "sim-epoll"))
    assert told["c0"] == ["CONNECTED", "READING|EOF", "64 bytes"]
    assert told["s0"] == ["74 bytes"]


@needs_libevent
@settings(max_examples=25)
@given(foreign_scenarios(race_free=True))
def test_libevent_and_the_model_agree_where_nothing_is_tight(scenario: Scenario) -> None:
    kinds: dict[str, Kind] = {}
    compare(scenario, "sim-epoll", ("libevent", "model"), kinds)
    assert not kinds


@needs_libevent
def test_a_difference_that_is_a_bug_names_its_property() -> None:
    failure = load(ROOT / "findings" / "timeout-hides-readiness" / "failure.jsonl")
    one, other = (run(failure.scenario, "sim-epoll", subject=s) for s in ("libevent", "model"))
    (difference,) = differences(one, other)
    assert difference.startswith("s0 of libevent saw READING|TIMEOUT; of model ")
    assert "64 bytes" in difference
    assert judged((one, other)) == "libevent broke T-2"
    assert judged((other, other)) == SILENT


@needs_libevent
def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    failure = load(ROOT / "findings" / "data-before-connected" / "failure.jsonl")
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(to_json(failure.scenario)))
    main(["beside", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["runs"] == 1
    assert main(["beside", "--runs", "5", "--subject", "model", "--seed", "1"]) == 0
    assert "model beside model in sim-epoll: 5 runs, 0 differences" in capsys.readouterr().out


def test_a_file_or_drawn_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["beside", "x.json", "--runs", "5"]) == 2
    assert "give a FILE or --runs, not both" in capsys.readouterr().err
