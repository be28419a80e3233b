"""Application threads beside the loop: every schedule that is drawn keeps every property."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.noise import scenario_of, tape_of
from harness.noise_threads import THREAD_STEPS, WORKERS
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, Layer, Scenario, Step
from harness.scenario_json import from_json, to_json, validate
from harness.schedules import PCT, Exhaustive, RandomWalk, Strategy
from harness.worlds import why_not
from model.choices import Choices
from model.errors import UsageError
from model.locked import LockedSocket
from model.trace import Record, encode_trace
from model.workers import Workers

WORLDS = pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])
CALM = {"write", "read", "echo", "enable", "disable", "setwatermark", "flush", "trigger"}
SAFE = ("CLOSE_ON_FREE", "THREADSAFE")
UNLOCKED = (*SAFE, "DEFER_CALLBACKS", "UNLOCK_CALLBACKS")


def shared(options: tuple[str, ...]) -> Scenario:
    """Two threads on one bufferevent: they write, stop it, limit it, and one frees it."""
    return Scenario(
        connections=(
            Connection(
                BuffereventEnd(options=options), BuffereventEnd(options=options, after_reads="echo")
            ),
        ),
        threads=(
            (
                AppStep("write", "c0", (100,)),
                AppStep("disable", "c0", ("R",)),
                AppStep("enable", "c0", ("RW",)),
                AppStep("write", "c0", (50,)),
            ),
            (
                AppStep("write", "c0", (10,)),
                AppStep("setwatermark", "c0", ("R", 0, 64)),
                AppStep("set_timeouts", "c0", (1_000_000_000, None)),
                AppStep("free", "c0"),
            ),
        ),
    )


@WORLDS
@given(noise=st.binary(min_size=24, max_size=200), tape=st.binary(max_size=200))
def test_every_property_holds_in_every_schedule(world: str, noise: bytes, tape: bytes) -> None:
    scenario = scenario_of(noise, threads=True)
    validate(scenario)
    outcome = run(scenario, world, tape=tape_of(tape))
    assert not outcome.verdicts.violations
    assert not outcome.verdicts.unreadable


@given(noise=st.binary(min_size=24, max_size=200))
def test_json_gives_it_back(noise: bytes) -> None:
    scenario = scenario_of(noise, threads=True)
    assert from_json(to_json(scenario)) == scenario


@WORLDS
@pytest.mark.parametrize("options", [SAFE, (*SAFE, "DEFER_CALLBACKS"), UNLOCKED])
@pytest.mark.parametrize(
    "make", [lambda: RandomWalk(3, 0.02), lambda: PCT(3, 3), lambda: Exhaustive(1)]
)
def test_strategies_play_scenarios(
    world: str, options: tuple[str, ...], make: Callable[[], Strategy]
) -> None:
    scenario = shared(options)
    strategy = make()
    tapes = set()
    for _ in range(15):
        source = strategy.source()
        assert source is not None
        outcome = run(scenario, world, choices=source)
        strategy.ended(source)
        assert not outcome.verdicts.violations
        assert outcome.verdicts.checked["K-2"]
        tapes.add(source.recorded())
    assert len(tapes) > 5  # PCT repeats itself now and then


@WORLDS
@pytest.mark.parametrize("options", [SAFE, UNLOCKED])
@pytest.mark.parametrize(
    ("transport", "kinds", "locks"),
    [
        ("socket", ("zlib", "tls"), {"c0/0", "s0/0"}),
        ("pair", ("prepend",), {"c0/0"}),
        ("pair", (), {"c0"}),
    ],
)
def test_a_stack_and_both_ends_of_a_pair_share_one_lock(
    world: str, options: tuple[str, ...], transport: str, kinds: tuple[str, ...], locks: set[str]
) -> None:
    plain = shared(options)
    server = BuffereventEnd(options=options, after_reads="echo")
    layers = tuple([Layer(kind) for kind in kinds])
    scenario = replace(
        plain, connections=(Connection(plain.connections[0].client, server, transport, layers),)
    )
    validate(scenario)
    for seed in range(5):
        outcome = run(scenario, world, choices=RandomWalk(seed, 0.03).source())
        assert not outcome.verdicts.violations
        taken = {record[2] for record in outcome.records if record[1] == "lock"}
        assert taken == locks | {"base"}
        assert outcome.verdicts.checked["K-2"]
        assert bool(outcome.verdicts.checked["K-6"]) == (options is UNLOCKED)


@WORLDS
def test_a_recorded_schedule_replays_byte_for_byte(world: str) -> None:
    source = RandomWalk(7, 0.05).source()
    first = run(shared(SAFE), world, choices=source)
    again = run(shared(SAFE), world, choices=Choices(source.recorded()))
    assert encode_trace(first.records) == encode_trace(again.records)
    assert {record[2] for record in first.records if record[1] == "on"} >= {"t0", "t1", "main"}


@WORLDS
def test_a_thread_wakes_the_loop(world: str) -> None:
    """The loop sleeps, far from its next timer, when a thread writes; the echo comes at once."""
    scenario = Scenario(
        connections=shared(SAFE).connections,
        threads=((AppStep("wait", None, (3_000_000,)), AppStep("write", "c0", (100,))),),
    )
    outcome = run(scenario, world)
    kind = "eventfd_write" if world == "sim-epoll" else "post"
    assert any(record[1] == kind for record in outcome.records)
    echoed = [record for record in outcome.records if record[1:4] == ("cb", "c0", "read")]
    assert echoed[0][0] < 4_000_000


def test_a_plain_run_has_no_records_of_threads() -> None:
    outcome = run(Scenario(), "sim-epoll")
    assert not {record[1] for record in outcome.records} & {"on", "thread", "lock", "touch"}


@pytest.mark.parametrize(
    ("step", "remedy"),
    [
        ({"do": "write", "end": "c0", "size": 1}, "THREADSAFE"),
        ({"do": "busy", "end": "c0", "duration_ns": 1}, "loop"),
        ({"do": "write", "end": "s0", "size": 1}, "THREADSAFE"),
    ],
)
def test_steps_that_no_thread_may_do_are_refused(step: dict[str, object], remedy: str) -> None:
    document = to_json(Scenario()) | {"threads": [[step]]}
    with pytest.raises(UsageError, match=remedy) as caught:
        from_json(document)
    assert "scenario.threads[0]" in str(caught.value)


@pytest.mark.parametrize("options", [SAFE, UNLOCKED])
@pytest.mark.parametrize(
    "workers",
    [Workers(2), Workers(3, "deferred", 1), Workers(2, "pooled"), Workers(3, "pooled", 2)],
)
def test_completion_workers_keep_every_property(options: tuple[str, ...], workers: Workers) -> None:
    scenario = replace(shared(options), workers=workers)
    assert from_json(to_json(scenario)) == scenario
    walk = RandomWalk(11, 0.02)
    served = set()
    for _ in range(20):
        outcome = run(scenario, "sim-iocp", choices=walk.source())
        assert not outcome.verdicts.violations
        writer = "main"
        for record in outcome.records:
            if record[1] == "on":
                writer = record[2]
            if record[1] == "cb" and record[3] == "read":
                served.add(writer[0])
    assert served == ({"w"} if workers.mode == "pooled" else {"m"})


def crowd(seed: int, operations: int) -> Scenario:
    """Eight threads on four connections whose ends are all bufferevents."""
    drawn = random.Random(seed)
    names = [f"{side}{index}" for index in range(4) for side in "cs"]
    calm = [step for step in THREAD_STEPS if isinstance(step, Step) and step.do in CALM]
    threads = [[drawn.choice(calm) for _ in range(operations // 8)] for _ in range(8)]
    end = BuffereventEnd(options=SAFE)
    return Scenario(
        connections=(Connection(end, end),) * 4,
        threads=tuple(
            tuple([AppStep(each.do, drawn.choice(names), each.args) for each in steps])
            for steps in threads
        ),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp", "epoll"])
def test_eight_threads_and_a_thousand_operations(world: str, seed: int) -> None:
    if (reason := why_not(world)) is not None:
        pytest.skip(reason)
    outcome = run(crowd(seed, 1_000), world)
    assert not outcome.verdicts.violations
    assert {record[2] for record in outcome.records if record[1] == "on"} >= {"t0", "t7"}


def test_workers_are_nothing_over_readiness() -> None:
    plain = Scenario()
    worked = run(replace(plain, workers=Workers(2)), "sim-epoll")
    assert worked.records == run(plain, "sim-epoll").records


@WORLDS
def test_a_thread_deletes_its_timer_before_it_frees_what_that_uses(world: str) -> None:
    """In some schedules the loop is in the callback, and event_del waits for it."""
    timers = (AppStep("timer", None, (1_000_000,)), AppStep("timer", None, (0,)))
    scenario = replace(shared(SAFE), threads=(timers, timers))
    assert from_json(to_json(scenario)) == scenario
    walk = RandomWalk(5, 0.02)
    waited = 0
    for _ in range(40):
        outcome = run(scenario, world, choices=walk.source())
        assert not outcome.verdicts.violations
        waited += any(r[1] == "condition" and r[4] == "woken" for r in outcome.records)
    assert 0 < waited < 40


def test_the_loop_s_thread_has_no_timer_step() -> None:
    document = to_json(Scenario()) | {"app": [{"do": "timer", "duration_ns": 1}]}
    with pytest.raises(UsageError, match="app"):
        from_json(document)


STACKS = {
    "filters": Connection(
        BuffereventEnd(options=SAFE),
        BuffereventEnd(options=SAFE, after_reads="echo"),
        layers=(Layer("pieces"), Layer("double")),
    ),
    "tls": Connection(
        BuffereventEnd(options=SAFE),
        BuffereventEnd(options=SAFE, after_reads="echo"),
        layers=(Layer("tls"),),
    ),
    "pair": Connection(
        BuffereventEnd(options=SAFE),
        BuffereventEnd(options=SAFE, after_reads="echo"),
        transport="pair",
        layers=(Layer("zlib"),),
    ),
}


@pytest.mark.parametrize("mode", ["deferred", "pooled"])
@pytest.mark.parametrize("kind", STACKS)
def test_workers_serve_stacks(kind: str, mode: str) -> None:
    """Bytes come through every layer, and what a pool is to serve it serves."""
    writes = tuple([AppStep("write", end, (size,)) for end in ("c0", "s0") for size in (100, 50)])
    scenario = Scenario((STACKS[kind],), threads=(writes[:2],), app=writes[2:])
    scenario = replace(scenario, workers=Workers(3, mode))
    assert from_json(to_json(scenario)) == scenario
    walk = RandomWalk(7, 0.02)
    served: set[str] = set()
    for _ in range(15):
        outcome = run(scenario, "sim-iocp", choices=walk.source())
        assert not outcome.verdicts.violations
        called = _callbacks(outcome.records)
        assert {("c0", "read"), ("s0", "read")} <= set(called)
        served |= {who[0] for each in called.values() for who in each}
    assert ("w" in served) == (mode == "pooled")


def _callbacks(records: Sequence[Record]) -> dict[tuple[str, str], set[str]]:
    """Which callbacks of which bufferevent there were, and in which threads."""
    writer = "main"
    called: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if record[1] == "on":
            writer = record[2]
        elif record[1] == "cb":
            called.setdefault((record[2], record[3]), set()).add(writer)
    return called


@given(
    noise=st.binary(min_size=24, max_size=160),
    tape=st.binary(max_size=120),
    workers=st.sampled_from(WORKERS),
    focus=st.sampled_from(["layers", "pair", "tls", "limits"]),
)
def test_workers_keep_every_property_of_stacks(
    noise: bytes, tape: bytes, workers: Workers, focus: str
) -> None:
    scenario = replace(scenario_of(noise, focus=focus), workers=workers)
    outcome = run(scenario, "sim-iocp", tape=tape_of(tape))
    assert not outcome.verdicts.violations


@pytest.mark.parametrize("mode", ["deferred", "pooled"])
def test_four_workers_on_a_real_port(mode: str) -> None:
    if (reason := why_not("iocp")) is not None:
        pytest.skip(reason)
    for seed in range(3):
        outcome = run(replace(crowd(seed, 80), workers=Workers(4, mode, 2)), "iocp")
        assert not outcome.verdicts.violations
        assert {record[2] for record in outcome.records if record[1] == "thread"} >= {"w0", "w3"}


def test_a_crash_before_the_threads_start_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("planned")

    monkeypatch.setattr(LockedSocket, "setcb", fails)
    outcome = run(shared(SAFE), "sim-epoll")
    assert [each.property for each in outcome.verdicts.violations] == ["S-1"]
