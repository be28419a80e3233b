"""Scenarios as JSON: nothing is lost, and nothing wrong gets in."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness import scenario_schema
from harness.reading import parse
from harness.scenario import (
    ACTIONS,
    PEER_ACTIONS,
    AppStep,
    BuffereventEnd,
    Connection,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
    ends,
    steps_of,
)
from harness.scenario_json import from_json, load, to_json, validate
from harness.scenario_needs import needs
from harness.scenario_schema import SCHEMA, schema_text
from harness.strategies import scenarios
from model.errors import UsageError

VALIDATOR = Draft202012Validator(SCHEMA)
NOT_ENDS = "no bufferevent of the scenario"  # the one rule that the schema cannot say

PLAIN: dict[str, Any] = {
    "version": 1,
    "connections": [{"client": {"type": "bufferevent"}, "server": {"type": "peer"}}],
}


BEYOND_THE_SCHEMA = (NOT_ENDS, "threads need a bufferevent")


def accepted(document: object) -> bool:
    """What `from_json` says, where the schema can say it too."""
    try:
        from_json(document)
    except UsageError as error:
        return any(rule in str(error) for rule in BEYOND_THE_SCHEMA)
    return True


def with_app(*steps: dict[str, Any]) -> dict[str, Any]:
    return {**PLAIN, "app": list(steps)}


def test_the_published_schema_is_up_to_date() -> None:
    path = Path(scenario_schema.__file__).with_name("scenario.schema.json")
    assert path.read_text("utf-8") == schema_text()
    Draft202012Validator.check_schema(SCHEMA)


@given(scenarios())
def test_json_loses_nothing(scenario: Scenario) -> None:
    document = json.loads(json.dumps(to_json(scenario)))
    assert from_json(document) == scenario
    assert to_json(from_json(document)) == document
    validate(scenario)


@given(scenarios())
def test_the_schema_accepts_what_is_written(scenario: Scenario) -> None:
    VALIDATOR.validate(json.loads(json.dumps(to_json(scenario))))


def test_every_action_has_a_json() -> None:
    arguments = {
        "size": 1, "size0": 0, "sizes": (1, 2), "duration": 5, "duration_or_none": None,
        "mask": "RW", "flag": True, "which": "RE", "event": "READING|EOF", "priority": 3,
        "mode": "FINISHED", "rate": 7, "tick": 1_000_000, "tokens": -3, "group": 1,
    }  # fmt: skip

    def steps(actions: dict[str, Any]) -> tuple[Step, ...]:
        return tuple(
            Step(do, tuple(arguments[parameter.kind] for parameter in parameters))
            for do, parameters in actions.items()
        )

    end = BuffereventEnd(setup=steps(ACTIONS), on_read=(steps(ACTIONS), ()), after_reads="leave")
    app = tuple(AppStep(step.do, "c0", step.args) for step in steps(ACTIONS))
    connection = Connection(end, PeerEnd(steps(PEER_ACTIONS), connects=3, listens=False))
    groups = (RateGroup(), RateGroup(1, 2, 3, 4, 5_000_000, 6))
    scenario = Scenario((connection,), (*app, AppStep("wait", None, (7,))), groups=groups)
    document = json.loads(json.dumps(to_json(scenario)))
    VALIDATOR.validate(document)
    assert from_json(document) == scenario


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        keys: Any = list(document)
    elif isinstance(document, list):
        keys = range(len(document))
    else:
        return found
    for key in keys:
        found.append((document, key))
        found += places(document[key])
    return found


ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([
        None, True, False, 0, 1, -1, 2, 64.0, 0.5, -0.0, 1e308, float("inf"), float("nan"),
        10**4000, 1 << 20, (1 << 20) + 1, 10_000_000_000, 10_000_000_001, "", "R", "RW", "WR",
        "RWE", "c0",
        "s0", "c1", "c64", "c00", "c-1", "peer", "bufferevent", "echo", "leave", "wait", "free",
        "write", "\ud800", [], {}, [[]], [1], [0], {"do": "free"}, {"type": "peer"},
        ["CLOSE_ON_FREE", "CLOSE_ON_FREE"], ["UNLOCK_CALLBACKS"],
        ["UNLOCK_CALLBACKS", "DEFER_CALLBACKS"],
    ]),
    st.integers(),
    st.text(max_size=3),
)  # fmt: skip


@st.composite
def damaged_documents(draw: st.DrawFn) -> Any:
    """A scenario's document with one to three changes: a value, a field more, a field less."""
    document = json.loads(json.dumps(to_json(draw(scenarios()))))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(places(document)))
        change = draw(st.sampled_from(("replace", "remove", "add", "repeat")))
        if change == "replace":
            container[key] = copy.deepcopy(draw(ODD_VALUES))
        elif change == "remove":
            del container[key]
        elif change == "add" and isinstance(container, dict):
            field = draw(st.sampled_from(("size", "do", "end", "mask", "x", "\n", "setup", "app")))
            container[field] = copy.deepcopy(draw(ODD_VALUES))
        elif isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        if not places(document):
            break
    return document


