"""A row of the table of upstream's cases."""

from __future__ import annotations

from typing import Literal, NamedTuple


class UpstreamCase(NamedTuple):
    """One case of libevent's regression tests, and what became of it here.

    `where` names the test that stands for it, as pytest does without parameters
    (`tests/upstream/test_x.py::test_y`); it is empty only for one that is not applicable, and then
    `why` says why.
    """

    source: str
    name: str
    status: Literal["ported", "property", "not applicable"]
    where: str
    why: str = ""
