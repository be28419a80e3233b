"""An explanation names what decided, and is the same each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.cli import main
from harness.explain import Explanation, explain
from harness.explain.curve import NEAR
from harness.explain.text import lines
from harness.failure import FailureFile, load, save
from harness.run import run
from harness.scenario import Scenario
from harness.shrinking import shrink_failure
from model.errors import UsageError
from tests.harness.foreign import needs_libevent
from tests.harness.shrinking.found import found

ROOT = Path(__file__).resolve().parents[3]


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(form: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, form]}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
SIDE = _object(record=NUMBER, text=TEXT)
FORM = _object(
    story=_list(TEXT),
    verdict=TEXT,
    first_difference={
        "anyOf": [{"type": "null"}, _object(change=TEXT, failing=SIDE, passing=SIDE)]
    },
    decisions=_list(
        _object(
            index=NUMBER,
            name=TEXT,
            value=NUMBER,
            instead=NUMBER,
            still_fails={"type": "boolean"},
            record=NUMBER,
        )
    ),
    curve=_list(_object(decision=NUMBER, record=NUMBER, failed=NUMBER, of=NUMBER)),
    certain_at=_or_null(_object(decision=NUMBER, record=NUMBER)),
    bytes=_list(
        _object(
            connection=TEXT,
            direction=TEXT,
            start=NUMBER,
            end=NUMBER,
            way=_list(_object(record=NUMBER, time_ns=NUMBER, what=TEXT)),
        )
    ),
)


def small(name: str) -> FailureFile:
    return shrink_failure(found(name), tries=3_000).failure


def checked(failure: FailureFile, told: Explanation) -> Explanation:
    """What holds of every explanation."""
    document = json.loads(json.dumps(told.to_json()))
    jsonschema.validate(document, FORM)
    assert document == told.to_json()
    assert told.finished and told.verdict.startswith(f"{failure.broken}: ")
    records = len(failure.records)
    places = [flip.record for flip in told.decisions] + [point.record for point in told.curve]
    assert all(place < records for place in places)
    numbers = [point.decision for point in told.curve]
    assert numbers == sorted(set(numbers)) and numbers[0] == 0
    last = told.curve[-1]
    assert last.failed == last.of, "with every decision in common it fails"
    assert told.certain_at is not None
    sure = [point for point in told.curve if point.decision >= told.certain_at.decision]
    assert all(point.failed >= NEAR * point.of for point in sure)
    assert all(line.isascii() and line.isprintable() for line in lines(told))
    return told


def test_it_names_the_decision_that_decides() -> None:
    """LE-001 in sim-epoll: of two connects one is late, and a busy loop meets both."""
    failure = small("LE-001")
    told = checked(failure, explain(failure, seconds=None))
    (sharp,) = [flip for flip in told.decisions if flip.value]
    assert sharp.name == "tcp.connect_latency" and not sharp.still_fails and sharp.instead == 0
    assert failure.decisions[sharp.index].value == sharp.value
    assert told.certain_at is not None and told.certain_at.decision == sharp.index + 1
    first = told.curve[0]
    assert first.failed < first.of / 2
    difference = told.first_difference
    assert difference is not None and difference.failing != difference.passing
    assert difference.failing.record <= failure.violations[0].record
    assert told.failing[: difference.failing.record] == told.passing[: difference.failing.record]


def test_it_is_the_same_each_time() -> None:
    failure = small("LE-001")
    assert explain(failure, seconds=None) == explain(failure, seconds=None)
    other = explain(failure, seconds=None, seed=2)
    assert other.decisions == explain(failure, seconds=None).decisions


def test_schedules_are_explained() -> None:
    failure = small("two-orders-hang")
    told = checked(failure, explain(failure, seconds=None, redraws=8))
    sharp = [flip for flip in told.decisions if flip.value]
    assert sharp and all(flip.name == "thread.next" and not flip.still_fails for flip in sharp)


def test_a_program_that_decides_alone() -> None:
    """No decision matters; the bytes of the verdict have a way."""
    failure = small("timeout-early")
    told = checked(failure, explain(failure, seconds=None, redraws=5))
    assert all(flip.still_fails for flip in told.decisions if flip.value)
    assert told.first_difference is not None


def test_bytes_may_be_asked_for_and_a_real_world_is_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = replace(small("write-gives-up"), world="epoll", certificate=None)
    path = save(tmp_path / "failure.jsonl", failure)
    arguments = ["explain", str(path), "--redraws", "3"]
    assert main([*arguments, "--json", "--bytes", "0:0..1"]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, FORM)
    assert [way["direction"] for way in told["bytes"]] == ["c0 to s0", "s0 to c0"]
    assert "sim-epoll" in told["story"][0]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for block in (
        "In sim-epoll",
        "The nearest run that passes",
        "Decisions that matter",
        "certain",
    ):
        assert block in text
    assert main(["explain", str(path), "--bytes", "c0"]) == 2


def test_a_bound_and_an_interrupt_leave_what_there_is() -> None:
    failure = small("LE-001")
    nothing = explain(failure, seconds=0)
    assert not nothing.finished and nothing.decisions == () and nothing.certain_at is None
    jsonschema.validate(nothing.to_json(), FORM)
    told: list[str] = []

    def progress(text: str) -> None:
        told.append(text)
        if "curve" in text:
            raise KeyboardInterrupt

    cut = explain(failure, seconds=None, progress=progress)
    assert not cut.finished and cut.decisions and cut.first_difference and not cut.curve
    assert told


def test_a_clean_run_has_nothing_to_explain() -> None:
    with pytest.raises(UsageError, match="no property broke"):
        explain(FailureFile.of(run(Scenario(), "sim-epoll")))


@needs_libevent
def test_libevent_is_explained_through_its_cage() -> None:
    failure = load(ROOT / "findings" / "connected-after-error" / "failure.jsonl")
    told = explain(failure, seconds=None, redraws=5)
    document = told.to_json()
    jsonschema.validate(document, FORM)
    assert told.decisions and all(flip.record < len(failure.records) for flip in told.decisions)
    assert told.curve[-1].failed == told.curve[-1].of
    assert told.first_difference is not None
