"""Real threads that take packets from one port: a part of `iocp_contract`."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns

from model.errors import NtStatus
from model.kernel import CompletionKernel


def check_workers_take_each_packet_once(kernel: CompletionKernel) -> None:
    """Four real threads on one port, posts from two others, and a slot's reuse by any of them."""
    from model.properties.threads import check_threads
    from model.trace import Record
    from real.threads import RealThreads

    threads = RealThreads(perf_counter_ns)
    records: list[Record] = []
    threads.record_to(threads.attributed(records), perf_counter_ns)
    port = kernel.create_port(2)
    assert isinstance(port, int), port
    done: list[int] = []
    lock = threads.lock("done")

    def works() -> None:
        while True:
            packets = kernel.get_queued_completion_status(port, 1, None)
            assert isinstance(packets, list), packets
            for _, overlapped, nbytes, status in packets:
                if overlapped is None:
                    return
                assert (nbytes, status) == (overlapped % 100, NtStatus.SUCCESS)
                with lock:
                    threads.touch("done", write=True)
                    done.append(overlapped)

    def posts(first: int) -> None:
        for overlapped in range(first, first + 200):
            answer = kernel.post_queued_completion_status(port, overlapped % 100, 1, overlapped)
            assert answer is None, answer

    for each in range(4):
        threads.spawn(f"worker {each}", works)
    for each in range(2):
        threads.spawn(f"poster {each}", partial(posts, 1 + 200 * each))
    threads.join("poster 0", "poster 1")
    for _ in range(4):
        assert kernel.post_queued_completion_status(port, 0, 0, None) is None
    threads.join()
    assert sorted(done) == list(range(1, 401))
    assert not check_threads(records).violations
