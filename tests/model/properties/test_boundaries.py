"""Where a verdict turns: traces with numbers in them, broken from one value on and not before."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import Errno
from model.kernel import EPOLLIN, EPOLLOUT
from model.properties import check, compare_runs
from model.properties.threads import PROPERTIES as THREADS
from model.properties.threads import check_threads
from model.properties.timeouts import GRANULE_NS
from model.subject import (
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
)
from model.trace import Record
from tests.model.properties.pairs_layers import pair
from tests.model.properties.pairs_rates import LIMITS, grouped, one_read
from tests.model.properties.pairs_tls import Tls
from tests.model.properties.test_threads import PAIRS, SPAWNED, trace
from tests.model.properties.traces import DEFERRED, FD, MS, Tape, broken

SIZES = st.integers(1, 6)


def _broken(tape: Tape, **how: Any) -> list[str]:
    return [each.property for each in tape.verdicts(**how).violations]


# Bytes.


@given(SIZES, SIZES, SIZES, st.booleans(), st.sampled_from(("", "disable", "close")))
def test_what_is_written_behind_a_half_close_goes_out(
    size: int, taken: int, received: int, fails: bool, also: str
) -> None:
    """X-2: unless the writer was stopped, or the peer has gone altogether; nothing is said of a
    network that still carries what was taken."""
    taken = min(size, taken)
    received = min(taken, received)
    tape = Tape().accepted().peer("shutdown").wait().eof().event(0x11).write(size)
    tape.wait((FD, EPOLLOUT)).leave(taken).peer_receives(received)
    if fails:
        tape.add("send", FD, 8, Errno.EPIPE)
        tape.enabled &= ~EV_WRITE
        tape.event(0x22, Errno.EPIPE)
    if also == "disable":
        tape.disable(EV_WRITE)
    elif also == "close":
        tape.peer("close")
    verdicts = compare_runs([("sim-epoll", tape.records)])
    stays = fails or (also != "disable" and received == taken < size)
    assert [each.property for each in verdicts.violations] == ["X-2"] * (stays and also != "close")
    assert verdicts.checked["X-2"] == (also != "close")


@given(SIZES, SIZES, SIZES, st.booleans())
def test_an_end_behind_all_bytes(size: int, handed: int, came: int, told: bool) -> None:
    """B-2, of a pair: who was told the end has got all that was handed down to the last byte."""
    handed, came = min(size, handed), min(size, handed, came)
    tape = pair().write(size).add("buffer", "c0", "output", 0, handed)
    tape.add("buffer", "s0", "input", came, 0)
    if told:
        tape.op("flush", 4, 2).add("ret", "c0", "flush", 1)
        tape.add("cb", "s0", "event", 0x11, None, came, 0, EV_WRITE)
        tape.add("cb_end", "s0", "event", came, 0)
    assert ("B-2" in broken(tape)) == (told and handed == size and came < size)


@given(SIZES, st.booleans())
def test_output_that_was_not_thrown_away_goes_out(size: int, refused: bool) -> None:
    """B-1, B-3: a drain that is refused changes nothing; behind one that is not, nothing is left
    that could be sent."""
    tape = Tape().accepted().wait().write(size).add("drain", "s0", -1 if refused else 0)
    tape.wait((FD, EPOLLOUT)).leave(size).peer_receives(size)
    assert (not broken(tape)) == refused


# Watermarks.


@given(SIZES, SIZES, st.booleans())
def test_enabling_tells_an_output_at_its_low_watermark(low: int, size: int, deferred: bool) -> None:
    """W-2: such a write callback was due at that moment, also when more was written since."""
    tape = Tape(options=DEFERRED if deferred else 1).accepted(EV_READ)
    tape.op("setwatermark", EV_WRITE, low, 0).disable(EV_WRITE).write(size).enable(EV_WRITE)
    tape.write(10).wait().write_callback()
    assert ("W-2" in broken(tape)) == (not deferred or size > low)


@given(SIZES, SIZES, st.booleans())
def test_enabling_tells_what_came_meanwhile(low: int, size: int, told: bool) -> None:
    """L-1, over completion: bytes that arrived while reading was disabled are told of once it runs
    again, unless they are below the low watermark."""
    tape = Tape(completion=True).accepted().op("setwatermark", EV_READ, low, 0).wait()
    tape.disable(EV_READ).arrive(size).enable(EV_READ)
    if told and size >= low:
        tape.read_callback()
    tape.wait().add("quiet")
    assert ("L-1" in broken(tape)) == (size >= low and not told)


@given(st.integers(0, 4), st.integers(0, 6))
def test_each_trigger_allows_one_callback_below_the_watermark(triggers: int, calls: int) -> None:
    """W-2, C-2: and the bytes that came allow one more, which needs the leave of a trigger too."""
    tape = Tape().accepted().op("setwatermark", EV_READ, 50, 0).wait().arrive(10)
    for _ in range(triggers):
        tape.op("trigger", EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS)
    tape.wait()
    for _ in range(calls):
        tape.read_callback(reads=False)
    rules = broken(tape)
    assert ("C-2" in rules) == (calls > triggers + 1)
    assert ("W-2" in rules) == (calls > (triggers + 1 if triggers else 0))


@given(st.lists(st.tuples(st.integers(6, 10), st.integers(46, 50)), min_size=1, max_size=3))
@example([(8, 48), (8, 48)])
@example([(8, 49)])
def test_a_pass_has_its_share_of_records(passes: list[tuple[int, int]]) -> None:
    """R-6: eight reads and 48 records written by one engine, in every pass anew."""
    tape = Tls()
    tape.write(1_000)
    for reads, writes in passes:
        tape.wait()
        for _ in range(reads):
            tape.reads(1)
        for _ in range(writes):
            tape.add("tls", "c0", "write", 1, 1)
    over = any(reads > 8 or writes > 48 for reads, writes in passes)
    assert ("R-6" in broken(tape)) == over


@given(st.integers(1, 900), st.integers(0, 3), st.integers(0, 5), st.booleans())
@example(700, 1, 4, True)
def test_the_clock_of_a_pass_fills_buckets(size: int, late: int, begun: int, foreign: bool) -> None:
    """R-4, of a group: libevent fills by a timer of every tick, behind what the descriptors told,
    and by the clock of the pass; so at the end of a pass of `late` ticks it may have filled more
    often than the records tell, by one tick and those."""
    tape = grouped().at(begun).wait().wait().at(begun + late)
    rate, burst = LIMITS[:2]
    lacks = size > min(burst, rate * (1 + begun + late)) + foreign * rate * (late + 1)
    verdicts = check(
        one_read(tape, size).records,
        completion=False,
        simulated=True,
        close_tolerance_ns=0,
        foreign=foreign,
    )
    assert ("R-4" in [each.property for each in verdicts.violations]) == lacks


@given(st.booleans(), st.integers(0, 4), st.sampled_from((EV_READ, EV_WRITE)))
def test_a_timeout_of_a_direction_without_tokens(deferred: bool, passes: int, way: int) -> None:
    """T-5: never; but a deferred event may have been under way when the tokens ran out, in that
    pass or the one before."""
    tape = Tape(options=DEFERRED if deferred else 1).accepted().op("set_rate_limit", *LIMITS)
    tape.op("set_timeouts", MS, MS).write(10).wait()
    tape.add("suspend", "s0", "read" if way == EV_READ else "write", 2).at(1)
    for _ in range(passes):
        tape.wait()
    tape.event(0x41 if way == EV_READ else 0x42)
    assert ("T-5" in broken(tape)) == (not deferred or passes > 1)


@given(st.booleans(), st.integers(0, 4), st.booleans())
def test_a_timed_out_direction_that_was_enabled_again(
    deferred: bool, passes: int, enabled: bool
) -> None:
    """E-6: a timeout disables its direction. It may be enabled again before a deferred event is
    told, in that pass or the next."""
    tape = Tape(options=DEFERRED if deferred else 1).accepted()
    tape.op("set_timeouts", MS, None).wait().at(1).enable(EV_READ)
    for _ in range(passes):
        tape.wait()
    if not enabled:
        tape.enabled &= ~EV_READ
    tape.event(0x41)
    assert ("E-6" in broken(tape)) == (enabled and not (deferred and passes <= 1))


# Time.

TIMES = st.integers(0, 12 * MS)
EDGES = st.sampled_from((-1, 0, 1))


@given(st.sampled_from((EV_READ, EV_WRITE)), TIMES, TIMES, EDGES, st.integers(0, MS))
def test_a_timeout_that_never_came(
    direction: int, timeout: int, quiet: int, edge: int, tolerance: int
) -> None:
    """T-1, when quiet: from a granule and the tolerance after it was due."""
    timeout += 1
    due = timeout + GRANULE_NS + tolerance
    quiet = quiet if edge < 0 else due + edge
    timeouts = (timeout, None) if direction == EV_READ else (None, timeout)
    tape = Tape().accepted().op("set_timeouts", *timeouts)
    if direction == EV_WRITE:
        tape.write(64)
    tape.wait().poll(EPOLLIN | EPOLLOUT).at(quiet / MS)
    tape.now = quiet
    assert ("T-1" in _broken(tape.add("quiet"), tolerance_ns=tolerance)) == (quiet > due)


@given(TIMES, TIMES, EDGES, st.integers(0, MS))
def test_a_timeout_that_came_early(timeout: int, fired: int, edge: int, tolerance: int) -> None:
    """T-1: the tolerance is for clocks that are read twice."""
    timeout += 1
    fired = fired if edge < 0 else max(timeout - tolerance - edge, 0)
    tape = Tape().accepted().op("set_timeouts", timeout, None).wait().write_callback()
    tape.now = fired
    tape.wait(timeout_ns=fired)
    tape.enabled &= ~EV_READ
    early = "T-1" in _broken(tape.event(0x41), tolerance_ns=tolerance)
    assert early == (fired < timeout - tolerance or fired > timeout + tolerance + GRANULE_NS)


@given(st.integers(0, 40))
def test_a_deferred_timeout_may_be_of_the_pass_before_when_there_are_many(others: int) -> None:
    """T-2: event.c's MAX_DEFERREDS_QUEUED is 32."""
    tape = Tape(options=DEFERRED).accepted()
    for number in range(1, others + 1):
        tape.add("new", f"s{number}", "socket", 1, 100 + number)
    tape.op("set_timeouts", 5 * MS, None).wait().at(6).wait((FD, EPOLLIN), timeout_ns=6 * MS)
    tape.enabled &= ~EV_READ
    assert ("T-2" in broken(tape.event(0x41))) == (others + 1 <= 32)


