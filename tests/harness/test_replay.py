"""Replay: exact where it can be, honest where it cannot, and precise about what has changed."""

from __future__ import annotations

import json
import sys
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import replay as module
from harness.failure import FailureFile, load, save, save_in
from harness.replay import CLEAN, OTHER, REPRODUCED, first_difference, replay
from harness.run import Outcome, run
from harness.scenario import BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.scenario_json import to_json
from harness.strategies import scenarios, tapes
from model.choices import Decision
from model.errors import Divergence, UsageError, WorldUnavailable
from model.properties import Verdicts, Violation
from real import wine
from tests.harness.made import SCENARIO, failure

WORLDS = ["sim-epoll", "sim-iocp"]
#: the bufferevent writes nothing, so that a write callback after a read is wrong
READING = Scenario(
    connections=(
        Connection(
            client=BuffereventEnd(on_write=((),)),
            server=PeerEnd(steps=(Step("send", ((9, 64, 100),)), Step("shutdown"))),
        ),
    )
)


def kept(world: str = "sim-epoll", tape: tuple[int, ...] = (3, 1, 2)) -> FailureFile:
    """A recorded run, clean or not."""
    return FailureFile.of(run(SCENARIO, world, tape=tape))


def diverges(file: FailureFile) -> str:
    with pytest.raises(Divergence) as caught:
        replay(file)
    return str(caught.value)


