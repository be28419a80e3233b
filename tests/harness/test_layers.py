"""Stacks and pairs in scenarios: played, told, shrunk and found by the noise."""

from __future__ import annotations

import json
from random import Random

import pytest

from harness.compare import race_free
from harness.failure import FailureFile
from harness.noise import scenario_of, tape_of
from harness.program import program
from harness.run import run
from harness.scenario import (
    LAYERS,
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    PeerEnd,
    Scenario,
    Step,
)
from harness.scenario_json import from_json, to_json, validate
from harness.shrinking.parts import parts_out
from harness.story import story
from model.errors import UsageError
from model.filters import FILTERS
from model.trace import Record, encode_trace

WORLDS = ("sim-epoll", "sim-iocp", "epoll")
STACK = (Layer("double", 4_096, 4_096), Layer("zlib", 400, 1_000), Layer("copy"))


def talk(transport: str, layers: tuple[Layer, ...], options: tuple[str, ...]) -> Scenario:
    """The client writes, the server echoes; then the client flushes."""
    setup = (Step("enable", ("RW",)), Step("write", (5_000,)))
    client = BuffereventEnd(options, setup, on_write=((),))
    server = BuffereventEnd(options, after_reads="echo")
    app = (
        AppStep("wait", None, (20_000_000,)),
        AppStep("flush", "c0", ("RW", "FINISHED")),
    )
    return Scenario((Connection(client, server, transport, layers),), app)


def taken(records: tuple[Record, ...], name: str) -> int:
    return sum(len(record[4]) for record in records if record[1] == "read" and record[2] == name)


@pytest.mark.parametrize("options", [("CLOSE_ON_FREE",), (), ("CLOSE_ON_FREE", "DEFER_CALLBACKS")])
@pytest.mark.parametrize("layers", [(), STACK[:1], STACK])
@pytest.mark.parametrize("transport", ["socket", "pair"])
@pytest.mark.parametrize("world", WORLDS)
def test_a_stack_is_played_in_every_world(
    world: str, transport: str, layers: tuple[Layer, ...], options: tuple[str, ...]
) -> None:
    """All that the client wrote comes back, through any stack; all of it is freed."""
    scenario = talk(transport, layers, options)
    validate(scenario)
    outcome = run(scenario, world)
    assert outcome.verdicts.violations == ()
    assert taken(outcome.records, "c0") == 5_000
    made = [record[2] for record in outcome.records if record[1] == "new"]
    for end in ("c0", "s0"):
        levels = [f"{end}/{number}" for number in range(len(layers))]
        assert [name for name in made if name.startswith(end)] == [*levels, end]
    if layers:
        assert outcome.verdicts.checked["O-5"] > 0
        assert outcome.verdicts.checked["L-3"] > 0


def test_the_memory_of_a_stack_is_judged() -> None:
    """M-1 has something to judge where every level has its watermarks."""
    layers = (Layer("copy", 4_096, 4_096), Layer("zlib", 400, 1_000))
    setup = (Step("enable", ("RW",)), Step("setwatermark", ("R", 0, 100)))
    end = BuffereventEnd(setup=(*setup, Step("write", (20_000,))))
    outcome = run(Scenario((Connection(end, end, "socket", layers),)), "sim-epoll")
    assert outcome.verdicts.violations == ()
    assert outcome.verdicts.checked["M-1"] > 0


def test_the_same_bytes_every_time() -> None:
    scenario = talk("socket", STACK, ("CLOSE_ON_FREE",))
    first, second = (run(scenario, "sim-iocp", tape=(1, 2, 3)) for _ in range(2))
    assert encode_trace(first.records) == encode_trace(second.records)


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        (
            Connection(BuffereventEnd(), PeerEnd(), layers=(Layer(),)),
            "scenario.connections[0] has layers and a raw peer: make both ends bufferevents",
        ),
        (
            Connection(PeerEnd(), BuffereventEnd(), "pair"),
            (
                "scenario.connections[0] has the transport 'pair' and a raw peer:"
                " make both ends bufferevents"
            ),
        ),
        (
            Connection(BuffereventEnd(), BuffereventEnd(), "pipe"),
            "scenario.connections[0].transport is 'pipe': write one of 'socket', 'pair', 'tls'",
        ),
    ],
)
def test_what_cannot_be_is_one_line(connection: Connection, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(Scenario((connection,)))
    assert str(caught.value) == message


def test_an_unknown_layer_is_one_line() -> None:
    document = to_json(talk("socket", STACK, ()))
    document["connections"][0]["layers"][0]["kind"] = "rot13"
    with pytest.raises(UsageError, match=r"layers\[0\]\.kind is 'rot13': write one of 'copy', "):
        from_json(json.loads(json.dumps(document)))


def test_every_kind_of_layer_has_its_functions() -> None:
    from harness.scenario import FILTER_LAYERS

    assert {*FILTER_LAYERS, "stored"} == set(FILTERS)  # stored: zlib below TLS


def test_shrinking_takes_layers_away() -> None:
    smaller = [each.connections[0] for _, each in parts_out(talk("pair", STACK, ()))]
    assert any(each.layers == STACK[1:] for each in smaller)
    assert any(each.transport == "socket" and each.layers == STACK for each in smaller)
    assert any(isinstance(each.server, PeerEnd) and not each.layers for each in smaller)
    for connection in smaller:
        validate(Scenario((connection,)))


def test_the_story_and_the_program_tell_the_stack() -> None:
    failure = FailureFile.of(run(talk("pair", STACK, ("CLOSE_ON_FREE",)), "sim-epoll"))
    assert any("c0 and s0 are a bufferevent pair through double, zlib, copy" in line
               for line in story(failure))  # fmt: skip
    assert 'Layer(kind="zlib", read_high=400, write_high=1000)' in program(failure)


def test_stacks_are_not_compared_across_worlds() -> None:
    calm = BuffereventEnd()
    assert race_free(Scenario((Connection(calm, calm),)))
    assert not race_free(Scenario((Connection(calm, calm, "pair"),)))
    assert not race_free(Scenario((Connection(calm, calm, layers=(Layer(),)),)))


def test_the_noise_draws_a_modest_share_of_stacks() -> None:
    random = Random(1)
    scenarios = [scenario_of(random.randbytes(200)) for _ in range(2_000)]
    connections = [each for scenario in scenarios for each in scenario.connections]
    layered = [each for each in connections if each.layers or each.transport == "pair"]
    assert 1 / 8 < len(layered) / len(connections) < 1 / 5
    assert {layer.kind for each in layered for layer in each.layers} == set(LAYERS)
    assert {each.transport for each in layered} == {"socket", "pair"}
    assert max(len(each.layers) for each in layered) == 3
    assert tape_of(b"") == ()
