"""An explanation of a failure as plain data, held to its form before a view shows it.

Who explains is `harness.explain`; a view takes its result as a dictionary, from a file or from a
call, and trusts nothing of it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from harness.reading import shown
from model.errors import UsageError

TEXT_MAX = 10_000
ITEMS_MAX = 100_000

#: the form: a dictionary of fields, [form] for a list of them, a type, or (form, None) for null
Form: TypeAlias = Any

_SIDE = {"record": int, "text": str}
FORM: Form = {
    "story": [str],
    "verdict": str,
    "first_difference": ({"change": str, "failing": _SIDE, "passing": _SIDE}, None),
    "decisions": [
        {
            "index": int,
            "name": str,
            "value": int,
            "instead": int,
            "still_fails": bool,
            "record": int,
        }
    ],
    "curve": [{"decision": int, "record": int, "failed": int, "of": int}],
    "certain_at": ({"decision": int, "record": int}, None),
    "bytes": [
        {
            "connection": str,
            "direction": str,
            "start": int,
            "end": int,
            "way": [{"record": int, "time_ns": int, "what": str}],
        }
    ],
}


def check_explanation(value: Any) -> dict[str, Any]:
    """The explanation, if it has the form. Raises `UsageError`: place, value and remedy."""
    _check("explanation", value, FORM)
    checked: dict[str, Any] = value
    return checked


def _check(place: str, value: Any, form: Form) -> None:
    if isinstance(form, tuple):
        if value is not None:
            _check(place, value, form[0])
    elif isinstance(form, dict):
        _check_fields(place, value, form)
    elif isinstance(form, list):
        if not isinstance(value, list) or len(value) > ITEMS_MAX:
            raise _wrong(place, value, f"a list of at most {ITEMS_MAX}")
        for index, item in enumerate(value):
            _check(f"{place}[{index}]", item, form[0])
    elif type(value) is not form:
        raise _wrong(place, value, {int: "an integer", bool: "true or false"}.get(form, "text"))
    elif form is str and len(value) > TEXT_MAX:
        raise _wrong(place, value, f"text of at most {TEXT_MAX} characters")


def _check_fields(place: str, value: Any, form: dict[str, Form]) -> None:
    if not isinstance(value, dict):
        raise _wrong(place, value, "an object")
    for name in form:
        if name not in value:
            raise UsageError(f"{place}: {name!r} is missing: make it again with `duopoll explain`")
    for name, field in value.items():
        if name not in form:
            raise _wrong(f"{place}.{shown(name)}", field, "no such field")
        _check(f"{place}.{name}", field, form[name])


def _wrong(place: str, value: object, expected: str) -> UsageError:
    return UsageError(
        f"{place} is {shown(value)}: expected {expected}; make it again with `duopoll explain`"
    )
