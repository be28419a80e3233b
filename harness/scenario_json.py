"""The JSON of scenarios: reading with clear errors, writing, loading from a file.

A step is an object, `{"do": "write", "size": 64}`, with one field a parameter; a step of the
application also has its `end`. An end is an object with a `type`, `bufferevent` or `peer`. Fields
with their default may be left out, and are left out in what `to_json` writes.

Reading trusts nothing: every error is one line that names the path in the document, the value
found there and the remedy. As in JSON Schema, 64.0 is the integer 64 and true is no integer. The
JSON Schema (`harness.scenario_schema`) accepts the same documents, but for one rule that it cannot
say: a step's `end` must be a bufferevent of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.faults_json import read_faults
from harness.reading import error_at, parse, plain_integer, read_fields, read_file, read_items
from harness.scenario import (
    ACTIONS,
    CONNECTIONS_MAX,
    GROUPS_MAX,
    LAYERS_MAX,
    LOOP_STEPS,
    ON_NO_END,
    PEER_ACTIONS,
    SCENARIO_VERSION,
    STEPS_MAX,
    THREADS_MAX,
    AppStep,
    BuffereventEnd,
    Connection,
    End,
    Layer,
    Network,
    Parameter,
    PeerEnd,
    RateGroup,
    Reaction,
    Scenario,
    Step,
    ends,
    thread_safe,
)
from harness.scenario_bounds import INTEGERS, TEXTS
from harness.scenario_writing import (
    BUFFEREVENT_FIELDS,
    BUFFEREVENT_REACTIONS,
    GROUP_FIELDS,
    LAYER_FIELDS,
    PEER_FIELDS,
    to_json,
)
from model.errors import UsageError
from model.subject import OPTION_BITS
from model.workers import Workers

__all__ = ["from_json", "load", "to_json", "validate"]

FILE_SIZE_MAX = 16 << 20  # bytes of a scenario file
SIDES = ("client", "server")


def from_json(document: object) -> Scenario:
    """The scenario that a JSON document tells. Raises `UsageError`: path, value, remedy."""
    fields = read_fields(
        document,
        "scenario",
        ("version", "connections"),
        ("app", "network", "faults", "groups", "loop_once", "threads", "workers"),
    )
    if plain_integer(fields["version"]) != SCENARIO_VERSION:
        raise error_at("scenario.version", fields["version"], f"write {SCENARIO_VERSION}")
    connections = read_items(
        fields["connections"], "scenario.connections", CONNECTIONS_MAX, _connection, least=1
    )
    app = read_items(fields.get("app", []), "scenario.app", STEPS_MAX, _app_step)
    network = read_fields(fields.get("network", {}), "scenario.network", (), ("sndbuf", "rcvbuf"))
    sizes = {
        name: _integer(value, f"scenario.network.{name}", "buffer")
        for name, value in network.items()
    }
    faults = read_faults(fields.get("faults", {}), "scenario.faults")
    groups = read_items(fields.get("groups", []), "scenario.groups", GROUPS_MAX, _group)
    once = _flag(fields.get("loop_once", False), "scenario.loop_once")
    threads = read_items(fields.get("threads", []), "scenario.threads", THREADS_MAX, _thread)
    workers = _workers(fields["workers"], "scenario.workers") if "workers" in fields else None
    scenario = Scenario(connections, app, Network(**sizes), faults, once, groups, threads, workers)
    _check_ends(scenario)
    return scenario


def validate(scenario: Scenario) -> None:
    """Raises `UsageError` unless the scenario is one that JSON can tell."""
    try:
        document = to_json(scenario)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"scenario: a step is no known action with its parameters ({error!r}): see"
            " harness.scenario.ACTIONS and PEER_ACTIONS"
        ) from None
    from_json(document)


def load(path: str | Path) -> Scenario:
    """The scenario of a file. Raises `UsageError` in one line that begins with the path."""
    text = read_file(path, FILE_SIZE_MAX)
    try:
        return from_json(parse(text))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _integer(value: object, path: str, kind: str) -> int:
    least, most = INTEGERS[kind]
    number = plain_integer(value)
    if number is None or not least <= number <= most:
        raise error_at(path, value, f"write an integer from {least} to {most}")
    return number


def _size(value: object, path: str) -> int:
    return _integer(value, path, "size")


def _text(value: object, path: str, kind: str) -> str:
    if not isinstance(value, str) or value not in TEXTS[kind]:
        raise error_at(path, value, f"write one of {', '.join(map(repr, TEXTS[kind]))}")
    return value


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise error_at(path, value, "write true or false")
    return value


def _argument(value: object, path: str, kind: str) -> Any:
    if kind in INTEGERS:
        return _integer(value, path, kind)
    if kind in TEXTS:
        return _text(value, path, kind)
    if kind == "flag":
        return _flag(value, path)
    if kind == "sizes":
        return read_items(
            value, path, STEPS_MAX, lambda item, at: _integer(item, at, "size"), least=1
        )
    assert kind == "duration_or_none", kind
    return None if value is None else _integer(value, path, "timeout")


def _some(actions: tuple[str, ...]) -> str:
    """Their names, as many as go into one line of an error."""
    names = ", ".join(actions)
    return names if len(names) <= 300 else names[: names.rindex(", ", 0, 300)] + ", ..."


def _do(value: object, path: str, actions: tuple[str, ...]) -> str:
    if not isinstance(value, dict):
        raise error_at(path, value, 'write an object with "do" and its parameters')
    if "do" not in value:
        raise UsageError(f"{path}.do is missing: write one of {_some(actions)}")
    action = value["do"]
    if not isinstance(action, str) or action not in actions:
        raise error_at(f"{path}.do", action, f"write one of {_some(actions)}")
    return action


def _args(
    value: object, path: str, parameters: tuple[Parameter, ...], *others: str
) -> tuple[Any, ...]:
    names = tuple(parameter.name for parameter in parameters)
    fields = read_fields(value, path, ("do", *others, *names), ())
    return tuple([_argument(fields[name], f"{path}.{name}", kind) for name, kind, _ in parameters])


def _workers(value: object, path: str) -> Workers:
    fields = read_fields(value, path, ("count",), ("mode", "concurrency"))
    return Workers(
        _integer(fields["count"], f"{path}.count", "workers"),
        _text(fields.get("mode", "deferred"), f"{path}.mode", "worker_mode"),
        _integer(fields.get("concurrency", 0), f"{path}.concurrency", "concurrency"),
    )


def _thread(value: object, path: str) -> tuple[AppStep, ...]:
    return read_items(value, path, STEPS_MAX, _thread_step)


def _thread_step(value: object, path: str) -> AppStep:
    step = _app_step(value, path, tuple(ON_NO_END))
    if step.do in LOOP_STEPS:
        raise error_at(f"{path}.do", step.do, "no thread but the loop's may do it: use app")
    return step


def _app_step(value: object, path: str, on_no_end: tuple[str, ...] = ("wait",)) -> AppStep:
    action = _do(value, path, (*on_no_end, *ACTIONS))
    if action in on_no_end:
        return AppStep(action, None, _args(value, path, ON_NO_END[action]))
    args = _args(value, path, ACTIONS[action], "end")
    assert isinstance(value, dict)
    end = value["end"]
    if not (isinstance(end, str) and end in _END_NAMES):
        raise error_at(f"{path}.end", end, "write the name of an end, such as 'c0' or 's0'")
    return AppStep(action, end, args)


def _step(actions: dict[str, tuple[Parameter, ...]]) -> Callable[[object, str], Step]:
    names = tuple(actions)

    def read(value: object, path: str) -> Step:
        action = _do(value, path, names)
        return Step(action, _args(value, path, actions[action]))

    return read


_action = _step(ACTIONS)
_peer_action = _step(PEER_ACTIONS)
_END_NAMES = {f"{side}{index}" for index in range(CONNECTIONS_MAX) for side in "cs"}


def _reaction(value: object, path: str) -> Reaction:
    return read_items(value, path, STEPS_MAX, _action)


def _group(value: object, path: str) -> RateGroup:
    fields = read_fields(value, path, (), (*GROUP_FIELDS,))
    known = {
        name: _integer(each, f"{path}.{name}", GROUP_FIELDS[name]) for name, each in fields.items()
    }
    return RateGroup(**known)


def _connection(value: object, path: str) -> Connection:
    fields = read_fields(value, path, SIDES, ("transport", "layers"))
    client, server = (_end(fields[side], f"{path}.{side}") for side in SIDES)
    if isinstance(client, PeerEnd) and isinstance(server, PeerEnd):
        raise UsageError(f"{path} is a peer at both ends: make one of them a bufferevent")
    transport = _text(fields.get("transport", "socket"), f"{path}.transport", "transport")
    layers = read_items(fields.get("layers", []), f"{path}.layers", LAYERS_MAX, _layer)
    peer = isinstance(client, PeerEnd) or isinstance(server, PeerEnd)
    if peer and (layers or transport == "pair"):
        told = "layers" if layers else "the transport 'pair'"
        raise UsageError(f"{path} has {told} and a raw peer: make both ends bufferevents")
    return Connection(client, server, transport, layers)


def _layer(value: object, path: str) -> Layer:
    fields = read_fields(value, path, ("kind",), LAYER_FIELDS)
    kind = _text(fields["kind"], f"{path}.kind", "layer")
    highs = [_integer(fields.get(name, 0), f"{path}.{name}", "size0") for name in LAYER_FIELDS]
    return Layer(kind, *highs)


def _end(value: object, path: str) -> End:
    if not isinstance(value, dict):
        raise error_at(path, value, 'write an object with "type": "bufferevent" or "peer"')
    if "type" not in value:
        raise UsageError(f"{path}.type is missing: write 'bufferevent' or 'peer'")
    if value["type"] == "bufferevent":
        return _bufferevent(value, path)
    if value["type"] == "peer":
        return _peer(value, path)
    raise error_at(f"{path}.type", value["type"], "write 'bufferevent' or 'peer'")


def _peer(value: object, path: str) -> PeerEnd:
    fields = read_fields(value, path, ("type",), PEER_FIELDS)
    return PeerEnd(
        steps=read_items(fields.get("steps", []), f"{path}.steps", STEPS_MAX, _peer_action),
        connects=_integer(fields.get("connects", 1), f"{path}.connects", "connects"),
        listens=_flag(fields.get("listens", True), f"{path}.listens"),
    )


def _bufferevent(value: object, path: str) -> BuffereventEnd:
    fields = read_fields(value, path, ("type",), BUFFEREVENT_FIELDS)
    known: dict[str, Any] = {}
    if "options" in fields:
        known["options"] = _options(fields["options"], f"{path}.options")
    if "setup" in fields:
        known["setup"] = _reaction(fields["setup"], f"{path}.setup")
    if "after_reads" in fields:
        known["after_reads"] = _text(fields["after_reads"], f"{path}.after_reads", "after_reads")
    if "setfd" in fields:
        known["setfd"] = _flag(fields["setfd"], f"{path}.setfd")
    for name in BUFFEREVENT_REACTIONS:
        known[name] = read_items(fields.get(name, []), f"{path}.{name}", STEPS_MAX, _reaction)
    return BuffereventEnd(**known)


def _options(value: object, path: str) -> tuple[str, ...]:
    def option(item: object, at: str) -> str:
        if not isinstance(item, str) or item not in OPTION_BITS:
            raise error_at(at, item, f"write one of {', '.join(OPTION_BITS)}")
        return item

    options = read_items(value, path, len(OPTION_BITS), option)
    if len(set(options)) != len(options):
        raise UsageError(f"{path} names an option twice: write each once")
    if "UNLOCK_CALLBACKS" in options and "DEFER_CALLBACKS" not in options:
        raise UsageError(f"{path} has UNLOCK_CALLBACKS alone: add DEFER_CALLBACKS, which it needs")
    return options


def _check_ends(scenario: Scenario) -> None:
    """The rule beyond the schema: every step of the application is on a bufferevent."""
    known = {name for name, end in ends(scenario) if isinstance(end, BuffereventEnd)}
    for index, step in enumerate(scenario.app):
        if step.end is not None and step.end not in known:
            raise error_at(
                f"scenario.app[{index}].end",
                step.end,
                f"no bufferevent of the scenario; name one of {', '.join(sorted(known)[:8])}",
            )
    safe = {name for name in known if thread_safe(scenario, name)}
    for number, steps in enumerate(scenario.threads):
        for index, step in enumerate(steps):
            if step.end is not None and step.end not in safe:
                raise error_at(
                    f"scenario.threads[{number}][{index}].end",
                    step.end,
                    "threads need a bufferevent with THREADSAFE, at both ends of a pair",
                )
