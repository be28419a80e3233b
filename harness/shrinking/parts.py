"""A scenario without one of its parts, big parts first, each with the kind of what is gone.

Every function gives pairs of a kind and something smaller; what it is put back into, its caller
knows. All that is left is a scenario that `harness.scenario_json` accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from harness.scenario import (
    SIZE_MAX,
    AppStep,
    BuffereventEnd,
    Connection,
    End,
    Layer,
    Network,
    PeerEnd,
    Reaction,
    Scenario,
    Step,
    thread_safe,
)
from harness.scenario_bounds import INTEGERS
from harness.shrinking.numbers import rounded
from model.faults import NONE, Faults

T = TypeVar("T")
Less: TypeAlias = Iterator[tuple[str, T]]

CALLBACKS = ("on_read", "on_write", "on_event", "on_accept")


def parts_out(scenario: Scenario) -> Less[Scenario]:
    """The scenario with one thing less; first parts of it, then rounder numbers."""
    seen = {scenario}
    for kind, smaller in _all(scenario):
        if smaller not in seen and _is_sound(smaller):
            seen.add(smaller)
            yield kind, smaller


def _all(scenario: Scenario) -> Less[Scenario]:
    yield from _connections_out(scenario)
    yield from _program(scenario)
    yield from _surroundings(scenario)
    for index, connection in enumerate(scenario.connections):
        yield from _raw_peers(scenario, index)
        for kind, smaller in _smaller_connections(connection):
            yield kind, _with_connection(scenario, index, smaller)
    for each in rounded(scenario):
        yield "number", each


def _is_sound(scenario: Scenario) -> bool:
    """Whether the threads that are left act on ends that they may act on."""
    return all(
        step.end is None or thread_safe(scenario, step.end)
        for steps in scenario.threads
        for step in steps
    )


def _without_one(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for index in range(len(items)):
        yield items[:index] + items[index + 1 :]


def _changed(value: Any, name: str, less: Less[Any]) -> Less[Any]:
    """`value` with one field smaller."""
    for kind, smaller in less:
        yield kind, replace(value, **{name: smaller})


def _of_one(items: tuple[T, ...], smaller: Callable[[T], Less[T]]) -> Less[tuple[T, ...]]:
    """`items` with one of them smaller."""
    for index, item in enumerate(items):
        for kind, each in smaller(item):
            yield kind, (*items[:index], each, *items[index + 1 :])


# Steps.


def _fewer_steps(steps: tuple[T, ...]) -> Less[tuple[T, ...]]:
    """Without the second half, the first, one of them; or two neighbours as one."""
    half = len(steps) // 2
    if half > 1:
        yield "steps", steps[:half]
        yield "steps", steps[half:]
    for fewer in _without_one(steps):
        yield "step", fewer
    for index in range(len(steps) - 1):
        merged = _merged(steps[index], steps[index + 1])
        if merged is not None:
            yield "merge", (*steps[:index], merged, *steps[index + 2 :])


_MERGED = dict.fromkeys(("wait", "timer", "pause", "busy"), "duration") | {"write": "size"}


def _merged(one: Any, other: Any) -> Any:
    """Both as one step, or None: waits and writes add up, sends and receipts too."""
    if one.do != other.do or getattr(one, "end", None) != getattr(other, "end", None):
        return None
    if one.do == "send":
        return one._replace(args=((*one.args[0], *other.args[0]),))
    if one.do == "recv" and one.args[0] + other.args[0] <= SIZE_MAX:
        return one._replace(args=(one.args[0] + other.args[0],))
    kind = _MERGED.get(one.do)
    if kind is None or one.args[0] + other.args[0] > INTEGERS[kind][1]:
        return None
    return one._replace(args=(one.args[0] + other.args[0],))


def _fewer_reactions(reactions: tuple[Reaction, ...]) -> Less[tuple[Reaction, ...]]:
    for fewer in _without_one(reactions):
        yield "reaction", fewer
    yield from _of_one(reactions, _fewer_steps)


# The program and what is around it.


def _program(scenario: Scenario) -> Less[Scenario]:
    if scenario.app:
        yield "steps", replace(scenario, app=())
    yield from _changed(scenario, "app", _fewer_steps(scenario.app))
    for threads in _without_one(scenario.threads):
        yield "thread", replace(scenario, threads=threads)
    if scenario.threads:  # a thread's program on the loop's thread
        first, *others = scenario.threads
        here = tuple([step for step in first if step.do != "timer"])
        yield "thread", replace(scenario, app=(*scenario.app, *here), threads=tuple(others))
    yield from _changed(scenario, "threads", _of_one(scenario.threads, _fewer_steps))


def _surroundings(scenario: Scenario) -> Less[Scenario]:
    if scenario.workers is not None:
        yield "workers", replace(scenario, workers=None)
        if scenario.workers.count > 1:
            workers = replace(scenario.workers, count=scenario.workers.count - 1)
            yield "workers", replace(scenario, workers=workers)
    if scenario.network != Network():
        yield "network", replace(scenario, network=Network())
        for name in ("sndbuf", "rcvbuf"):
            yield from _changed(scenario, "network", _default(scenario.network, Network(), name))
    if scenario.loop_once:
        yield "loop_once", replace(scenario, loop_once=False)
    if scenario.groups:
        yield "group", replace(scenario, groups=scenario.groups[:-1])
    yield from _changed(scenario, "faults", _fewer_faults(scenario.faults))


def _default(value: Any, default: Any, name: str) -> Less[Any]:
    if getattr(value, name) != getattr(default, name):
        yield name, replace(value, **{name: getattr(default, name)})


def _fewer_faults(faults: Faults) -> Less[Faults]:
    """None at all; one kind nearer to none: a fault less, a usual condition back; a call less."""
    if faults == NONE:
        return
    yield "faults", NONE
    usual = faults.kinds == NONE.kinds
    if not usual:
        yield "faults", replace(faults, kinds=NONE.kinds)
    for kind in faults.kinds:
        if kind not in NONE.kinds:
            kinds = tuple([each for each in faults.kinds if each != kind])
            yield "fault", replace(faults, kinds=kinds)
    missing = [kind for kind in NONE.kinds if kind not in faults.kinds]
    extra = tuple([kind for kind in faults.kinds if kind not in NONE.kinds])
    for kind in missing:
        kinds = tuple([each for each in NONE.kinds if each == kind or each not in missing])
        yield "condition", replace(faults, kinds=(*kinds, *extra))
    for calls in _without_one(faults.calls):
        yield "call fault", replace(faults, calls=calls)
    if faults.pool_pages != NONE.pool_pages:
        yield "fault", replace(faults, pool_pages=NONE.pool_pages)


# Connections and their ends.


def _connections_out(scenario: Scenario) -> Less[Scenario]:
    for gone in range(len(scenario.connections)):
        if len(scenario.connections) > 1:
            yield "connection", _without_connection(scenario, gone)


def _without_connection(scenario: Scenario, gone: int) -> Scenario:
    """Later connections move up, and so do the names in the steps."""
    app, *threads = [_moved_up(steps, gone) for steps in (scenario.app, *scenario.threads)]
    connections = scenario.connections[:gone] + scenario.connections[gone + 1 :]
    return replace(scenario, connections=connections, app=app, threads=tuple(threads))


def _moved_up(steps: tuple[AppStep, ...], gone: int) -> tuple[AppStep, ...]:
    moved = []
    for step in steps:
        if step.end is None:
            moved.append(step)
            continue
        index = int(step.end[1:])
        if index != gone:
            name = f"{step.end[0]}{index - (index > gone)}"
            moved.append(AppStep(step.do, name, step.args))
    return tuple(moved)


def _with_connection(scenario: Scenario, index: int, connection: Connection) -> Scenario:
    connections = list(scenario.connections)
    connections[index] = connection
    return replace(scenario, connections=tuple(connections))


def _raw_peers(scenario: Scenario, index: int) -> Less[Scenario]:
    """One of two bufferevents as a raw peer: that sends what it sent, or does nothing at all."""
    connection = scenario.connections[index]
    client, server = connection.client, connection.server
    if isinstance(client, PeerEnd) or isinstance(server, PeerEnd):
        return
    bare = replace(connection, transport="socket", layers=())
    for side, name in (("server", f"s{index}"), ("client", f"c{index}")):
        for peer in (PeerEnd(), PeerEnd(steps=(Step("recv_all"),))):
            smaller = replace(bare, server=peer) if side == "server" else replace(bare, client=peer)
            yield "bufferevent", _with_peer(scenario, index, name, smaller)


def _with_peer(scenario: Scenario, index: int, name: str, connection: Connection) -> Scenario:
    """The end `name` is no bufferevent any more: no steps on it."""
    app, *threads = [
        tuple([step for step in steps if step.end != name])
        for steps in (scenario.app, *scenario.threads)
    ]
    smaller = _with_connection(scenario, index, connection)
    return replace(smaller, app=app, threads=tuple(threads))


def _smaller_connections(connection: Connection) -> Less[Connection]:
    yield from _changed(connection, "client", _smaller_ends(connection.client))
    yield from _changed(connection, "server", _smaller_ends(connection.server))
    if connection.transport != "socket":
        yield "transport", replace(connection, transport="socket")
    for layers in _without_one(connection.layers):
        yield "layer", replace(connection, layers=layers)
    yield from _changed(connection, "layers", _of_one(connection.layers, _smaller_layers))


def _smaller_layers(layer: Layer) -> Less[Layer]:
    for name in ("kind", "read_high", "write_high"):
        for _, smaller in _default(layer, Layer(), name):
            yield "layer", smaller


def _smaller_ends(end: End) -> Less[End]:
    dull: End = PeerEnd()
    if isinstance(end, BuffereventEnd):  # which has no more steps than this one
        dull = BuffereventEnd() if end.setup else BuffereventEnd(setup=())
    if end == dull:
        return
    yield "end", dull
    if isinstance(end, PeerEnd):
        yield from _changed(end, "steps", _fewer_steps(end.steps))
        for name in ("connects", "listens"):
            yield from _default(end, dull, name)
        return
    yield from _smaller_bufferevents(end, dull)


def _smaller_bufferevents(end: BuffereventEnd, dull: End) -> Less[End]:
    for name in (*CALLBACKS, "options", "after_reads", "setfd"):
        for _, smaller in _default(end, dull, name):
            yield name, smaller
    for fewer in _without_one(end.options):
        if fewer and not ("UNLOCK_CALLBACKS" in fewer and "DEFER_CALLBACKS" not in fewer):
            yield "options", replace(end, options=fewer)
    yield from _changed(end, "setup", _fewer_steps(end.setup))
    for name in CALLBACKS:
        yield from _changed(end, name, _fewer_reactions(getattr(end, name)))
