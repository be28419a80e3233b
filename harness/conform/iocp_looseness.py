"""What completion kernels may do in more than one way, and random programs so may show.

Everything else is compared exactly. A result that is not the simulated kernel's is allowed when a
tape explains it (`harness.conform.explain`) whose decisions are among those of a row here; what has
no decision is blanked by `comparable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.conform.cases import Step
from harness.conform.epoll_looseness import Loose
from model.choices import Decision

LOOSE = (
    Loose(
        "order",
        "which of two packets that one call causes comes first: that of a send, or that of the"
        " receive at the other end; those of receives that different threads issued",
        "Microsoft, GetQueuedCompletionStatus; observed on Wine 8, where both are on their way",
        ("iocp.completion_order",),
    ),
    Loose(
        "reset",
        "which of sends and receives, pending or new, get to know of a reset, and whether it comes"
        " in time after a FIN",
        "observed on Wine 8: Linux tells the error once, and Wine looks no more after a hang-up",
        ("iocp.reset_taken", "iocp.reset_seen", "iocp.reset_told", "iocp.close_meets_reset"),
    ),
    Loose(
        "late",
        "whether what can end has ended when its handle is closed, its packet on its way",
        "observed on Wine 8, where the calling process queues the packet",
        ("iocp.close_loses", "iocp.close_takes"),
    ),
    Loose(
        "number",
        "whether the number of a closed handle is something else's when Wine looks for it",
        "observed on Wine 8",
        ("iocp.close_number_reused",),
    ),
    Loose(
        "count",
        "how many bytes of a failed send TCP had taken, and what an overlapped holds whose"
        " submission failed at once",
        "Microsoft, OVERLAPPED",
        (),
    ),
)

#: decisions that may explain a real result
DECISIONS = frozenset(name for loose in LOOSE for name in loose.decisions)

_SUBMISSIONS = frozenset(
    {"recv", "send", "acceptex", "connectex", "disconnectex", "send_event_lowbit", "recv_in_thread"}
)
_ASKS = frozenset({"internal", "result", "gresult", "event_set", "data"})


def named(decisions: Sequence[Decision]) -> str:
    """The freedoms that these decisions take, by name."""
    used = {decision.name for decision in decisions}
    return " and ".join(loose.name for loose in LOOSE if used & set(loose.decisions))


def comparable(steps: Sequence[Step], results: Sequence[Any]) -> list[Any]:
    """`results` without what two runs on one kernel may differ in."""
    sends: set[str] = set()
    failed: dict[str, bool] = {}  # by overlapped: its last submission failed at once
    plain = []
    for (operation, *args), given in zip(steps, results, strict=False):
        result = given
        if operation in _SUBMISSIONS:
            o = _overlapped(operation, args)
            failed[o] = isinstance(result, list) and result[0] == "err"
            if operation.startswith("send"):
                sends.add(o)
        elif operation in _ASKS and failed.get(args[1] if len(args) > 1 else args[0], False):
            result = None
        if operation in {"get", "getex", "get_n", "join"}:
            result = _without_counts(result, sends)
        plain.append(result)
    return plain


def _overlapped(operation: str, args: Sequence[Any]) -> str:
    return str(args[2] if operation in {"acceptex", "connectex"} else args[1])


def _without_counts(result: Any, sends: set[str]) -> Any:
    """Packets without the byte counts of failed sends."""
    match result:
        case ["fail", error, key, str(o), _] if o in sends:
            return ["fail", error, key, o, None]
        case [key, str(o), _, str(status)] if o in sends and status != "0x0":
            return [key, o, None, status]
        case list():
            return [_without_counts(each, sends) for each in result]
    return result
