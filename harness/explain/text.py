"""An explanation for the terminal: plain lines of printable ASCII."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.explain.changes import side
from harness.explain.curve import NEAR
from harness.explain.explanation import Explanation, FirstDifference, Flip, Point
from harness.table import columns
from harness.words import milliseconds, plain
from model.trace import Record

CONTEXT = 3  # records before and behind the first difference
SIDE_WIDTH = 70
DULL_TOLD = 6  # dull decisions that matter
BAR = 40  # characters of a full bar


def lines(told: Explanation) -> Iterator[str]:
    """All of it, block by block."""
    yield from told.story
    yield from _difference(told)
    yield from _decisions(told.decisions)
    yield from _curve(told)
    for way in told.bytes:
        yield ""
        yield f"The way of the bytes {way.start} to {way.end}, {plain(way.direction)}:"
        if not way.way:
            yield "  nobody wrote them"
        for passage in way.way:
            yield f"{passage.record:>6}  {milliseconds(passage.time_ns)}  {plain(passage.what)}"


def _difference(told: Explanation) -> Iterator[str]:
    found = told.first_difference
    yield ""
    if found is None:
        yield "No run that is one change away passes."
        return
    yield f"The nearest run that passes: {plain(found.change)}."
    if not (told.failing or told.passing):
        return
    yield from columns(_rows(found, told.failing, told.passing), right=(1,))


def _rows(
    found: FirstDifference, failing: Sequence[Record], passing: Sequence[Record]
) -> list[tuple[str, ...]]:
    """Both runs side by side around their first difference."""
    place = found.failing.record
    rows: list[tuple[str, ...]] = [("", "#", "this run fails", "that one passes")]
    most = max(len(failing), len(passing))
    for index in range(max(0, place - CONTEXT), min(place + CONTEXT + 1, most)):
        sign = ">" if index == place else ""
        texts = [
            plain(side(tuple(records), index).text, SIDE_WIDTH) if index <= len(records) else ""
            for records in (failing, passing)
        ]
        rows.append((sign, str(index), *texts))
    return rows


def _decisions(decisions: Sequence[Flip]) -> Iterator[str]:
    """Those that were not dull, and the last dull ones that must stay so."""
    matter = [flip for flip in decisions if not flip.still_fails]
    yield ""
    yield f"Decisions that matter: {len(matter)} of the {len(decisions)} that were tried."
    dull = [flip for flip in matter if not flip.value]
    for flip in decisions:
        if flip.value or flip in dull[-DULL_TOLD:]:
            yield _flip(flip)
    if len(dull) > DULL_TOLD:
        yield f"  and {len(dull) - DULL_TOLD} dull ones before these"


def _flip(flip: Flip) -> str:
    does = "it fails all the same" if flip.still_fails else "no failure"
    return (
        f"  {' ' if flip.still_fails else '!'} {flip.index:>4}, before record {flip.record}:"
        f" {plain(flip.name, 60)} {flip.value}; with {flip.instead} {does}"
    )


def _curve(told: Explanation) -> Iterator[str]:
    yield ""
    yield "How often it fails when everything behind a decision is drawn anew:"
    for point in told.curve:
        yield _bar(point)
    certain = told.certain_at
    if certain is None:
        yield f"Nowhere near certain (failing in {NEAR:.0%} of the runs)."
    elif certain.decision == 0:
        yield "It is near certain from the start: the program decides it."
    else:
        yield f"Near certain from decision {certain.decision} on, before record {certain.record}."


def _bar(point: Point) -> str:
    full = point.failed * BAR // point.of
    return (
        f"  {point.decision:>6}  record {point.record:>6}  {'#' * full:<{BAR}}"
        f" {point.failed:>3} of {point.of}"
    )
