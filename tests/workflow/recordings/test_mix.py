"""The mix: shares of kinds and lengths in a window, without a word of any text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.spec.errors import InputError
from tuner.workflow.recordings.mix import GROUPS, Mix, Seen, least_of, mix_of, step_of
from tuner.workflow.recordings.mix_file import document, dumped, mix_path, read_mix

seen = st.builds(
    Seen,
    conversation=st.binary(min_size=16, max_size=16),
    kind=st.sampled_from(["sum", "code", "other"]),
    prompt_chars=st.integers(0, 10**7),
    answer_tokens=st.none() | st.integers(0, 10**6),
    at_s=st.none() | st.floats(0, 10**6),
)
mixes = st.builds(mix_of, st.lists(seen, min_size=1, max_size=30))


def one(conversation: int, kind: str = "sum", at_s: float | None = None) -> Seen:
    """Return a request of a conversation."""
    return Seen(conversation.to_bytes(16), kind, 100, 10, at_s)


def test_shares_are_those_of_requests() -> None:
    """A conversation of many requests counts with each of them."""
    found = mix_of([one(1), one(1), one(1, "code"), one(2, "code")])

    assert (found.requests, found.conversations, found.seconds) == (4, 2, None)
    assert found.counts("kinds") == {"sum": 2, "code": 2}
    assert [dict(group.kinds) for group in found.groups] == [{"sum": 2, "code": 1}, {"code": 1}]


def test_the_window_is_the_end_of_what_was_recorded() -> None:
    """Counted from the last request, in whatever order they stand; others do not count."""
    found = mix_of([one(1, at_s=100.0), one(2, at_s=41.0), one(3, at_s=39.0), one(4)], 60.0)

    assert (found.requests, found.seconds) == (2, 59.0)


def test_without_times_all_of_it_counts() -> None:
    """The window has no meaning then."""
    assert mix_of([one(1), one(2)], 60.0).requests == 2


def test_groups_are_few_whatever_came() -> None:
    """The file of a mix does not grow with production."""
    assert len(mix_of([one(n) for n in range(5000)]).groups) == GROUPS


@given(st.integers(1, 10**9))
def test_a_step_holds_lengths_within_a_fifth(length: int) -> None:
    """The least one of it, and those up to the next step."""
    least = least_of(step_of(length))

    assert least <= length
    assert length < max(least + 1, 1.19 * (least + 1))


@given(mixes)
def test_a_mix_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, mix: Mix
) -> None:
    """All that a drift looks at."""
    path = tmp_path_factory.mktemp("mix") / "a.mix.json"
    path.write_text(dumped(mix))

    assert read_mix(path) == mix


def test_the_file_says_what_people_ask() -> None:
    """Shares of kinds, and quantiles of both lengths as far as they are known."""
    told = [Seen(n.to_bytes(16), "sum" if n else "code", 2**n, None) for n in range(4)]

    shares = document(mix_of(told))["shares"]

    assert shares["kinds"] == {"code": 0.25, "sum": 0.75}
    assert shares["prompt_chars"] == {"n": 4, "p50": 2, "p95": 8, "p99": 8}
    assert shares["answer_tokens"] is None


def test_a_mix_stands_beside_its_prompts() -> None:
    """By the name of the prompts."""
    assert mix_path(Path("a/requests.jsonl")) == Path("a/requests.mix.json")


def changed(path: tuple[Any, ...], value: Any) -> str:
    """Return the file of a mix with another value at a path."""
    content: Any = document(mix_of([one(1), one(2)]))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected the object"),
        ("{", "not valid JSON"),
        ("{}", "version: missing"),
        (changed(("version",), 2), "version: expected 1"),
        (changed(("requests",), 3), "requests: 3 of 2 conversations, and the groups count 2"),
        (changed(("conversations",), 1), "requests: 2 of 1 conversations"),
        (changed(("groups", 0, "kinds"), {"sum": -1}), "groups.0.kinds.sum"),
        (changed(("groups", 0, "kinds"), {"sum": 1.5}), "groups.0.kinds.sum"),
        (changed(("groups", 0, "prompt_chars"), {"x": 1}), "groups.0.prompt_chars"),
        (changed(("groups", 0, "prompt_chars"), {"1000": 1}), "groups.0.prompt_chars"),
        (changed(("seconds",), "x"), "seconds: expected a number"),
        (changed(("groups", 0, "text"), 1), "unknown key 'text'"),
    ],
)
def test_a_file_that_is_no_mix_is_refused(text: str, said: str, tmp_path: Path) -> None:
    """With file and field."""
    path = tmp_path / "a.mix.json"
    path.write_text(text)

    with pytest.raises(InputError) as error:
        read_mix(path)

    assert str(path) in str(error.value) and said in str(error.value)
