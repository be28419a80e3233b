"""`duopoll export`: every form from a failure file and from a bare trace, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.failure import save
from harness.show import trace_text
from harness.views.export_command import FORMS
from tests.harness.made import RECORDS, failure
from tests.harness.views.runs import broken, explanation


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_written_beside_the_file(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "f.jsonl", failure())
    trace = tmp_path / "trace.jsonl"
    trace.write_text(trace_text(RECORDS))
    for source in (path, trace):
        assert main(["export", str(source), "--to", form]) == 0
        out = source.with_suffix("." + FORMS[form][0])
        assert out.stat().st_size > 500
        assert capsys.readouterr().out == f"{out}: 21 records as {form}\n"
        again = tmp_path / "deep" / "down"
        assert main(["export", str(source), "--to", form, "--out", str(again), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["out"] == str(again)
        assert again.read_bytes() == out.read_bytes()


def test_an_explanation_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(tmp_path / "f.jsonl", broken()))
    assert main(["export", path, "--explain"]) == 0
    assert '"verdict":"B-1: c0 read 1 bytes' in (tmp_path / "f.html").read_text()
    capsys.readouterr()
    trace = tmp_path / "trace.jsonl"
    trace.write_text(trace_text(RECORDS))
    assert main(["export", str(trace), "--explain"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_explanation_is_put_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(tmp_path / "f.jsonl", failure()))
    said = tmp_path / "why.json"
    said.write_text(json.dumps(explanation(21)))
    assert main(["export", path, "--explanation", str(said)]) == 0
    assert "decision 3 is enough" in (tmp_path / "f.html").read_text()
    capsys.readouterr()
    said.write_text('{"story": 1}')
    wrong = [
        ["--explanation", str(said)],
        ["--explanation", str(tmp_path / "none")],
        ["--explanation", str(said), "--to", "csv"],
        ["--by-record"],
        ["--explain", "--to", "pcapng"],
        ["--out", str(tmp_path / "f.jsonl" / "x")],
    ]
    for arguments in wrong:
        assert main(["export", path, *arguments]) == 2, arguments
        assert capsys.readouterr().err.count("\n") == 1
