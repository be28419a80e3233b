"""One row of the table of libevent's own test cases (its test folder, by file and case name)."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["ported", "property", "not applicable"]


class UpstreamCase(NamedTuple):
    """What became of one upstream case.

    `where` names our test (`tests/upstream/test_x.py::test_name`) of a ported case, the id of the
    property that covers one, and is empty otherwise; `why` says why a case is not applicable, or
    how a property covers it.
    """

    source: str  # regress_buffer.c, regress_bufferevent.c, ...
    name: str
    status: Status
    where: str = ""
    why: str = ""
