"""The mutants fit the model, the catalogue and the list of historical bugs.

Whether each is found is the fuzzer's test; here each must apply, change something, and restore.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import model.mutants
from model.errors import UsageError
from model.mutants import MUTANTS, Mutant, active, find
from model.properties import PROPERTIES

BUGS: list[dict[str, Any]] = json.loads(
    (Path(model.mutants.__file__).parent / "bugs.json").read_text(encoding="utf-8")
)
BUG = {bug["id"]: bug for bug in BUGS}
EVERY = pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)


def methods(mutant: Mutant) -> list[Any]:
    return [owner.__dict__[attribute] for owner, attribute, _ in mutant.patches]


@EVERY
def test_applies_and_restores(mutant: Mutant) -> None:
    before = methods(mutant)
    replacements = [replacement for _, _, replacement in mutant.patches]
    assert mutant.patches
    with active(mutant.name):
        assert methods(mutant) == replacements
    assert methods(mutant) == before
    assert all(old is not new for old, new in zip(before, replacements, strict=True))


@EVERY
def test_restores_after_an_exception(mutant: Mutant) -> None:
    before = methods(mutant)

    def crash() -> None:
        with active(mutant.name):
            raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        crash()
    assert methods(mutant) == before


@EVERY
def test_replacements_are_called_alike(mutant: Mutant) -> None:
    """Same parameters, same defaults: the model calls a mutant as it calls itself."""
    for owner, attribute, replacement in mutant.patches:
        mine = inspect.signature(owner.__dict__[attribute]).parameters
        theirs = inspect.signature(replacement).parameters
        assert list(mine) == list(theirs), f"{mutant.name}: {owner.__name__}.{attribute}"
        assert [each.default for each in mine.values()] == [
            each.default for each in theirs.values()
        ]


@EVERY
def test_names_a_property_that_can_find_it(mutant: Mutant) -> None:
    catalogue = {each.id: each for each in PROPERTIES}
    assert mutant.breaks in catalogue
    assert mutant.title
    assert set(mutant.kernels) <= {"readiness", "completion"}
    assert mutant.kernels
    assert set(mutant.kernels) & set(catalogue[mutant.breaks].kernels)
    assert catalogue[mutant.breaks].checked_by in ("trace", "runs")


@EVERY
def test_says_what_the_bug_is(mutant: Mutant) -> None:
    """Each replacement's docstring is the bug's description."""
    assert any(replacement.__doc__ for _, _, replacement in mutant.patches)


@pytest.mark.parametrize("name", [name for name in MUTANTS if name.startswith("LE-")])
def test_historical_mutants_are_historical(name: str) -> None:
    bug = BUG[name]
    assert MUTANTS[name].breaks in bug["properties"], f"libevent's {name} broke others"
    lives = {
        "readiness": {"readiness"},
        "completion": {"completion"},
        "both": {"readiness", "completion"},
    }[bug["backend"]]
    surplus = set(MUTANTS[name].kernels) - lives
    assert not surplus or bug["area"].startswith("evbuffer"), surplus


def test_every_checked_property_has_a_mutant() -> None:
    """A property that nothing can break is a check that cannot fail."""
    broken = {mutant.breaks for mutant in MUTANTS.values()}
    checked = {each.id for each in PROPERTIES if each.checked_by in ("trace", "runs")}
    assert checked <= broken, f"no mutant breaks {sorted(checked - broken)}"


def test_the_list_of_bugs_is_whole() -> None:
    """Each entry is a mutant, or says why it is none."""
    assert len(BUG) == len(BUGS) == 67
    fields = ("id", "title", "area", "backend", "trigger", "symptom", "properties")
    for bug in BUGS:
        assert all(bug[field] for field in fields), bug["id"]
        assert (bug["id"] in MUTANTS) is ("why_not" not in bug), bug["id"]
        assert bug.get("why_not", "a mutant").strip()


def test_unknown_mutant() -> None:
    with pytest.raises(UsageError, match=r"no mutant 'LE-999'.*duopoll mutants"):
        find("LE-999")
    with pytest.raises(UsageError, match="no mutant"), active("nonsense"):
        pytest.fail("nothing to activate")


def test_no_mutant() -> None:
    before = [methods(mutant) for mutant in MUTANTS.values()]
    with active(None):
        assert [methods(mutant) for mutant in MUTANTS.values()] == before
