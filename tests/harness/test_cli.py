"""The command line: exit codes, one object with --json, one line for an error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness import campaign, commands, worlds
from harness.cli import main
from harness.failure import FailureFile, load, save
from harness.fuzz import FuzzReport, WorldReport
from harness.run import SUBJECTS
from harness.scenario_json import to_json
from model.errors import SimulatorError, WorldUnavailable
from model.mutants import MUTANTS
from model.properties import PROPERTIES
from tests.harness.made import SCENARIO, failure, report, start

ROOT = Path(__file__).resolve().parents[2]
MUTANT = "timeout-early"  # lives in both worlds and is found at once


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files go to a folder of the test, and the environment says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def scenario_file(tmp_path: Path) -> str:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(to_json(SCENARIO)))
    return str(path)


def one_object(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one object on the output."""
    told = json.loads(capsys.readouterr().out)
    assert isinstance(told, dict)
    return told


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error, and nothing on the output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("duopoll: ")
    return captured.err


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "exit codes:" in text
    commands_told = text.split("COMMAND")[2].split("exit codes:")[0]
    for name in ("fuzz", "replay", "run", "show", "worlds", "setup-wine", "mutants", "properties"):
        assert re.search(rf"^    {name}\b", commands_told, re.MULTILINE), name
    assert "worker" not in text
    assert main(["fuzz", "--help"]) == 0
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frob"],
        ["fuzz", "--runs", "0"],
        ["fuzz", "--runs", "x"],
        ["fuzz", "--runs", "1", "--seconds", "1"],
        ["fuzz", "--seed", "-1"],
        ["fuzz", "--run", "1"],
        ["replay"],
        ["replay", "f", "--times", "0"],
        ["run", "f", "--tape", "1,x"],
        ["show", "--schema", "x"],
    ],
)
def test_bad_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show"], "FILE is missing"),
        (["show", "nowhere.jsonl"], "nowhere.jsonl: is no file"),
        (["replay", "nowhere.jsonl"], "nowhere.jsonl: is no file"),
        (["run", "nowhere.json"], "nowhere.json: cannot be read"),
        (["fuzz", "--world", "sim-poll", "--runs", "1"], "world 'sim-poll' does not exist"),
        (["fuzz", "--mutant", "LE-0", "--runs", "1"], "no mutant 'LE-0'"),
        (["fuzz", "--subject", "x", "--runs", "1"], "subject 'x' does not exist"),
    ],
)
def test_bad_input_is_2_and_one_line(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "WORLDS", worlds.SIMULATED)
    assert main(arguments) == 2
    assert expected in one_line(capsys)
    assert main([*arguments, "--json"]) == 2
    told = one_object(capsys)
    assert expected in told["error"]
    assert told["exit_code"] == 2


def test_a_hostile_path_is_still_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "a\nb\x1b[2J.jsonl"]) == 2
    assert "\x1b" not in one_line(capsys)


def test_a_defect_is_3_with_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(world: str) -> None:
        raise ZeroDivisionError(world)

    monkeypatch.setattr(commands, "why_not", broken)
    assert main(["worlds"]) == 3
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.splitlines()[-1] == (
        "duopoll: an error of duopoll itself: ZeroDivisionError: sim-epoll"
    )

    def simulator(world: str) -> None:
        raise SimulatorError("the clock ran backwards")

    monkeypatch.setattr(commands, "why_not", simulator)
    assert main(["worlds"]) == 3
    assert one_line(capsys) == "duopoll: the clock ran backwards\n"


# Lists.


