"""Lengths that the baseline does not hold are said before anything is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tuner.spec.knobs import Knob, by_name
from tuner.spec.requests.workload import Template, Workload
from tuner.spec.values import Candidate, Message
from tuner.workflow.start.lengths import about_lengths

KNOBS = by_name(
    Knob("most", "request", 128, role="limit"), Knob("window", "restart", 512, role="context")
)
LINE = Template("a", (Message("user", "one"),), None, "any")


def said(*lines: dict[str, Any], **base: Any) -> list[str]:
    """Return what is said of lines under a baseline."""
    candidate: Candidate = {"most": 128, "window": 512} | base
    templates = tuple(replace(LINE, **line) for line in lines)
    return list(about_lengths(Workload(templates), KNOBS, candidate))


def test_answers_above_the_limit_are_counted_with_what_helps() -> None:
    """The knob has the name that the engine gives it; a limit of -1 bounds nothing."""
    lines: list[dict[str, Any]] = [{"output_tokens": 128}, {"output_tokens": 300}, {}]

    [found] = said(*lines)
    assert "1 of 2 answers are to be longer than most 128" in found
    assert "set most to 300 or more" in found
    assert said(*lines, most=-1) == said(*lines, most=300) == []


def test_prompts_that_do_not_fit_with_their_answers_are_counted() -> None:
    """What fits to the last token is right; a window that the engine chooses is not known."""
    lines = [
        {"prompt_tokens": 500, "output_tokens": 12},
        {"prompt_tokens": 500, "output_tokens": 13},
    ]

    [found] = said(*lines)
    assert "1 of 2 prompts take more tokens than window 512 holds" in found
    assert "set window to 513 or more" in found
    assert said(*lines, window="auto") == []


def test_estimates_are_said_to_be_some() -> None:
    """So that nobody takes them for the model's own."""
    [found] = said({"prompt_tokens": 5, "counted_by": "estimate"}, {"prompt_tokens": 5})

    assert "the lengths of 1 prompts are estimates" in found
