"""What a scenario and its run have in them, by name: to see what a campaign has been through."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scenario import BuffereventEnd, Scenario, ends, reactions
from model.faults import CONDITIONS, FAULTS, Faults
from model.subject import event_name
from model.trace import Record


def features(scenario: Scenario) -> set[str]:
    """Names of what the scenario uses: `app free`, `on_read echo`, `peer reset`, ..."""
    seen = {f"app {step.do}" for step in scenario.app}
    if len(scenario.connections) > 1:
        seen.add("several connections")
    for connection in scenario.connections:
        both = isinstance(connection.client, BuffereventEnd) and isinstance(
            connection.server, BuffereventEnd
        )
        seen.add("bufferevents at both ends" if both else "raw peer")
        seen.update([f"layer {layer.kind}" for layer in connection.layers])
        if connection.transport != "socket":
            seen.add(f"transport {connection.transport}")
    for _, end in ends(scenario):
        if isinstance(end, BuffereventEnd):
            seen.update(_of_bufferevent(end))
        else:
            seen.update([f"peer {step.do}" for step in end.steps])
            if end.connects > 1:
                seen.add("peer connects again")
            if not end.listens:
                seen.add("connection refused")
    if scenario.loop_once:
        seen.add("loop once")
    seen.update([f"thread {step.do}" for steps in scenario.threads for step in steps])
    if scenario.groups:
        seen.add("rate limit groups")
    return seen | _of_faults(scenario.faults)


def _of_faults(faults: Faults) -> set[str]:
    """`fault reset`, `without latency`, `fault accept EMFILE`, ..."""
    seen = {f"fault {kind}" for kind in faults.kinds if kind in FAULTS}
    seen |= {f"without {kind}" for kind in CONDITIONS if kind not in faults.kinds}
    return seen | {f"fault {call.call} {call.outcome}" for call in faults.calls}


def _of_bufferevent(end: BuffereventEnd) -> list[str]:
    seen = [f"option {option}" for option in end.options]
    seen += [f"setup {step.do}" for step in end.setup]
    seen += ["setfd of the accepted"] if end.setfd else []
    for reaction in list(reactions(end))[1:]:
        seen += [f"callback {step.do}" for step in reaction]
    return seen


def events_seen(records: Sequence[Record]) -> set[str]:
    """Names of the event callbacks that ran: `event READING|EOF`, ..."""
    masks = {record[4] for record in records if record[1] == "cb" and record[3] == "event"}
    return {f"event {event_name(mask)}" for mask in masks}
