"""Texts have the lengths that are asked for, and begin alike exactly where a recording says so."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import hf_folders
from tuner.engines.tokenizer import of_folder
from tuner.spec.errors import InputError
from tuner.spec.requests.workload import CountedBy
from tuner.workflow.traces.recorded import BLOCK, Recorded
from tuner.workflow.traces.texts import LEAD, single, words, writer
from tuner.workflow.traces.tokens import Estimated, OfFolder, Tokens


@dataclass(frozen=True)
class Counting:
    """Counts as a function of one text does; a request has `around` tokens more."""

    of: Callable[[str], int]
    around: int = 10
    after: int = 0
    exact: bool = True
    counted_by: CountedBy = "server"
    how: str = "counted by a test"
    context: int | None = None

    async def count(self, texts: Sequence[str]) -> list[int]:
        return [self.of(text) for text in texts]

    async def whole(self, text: str) -> tuple[int, int] | None:
        return self.of(text) + self.around, self.after


@cache
def tokenizer(size: int = 6000) -> OfFolder:
    """Return a tokenizer of a folder that lasts as long as the tests."""
    import tempfile

    return OfFolder(of_folder(hf_folders.write(Path(tempfile.mkdtemp()), size=size)))


def recorded(length: int, *blocks: int, place: str = "t:1") -> Recorded:
    """Return a request of a recording."""
    return Recorded(place, int(place.rsplit(":", 1)[-1]), 0.0, length, 1, blocks)


def texts(tokens: Tokens, *requests: Recorded, seed: int = 0) -> list[tuple[str, int]]:
    """Return the texts of requests, each as long as it was recorded."""

    async def made() -> list[tuple[str, int]]:
        made = await writer(tokens, seed)
        return await made.written([(r, r.input_tokens) for r in requests])

    return asyncio.run(made())


def alike(one: str, other: str) -> int:
    """Return with how many equal words two texts begin."""
    pairs = zip(one.split(), other.split(), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda p: p[0] == p[1], pairs))


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=4))
def test_a_prompt_has_as_many_tokens_as_were_recorded(lengths: list[int]) -> None:
    """Counted by the model's own tokenizer, chat template included, as far as it can be short."""
    tokens = tokenizer()
    [least] = [count for _, count in texts(tokens, recorded(1))]
    asked = [recorded(n, place=f"t:{i}") for i, n in enumerate(lengths)]
    found = texts(tokens, *asked)
    whole = [(asyncio.run(tokens.whole(text)) or (0,))[0] for text, _ in found]

    assert whole == [count for _, count in found] == [max(n, least) for n in lengths]


@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 3)), min_size=2, max_size=5))
def test_prompts_begin_alike_as_far_as_their_blocks_do(asked: list[tuple[int, int]]) -> None:
    """To the token; beyond that, and without blocks, no longer than the number of a stream."""
    tokens = Estimated()
    chain = (7, 3, 12)
    requests = [
        recorded(n, *chain[: min(shared, -(-n // BLOCK))], place=f"t:{i}")
        for i, (n, shared) in enumerate(asked)
    ]
    found = [text for text, _ in texts(tokens, *requests)]

    for (a, text_a), (b, text_b) in itertools.combinations(zip(requests, found, strict=True), 2):
        common = min(len(a.blocks), len(b.blocks)) * BLOCK
        shared = min(common, a.input_tokens, b.input_tokens)
        longest = min(len(text_a.split()), len(text_b.split()))
        assert shared <= alike(text_a, text_b) or shared <= 1
        assert alike(text_a, text_b) <= max(shared, 1) + 3 or alike(text_a, text_b) == longest


def test_the_same_seed_writes_the_same_texts() -> None:
    """Another seed writes others."""
    asked = [recorded(300, place="t:1"), recorded(1200, 5, 6, place="t:2")]

    assert texts(Estimated(), *asked) == texts(Estimated(), *asked)
    assert texts(Estimated(), *asked) != texts(Estimated(), *asked, seed=1)


@pytest.mark.parametrize("after", [0, 7])
def test_blocks_lie_where_the_recording_has_them(after: int) -> None:
    """What a template puts before a text is part of the first: prompts share BLOCK tokens."""
    tokens = Counting(lambda text: len(text.split()), around=30, after=after)
    one, other = (text for text, _ in texts(
        tokens, recorded(900, 4, place="t:1"), recorded(900, 4, place="t:2")
    ))  # fmt: skip

    assert alike(one, other) == BLOCK - 30 + after


def test_a_template_longer_than_a_block_takes_the_place_of_it() -> None:
    """A study's system text may be that long."""
    tokens = Counting(lambda text: len(text.split()), around=700)
    [(text, count)] = texts(tokens, recorded(1100, 4, 5))

    assert (len(text.split()), count) == (400, 1100)


@pytest.mark.parametrize("size", [6000, 900])
def test_words_are_one_token_each_behind_another(size: int) -> None:
    """A small vocabulary knows fewer of them so."""
    tokens = tokenizer(size)
    found = asyncio.run(single(tokens))
    [lead, whole] = asyncio.run(tokens.count([LEAD, " ".join((LEAD, *found))]))

    assert whole - lead == len(found)
    assert (len(found) == len(words())) is (size == 6000)


def test_a_tokenizer_that_splits_words_is_refused() -> None:
    """No length could be told of texts, and estimating is offered."""
    with pytest.raises(InputError, match="0 of 966 English words are one token more"):
        texts(Counting(len), recorded(40))


def test_texts_that_come_out_otherwise_are_mended() -> None:
    """A tokenizer may join words here and there."""

    def joining(text: str) -> int:
        said = text.split()
        return len(said) - sum(a == "about" for a in said[:400])

    asked = [recorded(n, place=f"t:{n}") for n in (1, 40, 800, 5000)]
    found = texts(Counting(joining), *asked)

    assert [joining(text) + 10 for text, _ in found] == [count for _, count in found]
    assert [count for _, count in found][1:] == [40, 800, 5000]


def test_a_length_that_no_text_has_is_told_as_it_came_out() -> None:
    """The line says what the prompt has, not what was asked for."""
    tokens = Counting(lambda text: len(text.split()) + (len(text.split()) > 60))
    found = texts(tokens, recorded(200))

    assert found[0][1] == 200
    stubborn = Counting(lambda text: min(len(text.split()), 500))
    assert texts(stubborn, recorded(900))[0][1] == 510


def test_a_server_that_only_answers_is_asked_no_more_than_needed() -> None:
    """Its texts are written by what single words cost."""
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text.split()) + 25

    tokens = Counting(count, around=0, exact=False)
    found = texts(tokens, *(recorded(3000, place=f"t:{i}") for i in range(20)))

    assert {n for _, n in found} == {3000}
    assert {len(text.split()) + 25 for text, _ in found} == {3000}
    assert max(len(text.split()) for text in asked) <= 101
    assert len(asked) < 20


def test_no_word_is_a_slot_or_stands_twice() -> None:
    """The list is plain, and sends nothing but words."""
    assert len(set(words())) == len(words()) > 900
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words())
