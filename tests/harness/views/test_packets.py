"""Packets: the streams of a capture carry the trace's bytes, and tshark has nothing to object."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.failure import FailureFile
from harness.run import run
from harness.scenario import Scenario
from harness.strategies import scenarios, tapes
from harness.views import flows
from harness.views.packets import pcapng
from model.trace import Record
from tests.harness.made import failures
from tests.harness.views.capture import Segment, segments
from tests.harness.views.programs import needed
from tests.harness.views.runs import LAYERED, busy

FIN, SYN, RST = 1, 2, 4
WORLDS = ("sim-epoll", "sim-iocp")


def streams(captured: list[Segment]) -> dict[tuple[int, int], bytes]:
    """The bytes of each direction, by its ports; every segment begins where the last one ended."""
    ends: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int], bytes] = {}
    for each in captured:
        if each.flags & SYN:
            assert each.ports not in ends, "one connection has its own ports"
            ends[each.ports], found[each.ports] = each.sequence + 1, b""
            continue
        assert each.sequence == ends.get(each.ports, 0), each
        found[each.ports] = found.get(each.ports, b"") + each.data
        ends[each.ports] = each.sequence + len(each.data) + (each.flags & FIN)
        other = ends.get(each.ports[::-1], 0)
        assert each.acknowledged <= max(other, 1), "nothing is acknowledged before it is sent"
    return {ports: data for ports, data in found.items() if data}


def sent(records: tuple[Record, ...]) -> list[bytes]:
    """What each socket of an end has sent, or its other end has received of it if that is more."""
    found = flows.happenings(records)
    streams_of = []
    for flow in flows.flows(found):
        for source, target in ((flow.client, flow.server), (flow.server, flow.client)):
            out = b"".join(h.data for h in found if h.socket is source and h.what == flows.SEND)
            back = b"".join(h.data for h in found if h.socket is target and h.what == flows.RECV)
            streams_of.append(max(out, back, key=len))
    return sorted(data for data in streams_of if data)


@given(scenarios(), tapes(), st.sampled_from(WORLDS))
def test_streams_are_the_bytes_of_the_trace(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    outcome = run(scenario, world, tape=tape)
    captured = segments(pcapng(outcome.records, "drawn"))
    assert sorted(streams(captured).values()) == sent(outcome.records)


@given(failures())
@settings(max_examples=25)
def test_any_file_makes_a_capture(drawn: FailureFile) -> None:
    for each in segments(pcapng(drawn.records, "a title\n\u2028 of \ud800 any kind")):
        number = int(each.comment.split(":")[0].removeprefix("record "))
        assert each.t_ns == drawn.records[number][0]
        assert each.comment.isprintable()


@pytest.mark.parametrize("world", WORLDS)
def test_packets_stand_for_their_records(world: str) -> None:
    outcome = busy(world)
    captured = segments(pcapng(outcome.records, "busy"))
    times = [each.t_ns for each in captured]
    assert times == sorted(times)
    for each in captured:
        number = int(each.comment.split(":")[0].removeprefix("record "))
        assert each.t_ns == outcome.records[number][0]
    resets = [each for each in captured if each.flags & RST]
    assert {each.comment.partition(": ")[2] for each in resets} == {
        "s1 (raw peer): reset -> ok",
        "s1.1 (raw peer): reset -> ok",
    }


def test_the_packets_of_a_real_run() -> None:
    """Raw peers of a real world write their records late: no byte is lost or doubled by it."""
    outcome = busy("epoll")
    carried = sorted(streams(segments(pcapng(outcome.records, "real"))).values())
    assert carried == sent(outcome.records)


def fields(capture: Path, *names: str) -> list[list[str]]:
    """What tshark says of each packet, with all checksums checked."""
    (tshark,) = needed("tshark")
    command = [tshark, "-r", str(capture), "-n", "-T", "fields", "-E", "separator=\t"]
    command += ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    for name in names:
        command += ["-e", name]
    told = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60
    )
    return [line.split("\t") for line in told.stdout.splitlines()]


@pytest.mark.parametrize("world", [*WORLDS, "layered"])
def test_tshark_reads_it_without_a_complaint(tmp_path: Path, world: str) -> None:
    outcome = run(LAYERED, "sim-epoll") if world == "layered" else busy(world)
    path = tmp_path / "run.pcapng"
    path.write_bytes(pcapng(outcome.records, "busy"))
    ours = segments(path.read_bytes())
    names = ("frame.comment", "frame.time_epoch", "tcp.seq_raw", "tcp.payload", "tcp.flags.reset")
    wrong = ("_ws.malformed", "tcp.analysis.flags", "tcp.checksum.status", "ip.checksum.status")
    told = fields(path, *names, *wrong, "_ws.expert.severity")
    assert len(told) == len(ours)
    for each, line in zip(ours, told, strict=True):
        comment, time, sequence, payload, reset, malformed, analysis, tcp, ip, severity = line
        assert comment == each.comment
        assert time == f"{each.t_ns // 10**9}.{each.t_ns % 10**9:09}"
        assert int(sequence) == each.sequence
        assert bytes.fromhex(payload) == each.data
        assert (malformed, analysis, tcp, ip) == ("", "", "1", "1")
        # 0x00600000 is a warning, 0x00800000 an error; a reset is a warning by itself, and a
        # comment is an expert's remark of its own (0x00100000)
        worst = max([int(one) for one in severity.split(",") if one], default=0)
        assert worst < 0x00600000 or (reset in {"1", "True"} and worst == 0x00600000)
