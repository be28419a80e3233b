"""Runs with TLS: what is encrypted is random, yet a trace is the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.run import play, run
from harness.scenario import (
    TLS_LAYERS,
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    Scenario,
    Step,
)
from harness.strategies import scenarios, tapes
from harness.worker import Worker, start_native
from harness.worlds import SIMULATED, why_not
from model.bufferevent_ssl import SslBufferevent
from model.choices import Choices
from model.generic_timeouts import GenericBufferevent
from model.trace import Record, decode_record, encode_trace

MS = 1_000_000

STACKS = {
    **{kind: (Layer(kind),) for kind in TLS_LAYERS},
    "tls over zlib": (Layer("zlib"), Layer("tls")),
    "zlib over tls": (Layer("tls"), Layer("zlib")),
    "tls over tls": (Layer("tls", 4096, 64), Layer("tls-1.2")),
}
EVERY_STACK = pytest.mark.parametrize("stack", STACKS)


def conversation(stack: str, transport: str = "socket") -> Scenario:
    """20,000 bytes and then 10 there and back again, and an orderly end."""
    client = BuffereventEnd(setup=(Step("enable", ("RW",)), Step("write", (20_000,))))
    server = BuffereventEnd(after_reads="echo")
    app = (
        AppStep("wait", None, (5 * MS,)),
        AppStep("write", "c0", (10,)),
        AppStep("wait", None, (5 * MS,)),
        AppStep("tls_shutdown", "c0"),
    )
    return Scenario((Connection(client, server, transport, STACKS[stack]),), app)


@pytest.fixture(scope="module")
def native() -> Iterator[Worker]:
    worker = Worker(start_native)
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def windows() -> Iterator[Worker]:
    missing = why_not("iocp")
    if missing is not None:
        pytest.skip(missing)
    worker = Worker()
    yield worker
    worker.close()


def same_bytes(worker: Worker, stack: str) -> None:
    for world in SIMULATED:
        for transport in ("socket", "pair"):
            scenario = conversation(stack, transport)
            here = play(scenario, world, Choices(()))
            assert list(worker.answer(scenario, world, ()).lines) == encode_trace(here.records)


@EVERY_STACK
def test_another_process_writes_the_same_bytes(native: Worker, stack: str) -> None:
    same_bytes(native, stack)


@EVERY_STACK
def test_windows_writes_the_same_bytes(windows: Worker, stack: str) -> None:
    """Two builds of OpenSSL with the same lengths."""
    same_bytes(windows, stack)


def plaintext(records: tuple[Record, ...], name: str) -> bytes:
    """What the application of one end read."""
    return b"".join(record[4] for record in records if record[1] == "read" and record[2] == name)


@EVERY_STACK
@pytest.mark.parametrize("world", [*SIMULATED, "epoll"])
def test_what_is_written_comes_back(stack: str, world: str) -> None:
    records = play(conversation(stack), world, Choices(())).records
    written = b"".join(record[3] for record in records if record[1:3] == ("write", "c0"))
    assert len(written) == 20_010
    assert plaintext(records, "c0") == written
    if "open" not in stack:
        connected = [record[2] for record in records if record[1] == "cb" and record[4] == 0x80]
        assert {"c0", "s0"} <= set(connected)


def test_no_ciphertext_is_recorded() -> None:
    """Kernel records have zeros of the same length; plaintext is in the engine's records."""
    records = play(conversation("tls"), "sim-epoll", Choices(())).records
    moved = [record[-1] for record in records if record[1] in ("recv", "send")]
    contents = [data for data in moved if isinstance(data, bytes) and data]
    assert len(contents) > 5
    assert not any(data.strip(b"\0") for data in contents)
    assert any(record[1] == "tls" and record[3] == "read" for record in records)


