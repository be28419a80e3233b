"""The table of strategies over mutants of threads."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.thread_hunt import STRATEGIES, find
from model.mutants import MUTANTS

FIND = ["mutants", "--find", "--search", "schedules"]


def test_the_table_has_a_line_for_each_and_what_it_comes_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*FIND, "two-orders", "write-without-lock"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert all(name in first for name in STRATEGIES)
    assert [row.split()[0] for row in rows[:2]] == ["two-orders", "write-without-lock"]
    assert all(row.count(" runs ") == len(STRATEGIES) for row in rows[:2])
    assert [row.split(",")[0] for row in rows[2:]] == [f"{s}: 2 of 2 found" for s in STRATEGIES]


def test_one_that_lives_is_told_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIND, "LE-136", "--runs", "2"]) == 1
    told = capsys.readouterr().out
    assert told.count("not in 2 runs") == len(STRATEGIES)
    assert main([*FIND, "LE-136", "--runs", "2", "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)["mutants"]
    assert {each["runs"] for each in one["searches"].values()} == {2}
    assert not any(each["found"] for each in one["searches"].values())


def test_the_same_seed_finds_with_the_same_run() -> None:
    for name in STRATEGIES:
        first, again = (find(MUTANTS["callback-under-lock"], name, seed=3) for _ in range(2))
        assert first.outcome is not None
        assert (first.runs, first.tape, first.scenarios) == (
            again.runs,
            again.tape,
            again.scenarios,
        )


def test_the_exhaustive_search_counts_what_it_has_seen_whole() -> None:
    found = find(MUTANTS["LE-136"], "exhaustive", runs=100)
    assert found.outcome is None
    assert 0 < found.whole < found.scenarios


def test_a_mutant_without_threads_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FIND, "connected-twice"]) == 2
    assert "connected-twice" in capsys.readouterr().err


def test_an_interrupt_comes_between_two_runs_and_what_is_known_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def check(_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 3 * 5 + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("harness.progress.Interrupt.check", check)
    assert main([*FIND, "LE-137", "LE-136", "--runs", "5"]) == 130
    assert "random walk: 0 of 1 found" in capsys.readouterr().out
