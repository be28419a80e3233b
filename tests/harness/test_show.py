"""Showing: every record in aligned columns, escaped, filtered and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.failure import FailureFile, save
from harness.show import Filters, load_records, schema, show_file, show_records, trace_text
from harness.trace_schema import FIELD_KINDS
from model.errors import UsageError
from model.trace import FIELDS, encode_trace
from tests.harness.made import RECORDS, failure, failures


@given(failures())
def test_every_record_has_its_line(drawn: FailureFile) -> None:
    lines = list(show_records(drawn.records))
    assert len(lines) == 1 + len(drawn.records)
    assert all(line.isascii() and line.isprintable() for line in lines)
    for index, (line, record) in enumerate(zip(lines[1:], drawn.records, strict=True)):
        assert line.split()[0] == str(index)
        assert record[1] in line


def test_columns_are_aligned() -> None:
    lines = list(show_records(RECORDS))
    starts = {line.index(record[1], 10) for line, record in zip(lines[1:], RECORDS, strict=True)}
    assert len(starts) == 1
    assert lines[0].split() == ["#", "ms", "end", "kind", "fields"]
    assert lines[7].split()[4:] == [
        "which=event",
        "what=CONNECTED",
        "error=null",
        "input_length=0",
        "output_length=0",
        "enabled=RW",
    ]


def test_kernel_records_belong_to_their_end() -> None:
    lines = list(show_records(RECORDS, Filters(ends=("c0",))))
    assert sum(" recv " in line for line in lines) == 1
    assert lines[-1] == "9 of 21 records not shown"


@given(
    st.integers(0, 30),
    st.sampled_from(["head", "tail"]),
    st.lists(st.sampled_from(sorted(FIELDS)), max_size=3),
)
def test_filters_leave_out_and_count(size: int, side: str, kinds: list[str]) -> None:
    filters = Filters(kinds=tuple(kinds), **cast("dict[str, Any]", {side: size}))
    matching = [i for i, record in enumerate(RECORDS) if not kinds or record[1] in kinds]
    expected = matching[:size] if side == "head" else matching[max(0, len(matching) - size) :]
    lines = list(show_records(RECORDS, filters))[1:]
    hidden = len(RECORDS) - len(expected)
    if hidden:
        assert lines.pop() == f"{hidden} of {len(RECORDS)} records not shown"
    assert [int(line.split()[0]) for line in lines] == expected


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="--kind is 'quite': name one of socket, "):
        list(show_records(RECORDS, Filters(kinds=("quite",))))


def test_a_failure_is_shown_with_its_verdict(tmp_path: Path) -> None:
    path = save(tmp_path / "f.jsonl", failure())
    lines = list(show_file(path))
    assert "decisions tcp.segment=3/8 tcp.latency=0/4" in lines
    assert "C-1 at record 14: the read callback came below the low watermark" in lines
    assert any(line.startswith("  promise: ") for line in lines)
    assert any(line.startswith("  source:  ") for line in lines)


def test_a_bare_trace_is_shown_too(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(trace_text(RECORDS))
    assert load_records(path) == RECORDS
    assert list(show_file(path)) == list(show_records(RECORDS))


@given(st.binary(max_size=60))
def test_what_follows_a_trace_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("t") / "trace.jsonl"
    path.write_bytes(trace_text(RECORDS[:2]).encode() + data)
    if data in {b"", b"\n"}:
        return
    with pytest.raises(UsageError) as caught:
        load_records(path)
    assert str(caught.value).startswith(f"{path} line ")
    assert "\n" not in str(caught.value)


def test_the_schema_knows_every_field() -> None:
    assert set(FIELD_KINDS) == {name for names in FIELDS.values() for name in names}


@given(failures())
def test_traces_obey_the_schema(drawn: FailureFile) -> None:
    validator = jsonschema.Draft202012Validator(schema("trace"))
    for line in encode_trace(drawn.records):
        validator.validate(json.loads(line))


def test_schemas_are_schemas() -> None:
    for name in ("trace", "scenario"):
        jsonschema.Draft202012Validator.check_schema(schema(name))
    with pytest.raises(UsageError, match="--schema is 'x'"):
        schema("x")
