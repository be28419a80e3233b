"""The list of contests: what `make bench` measures, against whom, and what is wanted."""

from __future__ import annotations

from bench.contest import Contender, Contest, Wanted
from bench.short_runs import subject_missing
from bench.sockets import libevent_missing

_64_KIB = 65_536
_IDLE = 5_000

CONTESTS: dict[str, Contest] = {
    "sim-echo": Contest(
        "Simulated echo of 64 bytes over one connection, both ends bufferevents",
        "round trips/s",
        (
            Contender("sim-epoll", "simulated:model_epoll", (30_000,)),
            Contender("sim-iocp", "simulated:model_iocp", (30_000,)),
            Contender("detangle streams", "simulated:detangle_streams", (30_000,)),
            Contender("detangle protocols", "simulated:detangle_protocols", (30_000,)),
        ),
        (
            Wanted("sim-epoll", "detangle streams", 1.0),
            Wanted("sim-iocp", "detangle streams", 1.0),
        ),
        ("detangle 0.1.0 simulates asyncio's transports and has no kernel below them.",),
    ),
    "kernel-calls": Contest(
        "Simulated kernels alone: send, wait, receive 64 bytes over a connected pair",
        "calls/s",
        (
            Contender("sim-epoll", "kernel_calls:epoll", (200_000,)),
            Contender("sim-iocp", "kernel_calls:iocp", (200_000,)),
            Contender("sim-epoll, tape", "kernel_calls:epoll_taped", (50_000,)),
            Contender("sim-iocp, tape", "kernel_calls:iocp_taped", (50_000,)),
            Contender("bare SimPy", "kernel_calls:simpy_timeouts", (500_000,)),
        ),
        (
            Wanted("sim-epoll", None, 150_000),
            Wanted("sim-iocp", None, 150_000),
            Wanted("sim-epoll, tape", None, 150_000),
            Wanted("sim-iocp, tape", None, 150_000),
        ),
        (
            "Bare SimPy: timeouts of one process a second.",
            "Tape: every latency, cut and order is drawn, and most waits block.",
        ),
        yardstick="bare SimPy",
    ),
    "short-runs": Contest(
        "Complete runs: connect, ten echoes of 64 bytes, close; traced, properties checked",
        "runs/s",
        (
            Contender("sim-epoll", "short_runs:model_epoll", (1_500,)),
            Contender("sim-iocp", "short_runs:model_iocp", (1_500,)),
            Contender("bare SimPy", "short_runs:bare_simpy", (10_000,)),
        ),
        (Wanted("sim-epoll", None, 2_400), Wanted("sim-iocp", None, 2_400)),
        ("Bare SimPy: one process that waits for 24 timeouts, one a segment of such a run.",),
    ),
    "bulk-runs": Contest(
        "The same short runs in bulk: two processes, and the collector called seldom",
        "runs/s",
        (
            Contender("two processes", "bulk_runs:short_runs", (2, 2_000)),
            Contender("by processor time", "bulk_runs:of_a_processor", (2, 2_000)),
        ),
        (Wanted("two processes", None, 4_000),),
        ("By processor time: what two idle processors would do, whatever else runs here.",),
        yardstick="two processes",
    ),
    "bulk-cases": Contest(
        "Drawing alone: a scenario and a tape, nothing run",
        "cases/s",
        (
            Contender("bulk", "bulk_runs:bulk_cases", (20_000,)),
            Contender("Hypothesis", "bulk_runs:hypothesis_cases", (1_500,)),
        ),
        (Wanted("bulk", "Hypothesis", 10.0),),
        ("Both read scenarios out of the same noise (`harness.noise`).",),
    ),
    "libevent": Contest(
        "The unmodified libevent in sim-epoll: the same short runs, in its own process; its calls",
        "runs/s, calls/s",
        (
            Contender("runs", "short_runs:libevent", (800,), missing=subject_missing),
            Contender("calls", "libevent_calls:calls", (20_000,), missing=subject_missing),
        ),
        (Wanted("runs", None, 500), Wanted("calls", None, 100_000)),
        ("Calls: libevent's system calls, answered by the simulated kernel, not recorded.",),
    ),
    "schedules": Contest(
        "Complete schedules of three threads that share a buffer or a bufferevent, at random",
        "schedules/s",
        (
            Contender("buffer, bare", "schedules:bare", (5_000,)),
            Contender("buffer", "schedules:judged", (3_000,)),
            Contender("bufferevent", "schedules:bufferevent", (3_000,)),
            Contender("connecting, and a loop", "schedules:connected", (2_000,)),
            Contender("scenario, sim-epoll", "schedules:scenarios_epoll", (500,)),
            Contender("scenario, sim-iocp", "schedules:scenarios_iocp", (500,)),
            Contender("detangle", "schedules:detangle_tasks", (2_000,)),
        ),
        (
            Wanted("bufferevent", None, 5_000),
            Wanted("buffer", "detangle", 1.0),
        ),
        (
            "detangle 0.1.0: three tasks of asyncio and an asyncio.Lock, as many switch points.",
            "All but the bare ones are recorded and judged: locks in one order, no race, no hang.",
            "Bufferevent: nine calls of three threads; connecting: in the loop of a fourth.",
            "Scenario: a bufferevent, its loop and its partner, held to every property.",
        ),
    ),
    "switch": Contest(
        "One switch between two simulated threads, the draw included",
        "ns",
        (Contender("sim", "schedules:switch_ns", (400_000,)),),
        (Wanted("sim", None, 2_000, at_most=True),),
    ),
    "echo-64": Contest(
        "Real epoll: echo of 64 bytes over 50 connections",
        "round trips/s",
        (
            Contender("epoll", "sockets:model", (60_000, 50, 64, 0)),
            Contender("asyncio Protocol", "sockets:asyncio_protocol", (40_000, 50, 64)),
            Contender("asyncio, warmed", "sockets:asyncio_protocol_warm", (60_000, 50, 64)),
            Contender(
                "libevent in C",
                "sockets:libevent_c",
                (60_000, 50, 64, 0, 1),
                missing=libevent_missing,
            ),
        ),
        (Wanted("epoll", "asyncio Protocol", 2.5),),
        (
            "asyncio receives into 256 KiB each time: a fresh process maps and unmaps them.",
            "Warmed: the process has freed a larger block before, so malloc keeps the memory.",
        ),
    ),
    "echo-64k": Contest(
        "Real epoll: echo of 64 KiB over 8 connections",
        "round trips/s",
        (
            Contender("epoll", "sockets:model", (10_000, 8, _64_KIB, _64_KIB)),
            Contender("epoll, 16 KiB a call", "sockets:model", (10_000, 8, _64_KIB, 0)),
            Contender("asyncio Protocol", "sockets:asyncio_protocol", (10_000, 8, _64_KIB)),
            Contender("asyncio, warmed", "sockets:asyncio_protocol_warm", (10_000, 8, _64_KIB)),
            Contender(
                "libevent in C",
                "sockets:libevent_c",
                (10_000, 8, _64_KIB, 0, 1),
                missing=libevent_missing,
            ),
            Contender(
                "libevent, 64 KiB",
                "sockets:libevent_c",
                (10_000, 8, _64_KIB, _64_KIB, 1),
                missing=libevent_missing,
            ),
            Contender(
                "libevent, Nagle",
                "sockets:libevent_c",
                (500, 8, _64_KIB, 0, 0),
                missing=libevent_missing,
            ),
        ),
        (
            Wanted("epoll", "asyncio Protocol", 2.5),
            Wanted("epoll", "libevent in C", 4.0),
        ),
        (
            "epoll: max_single_read and _write at 64 KiB; libevent, 64 KiB has the same setting.",
            "libevent in C sets TCP_NODELAY, as the others do; Nagle: as libevent comes.",
        ),
    ),
    "idle": Contest(
        f"Real epoll: memory of {_IDLE:,} idle connections, the accepted end of each",
        "bytes/connection",
        (
            Contender("epoll, traced", "idle:model_traced", (_IDLE,)),
            Contender("asyncio, traced", "idle:asyncio_traced", (_IDLE,)),
            Contender("epoll, resident", "idle:model_resident", (_IDLE,)),
            Contender("asyncio, resident", "idle:asyncio_resident", (_IDLE,)),
        ),
        (
            Wanted("epoll, traced", None, 1_300, at_most=True),
            Wanted("epoll, resident", None, 1_300, at_most=True),
        ),
        ("Traced: tracemalloc. Resident: growth of VmRSS. The kernel's memory is in neither.",),
    ),
    "evbuffer": Contest(
        "1 GiB in steps of 64 KiB: copied into free space, copied out, drained",
        "MiB/s",
        (
            Contender("evbuffer", "buffers:evbuffer", (1_024,)),
            Contender("bytearray ring", "buffers:ring", (1_024,)),
        ),
        (Wanted("evbuffer", "bytearray ring", 0.5),),
        ("The ring: a bytearray of two steps and two places in it; no growth, nobody to tell.",),
    ),
    "iocp": Contest(
        "Real IOCP: echo of 64 bytes over one connection, in one Windows interpreter",
        "round trips/s",
        (
            Contender("iocp", "windows:model", (3_000, 1, 64), on_windows=True),
            Contender("asyncio Proactor", "windows:proactor", (3_000, 1, 64), on_windows=True),
        ),
        (Wanted("iocp", "asyncio Proactor", 1.0),),
    ),
}
