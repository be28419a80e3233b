"""Failures and traces as text: one record a line, in columns, in the file's own vocabulary.

The columns are the record's number, its time in milliseconds, the end that it concerns, its kind
and its fields; bits are given by name, content by its place. Filters choose records; what they
leave out is counted. Nothing from a file reaches the terminal unescaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.failure import CONTENT_BYTES_MAX, FailureFile, decode, read_lines
from harness.reading import parse
from harness.scenario_json import to_json
from harness.story import story
from harness.table import columns
from harness.trace_schema import check_fields, trace_schema
from harness.words import (
    CTL,
    epoll_text,
    mask_text,
    options_text,
    owners,
    plain,
    ready_text,
    what_text,
)
from model.errors import UsageError
from model.properties import PROPERTY
from model.trace import FIELDS, Record, decode_record, encode_trace

#: field -> how its number is shown by name
_BITS: dict[str, Callable[[Any], str]] = {
    "enabled": mask_text,
    "op": lambda op: CTL.get(op, str(op)),
    "mask": epoll_text,
    "options": options_text,
    "what": what_text,
}


class Filters(NamedTuple):
    """Which records are shown: of these kinds and ends (all, if empty), the first or last few."""

    kinds: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    head: int | None = None
    tail: int | None = None


ALL = Filters()


def load_any(path: str | Path) -> tuple[FailureFile | None, tuple[Record, ...]]:
    """A failure file, or a bare trace (one record a line), and its records in either case."""
    lines = read_lines(path)
    if _is_trace(lines):
        return None, _trace(lines, str(path))
    failure = decode(lines, str(path))
    return failure, failure.records


def load_records(path: str | Path) -> tuple[Record, ...]:
    """The records of a failure file or of a bare trace. Raises `UsageError`."""
    return load_any(path)[1]


def _is_trace(lines: Sequence[bytes]) -> bool:
    try:
        first = parse(lines[0])
    except UsageError:
        return False
    return isinstance(first, dict) and "k" in first


def _trace(lines: Sequence[bytes], path: str) -> tuple[Record, ...]:
    records = []
    content_bytes = 0
    for number, line in enumerate(lines, 1):
        if not line and number == len(lines):
            break
        try:
            fields = parse(line)
            content_bytes += check_fields(fields)
            if content_bytes > CONTENT_BYTES_MAX:
                raise UsageError(f"the trace names over {CONTENT_BYTES_MAX} bytes of content")
            records.append(decode_record(fields))
        except UsageError as error:
            raise UsageError(f"{path} line {number}: {error}") from None
    return tuple(records)


def trace_text(records: Sequence[Record]) -> str:
    """A bare trace file: one JSON object a record."""
    return "".join(line + "\n" for line in encode_trace(records))


def show_file(path: str | Path, filters: Filters = ALL) -> Iterator[str]:
    """The lines that tell a file's contents."""
    failure, records = load_any(path)
    if failure is not None:
        yield from _heading(failure)
    yield from show_records(records, filters)
    if failure is not None:
        yield from _verdict(failure)


def _heading(failure: FailureFile) -> Iterator[str]:
    yield from story(failure)
    yield ""
    yield "scenario  " + json.dumps(to_json(failure.scenario), separators=(",", ":"))
    drawn = " ".join(f"{d.name}={d.value}/{d.bound}" for d in failure.decisions)
    yield "decisions " + (plain(drawn, 2_000) or "none: every one was dull")
    yield ""


def _verdict(failure: FailureFile) -> Iterator[str]:
    yield ""
    if not failure.violations:
        yield "no property broke"
    for violation in failure.violations:
        at = f"record {violation.record}" if violation.record >= 0 else "the whole run"
        yield f"{plain(violation.property)} at {at}: {plain(violation.message, 500)}"
        known = PROPERTY.get(violation.property)
        if known is not None:
            yield f"  promise: {plain(known.statement, 500)}"
            yield f"  source:  {plain(known.source, 500)}"


def show_records(records: Sequence[Record], filters: Filters = ALL) -> Iterator[str]:
    """Records in aligned columns, and how many the filters left out. Raises `UsageError`."""
    chosen = chosen_records(records, filters)
    whose = owners(records)
    lines = encode_trace(records)
    rows = [_row(index, records[index], lines[index], whose[index]) for index in chosen]
    yield from columns([("#", "ms", "end", "kind", "fields"), *rows], right=(0, 1))
    if len(chosen) < len(records):
        yield f"{len(records) - len(chosen)} of {len(records)} records not shown"


def chosen_records(records: Sequence[Record], filters: Filters) -> list[int]:
    """The numbers of the records that the filters let through. Raises `UsageError`."""
    _check_filters(filters)
    whose = owners(records)
    chosen = [
        index
        for index, record in enumerate(records)
        if (not filters.kinds or record[1] in filters.kinds)
        and (not filters.ends or whose[index] in filters.ends)
    ]
    if filters.head is not None:
        chosen = chosen[: filters.head]
    if filters.tail is not None:
        chosen = chosen[max(0, len(chosen) - filters.tail) :]
    return chosen


def _check_filters(filters: Filters) -> None:
    for kind in filters.kinds:
        if kind not in FIELDS:
            raise UsageError(f"--kind is {plain(kind, 40)!r}: name one of {', '.join(FIELDS)}")
    for name, value in (("--head", filters.head), ("--tail", filters.tail)):
        if value is not None and value < 0:
            raise UsageError(f"{name} is {value}: give a number of records, 0 or more")


def _row(index: int, record: Record, line: str, end: str) -> tuple[str, ...]:
    texts = field_texts(record, line)
    told = [f"{name}={text}" for name, text in texts if name not in {"bev", "peer"}]
    return str(index), f"{record[0] / 1e6:.6f}", plain(end, 20), record[1], " ".join(told)


def field_texts(record: Record, line: str) -> list[tuple[str, str]]:
    """A record's fields by name, as they are shown; `line` is the record in a trace file."""
    fields = json.loads(line)
    told = []
    for name in FIELDS[record[1]]:
        value = fields[name]
        if record[1] == "epoll_wait" and isinstance(value, list):
            value = f"[{ready_text(value)}]"
        elif name in _BITS and isinstance(value, int):
            value = _BITS[name](value)
        elif not isinstance(value, str):
            value = json.dumps(value, separators=(",", ":"))
        told.append((name, plain(value)))
    return told


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of `trace` records or of a `scenario`. Raises `UsageError`."""
    if name == "trace":
        return trace_schema()
    if name == "scenario":
        from harness.scenario_schema import SCHEMA  # not needed by a replay

        return SCHEMA
    raise UsageError(f"--schema is {plain(name, 40)!r}: name trace or scenario")
