"""Traces as pandas data frames: the one place that knows pandas.

Every frame has the columns and dtypes that its table here says, also when it is empty, so that a
notebook can rely on them. Times are nanoseconds since the run began, sizes bytes. What a row does
not have is `<NA>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pandas as pd

from harness.failure import FailureFile
from harness.show import load_records
from harness.views import campaigns
from harness.views.lanes import class_of, lanes_of
from harness.views.pipes import STAGES, traffic
from harness.words import (
    Owners,
    describe,
    mask_text,
    moved,
    named,
    outcome_text,
    owners,
    what_text,
)
from model.trace import Record

if TYPE_CHECKING:
    from harness.run import Outcome


class Column(NamedTuple):
    """One column: its dtype and what it means."""

    dtype: str
    meaning: str


TRACE_COLUMNS: dict[str, Column] = {
    "record": Column("int64", "number of the record in its trace"),
    "t_ns": Column("int64", "nanoseconds since the run began"),
    "kind": Column("string", "kind of record, as in model.trace.FIELDS"),
    "end": Column(
        "string", "the end that it concerns: c0, s0, l0, a peer; <NA> for the loop's own"
    ),
    "fd": Column("Int64", "descriptor or handle"),
    "name": Column("string", "operation, callback or step"),
    "nbytes": Column("Int64", "bytes that it moved"),
    "outcome": Column("string", "the outcome's name, if it has one: an errno, a status"),
    "told": Column("string", "the record in plain words"),
}
BYTES_COLUMNS: dict[str, Column] = {
    "record": Column("int64", "number of the record in its trace"),
    "t_ns": Column("int64", "nanoseconds since the run began"),
    "end": Column("string", "c0, s0, ..."),
    "layer": Column("string", "application (bufferevent calls, peers' calls) or kernel"),
    "direction": Column("string", "out or in, seen from the end"),
    "nbytes": Column("int64", "bytes moved by this record"),
    "total": Column("int64", "bytes moved so far by this end, layer and direction"),
}
CALLBACK_COLUMNS: dict[str, Column] = {
    "record": Column("int64", "number of the record in its trace"),
    "t_ns": Column("int64", "when the callback began"),
    "duration_ns": Column("Int64", "how long it took; <NA> if it did not end"),
    "end": Column("string", "c0, s0, l0, ..."),
    "which": Column("string", "read, write, event or accept"),
    "what": Column("string", "event bits by name, of an event callback"),
    "error": Column("string", "the kernel's error readable in the callback"),
    "input_length": Column("Int64", "bytes in the input when it began"),
    "output_length": Column("Int64", "bytes in the output when it began"),
    "enabled": Column("string", "directions enabled when it began: R, W, RW or none"),
}
OUTCOME_COLUMNS: dict[str, Column] = {
    "run": Column("int64", "number of the outcome"),
    "world": Column("string", "sim-epoll, sim-iocp, epoll or iocp"),
    "kernel_version": Column("string", "which kernel it was"),
    "subject": Column("string", "the implementation under test"),
    "mutant": Column("string", "the bug put back; <NA> for none"),
    "records": Column("int64", "records in the trace"),
    "decisions": Column("int64", "decisions taken from the tape"),
    "duration_ns": Column("int64", "time of the last record"),
    "callbacks": Column("int64", "callbacks of bufferevents and listeners"),
    "sent": Column("int64", "bytes written by applications and peers"),
    "received": Column("int64", "bytes read by applications and peers"),
    "checked": Column("int64", "properties whose antecedent held at least once"),
    "not_applicable": Column("int64", "properties that this run could not break"),
    "violations": Column("int64", "violations found"),
    "property": Column("string", "the first property that broke; <NA> for none"),
}

OBSERVATION_COLUMNS: dict[str, Column] = {
    "run": Column("int64", "number of the run in its campaign, from 1"),
    "elapsed_s": Column("float64", "seconds in runs so far, this one included"),
    "seconds": Column("float64", "seconds that the run took"),
    "world": Column("string", "where it ran"),
    "mutant": Column("string", "the bug put back; <NA> for none"),
    "how": Column("string", "how its example was made"),
    "records": Column("int64", "records in its trace"),
    "decisions": Column("int64", "decisions taken from the tape"),
    "judged": Column("int64", "properties that it had something to say about"),
    "property": Column("string", "the first property that broke; <NA> for none"),
}
SEEN_COLUMNS: dict[str, Column] = {
    "run": Column("int64", "number of the run in its campaign, from 1"),
    "sort": Column("string", "feature (of the scenario and its run) or property (judged)"),
    "name": Column("string", "its name"),
}
FAILURE_COLUMNS: dict[str, Column] = {
    "file": Column("string", "the failure file"),
    "property": Column("string", "the property that broke"),
    "world": Column("string", "where"),
    "subject": Column("string", "the implementation under test"),
    "mutant": Column("string", "the bug put back; <NA> for none"),
    "signature": Column("string", "what tells it from other failures"),
    "records": Column("int64", "records in its trace"),
    "decisions": Column("int64", "decisions that were not dull"),
}
LANE_COLUMNS: dict[str, Column] = {
    "record": Column("int64", "number of the record in its trace"),
    "t_ns": Column("int64", "nanoseconds since the run began"),
    "lane": Column("string", "whose it is: c0 application, c0 kernel, ..."),
    "position": Column("int64", "place of the lane, from the client's application to the server's"),
    "sort": Column("string", "callback, call, kernel, peer, loop or bad"),
    "told": Column("string", "the record in plain words"),
}
MOVE_COLUMNS: dict[str, Column] = {
    "record": Column("int64", "number of the record in its trace"),
    "pipe": Column("string", "the direction: c0 to s0"),
    "stage": Column("string", "written, sent, received, read, or told by a read callback"),
    "start": Column("int64", "the first byte that it moved"),
    "end": Column("int64", "the byte behind the last"),
    "told": Column("string", "the record in plain words"),
}

Source: TypeAlias = "str | Path | FailureFile | Outcome | tuple[Record, ...]"


def records_of(source: Source) -> Sequence[Record]:
    """The records of a file, a failure, an outcome, or themselves."""
    if isinstance(source, (str, Path)):
        return load_records(source)
    return source if isinstance(source, tuple) else source.records


def trace_frame(source: Source) -> pd.DataFrame:
    """One row a record: `TRACE_COLUMNS`."""
    records = records_of(source)
    return _frame(TRACE_COLUMNS, _trace_rows(records))


def bytes_frame(source: Source) -> pd.DataFrame:
    """Bytes per end, layer and direction as they add up over time: `BYTES_COLUMNS`."""
    return _frame(BYTES_COLUMNS, _bytes_rows(records_of(source)))


def callbacks_frame(source: Source) -> pd.DataFrame:
    """One row a callback: `CALLBACK_COLUMNS`."""
    return _frame(CALLBACK_COLUMNS, _callback_rows(records_of(source)))


def outcomes_frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row a run: `OUTCOME_COLUMNS`."""
    return _frame(OUTCOME_COLUMNS, (_outcome_row(*each) for each in enumerate(outcomes)))