@given(st.integers(0, 70_000), st.integers(0, 10 * MS), st.booleans(), st.booleans())
@example(1, 5 * MS, True, False)
@example(1, 5 * MS - 1, True, False)
@example(1, 4 * MS, True, False)
def test_of_a_real_network_the_last_moments_are_not_judged(
    size: int, since: int, ended: bool, simulated: bool
) -> None:
    """L-1, L-2: five milliseconds, and what is behind the first window."""
    tape = Tape().accepted().peer_sends(size) if size else Tape().accepted()
    if ended:
        tape.peer("shutdown")
    tape.wait()
    tape.now = since
    found = _broken(tape.add("quiet"), simulated=simulated)
    judged = simulated or (size <= 65_536 and since >= 5 * MS)
    assert ("L-1" in found) == (judged and size > 0)
    assert ("L-2" in found) == (judged and ended and not size)


# Connecting.


@given(st.sampled_from((0, EV_READ, EV_WRITE, EV_READ | EV_WRITE)), st.booleans())
def test_who_waits_for_the_outcome_of_a_connect(mask: int, told: bool) -> None:
    """E-1: whoever has not disabled writing hard is told what the kernel told."""
    tape = Tape(name="c0").connects().op("disable_hard", mask)
    tape.enabled &= ~mask
    tape.wait()
    if told:
        tape.add("so_error", FD, None)
    assert ("E-1" in broken(tape.wait().add("quiet"))) == (told and not mask & EV_WRITE)


