"""Who is proven beside whom: likely enough is enough, then the objective decides."""

from __future__ import annotations

from dataclasses import replace

from tests.search.test_trial import STUDY, served, trial
from tuner.search.choose_finalists import answers_alike, better, choose_finalists
from tuner.search.trial import value
from tuner.spec.knobs import Knob
from tuner.spec.values import Guard


def test_a_longer_look_does_not_outrank_a_faster_candidate() -> None:
    """Both are always right: more of the same answers are no reason to prefer the slower one."""
    slow = replace(trial([served(400)] * 70, 1, a=0), planned=50)
    fast = replace(trial([served(200)] * 40, 2, a=1), planned=20)
    once = replace(trial([served(200)] * 39 + [served(200, "wrong_fields")], 3, a=1), planned=20)
    demanding = replace(STUDY, guard=Guard(0.97, 0.9, 0.02))

    assert choose_finalists(demanding, [slow, fast], {"a": 0}, 2) == [fast, slow]
    assert choose_finalists(STUDY, [slow, once], {"a": 0}, 2) == [once, slow]


def test_a_second_proof_is_for_what_is_likely_and_better() -> None:
    """Chance times gain decides, and nothing is proven for a gain within the noise."""
    for_speed = replace(STUDY, objective="e2e_p99", guard=Guard())
    looks = {ms: [served(ms + i % 7) for i in range(60)] for ms in (300, 340, 395, 600)}
    known = [
        replace(trial(samples, ms), value=value(for_speed, samples))
        for ms, samples in looks.items()
    ]

    assert better(for_speed, known, 1 / 0.4) is known[0]
    assert better(for_speed, known[1:], 1 / 0.4) is known[1]
    assert better(for_speed, known[2:], 1 / 0.4) is None
    assert better(for_speed, [], 1 / 0.4) is None


def test_answers_are_expected_alike_where_only_the_pace_of_a_server_differs() -> None:
    """A batch and a switch change no answer; a prompt, a limit and a model do."""
    knobs = {
        "batch": Knob("batch", "restart", 8),
        "model": Knob("model", "restart", "a"),
        "limit": Knob("limit", "request", 16),
    }
    base = {"batch": 8, "model": "a", "limit": 16}

    assert answers_alike(knobs, base, base)
    assert answers_alike(knobs, base, {**base, "batch": 64})
    assert not answers_alike(knobs, base, {**base, "model": "b"})
    assert not answers_alike(knobs, base, {**base, "limit": 8, "batch": 64})
