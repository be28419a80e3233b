"""The failure file keeps all of a run, and says clearly when it cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.failure import FailureFile, decode, encode, load, save, save_in
from model.errors import UsageError
from model.trace import encode_trace
from tests.harness.made import failure, failures


def lines_of(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def sealed(lines: list[str]) -> list[bytes]:
    """Lines with a seal that fits: what an attacker, who can also compute, would write."""
    body = [line.encode() for line in lines]
    digest = hashlib.sha256(b"".join(line + b"\n" for line in body)).hexdigest()
    return [*body, json.dumps({"sha256": digest}).encode(), b""]


def refused(lines: list[bytes]) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(UsageError) as caught:
        decode(lines, "f.jsonl")
    message = str(caught.value)
    assert message.startswith("f.jsonl line "), message
    assert "\n" not in message
    assert message.isprintable(), message
    assert len(message) < 800, message
    return message


@given(failures())
def test_a_file_loses_nothing(original: FailureFile) -> None:
    data = encode(original)
    again = decode(lines_of(data))
    assert encode(again) == data
    assert again.scenario == original.scenario
    assert again.decisions == original.decisions
    assert again.violations == original.violations
    assert encode_trace(again.records) == encode_trace(original.records)


@given(failures())
@settings(max_examples=20)
def test_a_file_is_plain_ascii_lines(original: FailureFile) -> None:
    data = encode(original)
    assert data.isascii()
    assert b"\r" not in data
    assert data.endswith(b"}\n")
    for line in data.splitlines():
        assert isinstance(json.loads(line), dict)


def test_records_come_back_as_they_were() -> None:
    assert decode(lines_of(encode(failure()))).records == failure().records


def test_every_truncation_is_refused() -> None:
    data = encode(failure())
    for size in range(len(data)):
        refused(lines_of(data[:size]))


def test_every_damaged_byte_is_refused() -> None:
    """One byte replaced, whichever: the seal, or the reader before it, says so."""
    data = encode(failure())
    for position in range(len(data)):
        for byte in {0x0A, 0x22, data[position] ^ 1} - {data[position]}:
            damaged = bytearray(data)
            damaged[position] = byte
            refused(lines_of(bytes(damaged)))


@given(failures(), st.data())
def test_any_damage_is_refused(original: FailureFile, draw: st.DataObject) -> None:
    data = bytearray(encode(original))
    start = draw.draw(st.integers(0, len(data)))
    stop = draw.draw(st.integers(start, min(len(data), start + 50)))
    put = draw.draw(st.binary(max_size=20))
    before = bytes(data)
    data[start:stop] = put
    changed = bytes(data).replace(b"\r\n", b"\n")
    if changed != before:
        refused(lines_of(changed))


@given(failures(), st.data())
def test_hostile_lines_with_a_good_seal_never_crash(
    original: FailureFile, draw: st.DataObject
) -> None:
    """Any JSON in place of any field: it loads, or is refused in one line."""
    lines = [json.loads(line) for line in encode(original).splitlines()[:-1]]
    json_values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=4,
    )
    index = draw.draw(st.integers(0, len(lines) - 1))
    name = draw.draw(st.sampled_from(sorted(lines[index])))
    lines[index][name] = draw.draw(json_values)
    made = sealed([json.dumps(line) for line in lines])
    try:
        decode(made, "f.jsonl")
    except UsageError:
        refused(made)


def _header(**changes: Any) -> list[bytes]:
    lines = [line.decode() for line in encode(failure()).splitlines()[:-1]]
    return sealed([json.dumps(json.loads(lines[0]) | changes), *lines[1:]])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 4}, "version is 4: this duopoll reads 3: use a newer one"),
        ({"version": 3}, "certificate"),
        ({"version": 10**30}, "use a newer one"),
        ({"version": True}, "version is true"),
        ({"duopoll": "trace"}, "no failure file"),
        ({"records": 10 * 2**30}, "records is 10737418240: expected an integer from 0"),
        ({"records": -1}, "records is -1"),
        ({"records": 1e3}, "records is 1000.0"),
        ({"records": 22}, "line 27: "),
        ({"records": 20}, "line 26: "),
        ({"property": "C-2"}, "line 1: property is 'C-2': the violations are of 'C-1'"),
        ({"world": 7}, "world is 7"),
        ({"world": "x" * 201}, "expected at most 200 characters"),
        ({"extra": 1}, "no such field"),
        ({"mutant": [[]]}, "mutant is a list of 1"),
        ({"others": [1]}, "others is a list of 1: expected a list of at most 8 texts"),
    ],
)
def test_a_bad_header_is_named(changes: dict[str, Any], expected: str) -> None:
    assert expected in refused(_header(**changes))


def _with_record(text: str) -> list[bytes]:
    """A file whose first trace record (line 6) is `text`."""
    lines = [line.decode() for line in encode(failure()).splitlines()[:-1]]
    return sealed([*lines[:5], text, *lines[6:]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"t":' + "9" * 5_000 + ',"k":"quiet"}', "no JSON text"),
        ('{"t":1,"k":"quiet","k":"quiet"}', "given twice"),
        ('{"t":NaN,"k":"quiet"}', "NaN"),
        ('{"t":-1,"k":"quiet"}', "field 't' is -1"),
        ('{"t":0,"k":"quite"}', "no kind of record 'quite'"),
        ('{"t":0,"k":["quiet"]}', "no kind of record ['quiet']"),
        ('{"t":0,"k":"quiet","x":1}', "has the fields t, k"),
        ('{"t":0,"k":"close","fd":{"a":1},"result":null}', "field 'fd' is {'a': 1}"),
        ('{"t":0,"k":"close","fd":1e999,"result":null}', "field 'fd' is inf"),
        ('{"t":0,"k":"close","fd":1,"result":"EWHAT"}', "cannot be read"),
        ('{"t":0,"k":"close","fd":1,"result":"hex:0"}', "cannot be read"),
        ('{"t":0,"k":"close","fd":1,"result":[[[1]]]}', "is [1], expected an integer"),
        ('{"t":0,"k":"op","bev":"c0","name":"free","args":null}', "field 'args' is None"),
        ('{"t":0,"k":"op","bev":"c0","name":"free","args":["x"]}', "field 'args' is 'x'"),
        ('{"t":0,"k":"close","fd":1,"result":"9@99999999"}', "cannot be read"),
    ],
)
def test_a_bad_record_is_named(text: str, expected: str) -> None:
    message = refused(_with_record(text))
    assert message.startswith("f.jsonl line 6: ")
    assert expected in message


def test_a_bomb_of_content_is_refused_before_it_is_made() -> None:
    bomb = "+".join(["1048576@0"] * 1_000_000)
    text = f'{{"t":0,"k":"close","fd":1,"result":"{bomb}"}}'
    assert "bytes of content" in refused(_with_record(text))


def test_carriage_returns_of_a_checkout_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(encode(failure()).replace(b"\n", b"\r\n"))
    assert load(path) == failure()


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "er" / "f.jsonl"
    save(path, failure())
    before = path.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UsageError, match=r"f.jsonl: cannot be written \(No space left on device\)"):
        save(path, failure(mutant="x"))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["f.jsonl"]


def test_the_same_failure_has_the_same_name(tmp_path: Path) -> None:
    first = save_in(tmp_path, failure())
    assert save_in(tmp_path, failure()) == first
    assert save_in(tmp_path, failure(mutant="../../x")).parent == tmp_path
    assert first.name.startswith("C-1-sim-epoll-model-")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["missing.jsonl", ".", "nul\0l"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"name a (readable file|failure file)"):
        load(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="devices are files on Unix only")
def test_a_device_is_refused() -> None:
    with pytest.raises(UsageError, match="is no file"):
        load("/dev/zero")
