"""Whether answers stayed as good is said beside the numbers and what was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.evaluate.test_measurement import STUDY, measured, served
from tests.workflow.worlds import study
from tuner.evaluate.measurement import Measurement
from tuner.guard.verdict import GuardReport
from tuner.report.closing.answers import answers_in_words
from tuner.spec.values import Guard
from tuner.stats.quantiles import Bound

ASKED = study(guard=Guard(0.9, 0.5, 0.02))


def judged(verdicts: dict[str, Any], pairs: int = 0) -> Measurement:
    """Return a measurement with verdicts on its answers."""
    share = Bound(0.98, 0.95, 1.0)
    report = GuardReport(
        {"correct": 98}, share, share, 50, verdicts, Bound(0.01, -0.01, 0.03), pairs
    )
    return replace(measured(served(10)), guard=report)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("PASS", "as good as the baseline's; "),
        ("FAIL", "worse than the baseline's; "),
        ("UNDECIDED", "not shown to be as good as the baseline's; "),
    ],
)
def test_they_are_held_against_the_baseline(verdict: str, words: str) -> None:
    """The verdict on `max_drop` comes first, the difference with its pairs last."""
    said = answers_in_words(ASKED, judged({"max_drop": verdict}, pairs=67))

    assert said.startswith(words)
    assert said.endswith("minus the baseline's 1.0 [-1.0, 3.0] points on 67 prompts that both "
                         "answered, at least -2 asked")  # fmt: skip


def test_floors_stand_beside_what_is_measured() -> None:
    """One that is open is named; all that are met are said to be so in one word."""
    open_ = answers_in_words(ASKED, judged({"min_valid": "PASS", "min_correct": "UNDECIDED"}))
    met = answers_in_words(ASKED, judged({"min_valid": "PASS", "min_correct": "PASS"}))

    assert "worse than asked (min_valid)" in answers_in_words(ASKED, judged({"min_valid": "FAIL"}))
    assert open_.startswith(
        "not shown to be as good as asked (min_correct); valid 98.0 [95.0, 100.0] %, at least 90 %"
    )
    assert met.startswith("as good as asked; valid ")
    assert "baseline" not in met  # nothing of it was compared


def test_without_a_guard_nothing_is_said_to_be_good() -> None:
    """How many answers were whole is all that is known; unknown is not said at all."""
    bare = replace(STUDY, guard=Guard())
    none = replace(judged({}).guard, valid=Bound(None, None, None))

    assert answers_in_words(bare, judged({})) == (
        "nothing was asked of them (no guard); 98% of them were whole"
    )
    assert "whole" not in answers_in_words(bare, replace(judged({}), guard=none))
