"""Rules of the simulated kernels: what each says, and where it comes from.

A rule has an id that does not change. The code marks the line where it applies a rule with a
comment at its end, `rule R1` after the hash sign (or several: `rule R1 R2`). A mark costs nothing:
it is `harness.conform.rules` that reads the marks and, while it counts, traces the marked lines.
Ids are unique over all kernels.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A statement about a kernel; `source`: manual page, header, upstream file or test."""

    id: str
    statement: str
    source: str


def rules(kernel: str) -> tuple[Rule, ...]:
    """The rules of a simulated kernel, `iocp` or `epoll`, in the order of its own table."""
    if kernel == "iocp":
        from sim import iocp_rules

        return iocp_rules.RULES
    if kernel == "epoll":
        from sim import epoll_rules

        return epoll_rules.RULES
    return ()
