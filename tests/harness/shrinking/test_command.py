"""`duopoll shrink`: files in and out, exit codes, one object with --json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.failure import encode, load, save
from harness.shrinking import shrink_failure
from tests.harness.made import start
from tests.harness.shrinking.found import found


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_is_shrunk_checked_and_refuted(capsys: pytest.CaptureFixture[str]) -> None:
    save("large.jsonl", found("LE-113"))
    assert main(["shrink", "large.jsonl", "--tries", "2000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["complete"] and told["steps"] < told["steps_before"] and told["exit_code"] == 0
    small = told["file"]
    assert load(small).certificate is not None
    assert main(["shrink", small, "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    assert main(["shrink", small]) == 0
    text = capsys.readouterr().out
    assert "nothing less fails: " in text and f"duopoll replay {small}" in text
    assert main(["replay", small]) == 1
    assert main(["shrink", "large.jsonl", "--check"]) == 2
    assert "large.jsonl: the file has no certificate" in capsys.readouterr().err


def test_a_certificate_that_lies(capsys: pytest.CaptureFixture[str]) -> None:
    save("large.jsonl", found("LE-113"))
    assert main(["shrink", "large.jsonl", "--tries", "1"]) == 0
    assert "the bound was reached" in capsys.readouterr().out
    (cut,) = [load(path) for path in Path("failures").iterdir()]
    assert main(["shrink", "large.jsonl", "--json"]) == 0
    made = load(json.loads(capsys.readouterr().out)["file"]).certificate
    assert made is not None
    from harness.shrinking.case import Case
    from harness.shrinking.removals import counted

    tried = counted(Case(cut.scenario, cut.tape), True)
    save("lie.jsonl", replace(cut, certificate=replace(made, tried=tried)))
    assert main(["shrink", "lie.jsonl", "--check"]) == 1
    assert "still breaks with less" in capsys.readouterr().out


def test_what_cannot_be_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    real = replace(found("timeout-early"), world="epoll", tape=(), decisions=(), mutant=None)
    save("real.jsonl", real)
    assert main(["shrink", "real.jsonl"]) == 2
    error = capsys.readouterr().err
    assert "does not break in sim-epoll" in error and error.count("\n") == 1
    save("gone.jsonl", replace(found("timeout-early"), mutant=None))
    assert main(["shrink", "gone.jsonl"]) == 3
    assert main(["shrink", "gone.jsonl", "--check", "--tries", "3"]) == 2


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_another_process_and_another_hash_seed_make_the_same_file(
    hash_seed: str, tmp_path: Path
) -> None:
    here = shrink_failure(found("LE-001"), tries=500).failure
    path = save(tmp_path / "large.jsonl", found("LE-001"))
    arguments = ["shrink", str(path), "--tries", "500", "--json", "--out", str(tmp_path / "out")]
    with start(*arguments, PYTHONHASHSEED=hash_seed) as process:
        told = json.loads(process.communicate(timeout=120)[0])
    assert Path(told["file"]).read_bytes() == encode(here)
