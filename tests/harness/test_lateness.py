"""How late a machine was: only a wait that outlasts its timeout says so."""

from __future__ import annotations

import pytest

from harness.lateness import lateness_ns
from model.errors import Win32Error
from model.trace import Record

MS = 1_000_000


def gqcs(at_ms: int, timeout_ns: int | None, result: object = Win32Error.WAIT_TIMEOUT) -> Record:
    return (at_ms * MS, "gqcs", 1, timeout_ns, result)


@pytest.mark.parametrize(
    ("records", "late_ms"),
    [
        ([], 0),
        ([gqcs(9, 0)], 0),  # since when is not known
        ([(1 * MS, "quiet"), gqcs(1, 0)], 0),
        ([(1 * MS, "quiet"), gqcs(8, 0)], 7),
        ([(1 * MS, "quiet"), gqcs(8, 5 * MS)], 2),
        ([(1 * MS, "quiet"), gqcs(8, 5 * MS, 1)], 2),  # a packet does not excuse it
        ([(1 * MS, "quiet"), gqcs(8, 20 * MS)], 0),
        ([(1 * MS, "quiet"), gqcs(900, None, 1)], 0),  # it may wait for ever
        ([(1 * MS, "quiet"), (9 * MS, "epoll_wait", 3, 2 * MS, [])], 6),
        ([(1 * MS, "quiet"), (2 * MS, "on", "w0"), gqcs(9, 0)], 0),  # another thread's first
        (
            [(1 * MS, "quiet"), (2 * MS, "on", "w0"), (3 * MS, "quiet"), (4 * MS, "on", "main")]
            + [gqcs(9, 0)],
            8,
        ),
    ],
)
def test_lateness(records: list[Record], late_ms: int) -> None:
    assert lateness_ns(records) == late_ms * MS
