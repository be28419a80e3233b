"""The table of strategies over mutants of threads."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.thread_hunt import STRATEGIES, find, replays
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
        assert (first.runs, first.tape, first.counts) == (again.runs, again.tape, again.counts)


def test_the_exhaustive_search_tells_what_it_has_seen_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = find(MUTANTS["del-does-not-wait"], "exhaustive", runs=20)
    assert begun.outcome is None and begun.counts.seen == -1
    assert 0 < begun.counts.scenarios < begun.counts.scope
    later = find(MUTANTS["del-does-not-wait"], "exhaustive", runs=400)
    assert later.counts.seen == 0 and later.counts.scenarios == later.counts.scope
    assert main([*FIND, "del-does-not-wait", "--runs", "400", "--seed", "2"]) in (0, 1)
    row = capsys.readouterr().out.splitlines()[1]
    assert f"{later.counts.scope} scenarios seen whole with 0 preemptions" in row


@pytest.mark.parametrize("name", ["LE-137", "worker-serves-twice"])
def test_what_is_one_preemption_away_is_found_in_small_scenarios(name: str) -> None:
    found = find(MUTANTS[name], "exhaustive", runs=10_000)
    assert found.outcome is not None and replays(found, MUTANTS[name])
    assert found.counts.seen == 0


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
