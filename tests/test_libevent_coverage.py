"""`make libevent-coverage`, without what needs a build: what it reads, and what it refuses."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
TOLD = """\
main/methods: OK
main/event_closed_fd_poll: [forking] SKIPPED
util/getaddrinfo_live: DISABLED
http/https_incomplete: [forking] [warn] unexpected eof
  FAIL test/regress_http.c:3154: assert(test_ok == 2): -2 vs 2
  [https_incomplete FAILED]
http/https_incomplete_timeout: [forking] OK
1/5 TESTS FAILED. (3 skipped)
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("libevent_coverage")


@pytest.fixture
def source(script: ModuleType) -> ModuleType:
    return importlib.import_module("libevent_source")


def test_what_regress_printed(script: ModuleType) -> None:
    regress = importlib.import_module("libevent_regress")
    assert regress.regress_told(TOLD) == {
        "sum": "1/5 TESTS FAILED. (3 skipped)",
        "failed": ["http/https_incomplete"],
        "left_out": ["main/event_closed_fd_poll", "util/getaddrinfo_live"],
    }
    assert regress.regress_told("") == {"sum": "none", "failed": [], "left_out": []}


def test_a_missing_tool_is_one_line(
    source: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(source.Unbuildable, match=r"^apt-get, .*make, gcov not found: install"):
        source.built(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_only_the_distributions_mirrors_are_asked_for_sources(
    source: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SYSTEM_LISTS", tmp_path)
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm\n"
        "Signed-By: /keys/debian.gpg\n\nTypes: deb\nURIs: https://node.example/x\nSuites: n\n"
    )
    (parts / "other.list").write_text("deb https://cloud.example/apt main\n")
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb [signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main\n"
    )
    assert [stanza.splitlines() for stanza in source._source_stanzas()] == [
        [
            "Types: deb-src",
            "URIs: http://mirror.example/debian",
            "Suites: bookworm",
            "Signed-By: /keys/debian.gpg",
        ]
    ]
    assert list(source._source_lines()) == [
        "deb-src [signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main"
    ]


def test_without_a_mirror_nothing_is_fetched(
    source: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "SYSTEM_LISTS", tmp_path / "none")
    with pytest.raises(source.Unbuildable, match=r"^no Debian or Ubuntu mirror in .*: add one"):
        source._unpack(tmp_path, "1", tmp_path / "tree")
