"""`duopoll conform`: options, exit codes, what it tells, and the real completion kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.conform import command
from harness.conform.arms import play_real, real_profile
from harness.conform.cases import own_cases
from harness.conform.command import check_cases
from harness.conform.differential import compare
from harness.worlds import why_not
from model.errors import UsageError

CASE: dict[str, Any] = {
    "source": "here",
    "name": "one",
    "kernel": "iocp",
    "steps": [["port", "p"], ["get", "p", 0]],
    "expect": [None, ["none", 258]],
}


@pytest.fixture
def no_real_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "why_not", lambda world: "not now")
    monkeypatch.delenv("CI", raising=False)


def file_of(tmp_path: Path, **changed: Any) -> str:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(CASE | changed) + "\n")
    return str(path)


@pytest.mark.usefixtures("no_real_kernel")
def test_a_file_that_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "--cases", file_of(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "agrees  one (2 steps)" in captured.out
    assert captured.err == "duopoll: the real iocp does not run here: not now\n"


@pytest.mark.usefixtures("no_real_kernel")
def test_a_file_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_of(tmp_path, expect=[None, ["none", 6]])
    assert main(["conform", "--cases", file, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    (case,) = told["kernels"][0]["cases"]
    assert [each["arm"] for each in case["differences"]] == ["simulated nt", "simulated wine-8"]
    assert case["differences"][0]["rules"] == ["P4"]
    assert case["differences"][0]["simulated"] == ["none", 258]
    assert told["exit_code"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "nt4"], "profile 'nt4' does not exist: name one of linux, nt, wine-8"),
        (["--kernel", "epoll", "--profile", "nt"], "profile 'nt' of epoll does not exist"),
        (["--cases", "missing.jsonl"], "cases missing.jsonl: cannot be read"),
        (["--kernel", "iocp"], "the real iocp does not run here: not now"),
    ],
)
@pytest.mark.usefixtures("no_real_kernel")
def test_bad_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("no_real_kernel")
def test_a_name_that_nothing_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_of(tmp_path, steps=[["port", "p"], ["get", "q", 0]])
    assert main(["conform", "--cases", file]) == 2
    assert "case one: step 1, get: the name 'q' stands for nothing" in capsys.readouterr().err


# On the real completion kernel.


def need_iocp() -> None:
    if reason := why_not("iocp"):
        pytest.skip(reason)


def test_all_cases_on_the_real_kernel() -> None:
    need_iocp()
    report = check_cases("iocp", own_cases("iocp"), ["wine-8"], real=True)
    assert [played.case.name for played in report.differing] == []
    assert all("real" in played.arms for played in report.played)


def test_random_programs_on_the_real_kernel(tmp_path: Path) -> None:
    need_iocp()
    report = compare("iocp", 10, 7)
    assert report.found is None, report.found
    assert report.operations > 100


def test_a_wrong_name_in_the_worker() -> None:
    need_iocp()
    with pytest.raises(UsageError, match="step 0, get: the name 'q' stands for nothing"):
        play_real("iocp", [[["get", "q", 0]]])
    assert real_profile("iocp") in {"nt", "wine-8"}
