"""Colours in the terminal: the same records, nothing of a file as a command, all without rich."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.cli import main
from harness.failure import FailureFile, save
from harness.show import ALL, Filters
from harness.views.terminal import show_rich
from model.errors import UsageError
from tests.harness.made import failure, failures

SGR = re.compile(r"\x1b\[[\d;]*m")


def told(path: Path, filters: Filters = ALL, colours: bool = True) -> str:
    out = io.StringIO()
    show_rich(path, filters, out, colours)
    return out.getvalue()


@given(failures())
@settings(max_examples=15)
def test_every_record_has_its_row(
    tmp_path_factory: pytest.TempPathFactory, drawn: FailureFile
) -> None:
    path = save(tmp_path_factory.mktemp("f") / "f.jsonl", drawn)
    text = SGR.sub("", told(path))
    assert "\x1b" not in text
    assert all(line.isprintable() for line in text.splitlines())
    numbers = [int(n) for n in re.findall(r"^ {0,2}(\d+)  ", text, re.MULTILINE)]
    assert numbers[-len(drawn.records) :] == list(range(len(drawn.records)))


def test_filters_choose_and_count(tmp_path: Path) -> None:
    path = save(tmp_path / "f.jsonl", failure())
    text = told(path, Filters(kinds=("recv",)), colours=False)
    assert "20 of 21 records not shown" in text
    assert "\x1b" not in text


def test_the_verdict_has_a_frame(tmp_path: Path) -> None:
    text = SGR.sub("", told(save(tmp_path / "f.jsonl", failure())))
    assert re.search(r"C-1 at record 14 .*\n.*the read callback came below", text)
    assert "duopoll replay " in text


def test_markup_in_a_file_is_text(tmp_path: Path) -> None:
    path = save(tmp_path / "f.jsonl", failure(subject="[red]x[/red] [link=a:b]y[/link] :bomb:"))
    assert "[red]x[/red] [link=a:b]y[/link] :bomb:" in SGR.sub("", told(path))


def test_without_rich_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "f.jsonl", failure())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"install duopoll\[views\]"):
        told(path)
    assert main(["show", str(path), "--rich"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["show", str(path)]) == 0


def test_a_terminal_gets_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(save(tmp_path / "f.jsonl", failure()))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["show", path]) == 0
    assert SGR.search(capsys.readouterr().out)
    assert main(["show", path, "--plain"]) == 0
    assert not SGR.search(capsys.readouterr().out)


def test_plain_is_what_a_pipe_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(tmp_path / "f.jsonl", failure()))
    assert main(["show", path]) == 0
    piped = capsys.readouterr().out
    assert main(["show", path, "--plain"]) == 0
    assert capsys.readouterr().out == piped
    assert main(["show", path, "--rich"]) == 0
    assert capsys.readouterr().out != piped
