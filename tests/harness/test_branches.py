"""Counts of branches out of gcov's JSON, and the table of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.branches import Branch, Counts, counts, in_functions_of, markdown, missed, rows, total
from model.errors import UsageError

BRANCHES = st.builds(
    Branch,
    st.sampled_from(("buffer.c", "bufferevent.c", "bufferevent_sock.c", "event.c")),
    st.sampled_from(("evbuffer_add", "bufferevent_free")),
    st.integers(1, 9),
    st.integers(0, 2),
)
ASKED = ("bufferevent*.c", "buffer.c")


@st.composite
def programs(draw: st.DrawFn) -> tuple[Counts, Counts]:
    """What two programs took of the branches of one build."""
    known = draw(st.lists(BRANCHES, min_size=1, unique=True))
    taken = st.lists(st.integers(0, 3), min_size=len(known), max_size=len(known))
    first, second = (dict(zip(known, draw(taken), strict=True)) for _ in range(2))
    return first, second


def line(number: int, taken: list[int], function: str = "f") -> dict[str, Any]:
    """As gcov(1) describes it."""
    branches = [{"count": count, "throw": False, "fallthrough": True} for count in taken]
    named = {"line_number": number, "function_name": function}
    return named | {"branches": branches, "count": sum(taken), "unexecuted_block": False}


def report(**files: list[dict[str, Any]]) -> str:
    """One report; a file's name is written with _c for .c."""
    sources = [
        {"file": name.replace("_c", ".c"), "lines": lines, "functions": []}
        for name, lines in files.items()
    ]
    return json.dumps({"format_version": "1", "gcc_version": "12.2.0", "files": sources})


@given(programs())
def test_a_row_is_what_sets_of_branches_say(taken: tuple[Counts, Counts]) -> None:
    first, second = taken
    for row in rows(ASKED, taken):
        mine = {each for each in first if each.file == row.file}
        by_first = {each for each in mine if first[each]}
        by_second = {each for each in mine if second[each]}
        assert row.branches == len(mine)
        assert row.reached == (len(by_first), len(by_second))
        assert row.together == len(by_first | by_second)
        assert row.only_last == len(by_second - by_first)


@given(programs())
def test_what_was_missed_and_what_was_reached_is_everything(taken: tuple[Counts, Counts]) -> None:
    first, second = taken
    whole = total(rows(("*",), taken))
    assert whole.branches == len(first)
    assert len(missed(second, first, ("*",))) == whole.together - whole.reached[1]
    assert len(missed(first, second, ("*",))) == whole.only_last


@given(programs())
def test_only_functions_that_one_program_goes_through(taken: tuple[Counts, Counts]) -> None:
    second = taken[1]
    through = {(each.file, each.function) for each in second if second[each]}
    kept = in_functions_of(second, taken)
    for whole, part in zip(taken, kept, strict=True):
        assert part.items() <= whole.items()
        assert set(part) == {each for each in whole if (each.file, each.function) in through}
    assert sum(kept[1].values()) == sum(second.values())


def test_reports_of_two_objects_add_up() -> None:
    first = report(buffer_c=[line(7, [3, 0]), line(9, [])], event_c=[line(1, [2, 0])])
    second = report(event_c=[line(1, [0, 5]), line(1, [1, 1], "g")])
    assert counts([first, second]) == {
        Branch("buffer.c", "f", 7, 0): 3,
        Branch("buffer.c", "f", 7, 1): 0,
        Branch("event.c", "f", 1, 0): 2,
        Branch("event.c", "f", 1, 1): 5,
        Branch("event.c", "g", 1, 0): 1,
        Branch("event.c", "g", 1, 1): 1,
    }


def test_the_table() -> None:
    regress = counts([report(buffer_c=[line(1, [1, 0, 0, 0])], bufferevent_c=[line(4, [1, 1])])])
    duopoll = counts([report(buffer_c=[line(1, [0, 2, 0, 0])], bufferevent_c=[line(4, [9, 0])])])
    listed = rows(ASKED, [regress, duopoll])
    assert markdown(("regress", "duopoll"), [*listed, total(listed)]) == [
        "| file | branches | regress | duopoll | both together | only duopoll |",
        "|---|---:|---:|---:|---:|---:|",
        "| bufferevent.c | 2 | 100.0 % | 50.0 % | 100.0 % | 0 |",
        "| buffer.c | 4 | 25.0 % | 25.0 % | 50.0 % | 1 |",
        "| together | 6 | 50.0 % | 33.3 % | 66.7 % | 1 |",
    ]
    assert missed(duopoll, regress, ASKED) == [
        Branch("buffer.c", "f", 1, 0),
        Branch("bufferevent.c", "f", 4, 1),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"files": [{"lines": []}, 3]}', "null"])
def test_what_is_no_report_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^not a report of gcov: .*make it with gcov --json"):
        counts([text])