def test_a_late_loop_shows_a_dropped_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """T-2, LE-142: the records come while a callback keeps the loop past the timeout."""
    client = BuffereventEnd(
        setup=(Step("enable", ("RW",)), Step("set_timeouts", (5 * MS, None))),
    )
    app = (
        AppStep("wait", None, (MS,)),
        AppStep("write", "s0", (10,)),
        AppStep("busy", "c0", (6 * MS,)),
    )
    scenario = Scenario((Connection(client, BuffereventEnd(), "socket", STACKS["tls"]),), app)
    assert run(scenario, "sim-epoll").verdicts.violations == ()
    monkeypatch.setattr(SslBufferevent, "_read_timeout", GenericBufferevent._read_timeout)
    found = run(scenario, "sim-epoll").verdicts.violations
    assert [violation.property for violation in found] == ["T-2"]


def test_a_handshake_left_half_way_is_seen() -> None:
    """L-3, of bytes that lie below a handshake."""
    found = run(conversation("tls"), "sim-epoll", mutant="tls-handshake-rests").verdicts.violations
    assert "L-3" in {violation.property for violation in found}


@EVERY_STACK
@pytest.mark.parametrize("transport", ["socket", "pair"])
@pytest.mark.parametrize("world", [*SIMULATED, "epoll", "iocp"])
def test_the_properties_hold_in_every_world(world: str, stack: str, transport: str) -> None:
    missing = why_not(world)
    if missing is not None:
        pytest.skip(missing)
    verdicts = run(conversation(stack, transport), world).verdicts
    assert verdicts.violations == ()
    assert verdicts.checked["R-6"] and verdicts.checked["B-2"]
    if world in SIMULATED:  # a real run that is still busy when it ends was not quiet
        assert verdicts.checked["L-3"]


@pytest.mark.parametrize("stack", ["", "zlib", "tls"])
@pytest.mark.parametrize("world", [*SIMULATED, "epoll", "iocp"])
def test_tls_on_a_descriptor(world: str, stack: str) -> None:
    """Alone, and below another layer."""
    missing = why_not(world)
    if missing is not None:
        pytest.skip(missing)
    bare = conversation("tls", "tls")
    layers = (Layer(stack),) if stack else ()
    scenario = replace(bare, connections=(replace(bare.connections[0], layers=layers),))
    outcome = run(scenario, world)
    assert outcome.verdicts.violations == ()
    assert len(plaintext(outcome.records, "c0")) == 20_010
    moved = [record[-1] for record in outcome.records if record[1] in ("recv", "send")]
    assert not any(data.strip(b"\0") for data in moved if isinstance(data, bytes))
    kinds = {record[3] for record in outcome.records if record[1] == "new"}
    assert {"ssl-socket", "listener"} <= kinds and "socket" not in kinds


@settings(max_examples=25)
@given(scenarios(focus="tls"), tapes(), st.sampled_from(SIMULATED))
def test_drawn_tls_on_a_descriptor(scenario: Scenario, tape: tuple[int, ...], world: str) -> None:
    """What noise tells of stacks, told of TLS on a descriptor: no property breaks."""
    connections = tuple(
        [
            replace(each, transport="tls", layers=each.layers[1:])
            if isinstance(each.client, BuffereventEnd) and isinstance(each.server, BuffereventEnd)
            else each
            for each in scenario.connections
        ]
    )
    outcome = run(replace(scenario, connections=connections), world, tape=tape)
    assert outcome.verdicts.violations == ()


@pytest.mark.parametrize("layers", [(), (Layer("copy"),)])
def test_a_shutdown_without_tls_is_nothing(layers: tuple[Layer, ...]) -> None:
    connection = Connection(BuffereventEnd(), BuffereventEnd(), "socket", layers)
    scenario = Scenario((connection,), (AppStep("tls_shutdown", "c0"),))
    outcome = run(scenario, "sim-epoll")
    assert outcome.verdicts.violations == ()
    assert not any(record[1] == "tls" for record in outcome.records)


def test_outcomes_of_tls_survive_a_file() -> None:
    import json

    records = play(conversation("tls"), "sim-iocp", Choices(())).records
    again = [decode_record(json.loads(line)) for line in encode_trace(records)]
    assert again == list(records)
