"""Limits that libevent had no memory for: those before go on, and so does a group before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.subject import EV_READ
from tests.model.properties.pairs_rates import LIMITS, one_read
from tests.model.properties.traces import MS, Tape, broken

SMALL = (10, 10, 10, 10, MS)


@given(st.booleans(), st.integers(1, 400))
def test_a_limit_that_was_refused_does_not_hold(refused: bool, size: int) -> None:
    """R-4, R-1: of the two limits the one that was set."""
    tape = Tape().accepted().op("set_rate_limit", *LIMITS).op("set_rate_limit", *SMALL)
    if refused:
        tape.add("ret", "s0", "set_rate_limit", -1)
    rate = LIMITS[0] if refused else SMALL[0]
    assert ("R-4" in broken(one_read(tape.wait(), size), foreign=True)) == (size > rate)


@given(st.booleans(), st.booleans(), st.integers(1, 400))
def test_a_group_that_was_refused_is_not_joined(before: bool, refused: bool, size: int) -> None:
    """R-4: whoever could not join stays where it was, in another group or in none."""
    tape = Tape().accepted(EV_READ)
    tape.add("op", "g0", "rate_limit_group_new", LIMITS)
    tape.add("op", "g1", "rate_limit_group_new", SMALL)
    if before:
        tape.op("add_to_rate_limit_group", 0)
    tape.op("add_to_rate_limit_group", 1)
    if refused:
        tape.add("ret", "s0", "add_to_rate_limit_group", -1)
    found = broken(one_read(tape.wait(), size), foreign=True)
    if refused and not before:
        assert "R-4" not in found
    else:
        limits = LIMITS if refused else SMALL
        most = limits[0] + limits[0]  # and a tick's rate, by which libevent's timer may be ahead
        assert ("R-4" in found) == (size > most)


@given(st.booleans(), st.integers(1, 400))
def test_a_change_of_a_group_that_was_refused_changes_nothing(refused: bool, size: int) -> None:
    """R-4: of the group's limits the ones that hold."""
    tape = Tape().accepted(EV_READ)
    tape.add("op", "g0", "rate_limit_group_new", LIMITS).op("add_to_rate_limit_group", 0)
    tape.add("op", "g0", "rate_limit_group_set_cfg", SMALL)
    if refused:
        tape.add("ret", "g0", "rate_limit_group_set_cfg", -1)
    limits = LIMITS if refused else SMALL
    most = limits[0] + limits[0]  # and a tick's rate, by which libevent's timer may be ahead
    assert ("R-4" in broken(one_read(tape.wait(), size), foreign=True)) == (size > most)


@given(st.integers(0, 3), st.booleans(), st.integers(0, 4))
def test_a_change_of_ticks_in_a_pass(late: int, foreign: bool, level: int) -> None:
    """R-1: the ticks up to a change are those by the clock of the pass, for libevent; so what came
    in the pass is in doubt from then on."""
    rate, burst = 1, 9
    tape = Tape().accepted(EV_READ).op("set_rate_limit", rate, burst, rate, burst, MS).wait()
    tape.at(late).op("set_rate_limit", rate, burst, rate, burst, 50 * MS)
    tape.add("bucket", "s0", level, 1 + late)
    possible = abs(level - (1 + late)) <= (late if foreign else 0)
    assert ("R-1" in broken(tape, foreign=foreign)) != possible
