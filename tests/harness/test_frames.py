"""The frames have the columns that they document, and add up."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from harness import frames
from harness.failure import FailureFile, save
from harness.frames import (
    BYTES_COLUMNS,
    CALLBACK_COLUMNS,
    OUTCOME_COLUMNS,
    TRACE_COLUMNS,
    Column,
)
from harness.run import run
from tests.harness.made import RECORDS, SCENARIO, failure, failures

FRAMES = [
    (frames.trace_frame, TRACE_COLUMNS),
    (frames.bytes_frame, BYTES_COLUMNS),
    (frames.callbacks_frame, CALLBACK_COLUMNS),
]


def documented(frame: pd.DataFrame, columns: dict[str, Column]) -> None:
    assert list(frame.columns) == list(columns)
    assert [str(dtype) for dtype in frame.dtypes] == [column.dtype for column in columns.values()]


@given(failures())
@settings(max_examples=50)
def test_columns_are_as_documented(drawn: FailureFile) -> None:
    for make, columns in FRAMES:
        documented(make(drawn), columns)


def test_empty_frames_have_their_columns() -> None:
    for make, columns in FRAMES:
        frame = make(())
        assert frame.empty
        documented(frame, columns)
    documented(frames.outcomes_frame([]), OUTCOME_COLUMNS)


def test_a_trace_has_one_row_a_record() -> None:
    frame = frames.trace_frame(RECORDS)
    assert list(frame["kind"]) == [record[1] for record in RECORDS]
    received = frame[(frame["kind"] == "recv") & (frame["end"] == "c0")]
    assert list(received["nbytes"]) == [64]
    assert list(frame.loc[frame["kind"] == "connect", "outcome"]) == ["EINPROGRESS"]


def test_bytes_add_up() -> None:
    frame = frames.bytes_frame(RECORDS)
    last = frame.groupby(["end", "layer", "direction"])["total"].last()
    assert last.to_dict() == {
        ("c0", "application", "in"): 64,
        ("c0", "application", "out"): 10,
        ("c0", "kernel", "in"): 64,
        ("c0", "kernel", "out"): 10,
        ("s0", "application", "in"): 10,
        ("s0", "application", "out"): 64,
    }
    summed = frame.groupby(["end", "layer", "direction"])["nbytes"].sum()
    assert summed.to_dict() == last.to_dict()


def test_callbacks_have_their_durations() -> None:
    frame = frames.callbacks_frame(RECORDS)
    assert list(frame["which"]) == ["event", "read"]
    assert list(frame["duration_ns"]) == [0, 5]
    assert frame["what"][0] == "CONNECTED"
    assert pd.isna(frame["what"][1])
    unended = frames.callbacks_frame(RECORDS[:7])
    assert pd.isna(unended["duration_ns"][0])


def test_a_file_an_outcome_and_its_records_are_the_same(tmp_path: Path) -> None:
    path = save(tmp_path / "f.jsonl", failure())
    pd.testing.assert_frame_equal(frames.trace_frame(path), frames.trace_frame(RECORDS))
    pd.testing.assert_frame_equal(frames.trace_frame(failure()), frames.trace_frame(RECORDS))


@pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])
def test_outcomes_and_their_bytes_agree(world: str) -> None:
    outcome = run(SCENARIO, world)
    frame = frames.outcomes_frame([outcome, outcome])
    documented(frame, OUTCOME_COLUMNS)
    assert list(frame["world"]) == [world, world]
    assert list(frame["sent"]) == [10 + 64 + 64] * 2  # the program, the peer, the echo
    assert list(frame["received"]) == [10 + 64 + 64] * 2
    moved = frames.bytes_frame(outcome)
    kernel = moved[(moved["layer"] == "kernel") & (moved["end"] == "c0")]
    assert dict(kernel.groupby("direction")["nbytes"].sum()) == {"in": 64, "out": 74}


def test_one_scenario_in_several_worlds() -> None:
    outcomes = frames.in_worlds(SCENARIO, ["sim-epoll", "sim-iocp"])
    assert list(outcomes) == ["sim-epoll", "sim-iocp"]
    together = frames.together({w: frames.callbacks_frame(o) for w, o in outcomes.items()})
    assert list(together["world"].unique()) == list(outcomes)
