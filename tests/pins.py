"""Pinned runs: what was recorded and how it was judged must not change unnoticed.

A pin is a scenario and a tape with what its run came to on the day it was pinned: a digest of the
trace, how often each property was judged, and every violation, of a healthy model or of one with a
planted bug. A few pieces of damage to the trace are judged, too. So a pin says three things: the
trace is the same bytes here as wherever it was pinned (another platform, Python or hash seed); the
planted bug is still seen, at the same record; and no property has gone blind.

`scripts/pin_runs.py` draws them anew, or writes down what they come to after a change that is
meant; its diff is then part of the change.
"""

from __future__ import annotations

import hashlib
import json
import random
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run import Outcome, judge, run
from harness.scenario import TLS_LAYERS, Scenario
from harness.scenario_json import from_json, to_json
from model.properties import Verdicts
from model.trace import Record, encode_trace

FOLDER = Path(__file__).parent / "pinned"
DAMAGES = 6  # of each trace
VIOLATIONS_MAX = 4  # written down of each run, the rest are counted
#: traces of TLS have the sizes of OpenSSL's handshakes, which are compared for this version only
OPENSSL = (3, 0)


@dataclass(frozen=True)
class Pin:
    """One run, and what it came to."""

    scenario: Scenario
    world: str
    tape: tuple[int, ...]
    mutant: str | None
    came_to: dict[str, Any]

    def line(self) -> str:
        """The pin as a line of a file."""
        fields = {
            "world": self.world,
            "mutant": self.mutant,
            "tape": self.tape,
            "came_to": self.came_to,
            "scenario": to_json(self.scenario),
        }
        return json.dumps(fields, separators=(",", ":"))


def load(path: Path) -> Iterator[Pin]:
    """The pins of one file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        scenario = from_json(fields["scenario"])
        yield Pin(
            scenario, fields["world"], tuple(fields["tape"]), fields["mutant"], fields["came_to"]
        )


def plays_here(scenario: Scenario) -> bool:
    """Whether its trace is the pinned one with this interpreter's OpenSSL."""
    tls = any(layer.kind in TLS_LAYERS for each in scenario.connections for layer in each.layers)
    return not tls or ssl.OPENSSL_VERSION_INFO[:2] == OPENSSL


def came_to(pin: Pin) -> dict[str, Any]:
    """Runs it again."""
    outcome = run(pin.scenario, pin.world, tape=pin.tape, mutant=pin.mutant)
    return told(outcome)


def told(outcome: Outcome) -> dict[str, Any]:
    """What a run came to, as data."""
    digest = hashlib.sha256()
    for line in encode_trace(outcome.records):
        digest.update(line.encode())
    return {
        "records": len(outcome.records),
        "trace": digest.hexdigest()[:16],
        "checked": {name: count for name, count in outcome.verdicts.checked.items() if count},
        "violations": _violations(outcome.verdicts),
        "damaged": [
            _violations(judge(records, outcome.world, outcome.decisions))
            for records in _damaged(outcome.records)
        ],
    }


def _violations(verdicts: Verdicts) -> list[str]:
    """In the order in which they were seen, a line each."""
    found = [f"{each.property} {each.record} {each.message}" for each in verdicts.violations]
    unreadable = [f"unreadable {index}" for index in verdicts.unreadable]
    more = len(found) - VIOLATIONS_MAX
    return found[:VIOLATIONS_MAX] + ([f"and {more} more"] if more > 0 else []) + unreadable


def _damaged(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The trace without a record, with one of them twice or elsewhere, or with another number."""
    drawn = random.Random(len(records))
    for kind in range(DAMAGES):
        damaged = list(records)
        place = drawn.randrange(len(damaged))
        if kind < DAMAGES // 2:
            del damaged[place]
        elif kind == DAMAGES // 2:
            damaged.insert(drawn.randrange(len(damaged)), damaged[place])
        else:
            damaged[place] = _altered(damaged[place], drawn)
        yield damaged


def _altered(record: Record, drawn: random.Random) -> Record:
    numbers = [index for index, value in enumerate(record) if type(value) is int and index]
    if not numbers:
        return record
    index = drawn.choice(numbers)
    return (*record[:index], record[index] + drawn.choice((-1, 1)), *record[index + 1 :])
