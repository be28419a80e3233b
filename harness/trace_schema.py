"""What each field of a trace record may hold: the table behind `duopoll show --schema trace`.

`model.trace.FIELDS` names the fields of each kind; here is what a field may be in a file. The
table serves twice: it makes the published JSON Schema, and `check_fields` holds records read from
a file to it, so that no view has to expect a descriptor that is a dictionary.
"""

from __future__ import annotations

import re
from typing import Any

from model.content import TABLE_SIZE
from model.errors import UsageError
from model.trace import FIELDS

INTEGER_MAX = 1 << 63

#: JSON types by kind of field
_SCALARS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int,),
    "number or null": (int, type(None)),
    "outcome": (str, int, bool, type(None)),
    "value": (str, int, bool, type(None)),  # and lists of them, and of lists of integers
    "arguments": (int, bool, type(None)),  # a list of them
}

#: field -> kind of field, in every kind of record
FIELD_KINDS: dict[str, str] = {
    "acceptor": "number or null",
    "added": "number",
    "args": "arguments",
    "backlog": "number",
    "bev": "text",
    "bufferevents": "number",
    "bytes": "number",
    "capacity": "number",
    "condition": "text",
    "data": "value",
    "deleted": "number",
    "direction": "text",
    "do": "text",
    "enabled": "number or null",
    "epfd": "number",
    "error": "outcome",
    "error_type": "text",
    "fd": "number or null",
    "flags": "number",
    "given": "number",
    "held": "number",
    "high": "number",
    "holds": "text",
    "how": "text",
    "index": "number",
    "input_length": "number or null",
    "key": "number or null",
    "lock": "text",
    "mask": "number",
    "message": "text",
    "mode": "number",
    "name": "text",
    "op": "number",
    "operation": "text",
    "options": "number or null",
    "output_length": "number or null",
    "overlapped": "number or null",
    "peer": "text",
    "peer_port": "number or null",
    "pinned": "number",
    "port": "number or null",
    "read_limit": "number",
    "reasons": "number",
    "record": "number",
    "records": "number",
    "result": "value",
    "severity": "number",
    "size": "number or null",
    "status": "outcome",
    "taken": "number",
    "thread": "text",
    "timeout_ns": "number or null",
    "type": "text",
    "underlying": "text",
    "what": "outcome",
    "where": "text",
    "which": "text",
    "woken": "number or null",
    "write_limit": "number",
}

_MEANING = {
    "text": "a name",
    "number": "an integer: bytes, nanoseconds, a descriptor or bits",
    "number or null": "an integer as in a number; null where there is none",
    "outcome": "an outcome by its errno, Win32 or NTSTATUS name, or a number; null: nothing",
    "value": (
        "a number, an outcome by name, content by its place in the content table"
        " (64@1000 is 64 bytes from place 1000; hex: is literal), null, or a list of these"
    ),
    "arguments": "a list of numbers, flags and nulls",
}
_JSON_TYPE = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_CONTENT_SIZE = re.compile(r"(\d{1,9})@")


def trace_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) for one line of a trace."""
    kinds = [_kind_schema(kind, names) for kind, names in FIELDS.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "one record of a duopoll trace",
        "oneOf": kinds,
        "$defs": {name.replace(" ", "-"): _field_schema(name) for name in _SCALARS},
    }


def _kind_schema(kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {"t": {"type": "integer", "description": "nanoseconds"}}
    properties["k"] = {"const": kind}
    for name in names:
        properties[name] = {"$ref": "#/$defs/" + FIELD_KINDS[name].replace(" ", "-")}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field_schema(kind: str) -> dict[str, Any]:
    types = [_JSON_TYPE[each] for each in _SCALARS[kind]]
    schema: dict[str, Any] = {"type": types, "description": _MEANING[kind]}
    if kind == "arguments":
        return {"type": "array", "items": {"type": types}, "description": _MEANING[kind]}
    if kind == "value":
        pair = {"type": "array", "items": {"type": "integer"}}
        schema = {
            "description": _MEANING[kind],
            "anyOf": [
                {"type": types},
                {"type": "array", "items": {"anyOf": [{"type": types}, pair]}},
            ],
        }
    return schema


def check_fields(fields: Any) -> int:
    """Holds one record's JSON object to the table; gives the bytes of content that it names.

    Raises `UsageError` with what is wrong, without the place: the caller knows the line.
    """
    if not isinstance(fields, dict):
        raise UsageError(f"a record is an object, this is a {type(fields).__name__}")
    kind = fields.get("k")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise UsageError(f"no kind of record {_short(kind)}")
    if type(fields.get("t")) is not int or not 0 <= fields["t"] < INTEGER_MAX:
        raise UsageError(f"field 't' is {_short(fields.get('t'))}, expected nanoseconds")
    if set(fields) != {"t", "k", *FIELDS[kind]}:
        raise UsageError(f"a {kind!r} record has the fields t, k, {', '.join(FIELDS[kind])}")
    return sum(_check_value(name, fields[name]) for name in FIELDS[kind])


def _check_value(name: str, value: Any) -> int:
    kind = FIELD_KINDS[name]
    if kind == "arguments" and not isinstance(value, list):
        raise UsageError(f"field {name!r} is {_short(value)}, expected {_MEANING[kind]}")
    if kind not in {"arguments", "value"} or not isinstance(value, list):
        return _check_scalar(name, kind, value)
    size = 0
    for item in value:
        if isinstance(item, list) and kind == "value":
            for number in item:
                _check_scalar(name, "number", number)
        else:
            size += _check_scalar(name, kind, item)
    return size


def _check_scalar(name: str, kind: str, value: Any) -> int:
    if type(value) not in _SCALARS[kind]:
        raise UsageError(f"field {name!r} is {_short(value)}, expected {_MEANING[kind]}")
    if isinstance(value, int) and not -INTEGER_MAX <= value < INTEGER_MAX:
        raise UsageError(f"field {name!r} is {_short(value)}, expected less than 64 bits")
    if kind == "text" or not isinstance(value, str):
        return 0
    return sum(min(int(size), 2 * TABLE_SIZE) for size in _CONTENT_SIZE.findall(value))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
