"""`duopoll beside`: two subjects, the same scenario and tape, the same simulated kernel.

What is compared is what the applications saw: of each bufferevent the events in their order and the
bytes it took, of each raw peer the bytes it got. Times, and into how many callbacks bytes were cut,
the contract leaves open. Where the two differ, either one of them broke a property in its run, or
the contract is silent: that is said of each kind of difference.

Decisions are spent by the subjects' own calls, so one tape means two things as soon as two subjects
call differently. Drawn scenarios are therefore compared on the dull tape.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from harness.commands import BROKEN, CLEAN, print_json
from harness.foreign import within
from harness.noise import scenario_of
from harness.run import Outcome, check_names, run, subject_version
from harness.scenario import Scenario
from harness.scenario_json import load as load_scenario
from harness.scenario_json import to_json
from harness.table import columns
from harness.words import count
from model.errors import UsageError
from model.subject import event_name

RUNS = 500
SILENT = "the contract is silent"
_NAME = re.compile(r"\b[csl]\d+\b")
_FIGURE = re.compile(r"\b\d+\b")


@dataclass
class Kind:
    """One kind of difference: how often, who broke what, and the first scenario that shows it."""

    times: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    example: Scenario | None = None


def seen(outcome: Outcome) -> dict[str, list[str]]:
    """What the application behind each end saw."""
    told: dict[str, list[str]] = {}
    took: Counter[str] = Counter()
    for record in outcome.records:
        kind = record[1]
        if kind == "teardown":
            break
        if kind == "cb" and record[3] == "event":
            told.setdefault(record[2], []).append(event_name(record[4]))
        elif kind == "read":
            took[record[2]] += len(record[4])
        elif kind == "echo" and record[3] > 0:
            took[record[2]] += record[3]
        elif kind == "peer" and record[3] == "recv" and isinstance(record[5], bytes):
            took[record[2]] += len(record[5])
    for name, size in took.items():
        told.setdefault(name, []).append(f"{size} bytes")
    return told


def differences(one: Outcome, other: Outcome) -> Iterator[str]:
    """Where what was seen in two runs is not the same, an end each."""
    here, there = seen(one), seen(other)
    for name in sorted({*here, *there}):
        mine, theirs = (", ".join(each.get(name, ["nothing"])) for each in (here, there))
        if mine != theirs:
            yield f"{name} of {one.subject} saw {mine}; of {other.subject} {theirs}"


def judged(outcomes: tuple[Outcome, Outcome]) -> str:
    """Who broke what, or that nobody did."""
    broken = [
        f"{each.subject} broke {', '.join(dict.fromkeys(v.property for v in found))}"
        for each in outcomes
        if (found := each.verdicts.violations)
    ]
    return " and ".join(broken) or SILENT


def compare(
    scenario: Scenario, world: str, subjects: tuple[str, str], kinds: dict[str, Kind]
) -> None:
    """Plays one scenario on both subjects and adds what differs to `kinds`."""
    one, other = (run(scenario, world, subject=subject) for subject in subjects)
    for difference in differences(one, other):
        kind = kinds.setdefault(_FIGURE.sub("#", _NAME.sub("@", difference)), Kind())
        kind.times += 1
        kind.judged[judged((one, other))] += 1
        kind.example = kind.example or scenario


def beside(options: argparse.Namespace) -> int:
    """The command. 0: no difference; 1: some."""
    if options.file is not None and options.runs is not None:
        raise UsageError("--runs is for drawn scenarios: give a FILE or --runs, not both")
    subjects, world = (options.subject, options.beside), options.world
    for subject in subjects:
        check_names(world, subject, None)
        subject_version(subject)
    kinds: dict[str, Kind] = {}
    if options.file is not None:
        compare(load_scenario(options.file), world, subjects, kinds)
        runs = 1
    else:
        runs = options.runs or RUNS
        for scenario in _drawn(runs, options.seed):
            compare(scenario, world, subjects, kinds)
    _tell(options, runs, kinds)
    return BROKEN if kinds else CLEAN


def _drawn(runs: int, number: int) -> Iterator[Scenario]:
    """Scenarios out of random noise; the same number always gives the same ones."""
    random = Random(number)
    for _ in range(runs):
        yield within(scenario_of(random.randbytes(random.randrange(16, 256))))


def _tell(options: argparse.Namespace, runs: int, kinds: dict[str, Kind]) -> None:
    ordered = sorted(kinds.items(), key=lambda item: -item[1].times)
    if options.json:
        listed = [
            {
                "difference": text,
                "times": kind.times,
                "judged": dict(kind.judged),
                "scenario": None if kind.example is None else to_json(kind.example),
            }
            for text, kind in ordered
        ]
        print_json({"runs": runs, "differences": listed, "exit_code": BROKEN if kinds else CLEAN})
        return
    rows = [(str(kind.times), kind.judged.most_common(1)[0][0], text) for text, kind in ordered]
    for line in columns([("times", "judged", "difference"), *rows], right=(0,)):
        print(line)
    silent = sum(kind.judged[SILENT] for kind in kinds.values())
    total = sum(kind.times for kind in kinds.values())
    print(
        f"\n{options.subject} beside {options.beside} in {options.world}: {count(runs, 'run')},"
        f" {count(total, 'difference')}, about {silent} of them {SILENT}"
    )
