"""What a foreign subject is asked besides: situations that noise alone seldom makes.

Each motif takes a drawn scenario and puts one situation into it that a library's code treats in a
way of its own: two things told by one wait, a call that fails where a caller may not look, a timer
set while another is due. The rest of the scenario stays as it was drawn. `plain` leaves it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    PeerEnd,
    Scenario,
    Step,
    ends,
)
from model.faults import CallFault

MS = 1_000_000
Motif = Callable[[Scenario, int], Scenario]


def plain(scenario: Scenario, number: int) -> Scenario:
    """As it was drawn."""
    return scenario


def late_enable(scenario: Scenario, number: int) -> Scenario:
    """Reading is enabled behind connect, and the first wait tells connection and data at once: a
    callback of the application takes its time before the loop begins."""
    steps: tuple[tuple[Step, ...], ...] = (
        (Step("send", ((64,),)),),
        (Step("send", ((64,),)), Step("shutdown")),
        (Step("reset"),),
        (Step("shutdown"),),
    )
    busy = (Step("busy", (6 * MS,)),)
    client = _client(scenario)
    client = replace(client, setup=client.setup[1:], on_write=(busy, *client.on_write[:1]))
    connection = Connection(client, PeerEnd(steps[number % len(steps)]))
    app = (
        AppStep("enable", "c0", ("RW",)),
        AppStep("trigger", "c0", ("W", True, False)),
        *scenario.app,
    )
    return replace(scenario, connections=(connection, *scenario.connections[1:]), app=app)


def slow_connect(scenario: Scenario, number: int) -> Scenario:
    """A connect takes longer than the write timeout."""
    client = _client(scenario)
    timeouts = Step("set_timeouts", ((None, 5 * MS)[number & 1], (1 + (number >> 1 & 3)) * MS))
    client = replace(client, setup=(*client.setup, timeouts))
    first = replace(scenario.connections[0], client=client)
    return replace(scenario, connections=(first, *scenario.connections[1:]))


def timeouts_in_callback(scenario: Scenario, number: int) -> Scenario:
    """Timeouts are set, changed or removed in the callbacks of an end that is at its watermark."""
    give, take = Step("set_timeouts", (5 * MS, None)), Step("set_timeouts", (None, None))
    high = Step("setwatermark", ("R", 0, (100, 64, 4096)[number % 3]))
    server = BuffereventEnd(
        options=("CLOSE_ON_FREE", "DEFER_CALLBACKS") if number & 8 else ("CLOSE_ON_FREE",),
        setup=(Step("enable", ("RW",)), high, give),
        on_read=((take,), (give, take)[number >> 4 & 1 :][:1]),
    )
    sender = PeerEnd((Step("send", ((101,),)), Step("send", ((20000,),)))[number >> 2 & 1 :][:1])
    first = Connection(sender, server)
    return replace(scenario, connections=(first, *scenario.connections[1:]), app=())


def failing_poll(scenario: Scenario, number: int) -> Scenario:
    """The kernel takes no more descriptors to watch: one of the calls that asks for it fails."""
    fault = CallFault("epoll_ctl", 1 + number % 16, "ENOSPC" if number & 16 else "ENOMEM")
    faults = replace(scenario.faults, calls=(*scenario.faults.calls, fault))
    return replace(scenario, faults=faults)


def no_memory(scenario: Scenario, number: int) -> Scenario:
    """One allocation fails."""
    fault = CallFault("malloc", 1 + number % 96, "ENOMEM")
    faults = replace(scenario.faults, calls=(*scenario.faults.calls, fault))
    return replace(scenario, faults=faults)


MOTIFS: tuple[Motif, ...] = (
    *(plain, plain, plain, plain, late_enable, slow_connect, timeouts_in_callback),
    *(failing_poll, no_memory, no_memory),
)


def with_motif(scenario: Scenario, which: int, number: int) -> Scenario:
    """The scenario with one of them in it; 0 is plain. Steps on an end that it took away go too,
    and threads, whose ends must have locks."""
    made = MOTIFS[which % len(MOTIFS)](scenario, number)
    if made.connections != scenario.connections:
        made = replace(made, threads=())
    names = {name for name, end in ends(made) if isinstance(end, BuffereventEnd)}
    app = tuple([step for step in made.app if step.end is None or step.end in names])
    return made if len(app) == len(made.app) else replace(made, app=app)


def _client(scenario: Scenario) -> BuffereventEnd:
    client = scenario.connections[0].client
    return client if isinstance(client, BuffereventEnd) else BuffereventEnd()
