"""The JSON of scenarios, written: fields with their default are left out (see `scenario_json`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.faults_json import changed, faults_to_json
from harness.scenario import (
    ACTIONS,
    ON_NO_END,
    PEER_ACTIONS,
    SCENARIO_VERSION,
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
)
from model.faults import NONE

BUFFEREVENT_REACTIONS = ("on_read", "on_write", "on_event", "on_accept")
BUFFEREVENT_FIELDS = ("options", "setup", *BUFFEREVENT_REACTIONS, "after_reads", "setfd")
PEER_FIELDS = ("steps", "connects", "listens")
_DEFAULT_BUFFEREVENT = BuffereventEnd()
_DEFAULT_PEER = PeerEnd()
_DEFAULT_NETWORK = Network()
#: field of a group -> kind
GROUP_FIELDS: dict[str, str] = {
    **dict.fromkeys(("read_rate", "read_burst", "write_rate", "write_burst"), "rate"),
    "tick_ns": "tick",
    "min_share": "rate",
}
_DEFAULT_GROUP = RateGroup()
LAYER_FIELDS = ("read_high", "write_high")
_DEFAULT_LAYER = Layer()


def to_json(scenario: Scenario) -> dict[str, Any]:
    """The scenario as a JSON object; `from_json` gives it back."""
    document: dict[str, Any] = {
        "version": SCENARIO_VERSION,
        "connections": [_connection_to_json(connection) for connection in scenario.connections],
    }
    if scenario.app:
        document["app"] = [_app_step_to_json(step) for step in scenario.app]
    network = changed(scenario.network, _DEFAULT_NETWORK, ("sndbuf", "rcvbuf"))
    if network:
        document["network"] = network
    if scenario.loop_once:
        document["loop_once"] = True
    if scenario.faults != NONE:
        document["faults"] = faults_to_json(scenario.faults)
    if scenario.threads:
        document["threads"] = [
            [_app_step_to_json(step) for step in steps] for steps in scenario.threads
        ]
    if scenario.workers is not None:
        document["workers"] = asdict(scenario.workers)
    if scenario.groups:
        groups = scenario.groups
        document["groups"] = [changed(each, _DEFAULT_GROUP, (*GROUP_FIELDS,)) for each in groups]
    return document


def _connection_to_json(connection: Connection) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "client": _end_to_json(connection.client),
        "server": _end_to_json(connection.server),
    }
    if connection.transport != "socket":
        fields["transport"] = connection.transport
    if connection.layers:
        fields["layers"] = [
            {"kind": layer.kind, **changed(layer, _DEFAULT_LAYER, LAYER_FIELDS)}
            for layer in connection.layers
        ]
    return fields


def _end_to_json(end: End) -> dict[str, Any]:
    if isinstance(end, PeerEnd):
        fields = changed(end, _DEFAULT_PEER, PEER_FIELDS)
        if "steps" in fields:
            fields["steps"] = [_step_to_json(PEER_ACTIONS, step) for step in end.steps]
        return {"type": "peer", **fields}
    fields = changed(end, _DEFAULT_BUFFEREVENT, BUFFEREVENT_FIELDS)
    if "options" in fields:
        fields["options"] = list(end.options)
    if "setup" in fields:
        fields["setup"] = _reaction_to_json(end.setup)
    for name in BUFFEREVENT_REACTIONS:
        if name in fields:
            fields[name] = [_reaction_to_json(reaction) for reaction in fields[name]]
    return {"type": "bufferevent", **fields}


def _reaction_to_json(reaction: Reaction) -> list[dict[str, Any]]:
    return [_step_to_json(ACTIONS, step) for step in reaction]


def _step_to_json(actions: dict[str, tuple[Parameter, ...]], step: Step) -> dict[str, Any]:
    return {"do": step.do, **_args_to_json(actions[step.do], step.args)}


def _app_step_to_json(step: AppStep) -> dict[str, Any]:
    if step.end is None:
        return {"do": step.do, **_args_to_json(ON_NO_END[step.do], step.args)}
    return {"do": step.do, "end": step.end, **_args_to_json(ACTIONS[step.do], step.args)}


def _args_to_json(parameters: tuple[Parameter, ...], args: tuple[Any, ...]) -> dict[str, Any]:
    pairs = zip(parameters, args, strict=True)
    return {
        parameter.name: list(value) if parameter.kind == "sizes" else value
        for parameter, value in pairs
    }
