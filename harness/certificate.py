"""The certificate of a shrunk failure: what was tried on it, and that nothing of it failed.

It is kept in the failure file. It says which list of removals was gone through
(`harness.shrinking.removals`), how many there were of each kind, and what counted as the same
failure. `duopoll shrink FILE --check` makes the same list again from the file's own scenario and
tape, and tries every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import UsageError

LIST = 1  # the version of the list of removals
KINDS_MAX = 40
COUNT_MAX = 1 << 32
NAME_MAX = 4_000  # characters
FIELDS = ("list", "same", "record_budget", "tried")


@dataclass(frozen=True, slots=True)
class Certificate:
    """None of the removals fails as `same` says: a property, or a foreign subject's signature.

    `tried` counts them by kind; `record_budget` bounded the records of each run.
    """

    same: str
    record_budget: int
    tried: Mapping[str, int]
    list: int = LIST

    @property
    def total(self) -> int:
        """How many removals were tried."""
        return sum(self.tried.values())

    def to_json(self) -> dict[str, Any]:
        """Plain data; `read` gives it back."""
        return {name: getattr(self, name) for name in FIELDS} | {"tried": dict(self.tried)}


def read(value: object) -> Certificate:
    """The certificate that a file tells. Raises `UsageError`: the field, its value, the remedy."""
    if not isinstance(value, dict) or set(value) != set(FIELDS):
        raise UsageError(f"certificate: expected an object with {', '.join(FIELDS)}")
    tried = value["tried"]
    if not isinstance(tried, dict) or len(tried) > KINDS_MAX:
        raise UsageError("certificate.tried: expected an object of numbers by kind")
    for name, number in (("list", value["list"]), ("record_budget", value["record_budget"])):
        _count(number, name)
    for kind, number in tried.items():
        _count(number, f"tried[{kind[:40]!r}]")
    same = value["same"]
    if not isinstance(same, str) or len(same) > NAME_MAX:
        raise UsageError(f"certificate.same: expected a text of at most {NAME_MAX} characters")
    return Certificate(same, value["record_budget"], tried, value["list"])


def _count(number: object, name: str) -> None:
    if type(number) is not int or not 0 < number <= COUNT_MAX:
        raise UsageError(f"certificate.{name} is {str(number)[:40]!r}: expected a positive integer")
