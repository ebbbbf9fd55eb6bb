"""Drift: a mix that moved is told from one that did not, and from one of which nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError
from tuner.workflow.recordings.drift import ERROR, Verdict, document, drift
from tuner.workflow.recordings.mix import Mix, Seen, mix_of

KINDS = ("sum", "code", "chat", "other")


def mix(
    rng: np.random.Generator,
    conversations: int,
    shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1),
    longer: float = 1.0,
    turns: int = 1,
) -> Mix:
    """Draw a mix: conversations of one kind each, so many turns long, with lengths of their own."""
    told = []
    for _ in range(conversations):
        name, kind = rng.bytes(16), KINDS[rng.choice(len(KINDS), p=shares)]
        length = longer * rng.lognormal(6.0, 0.8)
        for _ in range(int(rng.integers(1, 2 * turns))):
            told.append(Seen(name, kind, int(length), None))
    return mix_of(told)


@pytest.mark.parametrize(
    ("shares", "longer", "verdict"),
    [
        ((0.4, 0.3, 0.2, 0.1), 1.0, "same"),
        ((0.38, 0.32, 0.2, 0.1), 1.02, "same"),
        ((0.1, 0.3, 0.2, 0.4), 1.0, "drifted"),
        ((0.4, 0.3, 0.2, 0.1), 1.7, "drifted"),
    ],
)
def test_with_many_requests_the_verdict_is_right(
    shares: tuple[float, ...], longer: float, verdict: Verdict
) -> None:
    """Of kinds and of lengths."""
    rng = np.random.default_rng(1)

    found = drift(mix(rng, 4000), mix(rng, 3000, shares, longer))

    assert found.verdict == verdict, document(found)


@pytest.mark.parametrize("conversations", [1, 5, 19])
def test_a_handful_of_conversations_tells_nothing(conversations: int) -> None:
    """Not even where nothing is as it was, nor where all is."""
    rng = np.random.default_rng(2)
    few = mix(rng, conversations, (1.0, 0.0, 0.0, 0.0), turns=50)

    assert drift(few, mix(rng, 500, (0.0, 0.0, 0.0, 1.0))).verdict == "undecided"
    assert drift(few, few).verdict == "undecided"


@pytest.mark.parametrize(
    ("conversations", "turns", "shares"),
    [
        (20, 1, (0.4, 0.3, 0.2, 0.1)),
        (40, 8, (0.4, 0.3, 0.2, 0.1)),
        (60, 1, (0.97, 0.01, 0.01, 0.01)),
        (300, 4, (0.25, 0.25, 0.25, 0.25)),
    ],
)
def test_a_world_that_stays_is_hardly_ever_called_drifted(
    conversations: int, turns: int, shares: tuple[float, ...]
) -> None:
    """In 200 nights at most in as many as 5 % of them, however alike a conversation's turns are."""
    rng = np.random.default_rng(3)

    def night() -> Mix:
        return mix(rng, conversations, shares, turns=turns)

    drifted = sum(drift(night(), night()).verdict == "drifted" for _ in range(200))

    assert drifted <= ERROR * 200


def test_what_lies_at_the_threshold_is_hardly_ever_called_drifted() -> None:
    """Kinds that differ by just so much."""
    rng = np.random.default_rng(4)

    drifted = sum(
        drift(mix(rng, 400), mix(rng, 400, (0.3, 0.3, 0.2, 0.2))).verdict == "drifted"
        for _ in range(200)
    )

    assert drifted <= ERROR * 200


def test_lengths_of_answers_count_only_where_both_mixes_know_them() -> None:
    """Unknown is no length."""
    told = [Seen(n.to_bytes(16), "sum", 100, 10) for n in range(300)]
    untold = [Seen(n.to_bytes(16), "sum", 100, None) for n in range(300)]

    both, one = (drift(mix_of(told), mix_of(new)) for new in (told, untold))

    assert [a.aspect for a in both.apart] == ["kinds", "prompt_chars", "answer_tokens"]
    assert [a.aspect for a in one.apart] == ["kinds", "prompt_chars"]


def test_what_moved_most_is_named_first() -> None:
    """With both shares."""
    old = mix_of([Seen(n.to_bytes(16), "sum" if n % 4 else "code", 9) for n in range(400)])
    new = mix_of([Seen(n.to_bytes(16), "new" if n % 2 else "code", 9) for n in range(400)])

    assert drift(old, new).changes == (("sum", 0.75, 0.0), ("new", 0.0, 0.5), ("code", 0.25, 0.5))


@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0.01, 0.5))
def test_any_two_mixes_have_a_verdict(seed: int, conversations: int, threshold: float) -> None:
    """The same each time, with intervals that hold what was found."""
    rng = np.random.default_rng(seed)
    old, new = mix(rng, conversations), mix(rng, 30, (0.1, 0.1, 0.1, 0.7), turns=3)
    found = drift(old, new, threshold)

    assert found == drift(old, new, threshold)
    assert all(0 <= a.distance.low <= a.distance.found <= a.distance.high <= 1 for a in found.apart)


def test_a_mix_of_nothing_is_refused() -> None:
    """It is no evidence."""
    empty = Mix(0, 0, None, ())

    with pytest.raises(InputError, match="without requests"):
        drift(empty, empty)
