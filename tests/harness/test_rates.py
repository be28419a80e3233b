"""Scenarios with rate limits: what their steps do, and how long a run waits for a refill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import race_free
from harness.features import features
from harness.noise_limits import CALM_LIMITS, GROUPS, LATER_LIMITS, LIMITS, SETUP_LIMITS
from harness.run import run
from harness.scenario import (
    DURATION_MAX_NS,
    AppStep,
    BuffereventEnd,
    Connection,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
    group_limits,
)
from harness.scenario_json import from_json, to_json, validate
from harness.scenario_needs import needs
from harness.shrinking.parts import parts_out
from harness.words import describe
from model.rate_limit import token_bucket_cfg_new
from model.trace import Record

MS = 1_000_000
simulated = pytest.mark.parametrize("world", ["sim-epoll", "sim-iocp"])


def limited(*steps: Step, app: tuple[AppStep, ...] = (), groups: tuple[RateGroup, ...] = (),
            sends: int = 1_000) -> Scenario:  # fmt: skip
    """A client with these steps at set-up; its raw peer sends."""
    client = BuffereventEnd(setup=(Step("enable", ("RW",)), *steps))
    server = PeerEnd((Step("send", ((sends,),)),))
    return Scenario((Connection(client, server),), app, groups=groups)


def set_limit(rate: int, tick_ms: int = 1) -> Step:
    return Step("set_rate_limit", (rate, rate, rate, rate, tick_ms * MS))


def ops(records: tuple[Record, ...], who: str) -> list[str]:
    return [record[3] for record in records if record[1] == "op" and record[2] == who]


@simulated
def test_a_limit_slows_a_run_down_and_breaks_nothing(world: str) -> None:
    slow = run(limited(set_limit(100)), world)
    assert slow.verdicts.violations == ()
    for name in ("R-1", "R-3", "R-4", "R-6"):
        assert slow.verdicts.checked[name]
    times = [record[0] for record in slow.records if record[1] == "read"]
    assert times[-1] >= 9 * MS
    assert sum(len(record[4]) for record in slow.records if record[1] == "read") == 1_000


@simulated
def test_every_step_about_rates_is_done(world: str) -> None:
    later = (
        Step("join_group", (0,)), Step("set_group_limit", (0, 50, 50, 50, 50, MS)),
        Step("decrement_read", (10,)), Step("decrement_write", (-10,)),
        Step("set_max_single", (10, 20)), Step("leave_group"), Step("clear_rate_limit"),
    )  # fmt: skip
    app = (
        AppStep("wait", None, (MS,)),
        *[AppStep(step.do, "c0", step.args) for step in later],
    )
    outcome = run(limited(set_limit(100), app=app, groups=(RateGroup(),)), world)
    assert outcome.verdicts.violations == ()
    assert ops(outcome.records, "c0")[2:] == [
        "set_rate_limit", "connect", "add_to_rate_limit_group", "decrement_read_limit",
        "decrement_write_limit", "set_max_single_read", "set_max_single_write",
        "remove_from_rate_limit_group", "set_rate_limit", "free",
    ]  # fmt: skip
    assert ops(outcome.records, "g0") == [
        "rate_limit_group_new", "rate_limit_group_set_min_share", "rate_limit_group_set_cfg",
        "rate_limit_group_free",
    ]  # fmt: skip
    assert outcome.verdicts.checked["R-2"]


@simulated
def test_what_cannot_be_done_is_not_done(world: str) -> None:
    """A rate above its burst, a group that is not there, tokens of no limit."""
    steps = (
        Step("set_rate_limit", (2, 1, 2, 1, MS)), Step("join_group", (1,)),
        Step("set_group_limit", (0, 2, 1, 2, 1, MS)), Step("decrement_read", (5,)),
        Step("decrement_write", (5,)),
    )  # fmt: skip
    outcome = run(limited(*steps, groups=(RateGroup(),)), world)
    assert outcome.verdicts.violations == ()
    assert ops(outcome.records, "c0") == ["setcb", "enable", "connect", "free"]


def test_quiet_waits_for_the_refill() -> None:
    assert needs(limited()).longest_refill_ns == 0
    assert needs(limited(set_limit(100, 2))).longest_refill_ns == 6 * MS
    debt = (set_limit(100, 2), Step("decrement_read", (1_000,)), Step("decrement_read", (-1_000,)))
    assert needs(limited(*debt)).longest_refill_ns == 26 * MS
    assert needs(limited(groups=(RateGroup(),))).longest_refill_ns == 3 * MS
    assert needs(limited(set_limit(1, 9_000))).longest_refill_ns == DURATION_MAX_NS


@simulated
def test_a_debt_is_over_before_the_run_is_quiet(world: str) -> None:
    debt = AppStep("decrement_read", "c0", (900_000,))
    app = (AppStep("wait", None, (MS,)), debt)
    outcome = run(limited(set_limit(1_000, 1), app=app, sends=64), world)
    assert outcome.verdicts.violations == ()
    told = [record[4] for record in outcome.records if record[1] == "suspend"]
    assert told[-1] == 0


def test_calm_limits_are_race_free_and_slow_ones_are_not() -> None:
    for step in CALM_LIMITS:
        assert race_free(limited(step))
    assert not race_free(limited(set_limit(100, 1)))
    assert not race_free(limited(Step("join_group", (0,)), groups=(RateGroup(),)))


def test_the_tables_of_noise_are_steps() -> None:
    steps = tuple(dict.fromkeys([*SETUP_LIMITS, *LATER_LIMITS]))
    for groups in GROUPS:
        validate(limited(*steps, groups=groups))
        for group in groups:
            assert token_bucket_cfg_new(*group_limits(group)) is not None
    refused = [limits for limits in LIMITS if token_bucket_cfg_new(*limits) is None]
    assert len(refused) == 1


@given(st.lists(st.sampled_from(LATER_LIMITS), max_size=3), st.sampled_from(GROUPS))
def test_json_tells_groups_and_back(steps: list[Step], groups: tuple[RateGroup, ...]) -> None:
    scenario = limited(*steps, groups=groups)
    assert from_json(to_json(scenario)) == scenario
    assert ("rate limit groups" in features(scenario)) is bool(groups)
    if groups:
        assert any(part.groups == groups[:-1] for _, part in parts_out(scenario))


def test_records_in_plain_words() -> None:
    assert describe((0, "suspend", "c0", "read", 6)) == "c0: read is suspended: BW|BW_GROUP"
    assert describe((0, "suspend", "c0", "write", 0)) == "c0: write is not suspended"
    assert describe((0, "bucket", "g0", -5, 7)) == (
        "the bucket of g0 has -5 bytes to read and 7 to write"
    )
