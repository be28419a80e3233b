"""Making a failing scenario smaller by taking parts out of it.

Hypothesis shrinks the noise that a scenario was read from; what that cannot reach (a first
connection that the second does not need, an empty reaction) is taken out here, part by part, as
long as the scenario still fails. It works on any scenario, wherever it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    End,
    Layer,
    Network,
    PeerEnd,
    Reaction,
    Scenario,
    thread_safe,
)
from model.faults import NONE, Faults

T = TypeVar("T")


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """A scenario that fails, and of which no single part can be taken out.

    `fails` is asked about smaller and smaller scenarios; it ends the search by saying False.
    """
    while True:
        for smaller in parts_out(scenario):
            if fails(smaller):
                scenario = smaller
                break
        else:
            return scenario


def _threads_are_safe(scenario: Scenario) -> bool:
    """Whether the threads that are left act on ends that they may act on."""
    return all(
        step.end is None or thread_safe(scenario, step.end)
        for steps in scenario.threads
        for step in steps
    )


def parts_out(scenario: Scenario) -> Iterator[Scenario]:
    """The scenario without one of its parts; big parts first."""
    return filter(_threads_are_safe, _parts_out(scenario))


def _parts_out(scenario: Scenario) -> Iterator[Scenario]:
    for index in range(len(scenario.connections)):
        if len(scenario.connections) > 1:
            yield _without_connection(scenario, index)
    for app in _without_one(scenario.app):
        yield replace(scenario, app=app)
    for threads in _without_one(scenario.threads):
        yield replace(scenario, threads=threads)
    for number, steps in enumerate(scenario.threads):
        for fewer in _without_one(steps):
            threads = (*scenario.threads[:number], fewer, *scenario.threads[number + 1 :])
            yield replace(scenario, threads=threads)
    if scenario.workers is not None:
        yield replace(scenario, workers=None)
        if scenario.workers.count > 1:
            fewer_workers = replace(scenario.workers, count=scenario.workers.count - 1)
            yield replace(scenario, workers=fewer_workers)
    if scenario.network != Network():
        yield replace(scenario, network=Network())
    if scenario.loop_once:
        yield replace(scenario, loop_once=False)
    if scenario.groups:
        yield replace(scenario, groups=scenario.groups[:-1])
    for faults in _smaller_faults(scenario.faults):
        yield replace(scenario, faults=faults)
    for index, connection in enumerate(scenario.connections):
        if not isinstance(connection.client, PeerEnd) and not isinstance(
            connection.server, PeerEnd
        ):
            bare = replace(connection, transport="socket", layers=())
            yield _with_peer(scenario, index, f"s{index}", replace(bare, server=PeerEnd()))
            yield _with_peer(scenario, index, f"c{index}", replace(bare, client=PeerEnd()))
        for smaller in _smaller_connections(connection):
            yield _with_connection(scenario, index, smaller)


def _smaller_faults(faults: Faults) -> Iterator[Faults]:
    """None at all, or less of everything: fewer conditions make a duller run too."""
    if faults == NONE:
        return
    yield NONE
    for kinds in _without_one(faults.kinds):
        yield replace(faults, kinds=kinds)
    for calls in _without_one(faults.calls):
        yield replace(faults, calls=calls)
    if faults.pool_pages != NONE.pool_pages:
        yield replace(faults, pool_pages=NONE.pool_pages)


def _with_connection(scenario: Scenario, index: int, connection: Connection) -> Scenario:
    connections = list(scenario.connections)
    connections[index] = connection
    return replace(scenario, connections=tuple(connections))


def _with_peer(scenario: Scenario, index: int, name: str, connection: Connection) -> Scenario:
    """The end `name` is no bufferevent any more: no steps on it."""
    app, *threads = [
        tuple([step for step in steps if step.end != name])
        for steps in (scenario.app, *scenario.threads)
    ]
    smaller = _with_connection(scenario, index, connection)
    return replace(smaller, app=app, threads=tuple(threads))


def _without_one(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for index in range(len(items)):
        yield items[:index] + items[index + 1 :]


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


def _smaller_connections(connection: Connection) -> Iterator[Connection]:
    for client in _smaller_ends(connection.client):
        yield replace(connection, client=client)
    for server in _smaller_ends(connection.server):
        yield replace(connection, server=server)
    if connection.transport != "socket":
        yield replace(connection, transport="socket")
    for layers in _without_one(connection.layers):
        yield replace(connection, layers=layers)
    for index, layer in enumerate(connection.layers):
        for smaller in _smaller_layers(layer):
            layers = (*connection.layers[:index], smaller, *connection.layers[index + 1 :])
            yield replace(connection, layers=layers)


def _smaller_layers(layer: Layer) -> Iterator[Layer]:
    default = Layer()
    for name in ("kind", "read_high", "write_high"):
        if getattr(layer, name) != getattr(default, name):
            yield _with(layer, name, getattr(default, name))


def _smaller_ends(end: End) -> Iterator[End]:
    dull: End = PeerEnd() if isinstance(end, PeerEnd) else BuffereventEnd()
    if end == dull:
        return
    yield dull
    if isinstance(end, PeerEnd):
        for steps in _without_one(end.steps):
            yield replace(end, steps=steps)
        yield from _with_defaults(end, dull, ("connects", "listens"))
        return
    yield from _with_defaults(
        end,
        dull,
        ("on_read", "on_write", "on_event", "on_accept", "options", "after_reads", "setfd"),
    )
    for setup in _without_one(end.setup):
        yield replace(end, setup=setup)
    for name in ("on_read", "on_write", "on_event", "on_accept"):
        for reactions in _smaller_reactions(getattr(end, name)):
            yield _with(end, name, reactions)


def _with(end: Any, name: str, value: Any) -> Any:
    return replace(end, **{name: value})


def _with_defaults(end: Any, dull: End, names: tuple[str, ...]) -> Iterator[End]:
    for name in names:
        default = getattr(dull, name)
        if getattr(end, name) != default:
            yield _with(end, name, default)


def _smaller_reactions(reactions: tuple[Reaction, ...]) -> Iterator[tuple[Reaction, ...]]:
    yield from _without_one(reactions)
    for index, reaction in enumerate(reactions):
        for shorter in _without_one(reaction):
            yield (*reactions[:index], shorter, *reactions[index + 1 :])
