"""The page in a browser: every record can be reached by the keyboard, and data stays data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.scenario import AppStep
from harness.views.html import html_page
from harness.words import describe
from model.properties import Violation
from model.trace import Record
from tests.harness.made import RECORDS, failure
from tests.harness.views.browser import Browser, browser
from tests.harness.views.runs import broken, busy, explanation

HOSTILE = "</script><script>document.title='run'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def where(page: Browser) -> int:
    """The record that the page shows, which all its parts must agree on."""
    slider = int(page.run("return document.getElementById('slider').value"))
    selected = page.run("return document.querySelector('[aria-selected=true]').dataset.record")
    heading = page.run("return document.querySelector('#now h2').textContent")
    assert int(selected) == slider
    assert heading.startswith(f"Record {slider}: ")
    assert page.run("return location.hash") == f"#{slider}"
    return slider


def test_a_failure_can_be_walked_through(page: Browser, tmp_path: Path) -> None:
    told = broken()
    records = told.records
    violation = told.violation
    assert violation is not None
    path = tmp_path / "failure.html"
    path.write_text(html_page(records, told, explanation(len(records))), encoding="utf-8")
    page.open(path)
    assert where(page) == violation.record
    for key, expected in (
        *(
            ("Home", 0),
            ("j", 1),
            ("Right", 2),
            ("k", 1),
            ("PageDown", 21),
            ("End", len(records) - 1),
        ),
        *(("Left", len(records) - 2), ("v", violation.record)),
    ):
        page.press(key)
        assert where(page) == expected, key
    assert describe(records[violation.record]) in page.run("return document.body.innerText")
    page.press("c")
    assert records[where(page)][1] == "cb"
    before = page.run("return getComputedStyle(document.body).backgroundColor")
    page.press("t")
    assert page.run("return getComputedStyle(document.body).backgroundColor") != before
    for part in ("#decisions tr[data-record]", "#curve circle", "details .steps-of li", ".pipe"):
        assert page.run(f"return document.querySelectorAll('{part}').length") > 0, part
    page.run("document.querySelector('#decisions button').click()")
    assert where(page) == 4
    page.run("document.querySelector('button.pin').click()")
    assert where(page) == 1
    assert page.run("return document.querySelectorAll('#way circle').length") == 2
    assert page.errors() == []


def test_a_search_shows_what_it_finds(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "failure.html"
    path.write_text(html_page(broken().records, broken()), encoding="utf-8")
    page.open(path, "#3")
    assert where(page) == 3
    page.press("/")
    page.press("read callback, 1 in")
    rows = page.run("return [...document.querySelectorAll('.row .words')].map(e => e.textContent)")
    assert rows and all("read callback, 1 in" in row for row in rows)
    assert page.errors() == []


def test_many_records_have_few_rows(page: Browser, tmp_path: Path) -> None:
    """5,000 records: only the rows in view are made, and the last one is as near as the first."""
    records = (*busy("sim-epoll").records, *[(10**9 + n, "loop_end", 0) for n in range(5_000)])
    path = tmp_path / "long.html"
    path.write_text(html_page(records), encoding="utf-8")
    page.open(path)
    page.press("End")
    assert where(page) == len(records) - 1
    assert page.run("return document.querySelectorAll('.row').length") < 80
    assert page.errors() == []


def test_a_trace_is_data_and_never_code(page: Browser, tmp_path: Path) -> None:
    records: tuple[Record, ...] = (
        (0, "new", HOSTILE, HOSTILE, 0, None),
        (0, "crash", HOSTILE, HOSTILE, HOSTILE),
        (0, "peer", HOSTILE, HOSTILE, 0, None),
        *RECORDS,
    )
    told = failure(
        world=HOSTILE,
        subject=HOSTILE,
        mutant=HOSTILE,
        records=records,
        violations=(Violation(HOSTILE, 1, HOSTILE),),
    )
    said = explanation(len(records)) | {"verdict": HOSTILE, "story": [HOSTILE]}
    path = tmp_path / "hostile.html"
    path.write_text(html_page(records, told, said), encoding="utf-8")
    page.open(path)
    title = page.run("return document.title")
    assert "</script>" in title, "the words are there, as words"
    assert title != "run"
    assert page.run("return document.images.length") == 0
    assert page.run("return document.scripts.length") == 2
    assert page.errors() == []


def test_the_page_fetches_nothing_and_runs_nothing_else(page: Browser, tmp_path: Path) -> None:
    """The policy holds: a script, a style or an image that somebody adds is refused."""
    path = tmp_path / "failure.html"
    made = html_page(broken().records, broken())
    path.write_text(made.replace("</body>", "<script>document.title='run'</script></body>"))
    page.open(path)
    assert page.run("return document.title") != "run"
    assert any("Content Security Policy" in each for each in page.errors())
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_a_run_without_records_or_scenario_has_a_page(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "trace.html"
    path.write_text(html_page(RECORDS[:1]), encoding="utf-8")
    page.open(path)
    assert where(page) == 0
    few = replace(failure().scenario, app=(AppStep("write", "c0", (1,)),))
    path.write_text(html_page((), failure(scenario=few, records=(), violations=())))
    page.open(path)
    assert page.errors() == []
