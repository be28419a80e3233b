"""The failure file: all that a replay needs, as one JSONL file of data and no code.

Line by line: a header with the version and the counts of what follows; the scenario; the tape; the
decisions taken from it, each by name, bound and value; the trace, one record a line, and what
repeats told once (`harness.repeats`); the violations; of a file that was shrunk to the end, its
certificate (`harness.certificate`); and a seal, the SHA-256 of all the lines before it, so that a
damaged file says so instead of leading astray.

A property that compares worlds breaks in no run alone. Its file holds the run in the first of them
and names the others, which a replay runs again, with the same scenario and tape.

The same run of a simulated world makes the same bytes on Linux and on Windows: ASCII, one newline
character, no time of day, no interpreter, no path. Reading counts carriage returns before a
newline as not there (a checkout may add them), trusts nothing else, runs nothing, and gives one
line for whatever is wrong with the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.certificate import Certificate
from harness.certificate import read as read_certificate
from harness.reading import parse, shown
from harness.repeats import PERIOD_MAX, folded
from harness.scenario import Scenario
from harness.scenario_json import from_json, to_json
from harness.trace_schema import check_fields
from model.choices import Decision
from model.errors import DuopollError, UsageError
from model.properties import Violation
from model.trace import Record, decode_record, encode_trace

if TYPE_CHECKING:
    from harness.run import Outcome

VERSION = 3  # of files with a certificate
FOLDED = 2  # of files in which something is told once for many (`harness.repeats`)
PLAIN = 1  # of all others
RECORDS_MAX = 1 << 22
FILE_BYTES_MAX = 256 << 20
CONTENT_BYTES_MAX = 1 << 29  # that the records of one file may name
TEXT_MAX = 200  # characters of a name in the header
BOUND_MAX = 1 << 32  # of a decision
TAPE_MAX = 1 << 20  # integers
OTHERS_MAX = 8  # worlds that a run is compared with

_NAMES = ("world", "kernel_version", "subject", "subject_version")
_COUNTS = ("decisions", "records", "violations")
_HEADER = ("duopoll", "version", *_NAMES, "mutant", "others", "property", *_COUNTS)
_SEAL = "sha256"
_WHOLE = "use a whole file, or make the failure again with `duopoll fuzz`"


@dataclass(frozen=True)
class FailureFile:
    """A run as data. A clean run may be kept in the same form; it has no violations."""

    world: str
    kernel_version: str
    subject: str
    subject_version: str
    mutant: str | None
    scenario: Scenario
    tape: tuple[int, ...]
    decisions: tuple[Decision, ...]
    records: tuple[Record, ...]
    violations: tuple[Violation, ...]
    broken: str | None  # the property that the file is about; None for a clean run
    others: tuple[str, ...] = ()  # the worlds that it was compared with
    certificate: Certificate | None = None  # that nothing single can go

    @property
    def violation(self) -> Violation | None:
        """The first violation of `broken`."""
        return next((each for each in self.violations if each.property == self.broken), None)

    @classmethod
    def of(
        cls, outcome: Outcome, broken: str | None = None, others: Sequence[str] = ()
    ) -> FailureFile:
        """What an outcome leaves in a file.

        `broken` is the property that it is about, else the first that broke; `others` are the
        worlds that it was compared with.
        """
        violations = tuple(outcome.verdicts.violations)
        return cls(
            world=outcome.world,
            kernel_version=outcome.kernel_version,
            subject=outcome.subject,
            subject_version=outcome.subject_version,
            mutant=outcome.mutant,
            scenario=outcome.scenario,
            tape=tuple(outcome.tape),
            decisions=tuple(outcome.decisions),
            records=tuple(outcome.records),
            violations=violations,
            broken=broken or (violations[0].property if violations else None),
            others=tuple(others),
        )

    def file_name(self) -> str:
        """A name that says what broke where; the same run always has the same one."""
        digest = hashlib.sha256(encode(replace(self, certificate=None))).hexdigest()[:10]
        parts = (self.broken or "clean", self.world, self.mutant or self.subject, digest)
        return re.sub(r"[^A-Za-z0-9._-]", "_", "-".join(parts)) + ".jsonl"


# Writing.


def encode(failure: FailureFile) -> bytes:
    """The bytes of the file."""
    certificate = failure.certificate
    records = encode_trace(failure.records)
    told = folded(records)
    version = PLAIN if len(told) == len(records) else FOLDED
    if certificate is not None:
        version = VERSION
    header: dict[str, Any] = {"duopoll": "failure", "version": version}
    header.update({name: getattr(failure, name) for name in (*_NAMES, "mutant")})
    header["others"] = list(failure.others)
    header["property"] = failure.broken
    header.update({name: len(getattr(failure, name)) for name in _COUNTS})
    lines = [_line(header), _line({"scenario": to_json(failure.scenario)})]
    lines.append(_line({"tape": list(failure.tape)}))
    lines += [_line({"draw": d.name, "of": d.bound, "value": d.value}) for d in failure.decisions]
    lines += told
    lines += [_line(violation._asdict()) for violation in failure.violations]
    if certificate is not None:
        lines.append(_line({"certificate": certificate.to_json()}))
    lines.append(_line({_SEAL: _digest(line.encode("ascii") for line in lines)}))
    return ("\n".join(lines) + "\n").encode("ascii")


def _line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _digest(lines: Any) -> str:
    seal = hashlib.sha256()
    for line in lines:
        seal.update(line + b"\n")
    return seal.hexdigest()


def save(path: str | Path, outcome: Outcome | FailureFile) -> Path:
    """Writes the file, whole or not at all, and makes its folder. Raises `UsageError`."""
    target = Path(path)
    failure = outcome if isinstance(outcome, FailureFile) else FailureFile.of(outcome)
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(encode(failure))
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{target}: cannot be written ({error.strerror}): name a folder that can, with --out"
        ) from None
    return target


def save_in(folder: str | Path, outcome: Outcome | FailureFile) -> Path:
    """Writes the file into `folder` under its own name."""
    failure = outcome if isinstance(outcome, FailureFile) else FailureFile.of(outcome)
    return save(Path(folder) / failure.file_name(), failure)


# Reading.


def load(path: str | Path) -> FailureFile:
    """The failure of a file. Raises `UsageError`: file, line, value and remedy, on one line."""
    return decode(read_lines(path), str(path))


def read_lines(path: str | Path) -> list[bytes]:
    """The lines of a regular file of bounded size, without newlines. Raises `UsageError`."""
    try:
        if not Path(path).is_file():
            raise UsageError(f"{path}: is no file: name a failure file (*.jsonl)")
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"{path}: cannot be read ({reason}): name a readable file") from None
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(f"{path}: over {FILE_BYTES_MAX} bytes: no failure file is that large")
    return data.replace(b"\r\n", b"\n").split(b"\n")


def decode(lines: Sequence[bytes], path: str = "failure") -> FailureFile:
    """The failure that `lines` tell; `path` is for messages. Raises `UsageError`."""
    return _Reader(lines, path).failure()


class _Reader:
    """Goes through the lines once, and knows where it is when something is wrong."""

    def __init__(self, lines: Sequence[bytes], path: str) -> None:
        self.lines = lines
        self.path = path
        self.at = 0  # the number of the line last taken, from 1
        self.content_bytes = 0

    def failure(self) -> FailureFile:
        header = self._header()
        scenario = self._scenario()
        tape = self._tape()
        decisions = tuple([self._decision() for _ in range(header["decisions"])])
        records = self._records(header["records"])
        violations = tuple([self._violation(len(records)) for _ in range(header["violations"])])
        certificate = self._certificate() if header["version"] == VERSION else None
        self._seal()
        self._check_broken(header["property"], violations)
        names = {name: header[name] for name in _NAMES}
        return FailureFile(
            **names,
            mutant=header["mutant"],
            broken=header["property"],
            others=tuple(header["others"]),
            scenario=scenario,
            tape=tape,
            decisions=decisions,
            records=records,
            violations=violations,
            certificate=certificate,
        )

    def _check_broken(self, broken: str | None, violations: Sequence[Violation]) -> None:
        known = list(dict.fromkeys(violation.property for violation in violations))
        if broken not in known and (known or broken is not None):
            self.at = 1
            told = ", ".join(map(shown, known[:5])) or "nothing"
            raise self._wrong("property", broken, f"the violations are of {told}: {_WHOLE}")

    def _wrong(self, field: str, value: object, remedy: str) -> UsageError:
        return UsageError(f"{self.path} line {self.at}: {field} is {shown(value)}: {remedy}")

    def _take(self, what: str) -> dict[str, Any]:
        """The next line's object."""
        if self.at >= len(self.lines) or not self.lines[self.at]:
            raise UsageError(f"{self.path} line {self.at + 1}: {what} is missing: {_WHOLE}")
        self.at += 1
        try:
            fields = parse(self.lines[self.at - 1])
        except DuopollError as error:
            raise UsageError(f"{self.path} line {self.at}: {what}: {error}; {_WHOLE}") from None
        if not isinstance(fields, dict):
            raise self._wrong(what, fields, f"an object belongs here: {_WHOLE}")
        return fields

    def _only(self, fields: dict[str, Any], names: Sequence[str]) -> None:
        for name in names:
            if name not in fields:
                raise UsageError(f"{self.path} line {self.at}: {name!r} is missing: {_WHOLE}")
        for name, value in fields.items():
            if name not in names:
                raise self._wrong(shown(name), value, f"no such field here: {_WHOLE}")

    def _text(self, fields: dict[str, Any], name: str, limit: int = TEXT_MAX) -> str:
        value = fields[name]
        if not isinstance(value, str) or len(value) > limit:
            raise self._wrong(name, value, f"expected at most {limit} characters; {_WHOLE}")
        return value

    def _integer(self, fields: dict[str, Any], name: str, least: int, most: int) -> int:
        value = fields[name]
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, value, f"expected an integer from {least} to {most}; {_WHOLE}")
        return value

    def _header(self) -> dict[str, Any]:
        header = self._take("the header")
        if header.get("duopoll") != "failure":
            raise self._wrong(
                "duopoll",
                header.get("duopoll"),
                "no failure file; name one that `duopoll fuzz` wrote",
            )
        version = header.get("version")
        if type(version) is int and version > VERSION:
            raise self._wrong("version", version, f"this duopoll reads {VERSION}: use a newer one")
        self._only(header, _HEADER)
        self._integer(header, "version", PLAIN, VERSION)
        for name in _NAMES:
            self._text(header, name)
        for name in ("mutant", "property"):
            if header[name] is not None:
                self._text(header, name)
        self._items(header, "others", OTHERS_MAX, str)
        most = len(self.lines)
        for name in _COUNTS:
            many = name == "records" and version != PLAIN
            self._integer(header, name, 0, RECORDS_MAX if many else most)
        return header

    def _scenario(self) -> Scenario:
        fields = self._take("the scenario")
        self._only(fields, ("scenario",))
        try:
            return from_json(fields["scenario"])
        except UsageError as error:
            raise UsageError(f"{self.path} line {self.at}: {error}") from None

    def _items(self, fields: dict[str, Any], name: str, most: int, kind: type) -> None:
        value = fields[name]
        good = isinstance(value, list) and len(value) <= most
        if not good or any(type(item) is not kind for item in value):
            what = "texts" if kind is str else "integers"
            raise self._wrong(name, value, f"expected a list of at most {most} {what}; {_WHOLE}")

    def _tape(self) -> tuple[int, ...]:
        fields = self._take("the tape")
        self._only(fields, ("tape",))
        self._items(fields, "tape", TAPE_MAX, int)
        for value in fields["tape"]:
            self._integer({"tape": value}, "tape", 0, 1 << 63)
        return tuple(fields["tape"])

    def _decision(self) -> Decision:
        fields = self._take("a decision")
        self._only(fields, ("draw", "of", "value"))
        bound = self._integer(fields, "of", 2, BOUND_MAX)
        value = self._integer(fields, "value", 0, bound - 1)
        return Decision(self._text(fields, "draw"), bound, value)

    def _records(self, count: int) -> tuple[Record, ...]:
        records: list[Record] = []
        while len(records) < count:
            fields = self._take("a trace record")
            if "again" not in fields:
                records.append(self._record(fields))
                continue
            self._only(fields, ("again", "times"))
            period = self._integer(fields, "again", 1, min(PERIOD_MAX, len(records)))
            times = self._integer(fields, "times", 1, (count - len(records)) // period)
            records += records[-period:] * times
        return tuple(records)

    def _record(self, fields: dict[str, Any]) -> Record:
        try:
            self.content_bytes += check_fields(fields)
            if self.content_bytes > CONTENT_BYTES_MAX:
                raise UsageError(f"the trace names over {CONTENT_BYTES_MAX} bytes of content")
            return decode_record(fields)
        except UsageError as error:
            raise UsageError(f"{self.path} line {self.at}: {error}: {_WHOLE}") from None

    def _violation(self, records: int) -> Violation:
        fields = self._take("a violation")
        self._only(fields, Violation._fields)
        record = self._integer(fields, "record", -1, records - 1)
        message = self._text(fields, "message", FILE_BYTES_MAX)
        return Violation(self._text(fields, "property"), record, message)

    def _certificate(self) -> Certificate:
        fields = self._take("the certificate")
        self._only(fields, ("certificate",))
        try:
            return read_certificate(fields["certificate"])
        except UsageError as error:
            raise UsageError(f"{self.path} line {self.at}: {error}; {_WHOLE}") from None

    def _seal(self) -> None:
        fields = self._take("the seal")
        self._only(fields, (_SEAL,))
        found = _digest(self.lines[: self.at - 1])
        if fields[_SEAL] != found:
            raise self._wrong(_SEAL, fields[_SEAL], f"the lines above were changed: {_WHOLE}")
        if list(self.lines[self.at :]) != [b""]:
            raise UsageError(
                f"{self.path} line {self.at + 1}: one newline ends the file, here is more or less:"
                f" {_WHOLE}"
            )
