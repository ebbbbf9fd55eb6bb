"""Who counts tokens, and what of a study is counted with a text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests import hf_folders
from tests.workflow.worlds import study
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.study import Study
from tuner.spec.values import Message
from tuner.workflow.traces.import_trace import counting
from tuner.workflow.traces.tokens import Tokens

T = TypeVar("T")

WORKLOAD = Workload(
    (Template("t", (Message("user", "one"),), None, "k"),), systems={"brief": "able about"}
)


def counted(of: Study | None, work: Callable[[Tokens], Awaitable[T]], *, plain: bool = False) -> T:
    """Return what is found out with what counts for a study."""

    async def found() -> T:
        async with counting(of, plain=plain) as tokens:
            return await work(tokens)

    return asyncio.run(found())


def fake(model: str = "default", **baseline: int | str) -> Study:
    """Return a study of the fake engine with a system text."""
    return study(
        engine="fake", model=model, workload=WORKLOAD, baseline=baseline, space={}, slos=()
    )


async def seen(tokens: Tokens) -> tuple[int | None, int, int | None]:
    """Return a whole request, its text alone, and the context."""
    [text], whole = await tokens.count(["above"]), await tokens.whole("above")
    return whole and whole[0], text, tokens.context


def test_a_study_s_folder_counts_with_the_study_s_system_text(tmp_path: Path) -> None:
    """And with the context that its baseline sets, else that of the model."""
    folder = str(hf_folders.write(tmp_path / "m", config={"max_position_embeddings": 900}))
    bare, text, context = counted(fake(folder), seen)
    brief, _, set_ = counted(fake(folder, system="brief", num_ctx=512), seen)

    assert bare is not None
    assert brief is not None
    assert text < bare < brief
    assert (context, set_) == (900, 512)


@pytest.mark.parametrize("plain", [False, True])
def test_a_study_that_stands_for_its_model_adds_nothing_of_its_own(plain: bool) -> None:
    """Neither its system text nor its context bound a workload that is for another study."""
    bare, text, _ = counted(fake(num_ctx=1024), seen)
    brief, same, context = counted(fake(num_ctx=1024, system="brief"), seen, plain=plain)

    assert (brief == bare) is plain
    assert same == text
    assert context == (8192 if plain else 1024)


def test_nobody_counts_without_a_model() -> None:
    """What is unknown is None, and the count is called an estimate."""
    assert counted(None, seen) == (None, 1, None)
