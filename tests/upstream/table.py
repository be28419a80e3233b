"""The table of libevent's own test cases: what became of each, joined from all `cases_*.py`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.upstream.case import UpstreamCase
from tests.upstream.names import NAMES


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
