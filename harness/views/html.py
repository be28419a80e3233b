"""A failure as one page: a file that needs nothing else, neither a network nor a server.

A trace is data, never code. It stands in the page as JSON in an element that browsers do not run,
with every character that could end that element escaped; the script builds text nodes and never
markup from it; and the page's own policy lets run only the script and the style whose digests it
names, and fetch nothing. The same failure makes the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.failure import FailureFile
from harness.run import judge
from harness.scenario_json import to_json
from harness.show import field_texts
from harness.story import story
from harness.views.explanation import check_explanation
from harness.views.lanes import class_of, lanes_of
from harness.views.pipes import traffic
from harness.words import describe, outcome_text, plain
from harness.worlds import WORLDS
from model.properties import PROPERTIES, PROPERTY, Verdicts
from model.trace import FIELDS, Record, encode_trace

_FOLDER = Path(__file__).parent / "page"
_LABEL_MAX = 13  # characters in a lane


def html_page(
    records: Sequence[Record],
    failure: FailureFile | None = None,
    explanation: dict[str, Any] | None = None,
) -> str:
    """The page of a failure, or of a bare trace. Raises `UsageError` for a wrong explanation."""
    data = page_data(records, failure, explanation)
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}';"
        " base-uri 'none'; form-action 'none'"
    )
    parts = {
        "title": html.escape(data["title"]),
        "policy": policy,
        "style": style,
        "script": script,
        "story": html.escape("\n".join(data["story"])),
        "data": embedded(data),
    }
    # One pass over the template alone: what is put in is not looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html"))


def embedded(data: Any) -> str:
    """JSON that can stand in a script element: no `<`, `>` or `&`, nothing but ASCII."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page_data(
    records: Sequence[Record],
    failure: FailureFile | None = None,
    explanation: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What the page shows, as JSON: `records` has time, lane, class, kind, label, words, fields."""
    lanes, placed = lanes_of(records)
    kinds = sorted({record[1] for record in records})
    classes = sorted({class_of(kind) for kind in kinds})
    lines = encode_trace(records)
    seen = traffic(records)
    return {
        "title": _title(failure),
        "about": _about(failure),
        "story": story(failure) if failure is not None else [],
        "lanes": [lane._asdict() for lane in lanes],
        "classes": classes,
        "kinds": [[kind, *FIELDS[kind]] for kind in kinds],
        "records": [
            [
                record[0],
                lane,
                classes.index(class_of(record[1])),
                kinds.index(record[1]),
                _label(record),
                describe(record),
                [text for _, text in field_texts(record, line)],
            ]
            for record, lane, line in zip(records, placed, lines, strict=True)
        ],
        "threads": _threads(records),
        "pipes": [pipe._asdict() for pipe in seen.pipes],
        "moves": [list(move) for move in seen.moves],
        "states": [list(state) for state in seen.states],
        "plain_pipes": not any(record[1] == "layer" for record in records),
        "properties": _properties(records, failure),
        "violations": [] if failure is None else [v._asdict() for v in failure.violations],
        "decisions": [] if failure is None else [list(each) for each in failure.decisions],
        "scenario": None if failure is None else to_json(failure.scenario),
        "explanation": None if explanation is None else check_explanation(explanation),
    }


def _title(failure: FailureFile | None) -> str:
    if failure is None:
        return "A trace"
    if failure.broken is None:
        return plain(f"A clean run in {failure.world}")
    return plain(f"{failure.broken} broke in {'+'.join((failure.world, *failure.others))}")


def _about(failure: FailureFile | None) -> list[list[str]]:
    if failure is None:
        return []
    return [
        ["world", "+".join((failure.world, *failure.others))],
        ["kernel", failure.kernel_version],
        ["subject", f"{failure.subject} {failure.subject_version}"],
        *([["mutant", failure.mutant]] if failure.mutant is not None else []),
    ]


def _properties(records: Sequence[Record], failure: FailureFile | None) -> list[list[Any]]:
    """Of each property: id, promise, source, how often the run had something to say of it."""
    checked = _checked(records, failure)
    broken = [] if failure is None else [v.property for v in failure.violations]
    known = [[p.id, p.statement, p.source, checked.get(p.id, 0)] for p in PROPERTIES]
    return known + [[name, "", "", 0] for name in dict.fromkeys(broken) if name not in PROPERTY]


def _checked(records: Sequence[Record], failure: FailureFile | None) -> dict[str, int]:
    """Empty where the trace cannot be judged here: of no world, or of none that could be."""
    if failure is None or failure.world not in WORLDS:
        return {}
    verdicts: Verdicts | None = None
    try:
        verdicts = judge(records, failure.world, failure.decisions)
    except Exception:  # a file may hold a trace that no run makes; what is shown is not judged
        return {}
    return dict(verdicts.checked)


def _threads(records: Sequence[Record]) -> list[Any]:
    """[names, of each record the index of its thread]; empty for a run of one thread."""
    names, of_records = ["main"], []
    current = 0
    for record in records:
        if record[1] == "on":
            name = plain(record[2], 20)
            if name not in names:
                names.append(name)
            current = names.index(name)
        of_records.append(current)
    return [names, of_records] if len(names) > 1 else []


def _number(value: Any) -> str:
    return outcome_text(len(value) if isinstance(value, bytes) else value)


#: kind -> what stands in its lane; the kind itself elsewhere
_LABELS: dict[str, Callable[[Record], str]] = {
    "cb": lambda r: f"{r[3]} cb",
    "cb_end": lambda r: f"{r[3]} cb end",
    "op": lambda r: str(r[3]),
    "ret": lambda r: f"= {_number(r[4])}",
    "write": lambda r: f"write {_number(r[3])}",
    "read": lambda r: f"read {_number(r[4])}",
    "echo": lambda r: f"echo {_number(r[3])}",
    "send": lambda r: f"send {_number(r[4])}",
    "recv": lambda r: f"recv {_number(r[4])}",
    "peer": lambda r: f"{r[3]}" + (f" {_number(r[5])}" if r[5] is not None else ""),
    "completion": lambda r: f"{r[4]} done" + (f" {_number(r[6])}" if r[6] is not None else ""),
    "epoll_ctl": lambda r: f"ctl {({1: 'ADD', 2: 'DEL', 3: 'MOD'}).get(r[3], r[3])}",
    "step": lambda r: f"step {r[2]}",
    "fault": lambda r: str(r[2]),
    "on": lambda r: str(r[2]),
    "lock": lambda r: str(r[3]),
    "touch": lambda r: str(r[3]),
}


def _label(record: Record) -> str:
    make = _LABELS.get(record[1])
    text = plain(make(record) if make is not None else record[1], 60)
    return text if len(text) <= _LABEL_MAX else text[: _LABEL_MAX - 1] + "~"
