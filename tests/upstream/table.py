"""The table of libevent's own test cases: what became of each, joined from all `cases_*.py`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.upstream.case import UpstreamCase
from tests.upstream.names import NAMES

#: sources of which rows are still to come, and the names they are about (none: all of them)
AWAITED: dict[str, tuple[str, ...]] = {
    "regress_bufferevent.c": ("pair", "filter", "zlib", "ratelimit"),
    "regress_bufferevent.c/iocp": ("filter",),
    "regress_ssl.c": (),
}


def rows() -> list[UpstreamCase]:
    """Every row of every table, in the order of the files' names."""
    found: list[UpstreamCase] = []
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        found += importlib.import_module(f"tests.upstream.{path.stem}").CASES
    return found


def missing() -> dict[str, list[str]]:
    """The names without a row, by source; a name that is listed twice needs one."""
    known = {(row.source, row.name) for row in rows()}
    lacking = {
        source: [name for name in dict.fromkeys(names) if (source, name) not in known]
        for source, names in NAMES.items()
    }
    return {source: names for source, names in lacking.items() if names}


def is_awaited(source: str, name: str) -> bool:
    """Whether somebody still owes the row of a name."""
    parts = AWAITED.get(source)
    return parts is not None and (not parts or any(part in name for part in parts))
