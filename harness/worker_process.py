"""The worker's side of `harness.worker`: a process that answers jobs, one after the other.

A job that takes nearly all of its time says where each thread is, so that a hang is not without a
place: these are the last words of the process.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.run import play
from harness.scenario_json import from_json
from model.choices import Choices
from model.trace import encode_trace

FRAMES = 5  # of each thread's stack, the innermost first


def serve(port: int, token: str) -> None:
    """Connects to the parent and answers jobs until the parent closes the connection."""
    connection = socket.create_connection(("127.0.0.1", port))  # what it raises is told
    with connection, suppress(ConnectionError):  # the parent may go at any time
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps({"token": token}).encode() + b"\n")
            stream.flush()
            for line in stream:
                for answer in _answer(json.loads(line)):
                    stream.write(answer.encode() + b"\n")
                stream.flush()


@contextmanager
def _told_where(after_s: float) -> Iterator[None]:
    """A job that takes longer than that says where each thread is, as this worker's last words."""
    timer = threading.Timer(after_s, _tell_where)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell_where() -> None:
    own = threading.get_ident()
    names = {each.ident: each.name for each in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != own:
            calls = traceback.extract_stack(frame)[: -FRAMES - 1 : -1]
            words = " < ".join(f"{Path(c.filename).name}:{c.lineno} {c.name}" for c in calls)
            print(f"{names.get(ident, ident)} is in {words}", flush=True)


def _answer(job: dict[str, Any]) -> list[str]:
    with _told_where(job["tell_after_s"]):
        return _answer_in_time(job)


def _answer_in_time(job: dict[str, Any]) -> list[str]:
    try:
        if "cases" in job:
            return [json.dumps(_play_cases(job))]
        played = play(
            from_json(job["scenario"]),
            job["world"],
            Choices(job["tape"]),
            job["subject"],
            job["mutant"],
            job["record_budget"],
        )
    except Exception as error:  # handed to the parent, which raises it
        message = " ".join(str(error).split())
        return [json.dumps({"error": type(error).__name__, "message": message})]
    lines = encode_trace(played.records)
    head = {
        "kernel_version": played.kernel_version,
        "decisions": played.decisions,
        "records": len(lines),
    }
    return [json.dumps(head), *lines]


def _play_cases(job: dict[str, Any]) -> dict[str, Any]:
    from harness.conform.arms import play_here
    from real.world import kernel_version

    results = [play_here(job["kernel"], steps, job["pace"]) for steps in job["cases"]]
    return {"kernel_version": kernel_version(), "records": 0, "results": results}


def main(port: str, token: str) -> None:
    """`worker PORT TOKEN`."""
    serve(int(port), token)


if __name__ == "__main__":
    main(*sys.argv[1:])