# A run that was cut.


@given(st.sampled_from(("budget", "crash", "hang", "")), st.integers(0, 3))
def test_of_a_run_that_was_cut_nobody_says_what_is_alive(cut: str, alive: int) -> None:
    """S-3 is of a base that was freed in order."""
    tape = Tape().accepted().add("teardown") if not cut else Tape().accepted()
    if cut == "budget":
        tape.add("budget", 20_001)
    elif cut == "crash":
        tape.add("crash", "IndexError", "pop from empty list", "x:1 f")
    elif cut == "hang":
        tape.add("hang", "deadlock")
    tape.add("base_free", alive)
    assert ("S-3" in broken(tape)) == (alive > 0 and not cut)


@given(st.integers(990, 1_010), st.booleans())
def test_a_long_run_is_not_one_that_spins(since: int, between_layers: bool) -> None:
    """L-5: a run may be cut for its length. It spins if its last thousand records move no byte."""
    tape = Tape().accepted().wait().arrive(1)
    if between_layers:
        tape.add("buffer", "s0", "input", 0, 0).add("buffer", "s0", "output", 0, 1)
    for _ in range(since):
        tape.add("step", 0, "wait")
    assert ("L-5" in broken(tape.add("budget", 50_001))) == (since >= 1_000)


# Threads.