@settings(max_examples=300)
@given(damaged_documents())
def test_the_schema_and_the_reader_agree(document: object) -> None:
    assert VALIDATOR.is_valid(document) == accepted(document)


JSON_VALUES = st.recursive(
    st.one_of(ODD_VALUES, st.floats()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.one_of(damaged_documents(), JSON_VALUES))
def test_a_bad_document_is_one_clear_line(document: object) -> None:
    try:
        from_json(document)
    except UsageError as error:
        text = str(error)
        assert text.isprintable() and len(text) < 400
        assert text.startswith("scenario") and ": " in text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (7, "scenario is 7: write an object with version, connections, app, network"),
        ({}, "scenario.version is missing: add it; needed are version, connections"),
        (PLAIN | {"version": 2}, "scenario.version is 2: write 1"),
        (PLAIN | {"hosts": []}, "scenario.hosts is a list of 0: remove it; the fields here are"),
        (PLAIN | {"connections": []}, "scenario.connections is a list of 0: write a list of 1 to"),
        (
            with_app({"do": "write", "end": "c0", "size": -1}),
            "scenario.app[0].size is -1: write an integer from 1 to 1048576",
        ),
        (
            with_app({"do": "write", "end": "c0", "size": 10**9999}),
            "scenario.app[0].size is an integer of 33216 bits: write an integer from 1 to",
        ),
        (
            with_app({"do": "write", "end": "c0", "size": float("nan")}),
            "scenario.app[0].size is nan: write an integer from",
        ),
        (
            with_app({"do": "write", "end": "c0", "size": True}),
            "scenario.app[0].size is true: write an integer from",
        ),
        (
            with_app({"do": "write", "end": "s0", "size": 1}),
            "scenario.app[0].end is 's0': no bufferevent of the scenario; name one of c0",
        ),
        (with_app({"do": "write", "size": 1}), "scenario.app[0].end is missing"),
        (with_app({"do": "wrote"}), "scenario.app[0].do is 'wrote': write one of"),
        (
            PLAIN | {"connections": [{"client": {"type": "peer"}, "server": {"type": "peer"}}]},
            "scenario.connections[0] is a peer at both ends: make one of them a bufferevent",
        ),
    ],
)  # fmt: skip
def test_messages_name_path_value_and_remedy(document: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(document)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"version":1,"version":1}', b'{"a":NaN}',
        b'{"version":' + b"9" * 6000 + b"}", b"-Infinity", b"\x00" * 1000,
    ],
)  # fmt: skip
def test_hostile_text_is_one_clear_line(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable() and len(message) < 600


def test_deep_objects_are_refused_without_recursion() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"connections": [deep]}
    with pytest.raises(UsageError):
        from_json(deep)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, "\0"):
        with pytest.raises(UsageError, match="cannot be read"):
            load(path)


def test_load_gives_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(PLAIN))
    assert load(path) == Scenario()
    assert parse(json.dumps(PLAIN)) == PLAIN


def test_validate_refuses_unknown_actions() -> None:
    for step in (AppStep("dance", "c0"), AppStep("write", "c0"), AppStep("write", "c9", (1,))):
        with pytest.raises(UsageError):
            validate(Scenario(app=(step,)))


def test_helpers_see_every_step() -> None:
    end = BuffereventEnd(on_event=((Step("set_timeouts", (5, None)), Step("free")),))
    scenario = Scenario(
        (Connection(end, PeerEnd((Step("close"),))),), (AppStep("wait", None, (1,)),)
    )
    assert [name for name, _ in ends(scenario)] == ["c0", "s0"]
    assert [step.do for step in steps_of(scenario)] == [
        "wait", "enable", "set_timeouts", "free", "close",
    ]  # fmt: skip
    assert needs(scenario).longest_timeout_ns == 5
