"""Causes of libevent's failures, told by mending: with a library that is not there.

In place of runs stands a table of which bugs a failure needs; `make libevent-mended` asks the real
library for each finding.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import causes
from harness.causes import cause_of, files_in
from harness.cli import main
from harness.failure import load
from harness.run import Outcome, check_names
from model.errors import UsageError, WorldUnavailable
from model.properties import Verdicts
from real.libevent.mends import MENDS, left_out, names
from real.libevent.named import VARIABLE

FINDING = Path(__file__).resolve().parents[2] / "findings" / "connect-not-polled" / "failure.jsonl"
BUGS = tuple("abcdefg")


def fails_with(
    monkeypatch: pytest.MonkeyPatch, *needs: set[str], always: bool = False, moved: int = 0
) -> None:
    """A library whose failure needs all bugs of one of these sets, and the fault so many calls
    behind the one that failed if every bug is mended."""
    failure = load(FINDING)
    broken = Verdicts(tuple(failure.violations))
    clean = Verdicts(())

    def run(scenario: Any, world: str, *, tape: Any, subject: str, mutant: str | None) -> Outcome:
        left = set(BUGS) if mutant == "all" else set(mutant.split("+") if mutant else ())
        place = scenario.faults.calls[0].n - failure.scenario.faults.calls[0].n
        assert scenario.connections == failure.scenario.connections and tape == failure.tape
        shows = place == (0 if left else moved) and (always or any(need <= left for need in needs))
        return Outcome(
            world=world,
            kernel_version="simulated",
            subject=subject,
            subject_version="",
            mutant=mutant,
            scenario=scenario,
            tape=tape,
            decisions=(),
            records=failure.records,
            verdicts=broken if shows else clean,
        )

    monkeypatch.setattr(causes, "run", run)


@given(st.sets(st.sampled_from(BUGS), min_size=1), st.data())
def test_the_fewest_bugs_that_are_enough(needs: set[str], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fails_with(monkeypatch, needs)
        found = cause_of(FINDING, BUGS)
    assert set(found.causes) == needs
    assert found.together == (len(needs) > 1)
    assert found.explained


def test_each_bug_that_is_enough_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, {"b"}, {"e"}, {"a", "c"})
    assert cause_of(FINDING, BUGS).causes == ("b", "e")


def test_what_fails_with_every_mend_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, always=True)
    found = cause_of(FINDING, BUGS)
    assert not found.explained
    assert len(found.still) == len(load(FINDING).violations)


@pytest.mark.parametrize(("moved", "explained"), [(1, False), (6, False), (7, True)])
def test_a_failure_that_only_moved_is_not_explained(
    monkeypatch: pytest.MonkeyPatch, moved: int, explained: bool
) -> None:
    """Its fault is the first call of its kind: with the mends another is."""
    fails_with(monkeypatch, {"b"}, set(), moved=moved)
    assert cause_of(FINDING, BUGS).explained == explained


def test_what_does_not_fail_without_mends_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch)
    found = cause_of(FINDING, BUGS)
    assert (found.causes, found.shown, found.explained) == ((), False, False)


def mended(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / MENDS).write_text("\n".join(BUGS))
    monkeypatch.setenv(VARIABLE, str(folder))
    monkeypatch.setattr("harness.causes_command.subject_version", lambda subject: "")


def test_the_command_tells_each_and_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mended(monkeypatch, tmp_path)
    fails_with(monkeypatch, {"b"})
    assert main(["causes", str(FINDING)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("failure.jsonl: W-3 @ has reading enabled")
    assert told[0].endswith(": b")
    assert told[-1] == "1 failure, 0 of them not explained"
    fails_with(monkeypatch, always=True)
    assert main(["causes", "--json", str(FINDING.parent)]) == 1
    (found,) = json.loads(capsys.readouterr().out)["failures"]
    assert (found["explained"], len(found["still"])) == (False, 3)


def test_without_mends_the_command_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["causes", str(FINDING)]) == 2
    assert "build one (make libevent-mended) and name its folder" in capsys.readouterr().err


def test_a_folder_without_mends_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(WorldUnavailable, match="this libevent has no mends"):
        names()


def test_a_bug_that_no_mend_has_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mended(monkeypatch, tmp_path)
    with pytest.raises(UsageError, match="mutant 'z': the mended libevent leaves out one or more"):
        left_out("a+z").__enter__()


def test_only_the_mended_library_has_mutants() -> None:
    check_names("sim-epoll", "libevent-mended", "connect-not-polled")
    with pytest.raises(UsageError, match="is of the model, not of libevent"):
        check_names("sim-epoll", "libevent", "connect-not-polled")


def test_files_are_those_named_and_those_in_folders(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "other.txt"):
        (tmp_path / name).touch()
    expected = [FINDING, tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert files_in([str(FINDING), str(tmp_path)]) == expected
    with pytest.raises(UsageError, match="neither a failure file nor a folder"):
        files_in([str(tmp_path / "none")])


def test_a_failure_of_the_model_has_no_cause_here(tmp_path: Path) -> None:
    regressions = Path(__file__).resolve().parents[1] / "regressions"
    path = sorted(regressions.rglob("*.jsonl"))[0]
    with pytest.raises(UsageError, match="is no failure of libevent"):
        cause_of(path, BUGS)