def _renamed(records: list[Record], names: dict[str, str]) -> list[Record]:
    return [
        (record[0], record[1], *(names.get(each, each) if isinstance(each, str) else each
                                 for each in record[2:]))
        for record in records
    ]  # fmt: skip


@given(st.sampled_from(PAIRS), st.permutations(("a", "b")), st.permutations("xyzg"), st.booleans())
def test_names_of_threads_and_locks_do_not_matter(
    case: tuple[str, list[Any], list[Any]], threads: list[str], locks: list[str], whole: bool
) -> None:
    """K: what breaks, breaks under other names, and in the check of a whole run."""
    name, bad, good = case
    names = dict(zip(("a", "b"), threads, strict=True)) | dict(zip("xyzg", locks, strict=True))
    for lines in (bad, good):
        records = trace([*SPAWNED, *lines])
        renamed = _renamed(records, names)
        found = {each.property for each in check_threads(records).violations}
        assert {each.property for each in check_threads(renamed).violations} == found
        if whole:
            verdicts = check(renamed, completion=False, simulated=True, close_tolerance_ns=0)
            of_threads = {each.id for each in THREADS}
            assert {each.property for each in verdicts.violations} & of_threads >= found - {"K-4"}
    assert name in {each.property for each in check_threads(trace([*SPAWNED, *bad])).violations}


@given(st.integers(0, 4 * MS), st.integers(0, 3 * MS), EDGES)
@example(0, MS, 0)
def test_how_late_a_loop_may_wake(late: int, tolerance: int, edge: int) -> None:
    """K-4: what a thread gives to a loop that waits ends the wait; kernels wake within what
    `close_tolerance_ns` says, and a millisecond."""
    from model.properties import WAKE_NS

    late = late if edge < 0 else tolerance + WAKE_NS + edge
    lines = [*SPAWNED, ("a", "touch", "base.active", "write"), ("main", "epoll_wait", 3, None, [])]
    records = [*trace(lines)]
    records[-1] = (records[-3][0] + late, *records[-1][1:])
    verdicts = check(records, completion=False, simulated=True, close_tolerance_ns=tolerance)
    found = {each.property for each in verdicts.violations}
    assert ("K-4" in found) == (late > tolerance + WAKE_NS)
