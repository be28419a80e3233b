"""Tightness: what the simulated kernels may do that no real trace has shown.

A simulated kernel that may do too much explains everything. So every explanation leaves the
decisions that it took, by name and value, and the rules that the kernel applied; what is in no
explanation was never seen on a real kernel, over the traces given. That is a list to think about,
and no error: some things are rare, and some are another kernel's (NT's, under Wine).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from model.choices import Decision
from sim.epoll import LATE_NS
from sim.iocp_operation import DELAYS
from sim.network import LATENCIES, SEGMENTS
from sim.rules import rules

_NETWORK = {
    "tcp.latency": len(LATENCIES),
    "tcp.ack_latency": len(LATENCIES),
    "tcp.connect_latency": len(LATENCIES),
    "tcp.accept_latency": len(LATENCIES),
    "tcp.segment": len(SEGMENTS),
}

#: the decisions of the simulated kernels, and how many values each has; those of faults are no
#: explanation, and which thread runs next ("sched.next") is not asked where there is one
DECISIONS: dict[str, dict[str, int]] = {
    "epoll": {
        **_NETWORK,
        "tcp.short_read": 4,
        "tcp.short_write": 4,
        "epoll_wait.late": len(LATE_NS),
        "sched.yield": 2,
    },
    "iocp": {
        **_NETWORK,
        "iocp.sync": 2,
        "iocp.accept_sync": 2,
        "iocp.completion_delay": len(DELAYS),
        "iocp.completion_order": 2,
        "iocp.cancel_loses": 2,
        "iocp.handle_reuse": 2,
        "iocp.reset_seen": 2,
        "iocp.reset_taken": 2,
        "iocp.reset_told": 2,
        "iocp.close_number_reused": 2,
        "iocp.close_loses": 2,
        "iocp.close_takes": 2,
        "iocp.close_meets_reset": 2,
    },
}


@dataclass
class Tightness:
    """What the explanations of one kernel's traces used."""

    kernel: str
    traces: int = 0
    seen: Counter[Decision] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    loose: Counter[str] = field(default_factory=Counter)

    def add(
        self, decisions: Counter[Decision], applied: Iterable[str], loose: Iterable[str]
    ) -> None:
        """One explanation."""
        self.traces += 1
        self.seen.update(decisions)
        self.rules.update(set(applied))
        self.loose.update(loose)

    def values(self, name: str) -> list[int]:
        """The values of a decision that were seen."""
        return sorted({each.value for each in self.seen if each.name == name})

    def never(self) -> dict[str, list[int]]:
        """The values of each decision that were not."""
        return never(self.kernel, self.seen)

    def unused(self) -> list[str]:
        """The rules that no explanation used."""
        return [rule.id for rule in rules(self.kernel) if rule.id not in self.rules]

    def told(self) -> list[str]:
        """In lines."""
        lines = [f"{self.kernel}: seen in {self.traces} explained"]
        for name in DECISIONS[self.kernel]:
            values = ", ".join(map(str, self.values(name))) or "none"
            lines.append(f"  {name:<26}{values}")
        lines += [f"  {name}: in {times}" for name, times in sorted(self.loose.items())]
        lines.append(told_never(self.never()))
        known = len(rules(self.kernel))
        unused = self.unused()
        lines.append(
            f"rules: {known - len(unused)} of {known} used"
            + (f"; never {', '.join(unused)}" if unused else "")
        )
        return lines

    def to_json(self) -> dict[str, Any]:
        return {
            "traces": self.traces,
            "seen": {name: self.values(name) for name in DECISIONS[self.kernel]},
            "never": self.never(),
            "loose": dict(self.loose),
            "rules": dict(self.rules),
            "rules_never": self.unused(),
        }


def never(kernel: str, seen: Iterable[Decision]) -> dict[str, list[int]]:
    """By decision, the values that are not among those seen; only decisions that have such."""
    found = {(each.name, each.value) for each in seen}
    missing = {
        name: [value for value in range(bound) if (name, value) not in found]
        for name, bound in DECISIONS[kernel].items()
    }
    return {name: values for name, values in missing.items() if values}


def told_never(missing: dict[str, list[int]]) -> str:
    """On one line."""
    names = [f"{name} {','.join(map(str, values))}" for name, values in missing.items()]
    return f"never seen: {'; '.join(names) or 'nothing'}"
