"""B-1 and B-2 from top to top: what one application wrote into its stack (or its end of a pair) is
what the other takes from its own. In between the bytes may look like anything.
"""

from __future__ import annotations

from model.properties.view import Run, View


def judge(run: Run) -> None:
    """Compares contents, when the whole trace is known."""
    for name, view in run.views.items():
        if not view.generic or view.above is not None or name[:1] == "s":
            continue
        other = run.other_end(name)
        if isinstance(other, View) and other.generic:
            first, second = _streams(view, other)
            _judge_direction(run, view, other, first)
            _judge_direction(run, other, view, second)


def _streams(*ends: View) -> tuple[bytes, bytes]:
    """What each end wrote. What it echoed is what the other had written, as far as that is known
    already: so both grow in turn."""
    written = bytearray(), bytearray()
    done = [0, 0]
    grows = True
    while grows:
        grows = False
        for me, view in enumerate(ends):
            theirs = written[1 - me]
            for item in view.outgoing[done[me] :]:
                if isinstance(item, bytes):
                    written[me].extend(item)
                elif sum(item) <= len(theirs):
                    place, size = item
                    written[me].extend(theirs[place : place + size])
                else:
                    break
                done[me] += 1
                grows = True
    return bytes(written[0]), bytes(written[1])


def _judge_direction(run: Run, writer: View, reader: View, stream: bytes) -> None:
    """`stream` is what `writer` wrote."""
    if reader.received_count:
        run.checked["B-1"] += 1
    if stream:
        run.checked["B-2"] += 1
    if reader.received_count > len(stream):
        run.violate(
            "B-1",
            reader.name,
            -1,
            f"{reader.name} got {reader.received_count} bytes of the {len(stream)} that"
            f" {writer.name} wrote",
        )
    for place, taken, index in reader.reads:
        if not stream.startswith(taken, place):
            run.violate(
                "B-1",
                reader.name,
                index,
                f"{reader.name} read {len(taken)} bytes from byte {place} of its stream on that are"
                f" not what {writer.name} wrote",
            )
            break
    if reader.received_count < len(stream) and _complete(writer, reader):
        run.violate(
            "B-2",
            writer.name,
            -1,
            f"{reader.name} was told the end of file and got {reader.received_count} of the"
            f" {len(stream)} bytes that {writer.name} wrote and handed down to the last",
        )


def _complete(writer: View, reader: View) -> bool:
    """Whether nothing failed and no level holds a byte, at the end that the reader was told."""
    from model.properties.stream import orderly

    if reader.eofs != 2 or not orderly(writer.bottom, reader.bottom):
        return False
    level: View | None = writer
    while level is not None:
        if level.written != level.sent:
            return False
        level = level.below
    level = reader.below
    while level is not None:
        if level.received_count != level.taken:
            return False
        level = level.below
    return True
