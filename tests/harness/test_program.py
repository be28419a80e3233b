"""The program is the scenario: executing its data gives the scenario back, whatever it holds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given

from harness.failure import FailureFile
from harness.program import WIDTH, program
from harness.run import run
from harness.scenario import Scenario
from harness.strategies import scenarios
from model.faults import NONE
from tests.harness.made import SCENARIO, failure, failures

SCENARIO_CLASSES = (
    *("AppStep", "BuffereventEnd", "Connection", "Layer", "Network", "PeerEnd", "Scenario", "Step"),
    *("CallFault", "Faults", "RateGroup"),
)
ROOT = Path(__file__).resolve().parents[2]


def told(source: str) -> dict[str, Any]:
    """What a program would run: its names, up to the call of `run`, and that call's arguments."""
    tree = ast.parse(source)
    before = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assigned = {ast.unparse(n.targets[0]): n for n in tree.body if isinstance(n, ast.Assign)}
    names: dict[str, Any] = {}
    module = ast.Module([*before, assigned["scenario"]], [])
    exec(compile(ast.fix_missing_locations(module), "program", "exec"), names)
    (call,) = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n) == "run")
    worlds = assigned["worlds"].value if "worlds" in assigned else ast.Tuple([call.args[1]])
    names["worlds"] = ast.literal_eval(worlds)
    for keyword in call.keywords:
        names[str(keyword.arg)] = ast.literal_eval(keyword.value)
    return names


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


@given(scenarios())
def test_the_program_holds_the_scenario(scenario: Scenario) -> None:
    assert told(program(failure(scenario=scenario)))["scenario"] == scenario


@given(failures())
def test_the_program_runs_the_same_thing(drawn: FailureFile) -> None:
    names = told(program(drawn))
    assert names["scenario"] == drawn.scenario
    assert names["worlds"] == (drawn.world, *drawn.others)
    assert names.get("subject", "") == drawn.subject
    assert names.get("mutant") == (drawn.mutant or None)
    assert names.get("tape", ()) == drawn.tape


@given(failures())
def test_the_program_is_plain_and_holds_nothing_but_literals(drawn: FailureFile) -> None:
    source = program(drawn)
    assert source.isascii()
    # Imports, assignments, a loop, a print, an exit: no text of a file adds another statement.
    compares = bool(drawn.others)
    faulty = drawn.scenario.faults != NONE
    assert [type(node).__name__ for node in ast.parse(source).body] == [
        *["ImportFrom"] * ((3 if compares else 2) + faulty),
        *["Assign"] * (5 if compares else 3),
        "For",
        "Expr",
        "Raise",
    ]
    called = {_name(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    assert called <= {"run", "compare", "print", "len", "SystemExit", *SCENARIO_CLASSES}


@given(scenarios())
def test_lines_are_not_longer_than_they_need_be(scenario: Scenario) -> None:
    for line in program(failure(scenario=scenario)).splitlines():
        assert len(line) <= WIDTH or "(" not in line.strip()[:-2]


def test_the_program_runs(tmp_path: Path) -> None:
    outcome = run(SCENARIO, "sim-epoll", tape=(1, 2, 3))
    path = tmp_path / "program.py"
    path.write_text(program(FailureFile.of(outcome)))
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert f"{len(outcome.records)} records in sim-epoll" in done.stdout
    assert done.returncode == (1 if outcome.verdicts.violations else 0)
