"""A trace as comma-separated values, for spreadsheets and other languages; no pandas is needed.

One row a record: its number, nanoseconds, the end and the lane, its kind, what it says in words and
the record itself as JSON, which loses nothing. RFC 4180, except that a line ends with one newline
character, on every system. `harness.frames` makes data frames.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.views import flows
from harness.views.lanes import lanes_of
from harness.words import describe, plain
from model.trace import Record, encode_trace

COLUMNS = ("record", "t_ns", "end", "lane", "kind", "told", "json")
#: a spreadsheet takes a cell that begins so for a formula: such text gets an apostrophe
_FORMULA = ("=", "+", "-", "@")


def csv_table(records: Sequence[Record]) -> str:
    """The whole table, with its heading."""
    lanes, placed = lanes_of(records)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    ends, lines = flows.ends(records), encode_trace(records)
    for index, (record, line) in enumerate(zip(records, lines, strict=True)):
        lane = lanes[placed[index]]
        texts = (plain(ends[index]), f"{lane.name} {lane.layer}".strip(), record[1])
        row = [_harmless(text) for text in (*texts, describe(record))]
        writer.writerow([index, record[0], *row, line])
    return out.getvalue()


def _harmless(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text
