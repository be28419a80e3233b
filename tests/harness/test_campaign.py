"""Campaigns end well: interrupted, idle, unread or watched on a terminal."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from harness import campaign, commands
from harness.cli import main
from harness.failure import FailureFile, save
from harness.fuzz import FuzzReport, Progress, WorldReport
from harness.progress import Interrupt
from harness.run import run
from tests.harness.made import SCENARIO, report, start


@pytest.mark.parametrize(("interrupted", "code"), [(False, 0), (True, 130)])
def test_an_interrupt_keeps_the_table(
    interrupted: bool,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(campaign, "search", lambda *_, **__: report(interrupted=interrupted))
    assert main(["fuzz", "--world", "sim-epoll"]) == code
    out = capsys.readouterr().out
    assert out.startswith("world ")
    assert ("interrupted after" in out) == interrupted


def test_a_world_without_a_run_is_not_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = report(worlds={"sim-epoll": WorldReport("sim-epoll")})
    monkeypatch.setattr(campaign, "search", lambda *_, **__: idle)
    assert main(["fuzz", "--world", "sim-epoll"]) == 2
    assert "no run was made in sim-epoll" in capsys.readouterr().err


def test_an_interrupt_elsewhere_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(world: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "why_not", interrupt)
    assert main(["worlds"]) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "duopoll: interrupted\n")


def test_an_interrupt_waits_for_the_run_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C inside a run is raised between runs; what was found so far is kept."""

    def search(*_: object, progress: Progress, **__: object) -> FuzzReport:
        so_far = report()
        progress(so_far)
        signal.raise_signal(signal.SIGINT)
        so_far.worlds["sim-epoll"].runs += 1  # the run went on
        progress(so_far)
        raise AssertionError("the interrupt was lost")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(campaign, "search", search)
    assert main(["fuzz", "--world", "sim-epoll", "--json", "--out", str(tmp_path)]) == 130
    told = json.loads(capsys.readouterr().out)
    assert told["interrupted"] is True
    assert told["worlds"][0]["runs"] == 4
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_wait() -> None:
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_real_interrupt_prints_the_table() -> None:
    process = start("fuzz", "--world", "sim-epoll", "--seconds", "60", "--json")
    try:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    told = json.loads(out)
    assert told["interrupted"] is True, err
    assert told["worlds"][0]["runs"] > 0
    assert process.returncode == (1 if told["failures"] else 130)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    outcome = run(SCENARIO, "sim-epoll")
    path = save(tmp_path / "f.jsonl", FailureFile.of(outcome))
    with start("show", str(path), PYTHONUNBUFFERED="1") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(timeout=30) == 141


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def test_the_progress_line_rewrites_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    line = campaign.ProgressLine(terminal)  # type: ignore[arg-type]  # it needs no more of a stream
    line(report(elapsed_s=1.5, shrinking="C-1"))
    line(report(elapsed_s=2.5))
    line.clear()
    parts = terminal.text.split("\r")
    assert parts[0] == ""
    assert parts[1] == "2 s, runs: sim-epoll 3, 0 failures, shr"
    assert parts[2].rstrip() == "2 s, runs: sim-epoll 3, 0 failures"
    assert parts[3].strip() == ""
    assert "\n" not in terminal.text
    assert all(len(part) < 40 for part in parts)
