"""A campaign's file: what it has come to, as data, so that it can be gone on with.

    DIR/campaign.json   totals, failures by signature, how many runs had each key
    DIR/corpus/         cases that showed something new (`harness.bulk.corpus`)
    DIR/failures/       one failure file a signature
    DIR/canary/         the run in which the canary was found
    DIR/campaign.lock   whose campaign is going on (`harness.bulk.lock`)
    DIR/observations.jsonl  a sample of the runs (`harness.bulk.sample`)

A failure is a file before it is counted, and every file is written beside its place and then put
there. So whatever ends the process, each failure that was told of is there to be replayed; at most
the runs since the last write are not in the totals. Reading trusts nothing and runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.bulk.corpus import write_whole
from harness.failure import TEXT_MAX
from harness.failure import load as load_failure
from harness.reading import error_at, parse, read_fields, read_file, read_items
from harness.run import SUBJECTS
from harness.shrinking.judge import name_of
from harness.worlds import WORLDS
from model.errors import UsageError
from model.mutants import MUTANTS
from model.properties import PROPERTY

VERSION = 1
NAME = "campaign.json"
FILE_BYTES_MAX = 1 << 26
_COUNT_MAX = 1 << 53
_NAMES_MAX = 1 << 16
_SIGNATURE_MAX = 2_000
_COUNTERS = ("runs", "checked", "keys")
_FIELDS = (
    *("duopoll", "version", "seed", "subject", "mutant", "worlds", "batches", "records"),
    *("elapsed_ms", *_COUNTERS, "failures"),
)


@dataclass(slots=True)
class Known:
    """A failure that has its file. `times`: runs that showed it; `file`: its name in `failures`."""

    signature: str
    property: str
    worlds: tuple[str, ...]
    file: str
    times: int = 1
    shrunk: bool = False


@dataclass(slots=True)
class State:
    """A campaign so far. Counters are by world, property and key."""

    seed: int
    subject: str
    mutant: str | None
    worlds: tuple[str, ...]
    batches: int = 0
    records: int = 0
    elapsed_ms: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Known] = field(default_factory=dict)


def file_name(name: str, broken: str) -> str:
    """The file of the failures with one signature."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{broken}-{digest}") + ".jsonl"


def save(folder: Path, state: State) -> None:
    """Writes the campaign's file, whole or not at all. Raises `UsageError`."""
    fields: dict[str, Any] = {"duopoll": "campaign", "version": VERSION}
    fields |= {name: getattr(state, name) for name in _FIELDS[2:-1]}
    fields["failures"] = [
        {name: getattr(each, name) for name in Known.__slots__} for each in state.failures.values()
    ]
    write_whole(folder / NAME, (json.dumps(fields) + "\n").encode())


def load(folder: Path) -> State:
    """The campaign in a folder, with the failures that were written after its file was.

    Raises `UsageError`, one line.
    """
    path = folder / NAME
    try:
        state = _state(parse(read_file(path, FILE_BYTES_MAX)))
    except UsageError as error:
        told = str(error)
        raise UsageError(told if told.startswith(str(path)) else f"{path}: {told}") from None
    _look_for_failures(folder / "failures", state)
    return state


def _look_for_failures(folder: Path, state: State) -> None:
    known = {each.file for each in state.failures.values()}
    for path in sorted(folder.glob("*.jsonl")):
        if path.name in known or path.name.startswith("."):
            continue
        failure = load_failure(path)
        if failure.violation is None or failure.broken is None:
            raise UsageError(f"{path}: is a clean run: keep it somewhere else")
        name = name_of(failure.violation, failure.subject, failure.records)
        worlds = (failure.world, *failure.others)
        state.failures[name] = Known(name, failure.broken, worlds, path.name)


def _state(value: object) -> State:
    fields = read_fields(value, "campaign", _FIELDS, ())
    for name, wanted in (("duopoll", "campaign"), ("version", VERSION)):
        if fields[name] != wanted or type(fields[name]) is not type(wanted):
            raise error_at(f"campaign.{name}", fields[name], f"expected {wanted}; name a campaign")
    _known(fields["subject"], "campaign.subject", SUBJECTS)
    if fields["mutant"] is not None:
        _known(fields["mutant"], "campaign.mutant", MUTANTS)
    worlds = read_items(fields["worlds"], "campaign.worlds", len(WORLDS), _world, least=1)
    failures = read_items(fields["failures"], "campaign.failures", _NAMES_MAX, _failure)
    return State(
        seed=_count(fields["seed"], "campaign.seed"),
        subject=fields["subject"],
        mutant=fields["mutant"],
        worlds=worlds,
        batches=_count(fields["batches"], "campaign.batches"),
        records=_count(fields["records"], "campaign.records"),
        elapsed_ms=_count(fields["elapsed_ms"], "campaign.elapsed_ms"),
        runs=_counter(fields["runs"], "campaign.runs"),
        checked=_counter(fields["checked"], "campaign.checked"),
        keys=_counter(fields["keys"], "campaign.keys"),
        failures={each.signature: each for each in failures},
    )


def _failure(value: object, path: str) -> Known:
    fields = read_fields(value, path, tuple(Known.__slots__), ())
    name = _text(fields["signature"], f"{path}.signature", _SIGNATURE_MAX)
    broken = _known(fields["property"], f"{path}.property", PROPERTY)
    worlds = read_items(fields["worlds"], f"{path}.worlds", len(WORLDS), _world, least=1)
    if fields["file"] != file_name(name, broken):
        raise error_at(f"{path}.file", fields["file"], f"expected {file_name(name, broken)}")
    if type(fields["shrunk"]) is not bool:
        raise error_at(f"{path}.shrunk", fields["shrunk"], "expected true or false")
    times = _count(fields["times"], f"{path}.times")
    return Known(name, broken, worlds, fields["file"], times, fields["shrunk"])


def _known(value: object, path: str, known: Any) -> str:
    if not isinstance(value, str) or value not in known:
        raise error_at(path, value, "there is none of that name")
    return value


def _world(value: object, path: str) -> str:
    return _known(value, path, WORLDS)


def _text(value: object, path: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise error_at(path, value, f"expected at most {most} characters")
    return value


def _count(value: object, path: str) -> int:
    if type(value) is not int or not 0 <= value <= _COUNT_MAX:
        raise error_at(path, value, "expected an integer, 0 or more")
    return value


def _counter(value: object, path: str) -> Counter[str]:
    if not isinstance(value, dict) or len(value) > _NAMES_MAX:
        raise error_at(path, value, "expected an object of counts")
    for name, count in value.items():
        _text(name, path, TEXT_MAX * 2)
        _count(count, f"{path}.{ascii(name)[:60]}")
    return Counter(value)
