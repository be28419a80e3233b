"""The story is short, plain, and tells what broke."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from harness.failure import FailureFile
from harness.story import LINE_WIDTH, LINES_MAX, replay_command, story, three_blocks
from harness.words import plain
from model.choices import Decision
from model.properties import Violation
from model.trace import Record
from tests.harness.made import RECORDS, failure, failures


@given(failures())
def test_at_most_ten_plain_lines(drawn: FailureFile) -> None:
    lines = story(drawn)
    assert 3 <= len(lines) <= LINES_MAX
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= LINE_WIDTH + 3


@given(failures())
def test_what_broke_is_always_told(drawn: FailureFile) -> None:
    lines = story(drawn)
    if drawn.violations:
        assert plain(f"broke {drawn.broken}") in lines[0] or len(lines[0]) > LINE_WIDTH
        assert lines[-1].startswith("Broken: ")
        assert drawn.violation is not None
        assert plain(drawn.violation.message) in lines[-1]
    else:
        assert "kept every promise" in lines[0] or len(lines[0]) > LINE_WIDTH


def test_a_story() -> None:
    lines = story(failure())
    assert lines[0].startswith("In sim-epoll (simulated), model 0.1.0 broke C-1")
    assert lines[1:] == [
        "c0 (bufferevent) connects to s0 (raw peer).",
        "Bytes: c0 sent 10 and received 64; s0 sent 64 and received 10.",
        "Decisions that mattered: tcp.segment 3 of 8.",
        "... 10 records ...",
        "   10  0.000 ms  s0 (raw peer): recv 10 -> 10 bytes",
        "   11  0.000 ms  s0 (raw peer): send 64 -> 64 bytes",
        "   14  0.000 ms  c0: read callback, 64 in, 0 out",
        "... 2 records between them and 6 records after them ...",
        "Broken: the read callback came below the low watermark",
    ]


def test_the_deciding_records_are_of_the_connection_that_broke() -> None:
    other: Record = (11, "peer", "s1", "send", 5, 5)
    records = (*RECORDS[:12], other, *RECORDS[12:])
    lines = story(failure(records=records, violations=(Violation("C-1", 15, "late"),)))
    assert not any("s1 (raw peer)" in line for line in lines)


def test_records_left_out_are_counted() -> None:
    for index in range(-1, len(RECORDS)):
        lines = story(failure(violations=(Violation("C-1", index, "x"),)))
        shown = sum(1 for line in lines if line[:5].strip().isdecimal())
        words = " ".join(line for line in lines if line.startswith("...")).split()
        hidden = sum(int(word) for word in words if word.isdecimal())
        assert shown + hidden == len(RECORDS), lines


def test_dull_decisions_are_said_to_be_dull() -> None:
    lines = story(failure(decisions=(Decision("tcp.latency", 4, 0),)))
    assert "All 1 decisions of the simulator were dull." in lines


def test_nothing_from_a_file_commands_the_terminal() -> None:
    hostile = failure(
        subject="\x1b[2J",
        records=((0, "new", "c0\n\x1b]0;", "socket", 1, None),),
        violations=(Violation("\r", 0, "\x07"),),
    )
    assert "\x1b" not in three_blocks(hostile, "f.jsonl")
    assert "\\x1b[2J" in story(hostile)[0]


def test_the_three_blocks() -> None:
    text = three_blocks(failure(), Path("a folder") / "f.jsonl")
    first, *_, last = text.rstrip().split("\n\n")
    assert first.splitlines() == story(failure())
    assert "scenario = Scenario(" in text
    assert last == replay_command(Path("a folder") / "f.jsonl")


def test_the_replay_command_is_quoted() -> None:
    assert replay_command("a folder/f.jsonl") in {
        "duopoll replay 'a folder/f.jsonl'",
        'duopoll replay "a folder/f.jsonl"',
    }
    assert replay_command("f.jsonl") == "duopoll replay f.jsonl"
