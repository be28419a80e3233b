"""libevent's rate limits, pairs, filters and TLS: bound, traced, the same in every process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cage import Cage, Job, shared
from harness.run import Outcome, run
from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
)
from harness.sweep import sweep
from model.errors import UsageError
from model.rate_limit import RateLimitConfig, TokenBucket
from model.trace import encode_trace
from tests.harness.foreign import needs_libevent

pytestmark = needs_libevent

MS = 1_000_000
SENT = 20_001
#: stacks of which a calm echo breaks nothing
STACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pair": ("pair", ()),
    "copy": ("socket", ("copy",)),
    "prepend": ("socket", ("prepend",)),
    "double": ("pair", ("double",)),
    "zlib": ("socket", ("zlib",)),
    "tls": ("socket", ("tls",)),
    "tls-1.2": ("socket", ("tls-1.2",)),
    "tls-dirty": ("pair", ("tls-dirty",)),
    "tls-socket": ("tls", ()),
    "tls-in-tls": ("tls", ("tls-1.2",)),
}


def echo(transport: str, kinds: tuple[str, ...], options: tuple[str, ...] = ()) -> Scenario:
    given_options = ("CLOSE_ON_FREE", *options)
    client = BuffereventEnd(given_options)
    server = BuffereventEnd(given_options, on_read=((Step("echo"),),) * 40)
    app = (
        AppStep("wait", None, (5 * MS,)),
        AppStep("write", "c0", (20_000,)),
        AppStep("write", "c0", (1,)),
    )
    layers = tuple(map(Layer, kinds))
    return Scenario((Connection(client, server, transport, layers),), app)


def libevent(scenario: Scenario, world: str = "sim-epoll") -> Outcome:
    return run(scenario, world, subject="libevent")


def taken(outcome: Outcome, name: str) -> int:
    return sum(len(r[4]) for r in outcome.records if r[1] == "read" and r[2] == name)


@pytest.mark.parametrize("world", ["sim-epoll", "epoll"])
@pytest.mark.parametrize("stack", STACKS)
def test_an_echo_through_a_stack(stack: str, world: str) -> None:
    """All bytes come back, nothing leaks, and no property breaks at any level."""
    outcome = libevent(echo(*STACKS[stack]), world)
    assert not outcome.verdicts.violations
    assert taken(outcome, "c0") == SENT
    assert outcome.records[-1][1:] == ("base_free", 0)


@settings(max_examples=15)
@given(
    st.sampled_from(["socket", "pair"]),
    st.lists(st.sampled_from(["copy", "prepend", "double", "stored", "tls"]), max_size=3),
)
def test_deferred_stacks_of_any_kind_carry_an_echo(transport: str, kinds: list[str]) -> None:
    """Where callbacks are deferred, and so cannot nest, layers stand on each other."""
    known = tuple("zlib" if kind == "stored" else kind for kind in kinds)
    outcome = libevent(echo(transport, known, ("DEFER_CALLBACKS",)))
    assert taken(outcome, "c0") == SENT
    assert outcome.records[-1][1:] == ("base_free", 0)


@pytest.fixture(scope="module")
def other_cage() -> Iterator[Cage]:
    """Another process, under another hash seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "78")
        cage = Cage()
        cage.version("libevent")
    yield cage
    cage.close()


LIMITED = Scenario(
    tuple(
        Connection(
            BuffereventEnd(setup=(Step("enable", ("RW",)), Step("join_group", (0,)))),
            PeerEnd((Step("send", ((5_000,),)),)),
        )
        for _ in range(3)
    ),
    groups=(RateGroup(1_000, 2_000, 1_000, 2_000, MS),),
)


@pytest.mark.parametrize(
    "scenario", [*(echo(*stack) for stack in STACKS.values()), LIMITED], ids=[*STACKS, "group"]
)
def test_a_run_is_the_same_in_another_process(other_cage: Cage, scenario: Scenario) -> None:
    """What TLS encrypts is random, and a group's random order hangs on an address: no record of
    either is."""

    def trace(cage: Cage) -> list[str]:
        played = cage.run(Job(scenario, "sim-epoll", (), "libevent", None, 50_000))
        return encode_trace(played.records)

    assert trace(shared("libevent")) == trace(other_cage)


PYTHONS_OWN = """
import socket, ssl, sys
from harness.run import play
from harness.tls import NAME, context
from model.choices import Choices
from tests.real.test_libevent_layers import STACKS, echo

played = play(echo(*STACKS["tls-socket"]), "sim-epoll", Choices(()), "libevent")
assert played.records[-1][1:] == ("base_free", 0)
sockets = socket.socketpair()
ends = []
for server, end in enumerate(sockets):
    end.setblocking(False)
    name = None if server else NAME
    made = context("1.3", bool(server))
    ends.append(made.wrap_socket(end, bool(server), False, server_hostname=name))
for _ in range(4):
    for end in ends:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
ends[0].send(b"own")
print(ends[1].recv(9).decode())
"""


