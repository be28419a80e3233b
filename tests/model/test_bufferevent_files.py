"""Pieces of files in the output of a bufferevent: by sendfile over epoll, from memory over IOCP."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bufferevent import Bufferevent
from model.evbuffer import FS_CLOSE_ON_FREE, FileSegment
from model.evbuffer.chain import SENDFILE
from model.evbuffer.contents import Contents
from sim.memory_file import MemoryFile
from tests.model.rig import KINDS, MS, RW, Rig, play

#: sizes of what is written and of what is sent from a file, in turn
PIECES = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 40_000)), max_size=4)


def data(size: int, first: int) -> bytes:
    return bytes((first + place * 3) & 255 for place in range(size))


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=PIECES, buffers=st.integers(3, 17))
@settings(deadline=None)
def test_what_is_written_and_what_is_in_files_arrives_in_order(
    kind: str, pieces: list[tuple[int, int]], buffers: int
) -> None:
    """B-2 with files: whatever the kernel takes at a time; each file is closed once it was sent."""
    files: list[MemoryFile] = []

    def body(rig: Rig) -> None:
        client, server = rig.pair()
        assert isinstance(client.bev, Bufferevent)
        client.bev.enable(RW)
        server.bev.enable(RW)
        wanted = b""
        for number, (written, filed) in enumerate(pieces):
            client.bev.write(data(written, number))
            file = MemoryFile(data(filed + 5, number + 100))
            files.append(file)
            segment = FileSegment.new(file, 5, -1, FS_CLOSE_ON_FREE)
            assert isinstance(segment, FileSegment)
            output = client.bev.output
            assert output.add_file_segment(segment) == 0
            by_sendfile = any(chain.flags & SENDFILE for chain in output.chains() if chain.off)
            assert by_sendfile <= rig.is_epoll
            output.check()
            segment.free()
            wanted += data(written, number) + data(filed + 5, number + 100)[5:]
        for _ in range(200):
            rig.settle(20 * MS)
            if len(server.data) == len(wanted):
                break
        assert bytes(server.data) == wanted

    play(kind, body, buffers=buffers * 4_096)
    assert all(file.closed == 1 for file in files)


def test_an_empty_piece_stops_nobody() -> None:
    """An empty chain of a file in front of bytes, as a move can leave it."""
    front, behind = Contents(), Contents()
    behind.add(b"bytes")
    front.add_reference(b"")
    assert front.first is not None
    front.first.next, behind.first = behind.first, front.first
    front.first.flags |= SENDFILE
    assert b"".join(behind.peek(9)) == b"bytes"
