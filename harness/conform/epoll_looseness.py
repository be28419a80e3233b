"""What Linux may do in more than one way, and random programs of epoll operations so may show.

Everything else is compared exactly. A result that is not the simulated kernel's is allowed when a
tape explains it (`harness.conform.explain`) whose decisions are among those of a row here. What
has no decision is never drawn (`harness.conform.epoll_programs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from model.choices import Decision


class Loose(NamedTuple):
    """One freedom of the kernel; `decisions`: how the simulated one takes it."""

    name: str
    statement: str
    source: str
    decisions: tuple[str, ...]


LOOSE = (
    Loose(
        "acknowledgement",
        "when the peer's acknowledgement comes: a FIN's is a wake of its own, which is lost in the"
        " one before unless a thread has harvested in between",
        "net/ipv4/tcp_input.c, __tcp_ack_snd_check (up to 40 ms); tcp_rcv_state_process",
        ("tcp.latency", "tcp.ack_latency"),
    ),
    Loose(
        "race",
        "which of two threads, or of a thread and the call beside it, comes first",
        "kernel/sched; fs/eventpoll.c, ep_poll",
        ("sched.next", "sched.yield"),
    ),
    Loose(
        "buffers",
        "how many bytes full TCP buffers hold, and where in a drain OUT is back: it depends on the"
        " sizes of segments (measured: see sim.epoll_rules)",
        "net/ipv4/tcp_input.c, tcp_clamp_window, __tcp_select_window",
        (),
    ),
    Loose(
        "exclusive",
        "EPOLLEXCLUSIVE may wake more than one of the epolls, never none",
        "epoll_ctl(2)",
        (),
    ),
)

#: decisions that may explain a real result
DECISIONS = frozenset(name for loose in LOOSE for name in loose.decisions)


def named(decisions: Sequence[Decision]) -> str:
    """The freedoms that these decisions take, by name."""
    used = {decision.name for decision in decisions}
    return " and ".join(loose.name for loose in LOOSE if used & set(loose.decisions))
