"""regress_buffer.c, ported: pieces of files, through a simulated connection and a real one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.errors import Errno
from model.evbuffer import (
    FLAG_DRAINS_TO_FD,
    FS_CLOSE_ON_FREE,
    FS_DISABLE_MMAP,
    FS_DISABLE_SENDFILE,
    Evbuffer,
    FileSegment,
)
from model.evbuffer.chain import SENDFILE
from model.files import File
from model.kernel import ReadinessKernel
from real.files import RealFile
from real.world import RealWorld
from sim.memory_file import MemoryFile
from sim.world import SimWorld

WAYS = ("sendfile", "mmap", "linear", "nosegment")
FLAGS = {
    "sendfile": 0,
    "mmap": FS_DISABLE_SENDFILE,
    "linear": FS_DISABLE_SENDFILE | FS_DISABLE_MMAP,
}
SHORT = b"these bytes stood in a file before they were sent"
TRIES = 100_000

Opener = Callable[[bytes], Any]


class Place:
    """A world, and how its files are made."""

    def __init__(self, world: Any, opener: Opener) -> None:
        self.world = world
        self.open = opener


@pytest.fixture(params=["sim-epoll", "epoll"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sim-epoll":
        world = SimWorld("epoll")
        yield Place(world, world.open_file)
        return
    if sys.platform != "linux":
        pytest.skip("the real epoll needs Linux")

    def open_file(data: bytes) -> Any:
        path = tmp_path / "file"
        path.write_bytes(data)
        return RealFile.open(str(path))

    yield Place(RealWorld("epoll"), open_file)


def connected(kernel: ReadinessKernel) -> tuple[int, int]:
    """Two ends of a connection."""
    listener, client = kernel.socket(), kernel.socket()
    assert isinstance(listener, int) and isinstance(client, int)
    port = kernel.listen(listener, 0, 1)
    assert isinstance(port, int)
    assert kernel.connect(client, port) in (None, Errno.EINPROGRESS)
    for _ in range(TRIES):
        accepted = kernel.accept(listener)
        if not isinstance(accepted, Errno):
            kernel.close(listener)
            return client, accepted.fd
    raise AssertionError("nobody connected")


def sent_over(kernel: ReadinessKernel, buffer: Evbuffer) -> bytes:
    """Writes all of `buffer` to one end and reads it from the other."""
    sender, receiver = connected(kernel)
    received = Evbuffer()
    size = buffer.length
    for _ in range(TRIES):
        if received.length == size:
            break
        for moved in (buffer.write(kernel, sender), received.read(kernel, receiver)):
            assert moved is Errno.EAGAIN or (isinstance(moved, int) and moved >= 0)
        buffer.check()
        received.check()
    kernel.close(sender)
    kernel.close(receiver)
    return received.copyout(size)


def play(
    place: Place, way: str, data: bytes, add: Callable[[Evbuffer, File, str], None]
) -> tuple[bytes, Any]:
    """What arrives of a buffer that drains to a descriptor, after `add`; and the file."""
    arrived: list[bytes] = []
    files: list[Any] = []

    def main() -> None:
        kernel = place.world.readiness
        assert kernel is not None
        file = place.open(data)
        files.append(file)
        buffer = Evbuffer()
        buffer.set_flags(FLAG_DRAINS_TO_FD)
        add(buffer, file, way)
        assert buffer.last is not None
        assert bool(buffer.last.flags & SENDFILE) is (way in ("sendfile", "nosegment"))
        arrived.append(sent_over(kernel, buffer))
        assert buffer.length == 0

    place.world.run(main)
    return arrived[0], files[0]


def adding(offset: int, length: int, part: tuple[int, int] | None = None) -> Any:
    """Adds a segment, or a part of one, or (nosegment) a file itself."""

    def add(buffer: Evbuffer, file: File, way: str) -> None:
        if way == "nosegment":
            assert buffer.add_file(file, offset, length) == 0
            return
        segment = FileSegment.new(file, offset, length, FLAGS[way] | FS_CLOSE_ON_FREE)
        assert isinstance(segment, FileSegment)
        assert buffer.add_file_segment(segment, *(part or (0, -1))) == 0
        segment.free()

    return add


def is_closed(file: Any) -> bool:
    return file.closed == 1 if isinstance(file, MemoryFile) else file.fd == -1


@pytest.mark.parametrize("way", WAYS)
def test_add_file(place: Place, way: str) -> None:
    arrived, file = play(place, way, SHORT, adding(0, len(SHORT)))
    assert arrived == SHORT
    assert is_closed(file)


@pytest.mark.parametrize("way", WAYS)
def test_add_big_file(place: Place, way: str) -> None:
    data = bytes(number * 31 >> 4 & 255 for number in range(512 * 1024))
    arrived, file = play(place, way, data, adding(0, -1))
    assert arrived == data
    assert is_closed(file)


@pytest.mark.parametrize("way", WAYS)
def test_add_file_offset(place: Place, way: str) -> None:
    """From a place within the file on."""
    arrived, _ = play(place, way, SHORT, adding(6, len(SHORT) - 9))
    assert arrived == SHORT[6:-3]


@pytest.mark.parametrize("way", WAYS[:3])
def test_add_file_offset2(place: Place, way: str) -> None:
    """A part of a segment of the whole file."""
    arrived, _ = play(place, way, SHORT, adding(0, -1, (12, 20)))
    assert arrived == SHORT[12:32]


@pytest.mark.parametrize("way", WAYS[:3])
def test_add_file_offset3(place: Place, way: str) -> None:
    """A part of a segment that begins within the file."""
    arrived, _ = play(place, way, SHORT, adding(6, -1, (6, -1)))
    assert arrived == SHORT[12:]


def test_file_segment_add_cleanup_cb(place: Place) -> None:
    cleaned: list[int] = []
    file = place.open(SHORT)
    segment = FileSegment.new(file, 0, -1, FS_CLOSE_ON_FREE)
    assert isinstance(segment, FileSegment)
    segment.add_cleanup_cb(lambda _, flags: cleaned.append(flags))
    buffer = Evbuffer()
    assert buffer.add_file_segment(segment) == 0
    segment.free()
    assert (cleaned, is_closed(file)) == ([], False)
    assert buffer.copyout(99) == SHORT
    buffer.free()
    assert (cleaned, is_closed(file)) == ([FS_CLOSE_ON_FREE], True)


@pytest.mark.parametrize("drains", [False, True])
def test_add_file_leak1(place: Place, drains: bool) -> None:
    """-1 for a file that is closed already, and nothing is left of the attempt."""
    file = place.open(SHORT)
    assert file.close() is None
    buffer = Evbuffer()
    if drains:
        buffer.set_flags(FLAG_DRAINS_TO_FD)
    else:
        assert buffer.add_file(file, 0, 0) == -1
    assert buffer.add_file(file) == -1
    buffer.check()
    assert (buffer.first, buffer.length) == (None, 0)


def test_add_file_closes_what_it_cannot_add(place: Place) -> None:
    """A frozen tail, and a place that the file does not have: -1, and the file is closed."""
    for offset, frozen in ((0, True), (len(SHORT) + 1, False)):
        file = place.open(SHORT)
        buffer = Evbuffer()
        buffer.end_frozen = frozen
        assert buffer.add_file(file, offset) == -1
        assert is_closed(file)
        buffer.check()
