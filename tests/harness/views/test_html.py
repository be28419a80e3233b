"""The page as text: what is embedded comes out as it went in, and nothing of it is markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.failure import FailureFile
from harness.views.html import embedded, html_page, page_data
from harness.views.pipes import READ, TOLD, WRITTEN, traffic
from model.trace import encode_trace
from tests.harness.made import RECORDS, failures
from tests.harness.views.runs import broken, busy, explanation

_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


class Page(HTMLParser):
    """What a parser makes of the page: its elements, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag == "script" and attributes.get("id") == "data":
            self.data += data


@given(_JSON)
def test_embedded_data_is_the_data_and_no_markup(value: Any) -> None:
    text = embedded(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def shape(page: Page) -> list[str]:
    return [tag for tag, _ in page.elements]


@given(failures())
@settings(max_examples=30)
def test_any_failure_makes_the_same_elements(drawn: FailureFile) -> None:
    text = html_page(drawn.records, drawn)
    page = Page(text)
    assert shape(page) == shape(Page(html_page(broken().records, broken())))
    assert json.loads(page.data) == json.loads(json.dumps(page_data(drawn.records, drawn)))
    assert html_page(drawn.records, drawn) == text


def test_the_page_needs_nothing_else() -> None:
    text = html_page(broken().records, broken(), explanation(len(broken().records)))
    page = Page(text)
    named = {name for _, attributes in page.elements for name in attributes}
    assert not named & {"src", "href", "srcset", "action", "background", "style", "onclick"}
    outside = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert set(re.findall(r"\w+://[^\"'\s]*", outside)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in text and "url(" not in text


def test_records_keep_their_fields_and_their_lanes() -> None:
    outcome = busy("sim-iocp")
    data = page_data(outcome.records)
    lines = [json.loads(line) for line in encode_trace(outcome.records)]
    assert len(data["records"]) == len(lines)
    for record, line in zip(data["records"], lines, strict=True):
        kind, *names = data["kinds"][record[3]]
        assert [record[0], kind] == [line["t"], line["k"]]
        assert names == [name for name in line if name not in {"t", "k"}]
        assert len(record[6]) == len(names)
        lane = data["lanes"][record[1]]
        if "peer" in line:
            assert lane["layer"] == "raw peer"
            assert line["peer"].split(".")[0] == lane["name"]
    order = [(lane["name"], lane["layer"]) for lane in data["lanes"]]
    assert order.index(("c1", "application")) < order.index(("c1", "kernel"))
    assert order.index(("c1", "kernel")) < order.index(("s1", "raw peer"))
    assert order.index(("s2", "kernel")) < order.index(("s2", "application"))


def test_threads_have_lanes_of_their_own() -> None:
    records = (
        (0, "lock", "base", "acquire", "main"),
        *RECORDS,
        (9, "on", "t1"),
        (9, "touch", "x", "read"),
    )
    data = page_data(records)
    lanes = [(lane["group"], lane["name"]) for lane in data["lanes"]]
    assert lanes[:3] == [("", "loop"), ("threads", "main"), ("threads", "t1")]
    assert [lanes[record[1]][1] for record in data["records"]][-2:] == ["t1", "t1"]
    assert data["threads"] == [["main", "t1"], [0] * (len(records) - 2) + [1, 1]]


def test_bytes_pass_every_stage_once() -> None:
    """In each pipe each stage's moves lie end to end; no stage is ahead of the one before."""
    for world in ("sim-epoll", "sim-iocp"):
        seen = traffic(busy(world).records)
        for number, _ in enumerate(seen.pipes):
            counts = [0, 0, 0, 0]
            for move in seen.moves:
                if move.pipe != number or move.stage == TOLD:
                    continue
                assert move.start == counts[move.stage]
                counts[move.stage] = move.end
            assert counts == sorted(counts, reverse=True), seen.pipes[number]
            assert counts[WRITTEN] >= counts[READ]
