"""Campaigns: the same totals however often they were ended, failures once and on disk, a canary
that must be found, damage in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bulk import executors, state
from harness.bulk.campaign import Campaign, Report, open_campaign
from harness.bulk.canary import CANARIES, canary_of
from harness.bulk.search import Batch, search_batch
from harness.bulk.state import Known, State
from harness.cli import main
from harness.failure import load
from harness.replay import replay
from harness.worlds import WORLDS
from model.errors import UsageError
from model.mutants import MUTANTS
from model.properties import PROPERTY
from tests.harness.bulk.drawn import timeless

WORLDS_HERE = ("sim-epoll", "sim-iocp")


def go(
    folder: Path,
    runs: int,
    *,
    mutant: str | None = None,
    seed: int = 4,
    progress: Callable[[Report], None] | None = None,
    subject: str = "model",
    worlds: tuple[str, ...] = WORLDS_HERE,
) -> Campaign:
    """A session in this process, its canary left out."""
    opened = open_campaign(
        folder, resume=False, subject=subject, mutant=mutant, worlds=worlds, seed=seed
    )
    canary = canary_of(seed, worlds)
    canary.limit = 0
    campaign = Campaign(folder, opened, executors.Here, 1, canary, progress, shrink_s=0.3)
    campaign.batch_runs = 40
    campaign.run(runs)
    return campaign


def totals(folder: Path) -> dict[str, Any]:
    fields = json.loads((folder / state.NAME).read_text())
    del fields["elapsed_ms"]
    return {name: fields[name] for name in fields if name != "failures"}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.json*")}


def test_a_campaign_that_was_ended_comes_to_the_same(tmp_path: Path) -> None:
    """In one go, and in pieces at whole batches: the same totals, keys, corpus and failures."""
    go(tmp_path / "whole", 80, mutant="would-block-is-eof")
    for runs in (40, 40, 80):
        go(tmp_path / "pieces", runs, mutant="would-block-is-eof")
    assert totals(tmp_path / "whole") == totals(tmp_path / "pieces")
    for name in ("corpus", "failures"):
        assert files(tmp_path / "whole" / name) == files(tmp_path / "pieces" / name)
    assert sum(totals(tmp_path / "whole")["runs"].values()) >= 80


def test_failures_are_files_once_each_and_replay(tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    opened = open_campaign(
        tmp_path, resume=False, subject="model", mutant="timeout-early", worlds=WORLDS_HERE, seed=2
    )
    canary = canary_of(2, WORLDS_HERE)
    canary.limit = 0
    campaign = Campaign(
        tmp_path,
        opened,
        executors.Here,
        1,
        canary,
        tell=lambda found, path: told.append((found.signature, path.exists())),
        shrink_s=0.2,
    )
    campaign.run(40)
    held = {each.signature: each for each in opened.failures.values()}
    assert held and told == [(name, True) for name in held]
    for known in held.values():
        failure = load(tmp_path / "failures" / known.file)
        assert failure.violation is not None
        assert failure.broken == known.property == known.signature
        assert known.shrunk and known.times >= 1
        assert replay(str(tmp_path / "failures" / known.file)).exit_code == 1
    assert files(tmp_path / "failures") == {each.file for each in held.values()}


def test_a_failure_that_was_written_just_before_the_end_is_not_lost(tmp_path: Path) -> None:
    go(tmp_path, 60, mutant="timeout-early")
    fields = json.loads((tmp_path / state.NAME).read_text())
    before = {each["signature"] for each in fields["failures"]}
    assert before
    fields["failures"] = []
    (tmp_path / state.NAME).write_text(json.dumps(fields))
    assert set(state.load(tmp_path).failures) == before


def test_a_batch_is_a_function(tmp_path: Path) -> None:
    batch = Batch(3, 9, "model", "timeout-early", WORLDS_HERE, 60)
    first, second = timeless(search_batch(batch)), timeless(search_batch(batch))
    assert first == second
    assert first.entries and first.failures
    again = search_batch(
        Batch(
            3, 9, "model", "timeout-early", WORLDS_HERE, 60,
            known=frozenset(each.signature for each in first.failures),
            seen=frozenset(key for entry in first.entries for key in entry.new),
        )
    )  # fmt: skip
    assert not again.failures
    assert again.broken == first.broken


def test_an_interrupt_keeps_what_there_is(tmp_path: Path) -> None:
    def interrupt(report: Report) -> None:
        if report.session_runs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # the last word interrupts too
        go(tmp_path, 10_000, progress=interrupt)
    assert sum(state.load(tmp_path).runs.values()) >= 40


def test_the_canary_must_be_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["campaign", "--jobs", "1", "--seed", "1", "--runs", "1"]
    code = main([*arguments, "--dir", str(tmp_path / "one"), "--canary-runs", "1"])
    said = capsys.readouterr().out
    assert code == 3
    assert "NOT FOUND in 1 runs" in said
    code = main([*arguments, "--dir", str(tmp_path / "two")])
    assert "canary low-ignored (W-2) found" in capsys.readouterr().out
    assert code == 0
    (kept,) = (tmp_path / "two" / "canary").glob("*.jsonl")
    assert load(kept).mutant == "low-ignored"


@pytest.mark.parametrize("name", CANARIES)
def test_canaries_are_of_both_kernels(name: str) -> None:
    assert set(MUTANTS[name].kernels) == {"readiness", "completion"}
    assert canary_of(0, ("sim-iocp",), name).worlds == ("sim-iocp",)


def test_a_campaign_of_its_own_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "c")
    arguments = [
        "campaign",
        "--dir",
        folder,
        "--shrink-seconds",
        "1",
        "--jobs",
        "1",
        "--mutant",
        "timeout-early",
        "--json",
    ]
    assert main([*arguments, "--resume", "--runs", "5"]) == 2
    assert "holds no campaign to resume" in capsys.readouterr().err
    assert main([*arguments, "--runs", "30", "--seed", "5"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["canary"]["found"]
    assert {"T-1"} <= {each["property"] for each in told["failures"]}
    assert sum(told["runs"].values()) >= 30
    assert main([*arguments, "--resume", "--runs", "30"]) == 1
    assert json.loads(capsys.readouterr().out)["session_runs"] == 0
    other = [each if each != "timeout-early" else "eof-twice" for each in arguments]
    assert main([*other, "--runs", "30"]) == 2
    assert "holds a campaign of model with timeout-early" in capsys.readouterr().err


counters = st.dictionaries(st.text(max_size=20), st.integers(0, 1 << 40), max_size=5)
_knowns = st.lists(
    st.builds(
        lambda name, broken, worlds, times, shrunk: Known(
            name, broken, tuple(worlds), state.file_name(name, broken), times, shrunk
        ),
        st.text(max_size=40),
        st.sampled_from(sorted(PROPERTY)),
        st.lists(st.sampled_from(WORLDS), min_size=1, max_size=4),
        st.integers(0, 1 << 40),
        st.booleans(),
    ),
    max_size=4,
)


@given(counters, counters, counters, _knowns, st.integers(0, 1 << 31))
def test_the_file_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    runs: dict[str, int],
    checked: dict[str, int],
    keys: dict[str, int],
    knowns: list[Known],
    number: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    made = State(number, "model", None, ("sim-epoll",), number, number, number)
    made.runs.update(runs)
    made.checked.update(checked)
    made.keys.update(keys)
    made.failures = {each.signature: each for each in knowns}
    state.save(folder, made)
    assert state.load(folder) == made


@given(st.data())
def test_damage_is_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    made = State(1, "model", None, ("sim-epoll",))
    made.failures["s"] = Known("s", "E-1", ("sim-epoll",), state.file_name("s", "E-1"))
    state.save(folder, made)
    fields = json.loads((folder / state.NAME).read_text())
    name = data.draw(st.sampled_from(sorted(fields)))
    value = data.draw(
        st.none() | st.text(max_size=3) | st.lists(st.integers(), min_size=1) | st.just(-1)
    )
    if name == "mutant" and value is None:
        return
    fields[name] = value
    (folder / state.NAME).write_text(json.dumps(fields))
    with pytest.raises(UsageError) as raised:
        state.load(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_workers_that_die_are_replaced(tmp_path: Path) -> None:
    """The first executor breaks with the first job; the second does the work."""
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    class Breaks(Executor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

    made = [Breaks(), executors.Here()]
    opened = open_campaign(
        tmp_path, resume=False, subject="model", mutant=None, worlds=WORLDS_HERE, seed=2
    )
    canary = canary_of(2, WORLDS_HERE)
    canary.limit = 0
    campaign = Campaign(tmp_path, opened, lambda: made.pop(0), 1, canary)
    report = campaign.run(20)
    assert report.restarts == 1
    assert report.session_runs >= 20
