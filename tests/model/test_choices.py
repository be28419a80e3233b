"""The tape: bounds, determinism, the dull end, and replays that do not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices, Decision, StrictChoices
from model.errors import Divergence

TAPES = st.lists(st.integers(0, 1 << 40), max_size=30)
QUESTIONS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=40)


def answers(choices: Choices, questions: list[tuple[str, int]]) -> list[int]:
    return [choices.draw(name, bound) for name, bound in questions]


@given(TAPES, QUESTIONS)
def test_draw(tape: list[int], questions: list[tuple[str, int]]) -> None:
    """Each answer is below its bound, comes from the tape in order, and is recorded."""
    choices = Choices(tape)
    got = answers(choices, questions)
    rest = list(tape)
    for (_, bound), answer in zip(questions, got, strict=True):
        assert 0 <= answer < max(bound, 1)
        assert answer == (rest.pop(0) % bound if bound > 1 and rest else 0)
    asked = [question for question in questions if question[1] > 1][: len(tape)]
    assert [(each.name, each.bound) for each in choices.decisions] == asked
    assert choices.position == len(asked)
    assert answers(Choices(tape), questions) == got


@given(TAPES, QUESTIONS, st.integers(0, 30))
def test_cutting_a_tape_makes_it_dull(
    tape: list[int], questions: list[tuple[str, int]], cut: int
) -> None:
    """A shorter tape gives the same answers, then 0 for ever."""
    whole, short = Choices(tape), Choices(tape[:cut])
    both = list(zip(answers(whole, questions), answers(short, questions), strict=True))
    same = sum(bound > 1 for _, bound in questions) <= cut or len(tape) <= cut
    assert all(first == second for first, second in both) or not same
    assert all(second in (first, 0) for first, second in both)


@given(TAPES, QUESTIONS)
def test_strict_replay_of_the_same_run(tape: list[int], questions: list[tuple[str, int]]) -> None:
    recorded = Choices(tape)
    first = answers(recorded, questions)
    strict = StrictChoices(recorded.decisions)
    assert answers(strict, questions) == first
    strict.finish()
    assert strict.decisions == recorded.decisions


@pytest.mark.parametrize(
    ("asked", "bound"), [("other", 5), ("tcp.latency", 6)], ids=["name", "bound"]
)
def test_strict_divergence_names_both_sides(asked: str, bound: int) -> None:
    strict = StrictChoices([Decision("sched.next", 2, 1), Decision("tcp.latency", 5, 3)])
    assert strict.draw("sched.next", 2) == 1
    assert strict.draw("nothing to decide", 1) == 0
    with pytest.raises(Divergence) as caught:
        strict.draw(asked, bound)
    message = str(caught.value)
    assert "decision 1" in message
    assert "'tcp.latency' of 5" in message
    assert f"{asked!r} of {bound}" in message


def test_strict_divergence_when_decisions_are_left() -> None:
    strict = StrictChoices([Decision("sched.next", 2, 1)])
    with pytest.raises(Divergence, match=r"decision 0: recorded 'sched.next' of 2.*ended"):
        strict.finish()


def test_strict_asks_more_than_recorded() -> None:
    """The recorded tape had ended there: dull answers."""
    strict = StrictChoices([Decision("a", 2, 1)])
    assert [strict.draw("a", 2), strict.draw("b", 7), strict.draw("c", 3)] == [1, 0, 0]
    strict.finish()
