"""The table of decisions is that of the simulated kernels, and what was seen is left out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import sim
from harness.inclusion.tightness import DECISIONS, Tightness, never
from model.choices import Decision

_DRAWN = re.compile(r'"((?:tcp|iocp|sched|epoll_wait)\.[a-z_]+)"')


def test_every_decision_of_the_simulator_is_in_the_table() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(sim.__file__).parent.glob("*.py")]
    code = [re.sub(r'"""[\s\S]*?"""', "", source) for source in sources]
    drawn = {name for source in code for name in _DRAWN.findall(source)}
    known = {name for names in DECISIONS.values() for name in names}
    assert drawn - known == {"sched.next"}
    assert known <= drawn


def test_what_was_seen_is_not_missing() -> None:
    tightness = Tightness("iocp")
    tightness.add(Counter({Decision("iocp.sync", 2, 1): 3}), {"R1"}, ["buffers"])
    assert tightness.values("iocp.sync") == [1]
    assert tightness.never()["iocp.sync"] == [0]
    assert "R1" not in tightness.unused()
    assert "R2" in tightness.unused()
    lines = tightness.told()
    assert lines[0] == "iocp: seen in 1 explained"
    assert any(line.startswith("never seen: tcp.latency 0,1,2,3,4; ") for line in lines)
    everything = [Decision(n, b, v) for n, b in DECISIONS["iocp"].items() for v in range(b)]
    assert never("iocp", everything) == {}
