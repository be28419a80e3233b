"""The Chrome trace and the table: complete, ordered, harmless to the programs that read them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings

from harness.failure import FailureFile
from harness.views.perfetto import perfetto
from harness.views.table import COLUMNS, csv_table
from model.trace import decode_record
from tests.harness.made import failures
from tests.harness.views.runs import LAYERED, busy


def by_phase(text: str) -> dict[str, list[dict[str, Any]]]:
    """The events of a trace, by their phase."""
    document = json.loads(text)
    assert document["displayTimeUnit"] == "ns"
    found: dict[str, list[dict[str, Any]]] = {phase: [] for phase in "MXsfC"}
    for event in document["traceEvents"]:
        found[event["ph"]].append(event)
    return found


@given(failures())
@settings(max_examples=25)
def test_every_record_is_a_slice_on_a_named_track(drawn: FailureFile) -> None:
    for by_record in (False, True):
        events = by_phase(perfetto(drawn.records, "a\ntitle", by_record))
        tracks = {(e["pid"], e["tid"]) for e in events["M"] if e["name"] == "thread_name"}
        told = [index for index, record in enumerate(drawn.records) if record[1] != "cb_end"]
        assert [event["args"]["record"] for event in events["X"]] == told
        for event in events["X"]:
            record = drawn.records[event["args"]["record"]]
            number = event["args"]["record"]
            assert event["ts"] == (number if by_record else record[0] / 1000)
            assert event["dur"] > 0
            assert (event["pid"], event["tid"]) in tracks


@pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])
def test_arrows_lead_from_writes_to_callbacks(world: str) -> None:
    records = busy(world).records
    events = by_phase(perfetto(records, "busy", by_record=True))
    begins = {event["id"]: event for event in events["s"]}
    ends = {event["id"]: event for event in events["f"]}
    assert begins.keys() == ends.keys()
    assert len(begins) == len(events["s"])
    pairs = {(records[int(begins[i]["ts"])][1], records[int(ends[i]["ts"])][1]) for i in begins}
    assert ("peer", "cb") in pairs, "a peer's send, and the callback that was told of it"
    assert ("write", "peer") in pairs
    assert {one for one, _ in pairs} <= {"write", "echo", "peer"}
    for number, begin in begins.items():
        assert begin["ts"] < ends[number]["ts"]
        assert begin["pid"] == ends[number]["pid"], "within one connection"
    last = {event["name"]: event["args"]["bytes"] for event in events["C"]}
    assert all(each >= 0 for each in last.values())


def test_a_layer_has_its_track() -> None:
    from harness.run import run

    events = by_phase(perfetto(run(LAYERED, "sim-epoll").records, "layers"))
    names = [e["args"]["name"] for e in events["M"] if e["name"] == "thread_name"]
    assert names[:5] == ["loop", "c0 application", "c0 layer 1", "c0 layer 0", "c0 kernel"]


@given(failures())
@settings(max_examples=25)
def test_the_table_loses_nothing(drawn: FailureFile) -> None:
    heading, *rows = csv.reader(io.StringIO(csv_table(drawn.records), newline=""))
    assert tuple(heading) == COLUMNS
    assert [decode_record(json.loads(row[-1])) for row in rows] == list(drawn.records)
    assert [int(row[0]) for row in rows] == list(range(len(drawn.records)))
    for row in rows:
        assert all(cell[:1] not in {"=", "+", "-", "@"} for cell in row[2:])
        assert all(cell.isascii() for cell in row)
