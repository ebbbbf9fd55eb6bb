"""A validation as people and programs read it: the verdict first, unknown shown as unknown."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.workflow.measuring.test_compare import asked
from tests.workflow.worlds import study
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.evaluate.validation import Agreement, Answers, Latency, Targets, Validation
from tuner.report.result import as_text
from tuner.report.validation import (
    plan_lines,
    show_validation,
    validation_document,
    verdict_line,
)
from tuner.spec.study import Study
from tuner.stats.quantiles import Bound
from tuner.workflow.validating.plan import planned

STUDY = study()
UNKNOWN = Bound(None, None, None)
AGREED = Agreement(Bound(0.9, 0.8, 0.95), Bound(1.0, 0.9, 1.0), 40, True)


def found(n: int = 40, of: Study = STUDY, **changes: Any) -> Validation:
    """Return a validation of two alike sides with `n` requests each."""
    samples = tuple(asked(1 + i // 20, i, 100.0 + i) for i in range(n))
    side = measurement(of, {"num_batch": 64}, Measured(samples=samples), Terms(0.01))
    given: dict[str, Any] = {
        "latency": Latency("e2e", Bound(1.0, 0.98, 1.02), n // 20),
        "targets": Targets("PASS", "PASS"),
        "answers": Answers(Bound(0.0, -0.01, 0.01), "PASS", n, 120, 0.02, judged=True),
        "measured": {"a": side, "b": side},
    }
    return Validation(**given | changes)


def text(shown: Validation, of: Study = STUDY) -> str:
    """Return a validation as it is printed."""
    return as_text(show_validation(shown, of, {"a": "one", "b": "two"}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {},
            "B is not worse than A: e2e +0.0 % [-2.0, +2.0]; targets: A PASS, B PASS; right "
            "answers 0.0 [-1.0, 1.0] points.",
        ),
        (
            {"latency": Latency("ttft", Bound(0.8, 0.7, 0.9), 9)},
            "B is better than A: ttft -20.0 % [-30.0, -10.0].",
        ),
        ({"targets": Targets("PASS", "FAIL")}, "B is worse than A: targets: A PASS, B FAIL."),
        (
            {"latency": Latency("e2e", Bound(1.0, None, 1.1), 9)},
            "Undecided whether B is worse than A: e2e +0.0 % [?, +10.0].",
        ),
        (
            {"lost": "b", "stopped": "B did not serve 2 times (it died)"},
            "B is worse than A: B did not serve 2 times (it died).",
        ),
    ],
)
def test_the_verdict_is_one_sentence_with_what_decided(changes: dict[str, Any], line: str) -> None:
    """It comes first."""
    shown = found(**changes)

    assert verdict_line(shown) == line
    assert text(shown).startswith(line[:60])


def test_nothing_measured_is_shown_as_unknown() -> None:
    """Neither as zero nor as infinite."""
    nothing = found(
        0,
        latency=Latency("e2e", UNKNOWN, 0),
        targets=Targets("UNDECIDED", "UNDECIDED"),
        answers=Answers(UNKNOWN, "UNDECIDED", 0, 120, 0.02, judged=True),
    )

    assert "no pair of blocks came to its end in time" in verdict_line(nothing)
    assert "inf" not in text(nothing)
    assert "unknown" in text(nothing)


def test_agreement_is_named_as_drift() -> None:
    """And as no quality; whether answers were greedy is said where it is known."""
    shown = " ".join(text(found(agreement=AGREED)).split())
    unsure = " ".join(text(found(agreement=dataclasses.replace(AGREED, greedy=None))).split())

    assert "on greedy answers: 90.0 [80.0, 95.0] % of 40 prompts" in shown
    assert "a measure of drift without labels" in shown
    assert "(whether greedy is unknown)" in unsure


def test_what_is_not_judged_is_said() -> None:
    """Rare slow requests without a target, right answers without an expectation."""
    untargeted = dataclasses.replace(STUDY, slos=())
    answers = Answers(UNKNOWN, "UNDECIDED", 0, 120, 0.02, judged=False)
    shown = text(found(of=untargeted, targets=Targets(), answers=answers), untargeted)

    assert "Rare slow requests are not judged" in shown
    assert "No prompt says what is right" in shown


def test_a_plan_says_what_no_number_of_answers_can_show() -> None:
    """A drop of nothing at all."""
    lines = plan_lines(planned(STUDY, 0.0), STUDY, 0.03, 0.0)

    assert "that takes more than any number of templates, and there are 120" in lines[2]
    assert "the noise floor is 3.0%" in plan_lines(planned(STUDY, 0.1), STUDY, 0.1, 0.1)[1]


def test_the_document_is_json_with_every_number() -> None:
    """What is unknown is null."""
    labels, facts = {"a": "one", "b": "two"}, {"a": {}, "b": {}}
    shown = found(latency=Latency("e2e", Bound(1.0, None, None), 2), agreement=AGREED)
    told = validation_document(shown, STUDY, labels, facts, planned(STUDY, 0.0))
    again = json.loads(json.dumps(told, allow_nan=False))

    assert again["latency"]["ratio_b_to_a"] == {"value": 1.0, "low": None, "high": None}
    assert again["planned"]["answers"] is None
    assert (again["a"]["named"], again["b"]["named"]) == ("one", "two")
    assert again["agreement"]["prompts"] == 40
