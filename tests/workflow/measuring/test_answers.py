"""Each answer of a trial is classified once, whoever asks for its class."""

from __future__ import annotations

from collections.abc import ItemsView
from typing import Any

from tests.guard.test_classify import sample
from tuner.spec.values import Message, Prompt
from tuner.workflow.measuring.answers import Answers


class Counted(dict[str, Any]):
    """What is expected of an answer; counts how often an answer was held against it."""

    asked = 0

    def items(self) -> ItemsView[str, Any]:
        self.asked += 1
        return super().items()


def test_an_answer_is_classified_once() -> None:
    """The stop rule and the stored sample share one classification."""
    answers, expect = Answers({"type": "object"}), Counted({"n": 1})
    prompt = Prompt("p", "p", "k", (Message("user", "one"),), expect)

    assert list(answers.noting(iter([prompt]))) == [prompt]
    found = [answers.classified(sample('{"n": 1}')) for _ in range(3)]

    assert {s.guard for s in found} == {"correct"}
    assert expect.asked == 1


def test_the_same_prompt_may_be_asked_twice() -> None:
    """Its answers may differ, so each request has a class of its own."""
    answers = Answers({"type": "object"})
    list(answers.noting(iter([Prompt("p", "p", "k", (), {"n": 1})])))
    first, second = sample('{"n": 1}', sent_ns=1), sample('{"n": 2}', sent_ns=2)

    assert answers.classified(first).guard == "correct"
    assert answers.classified(second).guard == "wrong_fields"
