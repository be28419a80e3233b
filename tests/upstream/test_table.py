"""The table of libevent's own cases is whole, and says what is true."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from model.properties import PROPERTY
from tests.upstream.case import UpstreamCase
from tests.upstream.names import NAMES
from tests.upstream.table import AWAITED, is_awaited, missing, rows

ROWS = rows()


def test_the_list_of_names_is_whole() -> None:
    assert {source: len(names) for source, names in NAMES.items()} == {
        "regress_bufferevent.c": 39,
        "regress_bufferevent.c/iocp": 15,
        "regress_buffer.c": 61,
        "regress_ssl.c": 27,
        "regress_iocp.c": 3,
        "regress_listener.c": 10,
        "regress_listener.c/iocp": 2,
    }


def test_every_name_has_one_row() -> None:
    """But for those that are awaited, which the failure would name."""
    twice = [row for row, count in Counter((r.source, r.name) for r in ROWS).items() if count > 1]
    assert not twice
    forgotten = {
        (source, name)
        for source, names in missing().items()
        for name in names
        if not is_awaited(source, name)
    }
    assert not forgotten
    strangers = {
        (row.source, row.name)
        for row in ROWS
        if row.source in NAMES and row.name not in NAMES[row.source]
    }
    assert not strangers


def test_nothing_that_is_there_is_awaited() -> None:
    """An entry of AWAITED whose rows have come must go."""
    lacking = missing()
    for source in AWAITED:
        assert source in lacking, f"take {source} out of AWAITED"
    still = sum(len(names) for names in lacking.values())
    print(f"{still} rows are awaited:", {source: len(names) for source, names in lacking.items()})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.name}")
def test_rows_say_where_or_why(row: UpstreamCase) -> None:
    assert row.source
    assert row.name
    if row.status == "ported":
        path, _, name = row.where.partition("::")
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        assert name.startswith("test_")
        assert callable(getattr(module, name)), row.where
    elif row.status == "property":
        assert row.where in PROPERTY
        assert row.why
    else:
        assert row.status == "not applicable"
        assert not row.where
        assert row.why
