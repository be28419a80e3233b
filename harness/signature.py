"""What makes two violations the same one: of a foreign subject, whose bugs nobody has told apart.

A mutant has one bug, so its property names it. A real library breaks one property for several
reasons. Its violations are told apart by what the message says without names and figures, by the
kind of callback it happened in, and by how far the bufferevent's connection was. A bucket is the
same code for both directions, whatever its bufferevent does: of rates (R) only what is said counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.properties import Violation
from model.subject import BEV_EVENT_CONNECTED, BEV_EVENT_ERROR, BEV_EVENT_READING, BEV_EVENT_WRITING
from model.trace import Record

#: `s0`, a second connection `s0.1`, a layer `s0/1`
_NAME = re.compile(r"\b[csl]\d+(?:\.\d+)?(?:/\d+)?\b")
_GROUP = re.compile(r"\bg\d+\b")
_FIGURE = re.compile(r"-?\d[\d.]*(?: to -?\d[\d.]*)?")  # a range is a figure
_WAY = re.compile(r"\b(?:read|write|wrote)\b")
_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING


def signature(violation: Violation, records: Sequence[Record]) -> str:
    """`T-4 @ timed out writing again, ... | event | connecting`."""
    said = _FIGURE.sub("#", _GROUP.sub("@", _NAME.sub("@", violation.message)))
    if violation.property.startswith("R-"):
        return f"{violation.property} {_WAY.sub('move', said)}"
    where = records[violation.record] if 0 <= violation.record < len(records) else None
    kind = "" if where is None else f"{where[3]} callback" if where[1] == "cb" else where[1]
    return f"{violation.property} {said} | {kind} | {_phase(violation, records)}"


def _phase(violation: Violation, records: Sequence[Record]) -> str:
    """Of the bufferevent that the message names first: its connect, as the application knows it."""
    named = _NAME.search(violation.message)
    phase = ""
    for record in records[: violation.record] if named else ():
        if record[1] not in ("op", "cb") or record[2] != (named and named[0]):
            continue
        if record[1] == "op" and record[3] == "connect":
            phase = "connecting"
        elif record[1] == "cb" and record[3] == "event" and phase:
            if record[4] & BEV_EVENT_CONNECTED:
                phase = "connected"
            elif record[4] & BEV_EVENT_ERROR and not record[4] & _DIRECTIONS:
                phase = "failed"
    return phase