def observations_frame(path: str | Path) -> pd.DataFrame:
    """One row a run of a campaign that was observed: `OBSERVATION_COLUMNS`."""
    return _frame(OBSERVATION_COLUMNS, campaigns.observation_rows(path))


def seen_frame(path: str | Path) -> pd.DataFrame:
    """One row for each feature and judged property of each run: `SEEN_COLUMNS`."""
    return _frame(SEEN_COLUMNS, campaigns.seen_rows(path))


def failures_frame(folder: str | Path) -> pd.DataFrame:
    """One row a failure file of a folder: `FAILURE_COLUMNS`."""
    return _frame(FAILURE_COLUMNS, campaigns.failure_rows(folder))


def lanes_frame(source: Source) -> pd.DataFrame:
    """One row a record, with its lane: `LANE_COLUMNS`."""
    return _frame(LANE_COLUMNS, _lane_rows(records_of(source)))


def moves_frame(source: Source) -> pd.DataFrame:
    """One row for each time that bytes pass a stage: `MOVE_COLUMNS`."""
    return _frame(MOVE_COLUMNS, _move_rows(records_of(source)))


def in_worlds(scenario: Any, worlds: Sequence[str]) -> dict[str, Outcome]:
    """One scenario run once in each of `worlds` that runs here, in their order."""
    from harness.run import run
    from harness.worlds import why_not

    return {world: run(scenario, world) for world in worlds if why_not(world) is None}


def together(frames: dict[str, pd.DataFrame], column: str = "world") -> pd.DataFrame:
    """Frames below each other, each row with its frame's name in `column`."""
    named_frames = [frame.assign(**{column: name}) for name, frame in frames.items()]
    return pd.concat(named_frames, ignore_index=True)


