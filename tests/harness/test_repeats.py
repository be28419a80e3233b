"""What repeats in a failure file is told once, and read back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.failure import FailureFile, decode, encode
from harness.repeats import PERIOD_MAX, SAVED_LEAST, folded
from harness.run import run
from harness.scenario import BuffereventEnd, Connection, PeerEnd, Scenario, Step
from model.errors import UsageError
from tests.harness.foreign import needs_libevent

_PIECES = st.lists(
    st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.integers(1, 60)),
    max_size=6,
)


def unfolded(told: list[str]) -> list[str]:
    """What `folded` stands for."""
    lines: list[str] = []
    for line in told:
        if "again" in line:
            what = json.loads(line)
            lines += lines[-what["again"] :] * what["times"]
        else:
            lines.append(line)
    return lines


@given(_PIECES)
def test_what_is_folded_unfolds(pieces: list[tuple[list[str], int]]) -> None:
    lines = [line for piece, times in pieces for line in piece * times]
    told = folded(lines)
    assert unfolded(told) == lines
    assert len(told) <= len(lines)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=PERIOD_MAX, unique=True))
def test_a_long_repetition_is_a_few_lines(piece: list[str]) -> None:
    assert len(folded(piece * (2 + SAVED_LEAST))) == len(piece) + 1


def test_short_repetitions_are_written_out() -> None:
    lines = ["a", "b"] * (SAVED_LEAST // 2)
    assert folded(lines) == lines


@needs_libevent
def test_the_file_of_a_spin_is_small_and_whole() -> None:
    setup = (Step("enable", ("RW",)), Step("setwatermark", ("R", 0, 64)))
    server = BuffereventEnd(setup=setup, after_reads="leave")
    scenario = Scenario((Connection(PeerEnd((Step("send", ((100,),)),)), server),))
    failure = FailureFile.of(run(scenario, "sim-epoll", subject="libevent"))
    written = encode(failure)
    assert len(failure.records) > 1_000
    assert len(written) < 40_000
    assert decode(written.split(b"\n")) == failure


@needs_libevent
def test_a_repetition_of_nothing_is_refused() -> None:
    """Other damage is `tests.harness.test_failure`'s; here is what only these lines can say."""
    setup = (Step("enable", ("RW",)), Step("setwatermark", ("R", 0, 64)))
    server = BuffereventEnd(setup=setup, after_reads="leave")
    scenario = Scenario((Connection(PeerEnd((Step("send", ((100,),)),)), server),))
    written = encode(FailureFile.of(run(scenario, "sim-epoll", subject="libevent")))
    lines = written.split(b"\n")
    place = next(n for n, line in enumerate(lines) if b'"again"' in line)
    for damaged in (b'{"again":0,"times":3}', b'{"again":2,"times":4194304}', b'{"again":2}'):
        with pytest.raises(UsageError, match=f"line {place + 1}: "):
            decode([*lines[:place], damaged, *lines[place + 1 :]])
