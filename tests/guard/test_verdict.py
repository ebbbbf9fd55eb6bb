"""Floors on answers: bounds over clusters of templates, pairs on the same prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.guard.test_classify import sample
from tuner.guard.verdict import first_answers, overall, paired, report
from tuner.spec.values import Guard, GuardClass, Sample, Verdict


def answers(*classes: GuardClass, per_template: int = 1) -> list[Sample]:
    """Return samples of these classes, so many to a template."""
    return [
        replace(sample("x"), prompt_id=str(i), cluster=str(i // per_template), guard=c)
        for i, c in enumerate(classes)
    ]


def verdict(samples: list[Sample], guard: Guard, baseline: list[Sample] | None = None) -> Verdict:
    """Return the verdict at 5 %."""
    return report(samples, guard, alpha=0.05, baseline=baseline).verdict


def test_many_good_templates_pass() -> None:
    """A hundred and twenty templates answered right show a floor of 95 %."""
    assert verdict(answers(*["correct"] * 120), Guard(min_valid=0.95, min_correct=0.5)) == "PASS"


def test_few_answers_are_undecided() -> None:
    """Ten right answers of ten show nothing about 95 %."""
    assert verdict(answers(*["correct"] * 10), Guard(min_valid=0.95)) == "UNDECIDED"


def test_a_constant_wrong_answer_fails_the_floor_on_correctness() -> None:
    """Validity alone is not quality: valid and wrong does not pass."""
    constant = answers(*["wrong_fields"] * 100)

    assert verdict(constant, Guard(min_valid=0.9)) == "PASS"
    assert verdict(constant, Guard(min_valid=0.9, min_correct=0.5)) == "FAIL"


def test_answers_to_one_template_count_once() -> None:
    """A hundred and twenty right answers to four templates are four, and show nothing."""
    few = answers(*["correct"] * 120, per_template=30)

    found = report(few, Guard(min_valid=0.9), alpha=0.05)
    assert (found.templates, found.verdict) == (4, "UNDECIDED")


def mixed(n: int, heavy: GuardClass, light: GuardClass) -> tuple[list[Sample], dict[str, int]]:
    """Return n requests of a traffic half of which are 100 heavy templates, half 600 light ones."""
    visits = {f"h{i}": 6 for i in range(100)} | {f"l{i}": 1 for i in range(600)}
    turns = [name for name, count in visits.items() for _ in range(count)]
    np.random.default_rng(3).shuffle(turns)
    samples = [
        replace(sample("x"), prompt_id=str(i), cluster=t, guard=heavy if t[0] == "h" else light)
        for i, t in enumerate(turns[:n])
    ]
    return samples, visits


@pytest.mark.parametrize("n", [409, 1200])
def test_templates_weigh_as_the_traffic_does(n: int) -> None:
    """Where half of the requests are right, a floor of a half is neither met nor missed."""
    for classes in (("correct", "wrong_fields"), ("wrong_fields", "correct")):
        samples, visits = mixed(n, *classes)
        found = report(samples, Guard(min_correct=0.5), alpha=0.025, visits=visits)
        assert found.verdict == "UNDECIDED"
        assert (found.correct.low or 0) < 0.5 < (found.correct.high or 0)
    samples, visits = mixed(n, "correct", "wrong_fields")
    assert report(samples, Guard(min_correct=0.2), alpha=0.025, visits=visits).verdict == "PASS"


def test_no_drop_against_the_baseline() -> None:
    """Clearly better on the same prompts passes, clearly worse fails, alike is undecided."""
    good, bad = answers(*["correct"] * 80), answers(*["wrong_fields"] * 80)
    guard = Guard(max_drop=0.02)

    assert verdict(good, guard, bad) == "PASS"
    assert verdict(bad, guard, good) == "FAIL"
    mixed = answers(*["correct", "wrong_fields"] * 40)
    other = answers(*["wrong_fields", "correct"] * 40)
    assert verdict(mixed, guard, other) == "UNDECIDED"


def test_without_a_baseline_no_drop_is_judged() -> None:
    """The baseline itself is not held against itself."""
    assert report(answers("correct"), Guard(max_drop=0.02), alpha=0.05).verdicts == {}


def test_pairs_are_by_prompt() -> None:
    """Answers are paired by the prompt's id, wherever they stand."""
    ours, theirs = answers("correct", "correct"), answers("error", "correct", "empty")

    assert [b.prompt_id for _, b in paired(list(reversed(ours)), theirs)] == ["1", "0"]


@pytest.mark.parametrize(("baseline", "wanted"), [(None, {}), ([], {"max_drop": "UNDECIDED"})])
def test_without_answers_to_compare_a_drop_stays_open(
    baseline: list[Sample] | None, wanted: dict[str, Verdict]
) -> None:
    """A baseline that answered nothing shows no more than that it was asked for."""
    ours = answers(*["correct"] * 200)

    assert report(ours, Guard(max_drop=0.5), alpha=0.05, baseline=baseline).verdicts == wanted


def test_the_needed_pairs_are_told() -> None:
    """Alike candidates need many pairs, and the report says how many."""
    same = answers(*["correct"] * 30)
    found = report(same, Guard(max_drop=0.02), alpha=0.05, baseline=same)

    assert found.pairs == 30
    assert found.pairs_needed is not None
    assert 100 < found.pairs_needed < 200


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_the_first_answer_to_each_template_counts(names: list[str]) -> None:
    """Each template that was asked counts with exactly its first answer."""
    samples = [replace(sample("x"), prompt_id=str(i), cluster=c) for i, c in enumerate(names)]

    kept = {s.cluster: s.prompt_id for s in first_answers(samples)}
    assert kept == {name: str(names.index(name)) for name in set(names)}


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ([], "PASS"),
        (["PASS", "PASS"], "PASS"),
        (["PASS", "UNDECIDED"], "UNDECIDED"),
        (["UNDECIDED", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_a_conjunction_of_verdicts(verdicts: list[Verdict], wanted: Verdict) -> None:
    """All have to pass; one failure fails."""
    assert overall(verdicts) == wanted
