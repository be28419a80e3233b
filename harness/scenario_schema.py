"""The JSON Schema of scenarios (draft 2020-12), made from the tables of actions.

`harness/scenario.schema.json` is this schema as a file, for editors and other languages:
`python -m harness.scenario_schema > harness/scenario.schema.json` writes it anew, and a test says
when that is due. It accepts what `harness.scenario_json.from_json` accepts, but for one rule that
JSON Schema cannot say: a step's `end` must be a bufferevent of the scenario, and THREADSAFE where
it is a thread's.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from harness.faults_json import FAULT_FIELDS
from harness.scenario import (
    ACTIONS,
    CONNECTIONS_MAX,
    GROUPS_MAX,
    LAYERS_MAX,
    LOOP_STEPS,
    PEER_ACTIONS,
    SCENARIO_VERSION,
    STEPS_MAX,
    THREADS_MAX,
    TIMER,
    WAIT,
    Parameter,
)
from harness.scenario_bounds import INTEGERS, TEXTS
from harness.scenario_json import SIDES
from harness.scenario_writing import BUFFEREVENT_REACTIONS, GROUP_FIELDS, LAYER_FIELDS
from model.faults import CALL_FAULTS_MAX, CALLS, KINDS
from model.subject import OPTION_BITS

Schema: TypeAlias = dict[str, Any]


def _object(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _array(items: Schema, most: int = STEPS_MAX, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _integer(kind: str) -> Schema:
    least, most = INTEGERS[kind]
    return {"type": "integer", "minimum": least, "maximum": most}


def _kind(kind: str) -> Schema:
    if kind in INTEGERS:
        return _integer(kind)
    if kind in TEXTS:
        return {"enum": list(TEXTS[kind])}
    if kind == "flag":
        return {"type": "boolean"}
    if kind == "sizes":
        return _array(_integer("size"), least=1)
    assert kind == "duration_or_none", kind
    return {"anyOf": [{"type": "null"}, _integer("timeout")]}


def _action(do: str, parameters: tuple[Parameter, ...], others: Schema) -> Schema:
    properties: Schema = {"do": {"const": do}, **others}
    for parameter in parameters:
        properties[parameter.name] = {
            **_kind(parameter.kind),
            "description": parameter.meaning,
        }
    return _object(properties)


def _steps(actions: dict[str, tuple[Parameter, ...]], others: Schema) -> list[Schema]:
    return [_action(do, parameters, others) for do, parameters in actions.items()]


def _bufferevent() -> Schema:
    reaction = {"$ref": "#/$defs/reaction"}
    unlock_needs_defer: Schema = {
        "if": {"contains": {"const": "UNLOCK_CALLBACKS"}},
        "then": {"contains": {"const": "DEFER_CALLBACKS"}},
    }
    options = _array({"enum": list(OPTION_BITS)}, len(OPTION_BITS))
    properties: Schema = {
        "type": {"const": "bufferevent"},
        "options": {**options, "uniqueItems": True, **unlock_needs_defer},
        "setup": reaction,
        **{name: _array(reaction) for name in BUFFEREVENT_REACTIONS},
        "after_reads": _kind("after_reads"),
        "setfd": _kind("flag"),
    }
    return _object(properties, tuple(properties)[1:])


def _peer() -> Schema:
    properties: Schema = {
        "type": {"const": "peer"},
        "steps": _array({"$ref": "#/$defs/peer_step"}),
        "connects": _integer("connects"),
        "listens": {"type": "boolean"},
    }
    return _object(properties, tuple(properties)[1:])


def _connection() -> Schema:
    end = {"anyOf": [{"$ref": "#/$defs/bufferevent"}, {"$ref": "#/$defs/peer"}]}
    is_bufferevent = {"properties": {"type": {"const": "bufferevent"}}}
    one_bufferevent = [{"properties": {side: is_bufferevent}} for side in SIDES]
    layer = _object(
        {"kind": _kind("layer"), **{name: _integer("size0") for name in LAYER_FIELDS}}, LAYER_FIELDS
    )
    properties: Schema = {
        **dict.fromkeys(SIDES, end),
        "transport": _kind("transport"),
        "layers": _array(layer, LAYERS_MAX),
    }
    plain = {
        "properties": {"transport": {"const": "socket"}, "layers": {"maxItems": 0}},
        "anyOf": one_bufferevent,
    }
    both = {"properties": dict.fromkeys(SIDES, is_bufferevent)}
    return {**_object(properties, ("transport", "layers")), "anyOf": [plain, both]}


def _faults() -> Schema:
    calls = [
        _object(
            {
                "call": {"const": call},
                "n": _integer("nth"),
                "outcome": {"enum": [outcome.name for outcome in outcomes]},
            }
        )
        for call, outcomes in CALLS.items()
    ]
    properties: Schema = {
        "kinds": {**_array({"enum": list(KINDS)}, len(KINDS)), "uniqueItems": True},
        "calls": _array({"anyOf": calls}, CALL_FAULTS_MAX),
        "pool_pages": _integer("pool_pages"),
    }
    return _object(properties, FAULT_FIELDS)


def _group() -> Schema:
    properties: Schema = {name: _integer(kind) for name, kind in GROUP_FIELDS.items()}
    return _object(properties, tuple(properties))


def _schema() -> Schema:
    names = [f"{side}{index}" for index in range(CONNECTIONS_MAX) for side in "cs"]
    end_name = {"end": {"$ref": "#/$defs/end_name"}}
    properties: Schema = {
        "version": {"const": SCENARIO_VERSION},
        "connections": _array({"$ref": "#/$defs/connection"}, CONNECTIONS_MAX, 1),
        "app": _array({"$ref": "#/$defs/app_step"}),
        "network": _object(
            {"sndbuf": _integer("buffer"), "rcvbuf": _integer("buffer")}, ("sndbuf", "rcvbuf")
        ),
        "faults": _faults(),
        "loop_once": _kind("flag"),
        "groups": _array(_group(), GROUPS_MAX),
        "threads": _array(_array({"$ref": "#/$defs/thread_step"}), THREADS_MAX),
        "workers": _object(
            {
                "count": _integer("workers"),
                "mode": _kind("worker_mode"),
                "concurrency": _integer("concurrency"),
            },
            ("mode", "concurrency"),
        ),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "duopoll scenario",
        "$comment": "More rules: a step's end must be a bufferevent of the scenario; where it is a"
        " thread's step, one that is THREADSAFE, as is the other end of a pair.",
        **_object(properties, tuple(properties)[2:]),
        "$defs": {
            "connection": _connection(),
            "bufferevent": _bufferevent(),
            "peer": _peer(),
            "reaction": _array({"$ref": "#/$defs/step"}),
            "step": {"anyOf": _steps(ACTIONS, {})},
            "peer_step": {"anyOf": _steps(PEER_ACTIONS, {})},
            "app_step": {"anyOf": [_action("wait", WAIT, {}), *_steps(ACTIONS, end_name)]},
            "thread_step": {
                "anyOf": [
                    _action("wait", WAIT, {}),
                    _action("timer", TIMER, {}),
                    *_steps({do: ACTIONS[do] for do in ACTIONS if do not in LOOP_STEPS}, end_name),
                ]
            },
            "end_name": {"enum": names},
        },
    }


SCHEMA: Schema = _schema()


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(SCHEMA, indent=1) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
