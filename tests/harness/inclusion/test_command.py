"""`duopoll conform --trace`: exit codes, and what it tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.failure import FailureFile, save_in
from harness.run import run
from harness.scenario_json import to_json
from model.trace import encode_trace
from tests.harness.inclusion.damage import bytes_never_sent
from tests.harness.inclusion.recorded import SCENARIOS, recorded


def test_a_clean_run_that_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded("epoll")
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps(to_json(SCENARIOS[0])))
    assert main(["run", str(scenario), "--world", "epoll", "--out", str(tmp_path / "kept")]) == 0
    (file,) = (tmp_path / "kept").iterdir()
    capsys.readouterr()
    assert main(["conform", "--trace", str(file)]) == 0
    told = capsys.readouterr().out
    assert "records: explained\n" in told
    assert "\nepoll: seen in 1 explained\n" in told
    assert "never seen: " in told
    assert " used; never " in told


def damaged(tmp_path: Path) -> tuple[FailureFile, int, str]:
    """A run that no kernel could have made, and where."""
    each = recorded("epoll")[0]
    number, records = next(iter(bytes_never_sent(each)))
    return each, number, str(save_in(tmp_path, replace(each, records=tuple(records))))


def test_a_run_that_is_not_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, number, file = damaged(tmp_path)
    assert main(["conform", "--trace", file]) == 1
    told = capsys.readouterr().out
    assert f"NOT EXPLAINED at record {number}\n" in told
    assert '"k":"recv"' in told
    assert "\n  possible  " in told


def test_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    each, number, file = damaged(tmp_path)
    good = str(save_in(tmp_path, each))
    simulated = str(save_in(tmp_path, run(SCENARIOS[0], "sim-epoll")))
    files = [argument for name in (good, file, simulated) for argument in ("--trace", name)]
    assert main(["conform", *files, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [trace["explained"] for trace in told["traces"]] == [True, False, True]
    assert [trace["simulated"] for trace in told["traces"]] == [False, False, True]
    assert told["traces"][1]["record"] == number
    assert told["traces"][1]["at"]["k"] == "recv"
    assert told["kernels"]["epoll"]["traces"] == 1
    assert told["kernels"]["epoll"]["rules"]["TR2"] == 1
    assert told["exit_code"] == 1


def test_a_simulated_run_needs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(save_in(tmp_path, run(SCENARIOS[0], "sim-iocp")))
    assert main(["conform", "--trace", file]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_bare_trace_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(encode_trace(run(SCENARIOS[0], "sim-epoll").records)) + "\n")
    assert main(["conform", "--trace", str(path)]) == 2
    assert "a bare trace does not say what the peers do" in capsys.readouterr().err


def test_it_goes_without_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "--trace", "x", "--kernel", "epoll"]) == 2
    assert "leave them out" in capsys.readouterr().err
