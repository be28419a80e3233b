"""Comparing worlds: one scenario, several runs, the same story.

Two kernels may order and cut things differently, and then the callbacks of an application differ
too, rightly. `race_free` says of which scenarios that cannot be: their outcome is a function of the
program alone. It is a judgement on the safe side, by what stands in the scenario:

* Callbacks read all there is, or echo it; no reaction is bound to the n-th callback, since kernels
  may need different numbers of them. So read low watermarks, which leave rests behind, are out,
  and so is `leave`.
* No timeouts, triggers, disabling, freeing or listener changes: what they cut off depends on when.
* Peers never reset, and never close: data that is under way or unread would be lost or not.
  They may half-close: what they sent comes first.
* A connection that is refused has nothing to write: whether a dead bufferevent still accepts bytes
  differs between kernels.
* Nothing goes wrong: there are no faults.
* Rate limits are set at set-up only, and fast enough that all there is moves while the run lasts.
* The ends stand on sockets, without layers: a pair asks no kernel, and what a stack's callbacks
  see depends on how the kernel cut the stream.
* The application only waits, for times that then mean nothing, and writes at client ends, which are
  there from the start; a server end is there once it was accepted. An end that echoes is not
  written to: what comes first, the echo or the write, would be a race.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.run import Outcome
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from model.faults import NONE
from model.properties import Verdicts, compare_runs

CALM_RATE = 500  # bytes a millisecond: what moves at all has moved before the run is given up
_CALM_PEER = ("send", "recv", "recv_all", "echo", "pause", "shutdown")


def race_free(scenario: Scenario) -> bool:
    """Whether the scenario tells the same story in every world."""
    if scenario.faults != NONE or scenario.threads or scenario.workers is not None:
        return False
    if not all(_calm_connection(connection) for connection in scenario.connections):
        return False
    silent = {index for index, each in enumerate(scenario.connections) if _is_silent(each)}
    return all(_calm_app_step(step, silent) for step in scenario.app)


def compare(outcomes: Sequence[Outcome]) -> Verdicts:
    """Holds runs of one race-free scenario in several worlds to the cross-world properties."""
    return compare_runs({outcome.world: outcome.records for outcome in outcomes})


def _is_refused(connection: Connection) -> bool:
    return isinstance(connection.server, PeerEnd) and not connection.server.listens


def _is_silent(connection: Connection) -> bool:
    """Whether the program may not write at its client end."""
    client = connection.client
    echoes = isinstance(client, BuffereventEnd) and client.after_reads == "echo"
    return echoes or _is_refused(connection)


def _calm_app_step(step: AppStep, silent: set[int]) -> bool:
    if step.end is None:
        return True
    return step.do == "write" and step.end[0] == "c" and int(step.end[1:]) not in silent


def _calm_connection(connection: Connection) -> bool:
    client, server = connection.client, connection.server
    if connection.layers or connection.transport != "socket":
        return False
    if _is_refused(connection):
        return isinstance(client, BuffereventEnd) and _calm_bufferevent(client, writes=False)
    if isinstance(client, BuffereventEnd) and isinstance(server, BuffereventEnd):
        endless = client.after_reads == "echo" and server.after_reads == "echo"
        return not endless and _calm_bufferevent(client) and _calm_bufferevent(server)
    return all(
        _calm_peer(end) if isinstance(end, PeerEnd) else _calm_bufferevent(end)
        for end in (client, server)
    )


def _calm_peer(end: PeerEnd) -> bool:
    return end.connects == 1 and all(step.do in _CALM_PEER for step in end.steps)


def _calm_bufferevent(end: BuffereventEnd, writes: bool = True) -> bool:
    if end.on_read or end.on_write or end.on_event or end.on_accept:
        return False
    if end.after_reads == "leave":
        return False
    enabled = Step("enable", ("RW",)) in end.setup
    return enabled and all(_calm_setup(step, writes) for step in end.setup)


def _calm_setup(step: Step, writes: bool) -> bool:
    if step.do == "set_rate_limit":
        rate, tick_ns = min(step.args[0], step.args[2]), step.args[4]
        return bool(rate * 1_000_000 >= CALM_RATE * tick_ns)
    if step.do == "setwatermark":
        mask, low, _ = step.args
        return bool(mask == "W" or low == 0)
    return step.do in ("enable", "set_max_single") or (writes and step.do == "write")
