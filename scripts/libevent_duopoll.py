"""What duopoll does to libevent for a while, in one process: fuzzing and sweeps.

`libevent_coverage` starts several with different seeds. Of the seconds given, five in eight go to
`sim-epoll`, one to the real `epoll`, one to TLS over any stack, of which the fuzzer draws the
smallest for libevent, and one to sweeps, in which each call of a kind fails in turn.
The last line printed is a JSON object: runs, what the failures say, seconds of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from time import monotonic

from harness.cage import shared
from harness.failure import save_in
from harness.foreign import within
from harness.fuzz import FuzzReport, fuzz
from harness.motifs import MOTIFS, with_motif
from harness.noise import scenario_of, tape_of
from harness.run import run
from harness.sweep import sweep
from model.errors import DuopollError, UsageError

SUBJECT = "libevent"
EIGHTHS = {"sim-epoll": 5, "epoll": 1}  # the rest is for TLS and sweeps
SWEPT = (
    *(("malloc", "ENOMEM"), ("epoll_ctl", "ENOMEM"), ("malloc", "ENOMEM"), ("epoll_ctl", "ENOSPC")),
    *(("recv", "ECONNRESET"), ("malloc", "ENOMEM"), ("send", "ECONNRESET"), ("recv", "EINTR")),
    *(("malloc", "ENOMEM"), ("connect", "ENETUNREACH"), ("accept", "EMFILE"), ("send", "EINTR")),
)
SIZES, TAPES = (24, 64, 160), (0, 16, 100)  # bytes of noise
SEEDS_APART = 1_000  # of one campaign and the next in its place
SWEPT_MOST = 400  # runs of one sweep


def main() -> int:
    """Prints what was done."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--keep", metavar="DIR", required=True, help="for failure files")
    options = parser.parse_args()
    runs: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for world, share in EIGHTHS.items():
        seconds = options.seconds * share / 8
        runs[world], failures = fuzzing(world, options.seed, seconds, options.keep)
        said += failures
    runs["TLS"] = tls(options.seed, monotonic() + options.seconds / 8)
    runs["sweeps"] = sweeps(options.seed, monotonic() + options.seconds / 8)
    shared(SUBJECT).version(SUBJECT)  # after any answer to this, its counters are written
    shared(SUBJECT).close()  # its processor time counts once it has ended
    print(json.dumps({"runs": runs, "failures": said, "cpu_s": round(sum(os.times()[:4]))}))
    return 0


def fuzzing(world: str, seed: int, seconds: float, keep: str) -> tuple[int, Counter[str]]:
    """Fuzzes for that long: the runs, and the properties that broke, with files in `keep`.

    What ends a campaign early (a call that is not simulated, memory that is misused) is told, and
    another begins.
    """
    until = monotonic() + seconds
    runs, said = 0, Counter[str]()
    while (left := until - monotonic()) > 0:
        report = FuzzReport(seed, SUBJECT, None, {})

        def note(so_far: FuzzReport) -> None:
            nonlocal report
            report = so_far

        try:
            fuzz([world], SUBJECT, seconds=left, seed=seed, progress=note)
        except DuopollError as error:
            print(f"libevent-coverage: {world}, seed {seed}: {error}", file=sys.stderr, flush=True)
            said[type(error).__name__] += 1
        runs += sum(each.runs + each.shrink_runs for each in report.worlds.values())
        for failure in report.failures:
            said[failure.property] += 1
            save_in(keep, failure.outcome)
        seed += SEEDS_APART
    return runs, said


@contextmanager
def telling(what: str) -> Iterator[None]:
    """An error of duopoll ends what is inside, and is told."""
    try:
        yield
    except UsageError:
        raise
    except DuopollError as error:
        print(f"libevent-coverage: {what}: {error}", file=sys.stderr, flush=True)


def tls(seed: int, until: float) -> int:
    """Plays scenarios with TLS up to that time of the monotonic clock; the runs made.

    The counters are written behind each, since many of these runs end their process.
    """
    choose = random.Random(seed)
    runs = 0
    while monotonic() < until:
        scenario = scenario_of(choose.randbytes(choose.choice(SIZES)), focus="tls")
        tape = tape_of(choose.randbytes(choose.choice(TAPES)))
        with suppress(UsageError), telling("TLS"):  # libevent does not have every layer
            run(scenario, "sim-epoll", tape=tape, subject=SUBJECT)
            shared(SUBJECT).version(SUBJECT)
            runs += 1
    return runs


def sweeps(seed: int, until: float) -> int:
    """Sweeps drawn scenarios until that time of the monotonic clock; the runs made."""
    choose = random.Random(seed)
    runs = 0
    for call, outcome in cycle(SWEPT):
        noise = choose.randbytes(choose.choice(SIZES))
        which = choose.randrange(len(MOTIFS))
        scenario = with_motif(within(scenario_of(noise)), which, choose.randrange(256))
        tape = tape_of(choose.randbytes(choose.choice(TAPES)))
        swept = sweep(
            scenario, "sim-epoll", call, outcome, tape=tape, subject=SUBJECT, most=SWEPT_MOST
        )
        with telling(f"sweep of {call}"):
            for _ in swept:
                runs += 1
                if monotonic() >= until:
                    return runs
        if monotonic() >= until:
            return runs
    return runs


if __name__ == "__main__":
    raise SystemExit(main())
