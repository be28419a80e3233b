"""Contests: who plays, what is wanted, and how turns are taken.

Every turn is a fresh process, and the contenders of a contest take turns in rotation, so that a
change of the machine's mood hits all of them. The median of a contender's turns counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import WorldUnavailable
from real import wine

ROOT = Path(__file__).parent.parent
FAILED = "failed:"  # how the reason starts when a contender broke
_TURN_BOUND_S = 300


@dataclass(frozen=True)
class Contender:
    """A function of a module of ours with integer arguments, and where it runs."""

    label: str
    function: str  # "module:function" in this package
    arguments: tuple[int, ...] = ()
    on_windows: bool = False
    missing: Callable[[], str | None] | None = None  # asked once, before the first turn


@dataclass(frozen=True)
class Wanted:
    """What `ours` has to reach: a ratio to `peer`, or (`peer` None) a figure of its own."""

    ours: str
    peer: str | None
    bound: float
    at_most: bool = False

    def reached(self, figure: float) -> bool:
        """Whether the ratio, or the figure, is good enough."""
        return figure <= self.bound if self.at_most else figure >= self.bound


@dataclass(frozen=True)
class Contest:
    """One table: contenders that did the same work, in one unit."""

    title: str
    unit: str
    contenders: tuple[Contender, ...]
    wanted: tuple[Wanted, ...]
    notes: tuple[str, ...] = ()
    yardstick: str | None = None  # whom figures are also told relative to, if no `Wanted` says so


@dataclass
class Result:
    """The figures of one contest by contender's label, and why others have none."""

    contest: Contest
    figures: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def median(self, label: str) -> float | None:
        """The median turn of a contender; None if it did not play."""
        turns = self.figures.get(label)
        return statistics.median(turns) if turns else None


def play(contest: Contest, turns: int) -> Result:
    """Plays one contest: `turns` turns of each contender that can play here."""
    result = Result(contest)
    for contender in contest.contenders:
        reason = contender.missing() if contender.missing else None
        if reason:
            result.missing[contender.label] = reason
    for _ in range(turns):
        for contender in contest.contenders:
            if contender.label not in result.missing:
                _take_turn(contender, result)
    return result


def _take_turn(contender: Contender, result: Result) -> None:
    arguments = ["-m", "bench.child", f"bench.{contender.function}"]
    arguments += [str(argument) for argument in contender.arguments]
    try:
        answer = _on_windows(arguments) if contender.on_windows else _here(arguments)
    except WorldUnavailable as missing:
        answer = {"missing": str(missing)}
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        answer = {"missing": f"{FAILED} {error}"}
    if "missing" in answer:
        result.missing[contender.label] = answer["missing"]
    else:
        result.figures.setdefault(contender.label, []).append(answer["value"])


def _here(arguments: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TURN_BOUND_S,
        check=False,
    )
    return _answer(done.returncode, done.stdout, done.stderr)


def _on_windows(arguments: Sequence[str]) -> dict[str, Any]:
    """The same in the Windows interpreter: this one on Windows, else Wine's."""
    code, output = wine.run_interpreter(arguments, timeout_s=_TURN_BOUND_S)
    return _answer(code, output, output)


def _answer(code: int, output: str, complaint: str) -> dict[str, Any]:
    """What a child said last. Raises RuntimeError with the last line of its complaint."""
    if code != 0:
        raise RuntimeError((complaint.strip().splitlines() or [f"exit code {code}"])[-1])
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer
