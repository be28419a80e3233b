"""The corpus: cases that showed something new, as files of data in one folder.

An entry is one JSON object: the case's bytes in hexadecimal, its swarm in words, the world it ran
in, the keys that were new with it, and a seal over the rest, so that a damaged file says so. A
file's name is the digest of what it says, so the same case is the same file wherever it was found:
merging is copying, less what adds nothing. Files are written beside and then renamed, so whatever
ends the process, an entry is whole or not there.

Reading trusts nothing and runs nothing; whatever is wrong is one line. What an entry covers is
found out by running it again (`coverage`), never by believing the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bulk.generator import NOISE_MAX, TAPE_MAX, Case
from harness.bulk.swarm import PARTS, SPARSITIES, VERBS, Swarm, kinds_of_connections, mask_of
from harness.motifs import MOTIFS
from harness.noise import CALLBACKS, FOCUSES
from harness.reading import error_at, parse, read_fields, read_file, read_items
from harness.run import SUBJECTS
from harness.worlds import WORLDS
from model.errors import UsageError

VERSION = 2  # 2: swarms say which callbacks do something
FILE_BYTES_MAX = 1 << 20
KEYS_MAX = 4_096
KEY_MAX = 400  # characters
_FIELDS = (
    *("duopoll", "version", "subject", "world", "noise", "tape", "swarm", "race_free", "motif"),
    *("new", "sha256"),
)
_WHOLE = "use a whole entry, or leave this one out"


@dataclass(frozen=True, slots=True)
class Entry:
    """A case, where it ran, and the keys that no case before had."""

    case: Case
    world: str
    subject: str = "model"
    new: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's: of what the entry runs, whatever was new with it."""
        return hashlib.sha256(_text(_running(self)).encode()).hexdigest()[:16] + ".json"


def encode(entry: Entry) -> bytes:
    """The bytes of the file."""
    fields = {"duopoll": "corpus entry", "version": VERSION, **_running(entry)}
    fields["new"] = list(entry.new)
    fields["sha256"] = hashlib.sha256(_text(fields).encode()).hexdigest()
    return (_text(fields) + "\n").encode()


def _running(entry: Entry) -> dict[str, Any]:
    case, swarm = entry.case, entry.case.swarm
    return {
        "subject": entry.subject,
        "world": entry.world,
        "noise": case.noise.hex(),
        "tape": case.tape.hex(),
        "swarm": {
            "steps": swarm.names(),
            "parts": list(swarm.parts),
            "kinds": swarm.kinds,
            "focus": swarm.focus,
            "sparsity": swarm.sparsity,
            "taped": swarm.taped,
            "callbacks": list(swarm.callbacks),
        },
        "race_free": case.race_free,
        "motif": list(case.motif),
    }