def test_the_interpreters_own_tls_keeps_its_descriptors() -> None:
    """libcrypto's table of imports is shared by the process: calls on other descriptors pass."""
    command = [sys.executable, "-c", PYTHONS_OWN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("own\n", 0), done.stderr[-2_000:]


def test_what_a_layer_does_below_is_in_the_trace() -> None:
    outcome = libevent(echo("socket", ("copy",)))
    told = [record[1:4] for record in outcome.records if record[1:3] == ("op", "c0/0")]
    assert told[:2] == [("op", "c0/0", "setcb"), ("op", "c0/0", "enable")]
    assert ("op", "c0/0", "free") in told
    suspended = [r[3:] for r in outcome.records if r[1] == "suspend" and r[2] == "c0/0"]
    assert suspended[:2] == [("read", 0x10), ("read", 0)]  # SUSPEND_FILT_READ, until c0 reads


# Rates.


@settings(max_examples=15)
@given(st.integers(200, 4_000), st.integers(0, 3_000), st.integers(1, 20))
def test_a_limit_takes_its_time(rate: int, more: int, tick_ms: int) -> None:
    """No sooner than a bucket that is kept by hand lets, and the properties of rates hold."""
    limits = (rate, rate + more, rate, rate + more, tick_ms * MS)
    server = BuffereventEnd(setup=(Step("enable", ("RW",)), Step("set_rate_limit", limits)))
    scenario = Scenario((Connection(PeerEnd((Step("send", ((6_000,),)),)), server),))
    outcome = libevent(scenario)
    bucket = TokenBucket(RateLimitConfig(*limits), 0)
    for record in outcome.records:
        if record[1] == "recv" and isinstance(record[4], bytes):
            bucket.update(record[0])
            assert len(record[4]) <= max(bucket.limits[0], 0)
            bucket.take(0, len(record[4]), record[0])
    broken = {violation.property for violation in outcome.verdicts.violations}
    assert not broken - {"C-2"}  # findings/write-callback-by-limit
    assert outcome.verdicts.checked["R-1"] > 0


def test_a_group_shares_and_counts() -> None:
    outcome = libevent(LIMITED)
    totals = [r[4] for r in outcome.records if r[3:4] == ("rate_limit_group_get_totals",)]
    assert totals == [[15_000, 0]]
    assert {v.property for v in outcome.verdicts.violations} <= {"L-5"}  # group-timer-never-rests
    assert outcome.records[-1][1:] == ("base_free", 0)


def test_limits_that_change_are_let_go_of() -> None:
    """libevent keeps no copy of a bufferevent's limits: ours live as long as the base."""
    limits = [(rate, rate, rate, rate, MS) for rate in (500, 1_000, 500)]
    steps = [Step("set_rate_limit", each) for each in limits] + [Step("clear_rate_limit")]
    server = BuffereventEnd(setup=(Step("enable", ("RW",)), *steps))
    outcome = libevent(Scenario((Connection(PeerEnd(), server),)))
    assert outcome.records[-1][1:] == ("base_free", 0)


# Without memory, and what is refused.


def test_without_memory_for_a_pair_there_is_none() -> None:
    """Each of the first allocations of a filter on a pair fails once, and a run comes of it."""
    end = BuffereventEnd()
    scenario = Scenario((Connection(end, end, "pair", (Layer(),)),))
    done = list(sweep(scenario, "sim-epoll", "malloc", "ENOMEM", subject="libevent", most=3))
    assert len(done) == 3
    assert all(outcome.records[-1][1] in ("base_free", "crash") for outcome in done)


def test_what_is_not_bound_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^small chains that share a record .*not bound"):
        libevent(echo("socket", ("tls-batch",)))


def test_what_was_read_before_a_death_is_recorded() -> None:
    """filter-freed-in-callback, behind a callback that reads."""
    watermark = Step("setwatermark", ("R", 0, 64))
    server = BuffereventEnd(
        setup=(Step("enable", ("RW",)), watermark),
        on_read=((Step("read", (5,)),), (Step("free"),)),
    )
    connection = Connection(BuffereventEnd(), server, "socket", (Layer("copy"),))
    app = [AppStep("write", "c0", (5,)), AppStep("wait", None, (1_000_000,))]
    outcome = libevent(Scenario((connection,), (*app, AppStep("write", "c0", (64,)))))
    assert outcome.records[-1][1] == "crash"
    assert [len(each[4]) for each in outcome.records if each[1] == "read"] == [5]
    assert [each.property for each in outcome.verdicts.violations] == ["S-1"]


@pytest.mark.parametrize("kind", ["copy", "tls"])
def test_the_descriptor_of_a_stack_that_was_not_made_is_closed(kind: str) -> None:
    """S-4, also without CLOSE_ON_FREE, whichever allocation fails."""
    server = BuffereventEnd(options=("DEFER_CALLBACKS",), setup=())
    connection = Connection(BuffereventEnd(), server, "socket", (Layer(kind),))
    done = list(sweep(Scenario((connection,)), "sim-epoll", "malloc", "ENOMEM", subject="libevent"))
    assert len(done) > 10
    whole = [each for each in done if not any(r[1] == "crash" for r in each.records)]
    assert len(whole) > 10
    for outcome in whole:
        assert "S-4" not in {each.property for each in outcome.verdicts.violations}
