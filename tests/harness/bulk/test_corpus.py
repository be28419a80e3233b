"""The corpus: what is written is read again, damage is one line, merging and minimising keep what
is covered."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bulk import corpus
from harness.bulk.corpus import Entry, covering, decode, encode
from harness.bulk.generator import fresh
from harness.bulk.search import covers
from harness.cli import main
from model.errors import UsageError
from tests.harness.bulk.drawn import entries

ENTRY = Entry(fresh(Random(1)), "sim-epoll", new=("r op free",))
_covers = st.lists(
    st.tuples(entries, st.frozensets(st.sampled_from("abcdefgh"))),
    max_size=8,
    unique_by=lambda each: each[0].name,
)


@given(entries)
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert decode(encode(entry)) == entry
    assert entry.name == decode(encode(entry)).name


@given(entries, st.data())
def test_a_changed_file_is_one_line(entry: Entry, data: st.DataObject) -> None:
    whole = bytearray(encode(entry))
    place = data.draw(st.integers(0, len(whole) - 2))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    whole[place] = value
    with pytest.raises(UsageError) as raised:
        decode(bytes(whole), "a/b.json")
    assert str(raised.value).startswith("a/b.json: ")
    assert "\n" not in str(raised.value)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists))
def test_any_value_for_any_field_is_one_line(value: object) -> None:
    for name in json.loads(encode(ENTRY)):
        fields = json.loads(encode(ENTRY))
        if fields[name] == value and type(fields[name]) is type(value):
            continue
        fields[name] = value
        with pytest.raises(UsageError) as raised:
            decode(json.dumps(fields).encode())
        assert "\n" not in str(raised.value)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_entry_are_one_line(data: bytes) -> None:
    with pytest.raises(UsageError) as raised:
        decode(data)
    assert "\n" not in str(raised.value)


@given(_covers)
def test_what_is_chosen_covers_all_and_nothing_of_it_is_chosen_again(
    covers: list[tuple[Entry, frozenset[str]]],
) -> None:
    keys = dict(covers)
    chosen = covering(keys.items())
    everything = frozenset().union(*keys.values())
    assert frozenset().union(*[keys[each] for each in chosen]) == everything
    assert covering([(each, keys[each]) for each in chosen]) == chosen
    assert covering(reversed(keys.items())) == chosen
    assert len(chosen) <= len(everything)


def folder(path: Path, seed: int, count: int = 8) -> Path:
    random = Random(seed)
    for number in range(count):
        corpus.save(path, Entry(fresh(random, focus=""), ("sim-epoll", "sim-iocp")[number % 2]))
    return path


def covered(path: Path) -> set[str]:
    return {key for entry in corpus.load(path) for key in covers(entry)}


def names(path: Path) -> set[str]:
    return {entry.name for entry in corpus.load(path)}


@settings(max_examples=5)
@given(seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_merging_covers_both_in_any_order_and_does_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, seeds: tuple[int, int]
) -> None:
    top = tmp_path_factory.mktemp("corpora")
    one, two = (folder(top / str(n), seed) for n, seed in enumerate(seeds))
    both = covered(one) | covered(two)
    for order, into in (((one, two), top / "12"), ((two, one), top / "21")):
        assert main(["corpus", "merge", str(into), *map(str, order)]) == 0
        assert covered(into) == both
        before = names(into)
        assert main(["corpus", "merge", str(into), *map(str, order)]) == 0
        assert names(into) == before
    assert names(top / "12") == names(top / "21")


def test_minimising_keeps_the_coverage_and_takes_cases_away(tmp_path: Path) -> None:
    folder(tmp_path, 5, 16)
    before = covered(tmp_path)
    assert main(["corpus", "minimise", str(tmp_path)]) == 0
    first = names(tmp_path)
    assert covered(tmp_path) == before
    assert len(first) < 16
    assert main(["corpus", "minimise", str(tmp_path)]) == 0
    assert names(tmp_path) == first
    assert all(set(entry.new) == set(covers(entry)) for entry in corpus.load(tmp_path))


def test_a_corpus_is_shown_with_what_existed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(tmp_path, 1, 3)
    assert main(["corpus", "show", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(entry.case.swarm.told() in shown for entry in corpus.load(tmp_path))
    assert main(["corpus", "show", "--json", str(tmp_path)]) == 0
    assert len(json.loads(capsys.readouterr().out)["entries"]) == 3


@pytest.mark.parametrize("command", ["show", "merge", "minimise"])
def test_a_damaged_file_in_a_folder_is_one_line(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(tmp_path, 1, 2)
    bad = next(tmp_path.glob("*.json"))
    bad.write_bytes(bad.read_bytes()[:-40])
    assert main(["corpus", command, str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(bad) in line


def test_what_was_being_written_is_no_entry(tmp_path: Path) -> None:
    folder(tmp_path, 1, 2)
    (tmp_path / ".half.json.1.tmp").write_bytes(b"{")
    (tmp_path / ".half.json").write_bytes(b"{")
    assert len(corpus.load(tmp_path)) == 2
    with pytest.raises(UsageError, match="is no folder"):
        corpus.load(tmp_path / "nothing")
