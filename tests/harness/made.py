"""Failure files made by hand, and drawn by Hypothesis, for tests that need no run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from harness.certificate import Certificate
from harness.failure import FailureFile
from harness.fuzz import FuzzReport, WorldReport
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.strategies import scenarios
from harness.trace_schema import FIELD_KINDS
from model.choices import Decision
from model.content import content
from model.errors import Errno, NtStatus, Win32Error
from model.properties import Violation
from model.trace import FIELDS, Record

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = Scenario(
    connections=(
        Connection(
            client=BuffereventEnd(on_read=((Step("echo"),),)),
            server=PeerEnd(steps=(Step("send", ((64,),)), Step("recv", (74,)), Step("close"))),
        ),
    ),
    app=(AppStep("write", "c0", (10,)), AppStep("wait", None, (1_000_000,))),
)

RECORDS: tuple[Record, ...] = (
    (0, "new", "c0", "socket", 1, None),
    (0, "socket", 3),
    (0, "attach", "c0", 3),
    (0, "connect", 3, 40_000, Errno.EINPROGRESS),
    (5, "peer", "s0", "accept", 0, None),
    (10, "epoll_wait", 2, None, [(3, 4)]),
    (10, "cb", "c0", "event", 0x80, None, 0, 0, 6),
    (10, "cb_end", "c0", "event", 0, 0),
    (10, "write", "c0", content(0, 0, 10), 0),
    (10, "send", 3, 10, content(0, 0, 10)),
    (12, "peer", "s0", "recv", 10, content(0, 0, 10)),
    (14, "peer", "s0", "send", 64, content(1, 0, 64)),
    (20, "epoll_wait", 2, None, [(3, 1)]),
    (20, "recv", 3, 4096, content(1, 0, 64)),
    (20, "cb", "c0", "read", None, None, 64, 0, 6),
    (20, "read", "c0", 64, content(1, 0, 64)),
    (25, "cb_end", "c0", "read", 0, 0),
    (30, "close", 3, None),
    (30, "quiet"),
    (30, "teardown"),
    (31, "base_free", 0),
)

VIOLATION = Violation("C-1", 14, "the read callback came below the low watermark")


def failure(**changes: Any) -> FailureFile:
    """A small failure, with some fields changed."""
    fields: dict[str, Any] = {
        "world": "sim-epoll",
        "kernel_version": "simulated",
        "subject": "model",
        "subject_version": "0.1.0",
        "mutant": None,
        "scenario": SCENARIO,
        "tape": (11, 0, 7),
        "decisions": (Decision("tcp.segment", 8, 3), Decision("tcp.latency", 4, 0)),
        "records": RECORDS,
        "violations": (VIOLATION,),
    }
    fields |= changes
    violations = fields["violations"]
    fields.setdefault("broken", violations[0].property if violations else None)
    return FailureFile(**fields)


def report(**changes: Any) -> FuzzReport:
    """A campaign of one world, with some fields changed."""
    made = FuzzReport(1, "model", None, {"sim-epoll": WorldReport("sim-epoll", "simulated", 3)})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A `python -m harness` of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


_OUTCOMES = st.sampled_from([*Errno, *Win32Error, *NtStatus])
_NUMBERS = st.integers(-(1 << 40), 1 << 40)
_CONTENT = st.builds(content, st.integers(0, 9), st.integers(0, 1 << 20), st.integers(0, 300))
_SCALARS = st.one_of(st.none(), _NUMBERS, _OUTCOMES, _CONTENT, st.binary(max_size=9), st.booleans())
_OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=9),
    "number": _NUMBERS,
    "number or null": st.one_of(st.none(), _NUMBERS),
    "outcome": st.one_of(st.none(), _NUMBERS, _OUTCOMES),
    "arguments": st.lists(st.one_of(st.none(), _NUMBERS, st.booleans()), max_size=3).map(tuple),
    "value": st.one_of(
        _SCALARS,
        st.lists(_SCALARS, max_size=3),
        st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=3),
    ),
}


@st.composite
def records(draw: st.DrawFn) -> Record:
    """One record of any kind, whose fields are of the kinds that the schema says."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    values = [draw(_OF_KIND[FIELD_KINDS[name]]) for name in FIELDS[kind]]
    return (draw(st.integers(0, 1 << 40)), kind, *values)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """One decision."""
    bound = draw(st.integers(2, 1 << 32))
    return Decision(draw(st.text(max_size=9)), bound, draw(st.integers(0, bound - 1)))


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    """Any certificate that a file can hold."""
    counts = st.integers(1, 1 << 32)
    tried = draw(st.dictionaries(st.text(max_size=9), counts, max_size=4))
    return Certificate(draw(st.text(max_size=30)), draw(counts), tried, draw(counts))


@st.composite
def failures(draw: st.DrawFn) -> FailureFile:
    """Any failure, or clean run, that a file can hold."""
    taken = tuple(draw(st.lists(records(), max_size=12)))
    violation = st.builds(
        Violation, st.text(max_size=9), st.integers(-1, len(taken) - 1), st.text(max_size=30)
    )
    violations = tuple(draw(st.lists(violation, max_size=3)))
    names = st.text(max_size=20)
    return FailureFile(
        world=draw(names),
        kernel_version=draw(names),
        subject=draw(names),
        subject_version=draw(names),
        mutant=draw(st.one_of(st.none(), names)),
        scenario=draw(scenarios()),
        tape=tuple(draw(st.lists(st.integers(0, 1 << 40), max_size=5))),
        others=tuple(draw(st.lists(st.text(max_size=9), max_size=2))),
        decisions=tuple(draw(st.lists(decisions(), max_size=5))),
        records=taken,
        violations=violations,
        broken=draw(st.sampled_from(violations)).property if violations else None,
        certificate=draw(st.one_of(st.none(), certificates())),
    )