def _text(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


# Reading.


def decode(data: bytes, path: str = "entry") -> Entry:
    """The entry that bytes tell. Raises `UsageError`, one line that begins with `path`."""
    try:
        return _entry(parse(data))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _entry(value: object) -> Entry:
    fields = read_fields(value, "entry", _FIELDS, ())
    _one_of(fields, "duopoll", ("corpus entry",))
    _one_of(fields, "version", (VERSION,))
    _one_of(fields, "world", WORLDS)
    _one_of(fields, "subject", tuple(SUBJECTS))
    _one_of(fields, "race_free", (False, True))
    case = Case(
        noise=_hex(fields, "noise", NOISE_MAX),
        tape=_hex(fields, "tape", TAPE_MAX),
        swarm=_swarm(fields["swarm"]),
        race_free=fields["race_free"],
        motif=_motif(fields["motif"]),
    )
    new = read_items(fields["new"], "entry.new", KEYS_MAX, _key)
    seal = fields.pop("sha256")
    if seal != hashlib.sha256(_text(fields).encode()).hexdigest():
        raise error_at("entry.sha256", seal, f"the entry was changed: {_WHOLE}")
    return Entry(case, fields["world"], fields["subject"], new)


def _one_of(fields: dict[str, Any], name: str, allowed: Sequence[object]) -> None:
    value = fields[name]
    if not any(type(value) is type(each) and value == each for each in allowed):
        remedy = f"expected {', '.join(map(str, allowed))}; {_WHOLE}"
        raise error_at(f"entry.{name}", value, remedy)


def _hex(fields: dict[str, Any], name: str, most: int) -> bytes:
    value = fields[name]
    try:
        if isinstance(value, str) and len(value) <= 2 * most and value == value.lower():
            data = bytes.fromhex(value)
            if data.hex() == value:
                return data
    except ValueError:
        pass
    raise error_at(f"entry.{name}", value, f"at most {most} bytes in hexadecimal; {_WHOLE}")


def _swarm(value: object) -> Swarm:
    names = ("steps", "parts", "kinds", "focus", "sparsity", "taped", "callbacks")
    fields = read_fields(value, "swarm", names, ())
    _one_of(fields, "kinds", kinds_of_connections())
    _one_of(fields, "focus", FOCUSES)
    _one_of(fields, "sparsity", SPARSITIES)
    _one_of(fields, "taped", (False, True))
    verbs = read_items(fields["steps"], "swarm.steps", len(VERBS), lambda v, p: _name(v, p, VERBS))
    parts = read_items(fields["parts"], "swarm.parts", len(PARTS), lambda v, p: _name(v, p, PARTS))
    callbacks = read_items(
        fields["callbacks"],
        "swarm.callbacks",
        len(CALLBACKS),
        lambda v, p: _name(v, p, CALLBACKS),
    )
    kinds, focus, sparsity = fields["kinds"], fields["focus"], fields["sparsity"]
    return Swarm(mask_of(verbs), parts, kinds, focus, sparsity, fields["taped"], callbacks)


def _name(value: object, path: str, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise error_at(path, value, f"expected one of {', '.join(known)}")
    return value


def _motif(value: object) -> tuple[int, int]:
    which, number = read_items(value, "entry.motif", 2, _small, least=2)
    if which >= len(MOTIFS):
        raise error_at("entry.motif[0]", which, f"there are {len(MOTIFS)} motifs; {_WHOLE}")
    return which, number


def _small(value: object, path: str) -> int:
    if type(value) is not int or not 0 <= value <= 255:
        raise error_at(path, value, "expected an integer from 0 to 255")
    return value


def _key(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > KEY_MAX:
        raise error_at(path, value, f"expected at most {KEY_MAX} characters")
    return value


# Folders.


def load(folder: str | Path) -> list[Entry]:
    """All entries of a folder, in the order of their names. Raises `UsageError`."""
    return [entry for _, entry in load_files(folder)]


def load_files(folder: str | Path) -> Iterator[tuple[Path, Entry]]:
    """The same, each with its file. What was being written when a process ended is left out."""
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{folder}: is no folder: name one with corpus entries (*.json)")
    for file in sorted(path.glob("*.json")):
        if not file.name.startswith("."):
            yield file, decode(read_file(file, FILE_BYTES_MAX), str(file))


def save(folder: str | Path, entry: Entry) -> Path:
    """Writes an entry, whole or not at all, and makes the folder. Raises `UsageError`."""
    return write_whole(Path(folder) / entry.name, encode(entry))


def write_whole(target: Path, data: bytes) -> Path:
    """Writes a file beside its place and then puts it there. Raises `UsageError`."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{target}: cannot be written ({error.strerror}): name a folder that can"
        ) from None
    return target


# What entries cover.


def covering(covers: Iterable[tuple[Entry, frozenset[str]]]) -> list[Entry]:
    """Few entries that cover what all do: each time the one that adds most; of those that add as
    much, the one with the shortest case."""
    left = dict(sorted(((e, keys) for e, keys in covers), key=lambda each: _length(each[0])))
    chosen: list[Entry] = []
    missing = {key for keys in left.values() for key in keys}
    while missing:
        best = max(left, key=lambda entry: len(left[entry] & missing))
        missing -= left.pop(best)
        chosen.append(best)
    return chosen


def _length(entry: Entry) -> tuple[int, int, str]:
    return len(entry.case.noise), len(entry.case.tape), entry.name
