"""The catalogue and the check of one trace: every property can hold, and can be broken."""

from __future__ import annotations

import re

import pytest

from model.properties import PROPERTIES, PROPERTY, check
from tests.model.properties.pairs import LEGAL, PAIRS, Builder
from tests.model.properties.test_threads import PAIRS as THREAD_PAIRS
from tests.model.properties.traces import Tape, broken

GOOD = [(name, build) for name, (good, _) in PAIRS.items() for build in good]
BAD = [(name, build) for name, (_, bad) in PAIRS.items() for build in bad]


def _label(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "?")


@pytest.mark.parametrize(("name", "build"), GOOD, ids=_label)
def test_a_trace_that_keeps_it_is_counted_and_breaks_nothing(name: str, build: Builder) -> None:
    verdicts = build().verdicts()
    assert verdicts.violations == ()
    assert verdicts.checked[name] > 0


@pytest.mark.parametrize(("name", "build"), BAD, ids=_label)
def test_a_trace_that_breaks_it_is_found(name: str, build: Builder) -> None:
    assert name in broken(build())


@pytest.mark.parametrize("build", LEGAL, ids=_label)
def test_legal_behaviour_is_not_blamed(build: Builder) -> None:
    assert broken(build()) == []


def test_every_property_of_a_trace_has_its_pair() -> None:
    of_threads = {name for name, _, _ in THREAD_PAIRS}
    by_trace = {each.id for each in PROPERTIES if each.checked_by == "trace"}
    assert by_trace == set(PAIRS) | of_threads


def test_the_catalogue_speaks_for_itself() -> None:
    assert len(PROPERTY) == len(PROPERTIES)
    for each in PROPERTIES:
        assert re.fullmatch(r"[BCEOKRWTLMSX]-\d", each.id)
        assert each.statement.endswith(".")
        assert each.source
        assert each.how
        assert each.kernels


def test_what_did_not_happen_is_counted_as_nothing() -> None:
    verdicts = check([], completion=False, simulated=True, close_tolerance_ns=0)
    assert verdicts.checked == dict.fromkeys(PROPERTY, 0)
    counted = {name for name, count in Tape().accepted().verdicts().checked.items() if count}
    assert counted == {"S-1"}


def test_a_property_of_readiness_counts_nothing_over_completion() -> None:
    tape = Tape(completion=True).accepted().op("set_timeouts", None, 5_000_000)
    tape.wait().at(5).wait(timeout_ns=5_000_000)
    tape.enabled = 2
    verdicts = tape.event(0x42).verdicts()
    assert verdicts.violations == ()
    assert verdicts.checked["T-3"] == 0
    assert verdicts.checked["T-1"] == 1


def test_each_property_is_reported_once_for_a_bufferevent() -> None:
    tape = Tape().accepted()
    for _ in range(5):
        tape.wait().read_callback()
    assert broken(tape) == ["C-2"]


def test_a_violation_names_its_record_and_is_one_plain_line() -> None:
    tape = PAIRS["C-1"][1][0]()
    (violation,) = tape.verdicts().violations
    assert tape.records[violation.record][1] == "cb"
    assert violation.message == (
        "s0 got a read callback for 64 new bytes after disable(READ) returned"
    )


@pytest.mark.parametrize(("name", "build"), BAD, ids=_label)
def test_messages_are_single_lines(name: str, build: Builder) -> None:
    for violation in build().verdicts().violations:
        assert "\n" not in violation.message
        assert 10 < len(violation.message) < 200


def test_a_peer_may_record_its_send_after_the_bytes_arrived() -> None:
    tape = Tape().accepted().wait().arrive(64).read_callback().peer_sends(64)
    assert broken(tape) == []


def test_what_a_failed_send_of_the_peer_left_behind_is_not_judged() -> None:
    from model.errors import Errno

    tape = Tape().accepted().wait().arrive(64).read_callback()
    assert broken(tape.peer("send", 100, Errno.ECONNRESET)) == []


def test_a_real_network_gets_time_and_a_simulated_one_none() -> None:
    late = Tape().accepted().at(9).peer_sends(64).at(10).wait().add("quiet")
    assert [each.property for each in late.verdicts(simulated=True).violations] == ["L-1"]
    assert late.verdicts(simulated=False).violations == ()
    assert late.verdicts(simulated=False).checked["L-1"] == 0


def test_the_clock_s_tolerance() -> None:
    early = PAIRS["T-1"][1][0]()
    assert [each.property for each in early.verdicts().violations] == ["T-1"]
    assert early.verdicts(tolerance_ns=1_000_000).violations == ()
