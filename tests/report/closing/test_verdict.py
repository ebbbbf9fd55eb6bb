"""The sentence that leads a result says what is shown, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.evaluate.test_measurement import STUDY, served
from tuner.evaluate.measured import Measured
from tuner.evaluate.measurement import measurement
from tuner.report.closing.verdict import answers_against_verdict, targets_in_words
from tuner.spec.values import Metric, Sample, Slo


def said(samples: list[Sample], *slos: Slo) -> str:
    """Return the sentence on some targets."""
    study = replace(STUDY, slos=slos)
    return targets_in_words(study, measurement(study, {}, Measured(None, tuple(samples))))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (served(400), "fewer than 1 % of requests take longer than 500 ms"),
        (served(400, 900.0), "more than 1 % of requests take longer than 500 ms"),
        (served(50), "it is open whether fewer than 1 % of requests take longer than 500 ms"),
    ],
)
def test_a_target_is_said_with_its_numbers(samples: list[Sample], words: str) -> None:
    """What is shown, how many requests were late of how many, the quantile, and how sure it is."""
    late = sum(s.latency_s("e2e") > 0.5 for s in samples)
    sentence = said(samples, Slo("e2e", 0.99, 0.5))

    assert sentence.startswith(f"{words} (e2e p99 <= 500 ms): {late} of {len(samples)} did, p99 ")
    assert sentence.endswith(" ms, 95.0% confidence.")


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("ttft", "wait longer than 500 ms for the first token"),
        ("tpot", "longer than 500 ms a token"),
    ],
)
def test_each_metric_has_its_words(metric: Metric, words: str) -> None:
    """A quantile other than p99 has another share."""
    assert words in said(served(100), Slo(metric, 0.95, 0.5))
    assert "fewer than 5 % of requests" in said(served(100), Slo(metric, 0.95, 0.5))


def test_several_targets_stand_in_one_sentence() -> None:
    """Each with numbers of its own."""
    assert said(served(9), Slo("e2e", 0.99, 0.5), Slo("ttft", 0.9, 0.2)).count("confidence") == 2


def test_what_is_unknown_is_counted() -> None:
    """Answers whose tokens nobody knows are neither late nor timely."""
    samples = [*served(5, output_tokens=None), *served(5)]

    assert "0 of 10 did and 5 are unknown" in said(samples, Slo("tpot", 0.9, 0.1))


def test_a_client_that_was_too_slow_shows_nothing() -> None:
    """However good the numbers are."""
    m = measurement(STUDY, {}, Measured(None, tuple(served(400))))

    assert targets_in_words(STUDY, replace(m, saturated="too slow")).startswith("it is open")


def test_a_floor_that_is_not_met_is_named() -> None:
    """A target that is met proves nothing where the answers are not."""
    m = measurement(STUDY, {}, Measured(None, tuple(served(400))))
    floors = {"min_valid": "PASS", "max_drop": "UNDECIDED"}
    named = answers_against_verdict(replace(m, guard=replace(m.guard, verdicts=floors)))  # type: ignore[arg-type]

    assert named == "The answers are not shown to be as asked: max_drop UNDECIDED."
    assert answers_against_verdict(replace(m, guard=replace(m.guard, verdicts={}))) == ""
