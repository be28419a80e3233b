"""The table of libevent's own cases is whole, and says what is true."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from model.properties import PROPERTY
from tests.upstream.case import UpstreamCase
from tests.upstream.names import NAMES
from tests.upstream.table import missing, rows

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
    twice = [row for row, count in Counter((r.source, r.name) for r in ROWS).items() if count > 1]
    assert not twice
    assert not missing()
    strangers = {
        (row.source, row.name)
        for row in ROWS
        if row.source in NAMES and row.name not in NAMES[row.source]
    }
    assert not strangers


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
