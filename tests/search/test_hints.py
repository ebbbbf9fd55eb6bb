"""Hints: values that follow from what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.search.test_trial import STUDY, trial
from tests.search.test_trial import served as slow
from tuner.engines.llamacpp.engine import KNOBS
from tuner.engines.observation import LESS, MORE, OTHER, Move, Observation, Reason
from tuner.search.hints import projected, tightened, values
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.space import Choices, Range
from tuner.spec.values import Guard, Message, Sample, Setting

FIRST_NS = 50_000_000
LIMITS = Range(8, 256, step=4)
KEPT = 16
"""500 ms less 3 % headroom and 50 ms to the first token leave 18 further tokens of 24 ms (20 ms and
20 % drift): 19 in all, and the grid has 16."""


def served(tokens: int) -> Sample:
    """Return an answer with 50 ms to the first token and 20 ms for each further one."""
    last_ns = FIRST_NS + (tokens - 1) * 20_000_000
    return replace(slow(1), first_ns=FIRST_NS, last_ns=last_ns, output_tokens=tokens)


def test_the_limit_that_keeps_the_target_is_proposed() -> None:
    """500 ms at 50 ms and 20 ms a token: 22 tokens fit with headroom, the grid has 20."""
    found = trial([served(15)] * 10, num_predict=256)

    assert 20 in values(STUDY, KNOBS, found, "num_predict", LIMITS)


def test_the_limit_is_taken_from_a_list_too() -> None:
    """Where the space is a list, the largest value that keeps the target is proposed."""
    found = trial([served(15)] * 10, num_predict=256)

    assert 16 in values(STUDY, KNOBS, found, "num_predict", Choices((8, 16, 32, 256)))


def test_answers_of_unknown_length_suggest_no_limit_and_are_not_cut() -> None:
    """Where nobody counted tokens there is no hint, and a projection leaves the answer whole."""
    uncounted = replace(served(30), output_tokens=None)
    found = trial([uncounted] * 10, num_predict=256)

    assert values(STUDY, KNOBS, found, "num_predict", LIMITS) == ()
    assert tightened(STUDY, found, {"num_predict": LIMITS}, KNOBS) == found.candidate
    assert projected(found, {"num_predict": 8}, KNOBS) == found.samples


def test_other_knobs_and_thin_evidence_give_no_hint() -> None:
    """Four answers, or another knob, suggest nothing."""
    assert (
        values(STUDY, KNOBS, trial([served(15)] * 4, num_predict=256), "num_predict", LIMITS) == ()
    )
    assert (
        values(STUDY, KNOBS, trial([served(15)] * 10, num_ctx=1), "num_ctx", Choices((1, 2))) == ()
    )


def test_sampling_that_does_least_is_proposed_where_answers_are_right_or_wrong() -> None:
    """No chance and no penalty on what was said; nothing where no prompt says what is right."""
    expecting = Template("t", (Message("user", "x"),), {"n": 1}, "k")
    judged, silent = (
        replace(STUDY, workload=Workload((template,)))
        for template in (expecting, replace(expecting, expect=None))
    )
    found = trial([served(15)], temperature=0.7, repeat_penalty=1.1)
    hot, penal = Range(0.1, 1.0, step=0.1), Choices((0.9, 1.0, 1.1))

    assert values(judged, KNOBS, found, "temperature", hot) == (pytest.approx(0.1),)
    assert values(judged, KNOBS, found, "repeat_penalty", penal) == (1.0,)
    assert values(judged, KNOBS, trial([], repeat_penalty=1.0), "repeat_penalty", penal) == ()
    assert values(silent, KNOBS, found, "repeat_penalty", penal) == ()


def test_tightening_goes_as_far_as_is_cheap() -> None:
    """The limit is lowered to what keeps the target, or to where it still cuts few answers."""
    short = trial([served(15)] * 20, num_predict=256, other=1)
    one_long = trial([served(15)] * 39 + [served(40)], num_predict=256)
    long = trial([served(15)] * 38 + [served(40)] * 2, num_predict=256)
    space = {"num_predict": LIMITS}

    assert tightened(STUDY, short, space, KNOBS) == {"num_predict": KEPT, "other": 1}
    assert tightened(STUDY, one_long, space, KNOBS) == {"num_predict": KEPT}
    assert tightened(STUDY, long, space, KNOBS) == {"num_predict": 40}
    assert tightened(STUDY, short, {}, KNOBS) == short.candidate
    no_floor = replace(STUDY, guard=Guard())
    assert tightened(no_floor, one_long, space, KNOBS) == {"num_predict": 40}
    already = trial([served(15)] * 18 + [served(40)] * 2, num_predict=40)
    assert tightened(STUDY, already, space, KNOBS) == already.candidate


def test_cut_answers_are_projected() -> None:
    """An answer longer than the limit ends there, at its own pace, and is truncated."""
    before = trial([served(15), served(40)], num_predict=256)

    kept, cut = projected(before, {"num_predict": 20}, KNOBS)

    assert kept == before.samples[0]
    assert (cut.guard, cut.output_tokens) == ("truncated", 20)
    assert cut.latency_s("e2e") == pytest.approx(0.05 + 19 * 0.02)


TYPES = Choices(("auto", "fp8", "q8"))


@pytest.mark.parametrize(
    ("to", "dimension", "now", "wanted"),
    [
        (MORE, Choices((4, 8, 16, 64)), 8, (16,)),
        (MORE, Choices((4, 8, 12, 16, 64)), 8, (16, 12)),
        (MORE, Choices((4, 8)), 8, ()),
        (MORE, Choices((4, 8)), 32, ()),
        (MORE, Range(0.5, 0.95, step=0.05), 0.9, (0.95,)),
        (LESS, Choices((4, 8, 16, 64)), 16, (8,)),
        (LESS, Range(1, 64), 10, (5, 9)),
        (LESS, Choices((16, 64)), 16, ()),
        (LESS, Choices((16, 64)), 8, ()),
        (13, Choices((4, 8, 16, 64)), 8, (16,)),
        (13, Choices((4, 8, 16, 64)), 64, (8,)),
        (3, Choices((4, 8)), 4, ()),
        (8, Choices((4, 8)), 8, ()),
        (OTHER, TYPES, "auto", ("fp8", "q8")),
        (OTHER, Range(1, 4), 2, ()),
        (MORE, TYPES, "auto", ()),
        (MORE, Choices(("auto", 2, 4)), "auto", ()),
        (OTHER, Choices((1, 2)), 2, (1,)),
        (MORE, Choices((True, False)), False, ()),
    ],
)
def test_a_server_s_proposal_gives_values_of_the_space(
    to: Setting, dimension: Choices | Range, now: Setting, wanted: tuple[Setting, ...]
) -> None:
    """Twice or half of what is set, then one step; another word; never back, never outside."""
    reason = Reason("sequence cap", "so", (Move("cap", to), Move("other", MORE)))
    found = replace(trial([served(15)], cap=now), observed=Observation(1.0, reason=reason))

    assert values(STUDY, {}, found, "cap", dimension) == pytest.approx(wanted)
    assert values(STUDY, {}, found, "else", dimension) == ()


@pytest.mark.parametrize(
    ("move", "wanted"),
    [
        (Move("cap", MORE, at=8.0), (16, 12)),
        (Move("cap", LESS, at=8.0), (4,)),
        (Move("cap", 11, at=8.0), (12,)),
        (Move("cap", 5, at=8.0), (4,)),
        (Move("cap", MORE, at=16.0), ()),
    ],
)
def test_a_knob_that_is_left_to_the_server_moves_from_what_is_in_force(
    move: Move, wanted: tuple[Setting, ...]
) -> None:
    """The candidate says `auto`, the server tells the number that this came to."""
    reason = Reason("sequence cap", "so", (move,))
    found = replace(trial([served(15)], cap="auto"), observed=Observation(1.0, reason=reason))

    assert values(STUDY, {}, found, "cap", Choices(("auto", 4, 8, 12, 16))) == wanted
