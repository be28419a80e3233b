"""Files and the calls that move them and vectors: the real ones and the simulated, side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.choices import Choices
from model.errors import Errno
from model.faults import CallFault, Faults
from model.trace import Trace
from model.traced import TracedReadiness
from real.files import RealFile
from sim.memory_file import MemoryFile
from sim.world import SimWorld

DATA = bytes(range(256)) * 40  # more than two pages


@pytest.fixture(params=["real", "simulated"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Any]:
    def real(data: bytes) -> Any:
        path = tmp_path / "file"
        path.write_bytes(data)
        return RealFile.open(str(path))

    return real if request.param == "real" else MemoryFile


@pytest.mark.parametrize(("offset", "size"), [(0, 10), (5, 9_000), (4_097, 1), (4_096, 4_096)])
def test_reading_and_mapping(opened: Callable[[bytes], Any], offset: int, size: int) -> None:
    file = opened(DATA)
    assert file.size() == len(DATA)
    assert file.read(offset, size) == DATA[offset : offset + size]
    mapped = file.map(offset, size)
    assert mapped == DATA[offset : offset + size]
    assert file.close() is None
    assert mapped == DATA[offset : offset + size]  # what was mapped stays


def test_at_the_end(opened: Callable[[bytes], Any]) -> None:
    file = opened(DATA)
    end = len(DATA)
    assert file.read(end - 3, 10) == DATA[-3:]
    assert file.read(end, 10) == b""
    assert file.map(end - 3, 10) is Errno.EINVAL
    assert file.map(0, 0) is Errno.EINVAL
    file.close()


def test_a_closed_file(opened: Callable[[bytes], Any]) -> None:
    file = opened(DATA)
    assert file.close() is None
    assert file.close() is Errno.EBADF
    assert (file.size(), file.read(0, 1), file.map(0, 1)) == (Errno.EBADF,) * 3


def test_no_such_file(tmp_path: Path) -> None:
    assert RealFile.open(str(tmp_path / "none")) is Errno.ENOENT


def pair(kernel: Any) -> tuple[int, int]:
    listener, client = kernel.socket(), kernel.socket()
    port = kernel.listen(listener, 0, 1)
    assert kernel.connect(client, port) in (None, Errno.EINPROGRESS)
    return client, kernel.accept(listener).fd


def in_a_world(main: Callable[[Any, Trace], None], faults: Faults | None = None) -> None:
    world = SimWorld("epoll", Choices()) if faults is None else SimWorld("epoll", faults=faults)
    trace = Trace(world.now_ns)
    assert world.readiness is not None
    kernel = TracedReadiness(world.readiness, trace)
    world.run(lambda: main(kernel, trace))


@given(
    data=st.binary(min_size=1, max_size=60),
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=4).filter(any),
)
@settings(max_examples=30)
def test_readv_fills_in_order(data: bytes, sizes: list[int]) -> None:
    """The vectors get what recv would have given, and the trace says so as of a recv."""

    def main(kernel: Any, trace: Trace) -> None:
        client, server = pair(kernel)
        assert kernel.readv(server, [memoryview(bytearray(8))]) is Errno.EAGAIN
        assert kernel.send(client, [data]) == len(data)
        vectors = [memoryview(bytearray(size)) for size in sizes]
        taken = kernel.readv(server, vectors)
        assert taken == min(len(data), sum(sizes))
        assert b"".join(vectors)[:taken] == data[:taken]
        assert trace.records[-1][1:] == ("recv", server, sum(sizes), data[:taken])
        kernel.close(client)
        rest = memoryview(bytearray(100))
        assert kernel.readv(server, [rest]) == len(data) - taken
        if taken < len(data):
            assert kernel.readv(server, [rest]) == 0  # the end of the stream
        assert kernel.readv(99, [rest]) is Errno.EBADF

    in_a_world(main)


@pytest.mark.parametrize(
    ("offset", "size", "sent"), [(0, 4, b"0123"), (7, 9, b"789"), (10, 5, b"")]
)
def test_sendfile_sends_what_the_file_has(offset: int, size: int, sent: bytes) -> None:
    def main(kernel: Any, trace: Trace) -> None:
        client, server = pair(kernel)
        file = MemoryFile(b"0123456789")
        assert kernel.sendfile(client, file, offset, size) == len(sent)
        assert trace.records[-1][1:] == ("send", client, size, sent)
        assert kernel.recv(server, 99) == (sent or Errno.EAGAIN)
        file.close()
        assert kernel.sendfile(client, file, 0, 1) is Errno.EBADF

    in_a_world(main)


def test_faults_meet_them_too() -> None:
    """The n-th recv and the n-th send fail, whatever they are called."""

    def main(kernel: Any, _: Trace) -> None:
        client, server = pair(kernel)
        file = MemoryFile(b"0123456789")
        assert kernel.sendfile(client, file, 0, 5) is Errno.ENOBUFS
        assert kernel.sendfile(client, file, 0, 5) == 5
        vector = memoryview(bytearray(3))
        assert kernel.readv(server, [vector]) is Errno.EINTR
        assert kernel.readv(server, [vector]) == 3
        assert bytes(vector) == b"012"

    in_a_world(main, Faults(calls=(CallFault("send", 1, "ENOBUFS"), CallFault("recv", 1, "EINTR"))))