def test_worlds_says_what_runs_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "why_not", lambda world: "buy one" if world == "iocp" else None)
    assert main(["worlds"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[:4]] == [
        ["sim-epoll", "runs here"],
        ["sim-iocp", "runs here"],
        ["epoll", "runs here"],
        ["iocp", "buy one"],
    ]
    assert lines[7].split() == ["switch", "nt", "wine-8"]
    assert lines[8].split() == ["waiters_lifo", "yes", "no"]
    assert lines[9].startswith("    the newest waiter gets the packet")
    assert main(["worlds", "--json"]) == 0
    told = one_object(capsys)
    assert told["switches"][0]["name"] == "waiters_lifo"
    assert told["worlds"][3] == {"world": "iocp", "runs": False, "why_not": "buy one"}


def test_catalogues(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(MUTANTS)
    assert main(["mutants", "--json"]) == 0
    assert [each["name"] for each in one_object(capsys)["mutants"]] == list(MUTANTS)
    assert main(["properties"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(PROPERTIES)
    assert main(["properties", "--json"]) == 0
    listed = one_object(capsys)["properties"]
    assert [each["id"] for each in listed] == [each.id for each in PROPERTIES]
    assert all(each["statement"] and each["source"] for each in listed)


def test_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    from harness.schedule_command import PROGRAMS

    assert main(["schedules", "--runs", "100"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [each.name for each in PROGRAMS]
    assert all(line.endswith(", all") for line in lines[2:])
    assert main(["schedules", "lost-update"]) == 1
    shown = capsys.readouterr().out
    assert "tape 0,1" in shown and "without it no failure" in shown
    assert main(["schedules", "lost-update", "--json"]) == 1
    told = one_object(capsys)
    assert told["tape"] == [0, 1] and told["decisions_that_matter"] == [1]
    assert main(["schedules", "nothing"]) == 2
    assert "choose from lost-update" in capsys.readouterr().err
    assert main(["schedules", "lost-update", "--runs", "1"]) == 2
    assert "--runs is 1" in capsys.readouterr().err


def test_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("trace", "scenario"):
        assert main(["show", "--schema", name]) == 0
        assert "$schema" in one_object(capsys)


# Runs and files.


def test_run_is_clean(scenario_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", scenario_file, "--world", "sim-epoll", "--world", "sim-iocp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["sim-epoll", "sim-iocp"]
    assert all(line.endswith("not applicable, no violation") for line in lines)
    assert not Path("failures").exists()


def test_run_keeps_what_it_is_told_to(
    scenario_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", scenario_file, "--world", "sim-epoll", "--tape", "3,1", "--out", "kept"]
    assert main([*arguments, "--json"]) == 0
    told = one_object(capsys)["runs"][0]
    kept = load(told["file"])
    assert kept.scenario == SCENARIO
    assert (kept.tape, len(kept.records)) == ((3, 1), told["records"])
    assert main(["replay", told["file"]]) == 0
    assert "byte for byte" in capsys.readouterr().out


def test_show_prints_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(tmp_path / "f.jsonl", failure()))
    assert main(["show", path, "--kind", "cb", "--tail", "1"]) == 0
    assert "20 of 21 records not shown" in capsys.readouterr().out
    assert main(["show", path, "--json"]) == 0
    told = one_object(capsys)
    assert (told["property"], len(told["records"])) == ("C-1", 21)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `fuzz` found with a mutant."""
    folder = tmp_path_factory.mktemp("found")
    done = start(
        *("fuzz", "--world", "sim-epoll", "--world", "sim-iocp", "--seed", "1", "--runs", "60"),
        *("--mutant", MUTANT, "--out", str(folder), "--json"),
    )
    out, err = done.communicate(timeout=120)
    assert done.returncode == 1, err
    report = json.loads(out)
    assert isinstance(report, dict)
    return report


def test_fuzz_finds_a_mutant(found: dict[str, Any]) -> None:
    assert found["mutant"] == MUTANT
    assert MUTANTS[MUTANT].breaks in {each["property"] for each in found["failures"]}
    for each in found["failures"]:
        kept = load(each["file"])
        assert kept.mutant == MUTANT
        assert each["property"] == kept.broken
        assert len(each["story"]) <= 10


def test_failures_replay_in_other_processes(found: dict[str, Any]) -> None:
    for hash_seed, each in enumerate(found["failures"]):
        done = start("replay", each["file"], "--json", PYTHONHASHSEED=str(hash_seed + 1))
        out, err = done.communicate(timeout=60)
        assert done.returncode == 1, err
        told = json.loads(out)
        assert told["result"] == "reproduced"
        assert "byte for byte" in told["message"]


def test_a_failure_without_its_mutant_diverges(
    found: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    breaks = MUTANTS[MUTANT].breaks
    kept = load(next(each["file"] for each in found["failures"] if each["property"] == breaks))
    fields = {name: getattr(kept, name) for name in kept.__dataclass_fields__}
    path = save(tmp_path / "f.jsonl", FailureFile(**(fields | {"mutant": None})))
    assert main(["replay", str(path)]) == 3
    error = capsys.readouterr().err
    assert "differs" in error or "decision" in error
    assert "this run" in error


def test_fuzz_prints_blocks_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fuzz", "--world", "sim-epoll", "--seed", "1", "--runs", "60"]
    assert main([*arguments, "--mutant", MUTANT]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""  # no progress line: this is no terminal
    assert "\nscenario = Scenario(" in captured.out
    assert "\nduopoll replay failures" in captured.out
    *_, heading, row, _, last = captured.out.splitlines()
    assert heading.split()[:3] == ["world", "kernel", "runs"]
    assert row.split()[0] == "sim-epoll"
    assert "--seed 1 repeats it" in last


def test_fuzz_without_a_world_named_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def why_not(world: str) -> str | None:
        return None if world in worlds.SIMULATED else "no such kernel: buy one"

    def search(chosen: list[str], *_: object, **__: object) -> FuzzReport:
        return report(worlds={world: WorldReport(world, "simulated", 5) for world in chosen})

    monkeypatch.setattr(commands, "why_not", why_not)
    monkeypatch.setattr(campaign, "search", search)
    assert main(["fuzz", "--runs", "5", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "".join(
        f"duopoll: world {world} does not run here: no such kernel: buy one\n"
        for world in ("epoll", "iocp")
    )
    told = json.loads(captured.out)
    assert [each["world"] for each in told["worlds"]] == list(worlds.SIMULATED)
    assert len(told["not_run"]) == 2
    monkeypatch.setenv("CI", "true")
    assert main(["fuzz", "--runs", "5"]) == 2
    assert "buy one" in one_line(capsys)
    assert main(["fuzz", "--runs", "5", "--world", "sim-epoll"]) == 0
    monkeypatch.delenv("CI")
    assert main(["fuzz", "--runs", "5", "--world", "epoll"]) == 2


def test_worlds_says_which_subjects_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> str:
        raise WorldUnavailable("libevent is not installed: install it")

    entry = SUBJECTS["model"]._replace(version=gone)
    monkeypatch.setitem(SUBJECTS, "libevent", entry)
    monkeypatch.setitem(SUBJECTS, "libevent-debug", entry)
    assert main(["worlds", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["subjects"]
    assert told["model"] == "0.1.0"
    assert told["libevent"] == "does not run here: libevent is not installed: install it"
