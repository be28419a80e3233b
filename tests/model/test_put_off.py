"""What is put off to the loop: who has a place in its queue, when it is served, what answers it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.content import content
from model.subject import (
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    EVLOOP_NONBLOCK,
    Bufferevent,
)
from tests.model.rig import RW, Rig, Spy, play
from tests.model.stacks import CLOSE, DEFER, stacked

KINDS = st.sampled_from(("epoll", "iocp"))
QUEUE = 32  # event.c: MAX_DEFERREDS_QUEUED


@given(KINDS, st.integers(QUEUE - 4, QUEUE + 6), st.integers(1, 3))
def test_a_pass_serves_so_many(kind: str, count: int, times: int) -> None:
    """event.c: event_deferred_cb_schedule_: 32 of one pass; the others in the one behind. However
    often a bufferevent is to be called back, it has one place, and is called once."""

    def body(rig: Rig) -> None:
        passes: list[int] = []

        def read(_: Bufferevent) -> None:
            passes.append(rig.base.pass_number)

        bevs = [rig.new(None, DEFER).bev for _ in range(count)]
        for bev in bevs:
            bev.setcb(read, None, None)

        def trigger() -> None:
            for bev in bevs:
                for _ in range(times):
                    bev.trigger(EV_READ, BEV_TRIG_IGNORE_WATERMARKS)

        rig.base.once(0, trigger)
        rig.settle()
        assert len(passes) == count
        assert [each - passes[0] for each in passes] == [place // QUEUE for place in range(count)]

    play(kind, body)


@given(KINDS, st.lists(st.sampled_from(("direct", "put off", "loop")), min_size=2, max_size=8))
def test_a_direct_callback_answers_what_a_filter_put_off(kind: str, steps: list[str]) -> None:
    """For reading and for writing; nothing is left for the loop."""

    def body(rig: Rig) -> None:
        below, _ = rig.pair()
        end = stacked(rig, below, ["copy"], CLOSE)
        rig.base.loop(EVLOOP_NONBLOCK)
        for mask, name in ((EV_READ, "read"), (EV_WRITE, "write")):
            end.seen.clear()
            expected, waits = 0, False
            for step in (*steps, "loop"):
                if step == "loop":
                    rig.base.loop(EVLOOP_NONBLOCK)
                    expected, waits = expected + waits, False
                elif step == "put off":
                    end.bev.trigger(mask, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS)
                    waits = True
                else:
                    end.bev.trigger(mask, BEV_TRIG_IGNORE_WATERMARKS)
                    expected, waits = expected + 1, False
                assert end.count(name) == expected

    play(kind, body)


@given(
    st.sampled_from(("copy", "double")),
    st.integers(1, 2_000),
    st.integers(1, 2_000),
    st.integers(1, 500),
    st.integers(1, 3_000),
)
def test_a_watermark_below_that_is_lowered_over_what_waits(
    filters: str, size: int, more: int, high: int, taken: int
) -> None:
    """L-3: what is below goes from above its high watermark to under it at once, and the filter
    hands down more, at once and not when all of it has gone."""

    def body(rig: Rig) -> None:
        lower, other = rig.inner_pair()
        client = stacked(rig, lower, [filters], CLOSE)
        client.bev.enable(RW)
        client.bev.write(content(0, 0, size))
        rig.settle()
        lower.bev.setwatermark(EV_WRITE, 0, high)
        client.bev.write(content(0, size, more))
        other.on_read = Spy.leave
        other.bev.setwatermark(EV_READ, 0, taken)
        other.bev.enable(EV_READ)
        rig.settle()
        left, below = client.bev.output_length(), lower.bev.output_length()
        assert not left or below >= high or high - below < 2, "it rests though there is room"
        other.on_read = Spy.take
        other.bev.setwatermark(EV_READ, 0, 0)
        other.take()
        rig.settle()
        assert client.bev.output_length() == 0
        assert len(other.data) == (size + more) * (1 + (filters == "double"))

    play("epoll", body)
