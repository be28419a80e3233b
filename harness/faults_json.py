"""The JSON of a scenario's faults: see `harness.scenario_json`."""

from __future__ import annotations

from typing import Any

from harness.reading import error_at, plain_integer, read_fields, read_items
from model.errors import UsageError
from model.faults import (
    CALL_FAULTS_MAX,
    CALLS,
    KINDS,
    NONE,
    NTH_MAX,
    POOL_PAGES_MAX,
    CallFault,
    Faults,
)

FAULT_FIELDS = ("kinds", "calls", "pool_pages")


def changed(value: object, default: object, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields `names` of a data class that are not those of `default`."""
    pairs = ((name, getattr(value, name)) for name in names)
    return {name: field for name, field in pairs if field != getattr(default, name)}


def faults_to_json(faults: Faults) -> dict[str, Any]:
    """What differs from no faults."""
    fields = changed(faults, NONE, FAULT_FIELDS)
    if "kinds" in fields:
        fields["kinds"] = list(faults.kinds)
    if "calls" in fields:
        fields["calls"] = [call._asdict() for call in faults.calls]
    return fields


def read_faults(value: object, path: str) -> Faults:
    """The faults that an object tells."""
    fields = read_fields(value, path, (), FAULT_FIELDS)
    known: dict[str, Any] = {}
    if "kinds" in fields:
        known["kinds"] = _fault_kinds(fields["kinds"], f"{path}.kinds")
    if "pool_pages" in fields:
        pages = _integer(fields["pool_pages"], f"{path}.pool_pages", 0, POOL_PAGES_MAX)
        known["pool_pages"] = pages
    calls = read_items(fields.get("calls", []), f"{path}.calls", CALL_FAULTS_MAX, _call_fault)
    return Faults(calls=calls, **known)


def _fault_kinds(value: object, path: str) -> tuple[str, ...]:
    def kind(item: object, at: str) -> str:
        if not isinstance(item, str) or item not in KINDS:
            raise error_at(at, item, f"write one of {', '.join(KINDS)}")
        return item

    kinds = read_items(value, path, len(KINDS), kind)
    if len(set(kinds)) != len(kinds):
        raise UsageError(f"{path} names a kind twice: write each once")
    return kinds


def _call_fault(value: object, path: str) -> CallFault:
    fields = read_fields(value, path, CallFault._fields, ())
    call, outcome = fields["call"], fields["outcome"]
    if not isinstance(call, str) or call not in CALLS:
        raise error_at(f"{path}.call", call, f"write one of {', '.join(CALLS)}")
    outcomes = [each.name for each in CALLS[call]]
    if not isinstance(outcome, str) or outcome not in outcomes:
        raise error_at(f"{path}.outcome", outcome, f"write one of {', '.join(outcomes)}")
    return CallFault(call, _integer(fields["n"], f"{path}.n", 1, NTH_MAX), outcome)


def _integer(value: object, path: str, least: int, most: int) -> int:
    number = plain_integer(value)
    if number is None or not least <= number <= most:
        raise error_at(path, value, f"write an integer from {least} to {most}")
    return number