def _frame(columns: dict[str, Column], rows: Iterator[tuple[Any, ...]]) -> pd.DataFrame:
    data = list(rows)
    series = {
        name: pd.Series([row[index] for row in data], dtype=column.dtype)
        for index, (name, column) in enumerate(columns.items())
    }
    return pd.DataFrame(series)


def _trace_rows(records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
    for index, (record, end) in enumerate(zip(records, owners(records), strict=True)):
        fields = named(record)
        name = fields.get("name") or fields.get("operation") or fields.get("which")
        yield (
            index,
            record[0],
            record[1],
            end or None,
            fields.get("fd") if isinstance(fields.get("fd"), int) else None,
            name or fields.get("do"),
            _nbytes(fields),
            _outcome_name(fields),
            describe(record),
        )


def _lane_rows(records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
    lanes, placed = lanes_of(records)
    for index, record in enumerate(records):
        lane = lanes[placed[index]]
        name = f"{lane.name} {lane.layer}".strip()
        yield index, record[0], name, placed[index], class_of(record[1]), describe(record)


def _move_rows(records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
    seen = traffic(records)
    for move in seen.moves:
        pipe = seen.pipes[move.pipe]
        name = f"{pipe.source} to {pipe.target}"
        told = describe(records[move.record])
        yield move.record, name, STAGES[move.stage], move.start, move.end, told


def _nbytes(fields: dict[str, Any]) -> int | None:
    for name in ("data", "result"):
        if isinstance(fields.get(name), bytes):
            return len(fields[name])
    return None


def _outcome_name(fields: dict[str, Any]) -> str | None:
    for name in ("status", "error", "result"):
        if hasattr(fields.get(name), "name"):
            return outcome_text(fields[name])
    return None


def _moves(records: Sequence[Record]) -> Iterator[tuple[int, str, str, str, int]]:
    """(record, end, layer, direction, bytes) of whatever moved bytes."""
    following = Owners()
    for index, record in enumerate(records):
        end = following.follow(record)
        fields = named(record)
        for layer, direction, size in moved(record[1], fields):
            if end and size:
                yield index, end, layer, direction, size


def _bytes_rows(records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
    totals: dict[tuple[str, str, str], int] = {}
    for index, end, layer, direction, size in _moves(records):
        key = (end, layer, direction)
        totals[key] = totals.get(key, 0) + size
        yield index, records[index][0], end, layer, direction, size, totals[key]


def _callback_rows(records: Sequence[Record]) -> Iterator[tuple[Any, ...]]:
    ended = _ends_of_callbacks(records)
    for index, record in enumerate(records):
        if record[1] != "cb":
            continue
        fields = named(record)
        event = fields["which"] == "event"
        yield (
            index,
            record[0],
            ended[index] - record[0] if index in ended else None,
            fields["bev"],
            fields["which"],
            what_text(fields["what"]) if event else None,
            None if fields["error"] is None else outcome_text(fields["error"]),
            fields["input_length"],
            fields["output_length"],
            None if fields["enabled"] is None else mask_text(fields["enabled"]),
        )


def _ends_of_callbacks(records: Sequence[Record]) -> dict[int, int]:
    """When the callback that a record begins ended, in ns; callbacks of one end may nest."""
    running: dict[tuple[Any, ...], list[int]] = {}
    ended: dict[int, int] = {}
    for index, record in enumerate(records):
        if record[1] == "cb":
            running.setdefault(record[2:4], []).append(index)
        elif record[1] == "cb_end" and running.get(record[2:4]):
            ended[running[record[2:4]].pop()] = record[0]
    return ended


def _outcome_row(index: int, outcome: Outcome) -> tuple[Any, ...]:
    moved = [move for move in _moves(outcome.records) if move[2] == "application"]
    checked = list(outcome.verdicts.checked.values())
    violations = outcome.verdicts.violations
    return (
        index,
        outcome.world,
        outcome.kernel_version,
        outcome.subject,
        outcome.mutant,
        len(outcome.records),
        len(outcome.decisions),
        outcome.records[-1][0] if outcome.records else 0,
        sum(1 for record in outcome.records if record[1] == "cb"),
        sum(move[4] for move in moved if move[3] == "out"),
        sum(move[4] for move in moved if move[3] == "in"),
        sum(1 for times in checked if times),
        sum(1 for times in checked if not times),
        len(violations),
        violations[0].property if violations else None,
    )
