"""Checked reading of JSON: every error is one line with the path, the value and the remedy.

Trusts nothing: numbers of any size, any nesting, NaN, repeated fields and wrong types all end in
a `UsageError` that is short whatever the document holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.errors import UsageError


def read_file(path: str | Path, most: int) -> bytes:
    """A file's bytes. Raises `UsageError` if it cannot be read or has more than `most` bytes."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"{path}: cannot be read ({reason}): name a readable file") from None
    if len(data) > most:
        raise UsageError(f"{path}: over {most} bytes: name a smaller file")
    return data


def parse(text: bytes | str) -> object:
    """JSON text as plain objects, strictly. Raises `UsageError`."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise UsageError("JSON text is nested too deeply: write at most ten levels") from None
    except (ValueError, UnicodeError) as error:
        reason = ascii(str(error))[1:-1][:120]
        raise UsageError(f"no JSON text ({reason}): write one JSON object in UTF-8") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is given twice")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def error_at(path: str, value: object, remedy: str) -> UsageError:
    """The error for a wrong value: `scenario.app[3].size is -1: write an integer ...`."""
    return UsageError(f"{path} is {shown(value)}: {remedy}")


def shown(value: object) -> str:
    """A short name of any value; never fails, however large or deep the value is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**24 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        return ascii(value[:40]) + ("..." if len(value) > 40 else "")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    return f"a {type(value).__name__}"


def read_fields(
    value: object, path: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    """`value` as an object with all required fields and no unknown one."""
    known = required + optional
    if not isinstance(value, dict):
        raise error_at(path, value, f"write an object with {', '.join(known) or 'no fields'}")
    for name in value:
        if name not in known:
            where = ascii(name)[1:41].rstrip("'") if isinstance(name, str) else shown(name)
            remedy = f"remove it; the fields here are {', '.join(known) or 'none'}"
            raise error_at(f"{path}.{where}", value[name], remedy)
    for name in required:
        if name not in value:
            raise UsageError(f"{path}.{name} is missing: add it; needed are {', '.join(required)}")
    return value


def read_items(
    value: object,
    path: str,
    most: int,
    read: Callable[[object, str], Any],
    least: int = 0,
) -> tuple[Any, ...]:
    """`value` as a list of `least` to `most` items, each read by `read(item, path)`."""
    if not isinstance(value, (list, tuple)) or not least <= len(value) <= most:
        raise error_at(path, value, f"write a list of {least} to {most}")
    return tuple([read(item, f"{path}[{index}]") for index, item in enumerate(value)])


def plain_integer(value: object) -> int | None:
    """The integer that a JSON number is (64 and 64.0 are the same number there), or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None
