"""The way of bytes: through every level, kernel and pair, to the callback and the read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from harness.explain.explanation import Bytes, Way
from harness.explain.flow import Flow
from harness.explain.ways import asked, named_bytes, way
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, Layer, PeerEnd, Scenario, Step
from harness.strategies import scenarios, tapes
from harness.worlds import SIMULATED
from model.errors import UsageError
from model.properties import Violation
from model.trace import Record

END = BuffereventEnd()
STACKS = [
    ("socket", ()),
    ("socket", ("double", "zlib")),
    ("socket", ("tls",)),
    ("socket", ("tls", "copy")),
    ("pair", ()),
    ("pair", ("double", "pieces")),
]


def talk(transport: str, kinds: tuple[str, ...]) -> Scenario:
    """Both ends write."""
    layers = tuple([Layer(kind) for kind in kinds])
    writes = (AppStep("write", "c0", (40,)), AppStep("write", "c0", (60,)))
    wait = AppStep("wait", None, (1_000_000,))
    app = (*writes, wait, AppStep("write", "s0", (50,)), wait)
    return Scenario((Connection(END, END, transport, layers),), app=app)


def told(records: tuple[Record, ...], wanted: Bytes) -> Way:
    return way(Flow(records), records, wanted)


@pytest.mark.parametrize("world", SIMULATED)
@pytest.mark.parametrize(("transport", "kinds"), STACKS)
def test_bytes_pass_every_level_in_order(
    world: str, transport: str, kinds: tuple[str, ...]
) -> None:
    outcome = run(talk(transport, kinds), world, tape=(0, 0, 0, 0, 3, 1, 0, 5))
    records = outcome.records
    for sender, receiver, start, end in (("c0", "s0", 45, 55), ("s0", "c0", 0, 50)):
        found = told(records, Bytes(sender, start, end))
        assert (found.connection, found.direction) == ("0", f"{sender} to {receiver}")
        texts = [passage.what for passage in found.way]
        # a send may be told before the write that it is part of, or when all has arrived
        assert any(text.startswith(f"{sender} writes ") for text in texts)
        assert [text for text in texts if "send" not in text][-1].startswith(f"{receiver} reads ")
        assert any(text.startswith(f"{receiver}: read callback") for text in texts)
        places = [passage.record for passage in found.way]
        assert places == sorted(places)
        assert all(records[each.record][0] == each.time_ns for each in found.way)
        for level in range(len(kinds)):
            assert any(text.startswith(f"{sender}/{level}:") for text in texts), (level, texts)
            assert any(text.startswith(f"{receiver}/{level}:") for text in texts), (level, texts)
    passed = [records[each.record] for each in told(records, Bytes("c0", 45, 55)).way]
    assert [len(record[3]) for record in passed if record[1] == "write"] == [60]


def test_raw_peers_send_and_receive() -> None:
    peer = PeerEnd((Step("recv", (40,)), Step("send", ((20, 30),))))
    scenario = Scenario((Connection(END, peer),), app=(AppStep("write", "c0", (40,)),))
    records = run(scenario, "sim-epoll").records
    there = [passage.what for passage in told(records, Bytes("c0", 0, 40)).way]
    assert there[-1].startswith("s0 (raw peer): recv")
    back = [passage.what for passage in told(records, Bytes("s0", 25, 26)).way]
    assert back[0].startswith("s0 (raw peer): send 30") and back[-1].startswith("c0 reads")
    assert told(records, Bytes("c0", 40, 41)).way == ()


@settings(max_examples=20)
@given(scenarios(), tapes())
def test_every_byte_that_an_application_wrote_has_its_write(
    scenario: Scenario, tape: tuple[int, ...]
) -> None:
    for world in SIMULATED:
        records = run(scenario, world, tape=tape).records
        flow = Flow(records)
        for each in flow.moves:
            assert 0 <= each.start < each.end
            kind, level = each.stage
            if kind == "out" and "/" not in level and "." not in level:
                found = way(flow, records, Bytes(level, each.start, each.end))
                assert each.record in [passage.record for passage in found.way]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("c0:0..16", [Bytes("c0", 0, 16)]),
        ("s12:5..6", [Bytes("s12", 5, 6)]),
        ("1:7..9", [Bytes("c1", 7, 9), Bytes("s1", 7, 9)]),
    ],
)
def test_what_is_asked_for(text: str, wanted: list[Bytes]) -> None:
    assert asked(text) == wanted


@pytest.mark.parametrize("text", ["", "c0", "c0:5..5", "c0:9..2", "l0:0..1", "c99:0..1", "c0:0-1"])
def test_what_cannot_be_asked_for(text: str) -> None:
    with pytest.raises(UsageError, match=r"--bytes is .*: give CONNECTION:START..END"):
        asked(text)


def test_the_bytes_of_a_verdict() -> None:
    records = run(talk("socket", ()), "sim-epoll").records
    flow = Flow(records)
    read = next(i for i, record in enumerate(records) if record[1] == "read")
    counted = Violation("B-1", read, "s0 read 9 bytes that differ from byte 12 of its stream on")
    assert named_bytes(counted, flow) == [Bytes("c0", 12, 13)]
    (there,) = named_bytes(Violation("C-1", read, "s0 was told too early"), flow)
    assert there.sender == "c0" and there.end > there.start
    assert named_bytes(Violation("K-3", read, "deadlock"), flow) == []
