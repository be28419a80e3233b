"""Bulk search finds mutants, and is compared with Hypothesis on the same ones."""

from __future__ import annotations

import gc
import json

import pytest

from harness.bulk.hunt import hunt
from harness.cli import main
from harness.collector import PERIOD, seldom
from model.mutants import MUTANTS

#: one or two of each family; the whole list is `duopoll mutants --find --search both`
SOME = (
    "LE-153", "LE-154", "LE-162", "timeout-early", "low-ignored", "no-direction", "double-close",
    "error-forgotten", "fin-is-error", "tls-handshake-rests", "pair-forgets-to-pull",
    "group-free", "write-without-lock",
)  # fmt: skip


@pytest.mark.parametrize("name", SOME)
def test_bulk_search_finds_it_by_its_property(name: str) -> None:
    found = hunt(MUTANTS[name], runs=4_000, number=1)
    assert found.found, f"{name} lived through {found.runs} runs"
    assert MUTANTS[name].breaks in found.broken


def test_the_same_seed_hunts_in_the_same_way() -> None:
    first, second = (hunt(MUTANTS["low-ignored"], runs=500, number=3) for _ in range(2))
    assert (first.runs, first.broken) == (second.runs, second.broken)


def test_the_contest_tells_both(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["mutants", "--find", "--search", "both", "--seeds", "1", "double-close", "--json"]
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["mutants"]
    assert row["bulk_found"] == row["hypothesis_found"] == 1
    assert told["median_ratio"] == row["ratio"] > 0
    assert told["missed"] == []
    assert main([*asked[:-2], "lost-notify"]) == 2
    assert "of threads" in capsys.readouterr().err


def test_a_mutant_that_bulk_search_misses_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One run finds nothing: then neither has missed anything that the other found."""
    assert main(["mutants", "--find", "--search", "bulk", "--runs", "1", "LE-149"]) == 1
    assert "NOT FOUND" in capsys.readouterr().out


def test_names_choose_from_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "LE-149", "LE-153"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["mutant", "LE-149", "LE-153"]
    assert main(["mutants", "nobody"]) == 2


def test_the_collector_comes_seldom_and_is_given_back() -> None:
    before = gc.isenabled()
    counts = gc.get_stats()[2]["collections"]
    with seldom() as after_run:
        assert not gc.isenabled()
        for _ in range(PERIOD):
            after_run()
    assert gc.isenabled() == before
    assert gc.get_stats()[2]["collections"] == counts + 1