@given(scenarios(), tapes(), st.sampled_from(WORLDS))
def test_every_run_replays_byte_for_byte(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    outcome = run(scenario, world, tape=tape)
    result = replay(FailureFile.of(outcome))
    assert result.outcome.records == outcome.records
    assert result.outcome.verdicts.violations == outcome.verdicts.violations
    assert result.exit_code == (1 if outcome.verdicts.violations else 0)
    assert "byte for byte" in result.message


@given(scenarios(), tapes(), st.sampled_from(WORLDS))
@settings(max_examples=20)
def test_files_replay_too(
    tmp_path_factory: pytest.TempPathFactory,
    scenario: Scenario,
    tape: tuple[int, ...],
    world: str,
) -> None:
    outcome = run(scenario, world, tape=tape)
    path = save(tmp_path_factory.mktemp("r") / "f.jsonl", outcome)
    result = replay(path)
    again = save(path.with_name("again.jsonl"), changed(result.outcome, tape=outcome.tape))
    assert again.read_bytes() == path.read_bytes()


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_the_first_difference_is_the_first(one: list[int], other: list[int]) -> None:
    index = first_difference(one, other)
    assert one[:index] == other[:index]
    if one != other:
        assert one[index : index + 1] != other[index : index + 1]


def test_a_decision_of_another_name_is_named() -> None:
    recorded = kept()
    first = recorded.decisions[0]
    file = changed(recorded, decisions=(Decision("tcp.mood", 9, 1), *recorded.decisions[1:]))
    message = diverges(file)
    assert message == (
        f"decision 0: recorded 'tcp.mood' of 9, this run asks {first.name!r} of {first.bound}"
    )


def test_a_decision_too_many_is_named() -> None:
    recorded = kept(tape=(0,) * 200)
    more = Decision("tcp.mood", 9, 1)
    message = diverges(changed(recorded, decisions=(*recorded.decisions, more)))
    assert "'tcp.mood' of 9" in message
    assert f"decision {len(recorded.decisions)}: " in message


@pytest.mark.parametrize("index", [0, 5, -1])
def test_a_record_that_differs_is_named_with_both_sides(index: int) -> None:
    recorded = kept()
    index %= len(recorded.records)
    other = (recorded.records[index][0] + 7, *recorded.records[index][1:])
    records = (*recorded.records[:index], other, *recorded.records[index + 1 :])
    what, recorded_side, found = diverges(changed(recorded, records=records)).splitlines()
    assert what == f"record {index} of {len(records)} differs"
    assert recorded_side.startswith(f'  recorded: {{"t":{other[0]},')
    assert found.startswith(f'  this run: {{"t":{recorded.records[index][0]},')


def test_a_record_that_is_missing_is_named() -> None:
    recorded = kept()
    shorter = changed(recorded, records=recorded.records[:-1])
    assert "recorded: (the run ended before it)" in diverges(shorter)
    longer = changed(recorded, records=(*recorded.records, recorded.records[-1]))
    assert "this run: (the run ended before it)" in diverges(longer)


def test_another_version_of_the_subject_is_mentioned() -> None:
    recorded = changed(kept(), records=kept().records[:-1], subject_version="0.0.9")
    assert "the file is of model 0.0.9, this is " in diverges(recorded)


def test_the_same_trace_judged_differently_diverges() -> None:
    recorded = kept()
    file = changed(recorded, violations=(Violation("Z-9", 3, "gone"),), broken="Z-9")
    message = diverges(file)
    assert "judged differently" in message
    assert "recorded: Z-9 at record 3: gone" in message


class Runs:
    """In place of `run`: gives what it is told to, in order, and remembers how it was asked."""

    def __init__(self, *broken: tuple[str, ...]) -> None:
        self.broken = list(broken)
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def __call__(self, scenario: Scenario, world: str, **how: Any) -> Outcome:
        self.asked.append((world, tuple(how["tape"])))
        violations = tuple([Violation(name, 0, "x") for name in self.broken.pop(0)])
        return Outcome(
            *(world, "Linux 6", "model", "0.1.0", how["mutant"], scenario, (), (), ()),
            Verdicts(violations),
        )


@pytest.mark.parametrize(
    ("broken", "result", "reproduced", "message"),
    [
        ([("C-1",), (), ("C-1", "B-1")], REPRODUCED, 2, "epoll: C-1 breaks in 2 of 3 runs"),
        ([("C-1",), ("B-1",), ()], REPRODUCED, 1, "C-1 breaks in 1 of 3 runs; others break in 1"),
        ([(), ("B-1",), ()], OTHER, 0, "C-1 does not break in 3 runs; others break in 1"),
        ([(), (), ()], CLEAN, 0, "epoll: C-1 does not break in 3 runs (recorded in epoll)"),
    ],
)
def test_a_real_world_is_run_as_often_as_asked(
    broken: list[tuple[str, ...]],
    result: str,
    reproduced: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs(*broken)
    monkeypatch.setattr(module, "run", runs)
    got = replay(failure(world="epoll"), times=3)
    assert runs.asked == [("epoll", ())] * 3
    assert (got.result, got.reproduced, got.runs) == (result, reproduced, 3)
    assert got.exit_code == (0 if result == CLEAN else 1)
    assert message in got.message


def test_another_simulated_world_gets_the_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(("C-1",))
    monkeypatch.setattr(module, "run", runs)
    result = replay(failure(), world="sim-iocp", times=5)
    assert runs.asked == [("sim-iocp", failure().tape)]
    assert result.message == "sim-iocp: C-1 breaks in 1 of 1 run (recorded in sim-epoll)"


def test_a_failure_between_worlds_is_judged_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run(SCENARIO, "sim-epoll")
    across = Violation("X-1", 0, "two stories")
    file = changed(
        FailureFile.of(outcome), violations=(across,), broken="X-1", others=("sim-iocp",)
    )
    compared: list[list[str]] = []

    def compare(outcomes: list[Outcome]) -> Verdicts:
        compared.append([each.world for each in outcomes])
        return Verdicts((across,))

    monkeypatch.setattr(module, "compare", compare)
    assert replay(file).result == REPRODUCED
    assert compared == [["sim-epoll", "sim-iocp"]]
    monkeypatch.setattr(module, "compare", lambda outcomes: Verdicts(()))
    assert "recorded: X-1" in diverges(file)


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--times is 0"):
        replay(failure(), times=0)
    with pytest.raises(UsageError, match="world 'x' does not exist"):
        replay(failure(), world="x")
    with pytest.raises(UsageError, match="is no file"):
        replay(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"does not exist|no mutant"):
        replay(failure(mutant="LE-0"))


def test_a_missing_world_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> Outcome:
        raise WorldUnavailable("world iocp does not run here: run duopoll setup-wine")

    monkeypatch.setattr(module, "run", missing)
    with pytest.raises(WorldUnavailable, match="setup-wine"):
        replay(failure(), world="iocp")


@pytest.mark.skipif(
    sys.platform == "win32" or wine.why_not() is not None,
    reason="needs Linux and a Windows interpreter under Wine: duopoll setup-wine",
)
@pytest.mark.parametrize("world", WORLDS)
def test_files_are_the_same_on_linux_and_windows(world: str, tmp_path: Path) -> None:
    """Made here, replayed there; made there, the same bytes, and replayed here."""
    mutant = "write-callback-for-reads"
    outcome = run(READING, world, tape=(3, 1, 2, 4), mutant=mutant)
    assert outcome.verdicts.violations
    here = save_in(tmp_path / "here", outcome)
    replayed = wine.run_interpreter(
        ["-m", "harness", "replay", wine.windows_path(here)], timeout_s=120
    )
    assert replayed[0] == 1, replayed[1]
    assert "byte for byte" in replayed[1]

    program = tmp_path / "scenario.json"
    program.write_text(json.dumps(to_json(READING)))
    arguments = ["--world", world, "--tape", "3,1,2,4", "--mutant", mutant, "--json"]
    arguments += ["--out", wine.windows_path(tmp_path / "there")]
    code, told = wine.run_interpreter(
        ["-m", "harness", "run", wine.windows_path(program), *arguments], timeout_s=120
    )
    assert code == 1, told
    (there,) = (tmp_path / "there").iterdir()
    assert there.name == here.name
    assert there.read_bytes() == here.read_bytes()
    assert replay(there).result == REPRODUCED


def test_a_file_keeps_what_replay_needs(tmp_path: Path) -> None:
    recorded = kept("sim-iocp")
    assert load(save(tmp_path / "f.jsonl", recorded)) == recorded
