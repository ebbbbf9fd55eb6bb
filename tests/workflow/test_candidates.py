"""Candidates are checked against the kinds of value that the engine's knobs take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engines.servers import KNOBS, fake
from tests.workflow.worlds import study
from tuner.engines.base import Preview
from tuner.engines.command import Command
from tuner.spec.errors import InputError
from tuner.spec.remote import USUAL_KNOBS
from tuner.spec.server import DeclaredKnob
from tuner.spec.space import Choices
from tuner.spec.values import Knob
from tuner.workflow.candidates import baseline, fitted

ALL = KNOBS | {
    "flash": DeclaredKnob(Knob("flash", "restart", False, "command")),
    "cache": DeclaredKnob(Knob("cache", "restart", "f16", "command")),
}


def checked(tmp_path: Path, **settings: Any) -> Any:
    """Return the whole candidate of settings on a server with knobs of all kinds."""
    engine = Command(fake(knobs=ALL), "default", tmp_path)
    return baseline(study(baseline={}, space={}), engine, settings)


def test_switches_and_words_are_settings_too(tmp_path: Path) -> None:
    """A knob whose default is a switch takes true and false, one with a word takes words."""
    found = checked(tmp_path, flash=True, cache="q8_0", num_batch=64)

    assert (found["flash"], found["cache"], found["num_batch"]) == (True, "q8_0", 64)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("flash", 1, "flash: expected true or false, found 1"),
        ("flash", "on", "flash: expected true or false, found 'on'"),
        ("num_batch", True, "num_batch: expected a number, found True"),
        ("num_batch", "64", "num_batch: expected a number, found '64'"),
        ("cache", False, 'cache: expected text, such as "on" in quotes, found False'),
    ],
)
def test_values_of_another_kind_are_refused(
    tmp_path: Path, name: str, value: Any, words: str
) -> None:
    """What was expected and what was found stand in the message."""
    with pytest.raises(InputError, match=words):
        checked(tmp_path, **{name: value})


def test_a_number_may_be_left_to_the_server() -> None:
    """What is sent only where somebody sets it takes numbers and `auto`, and no other word."""
    engine = Preview({n: d.knob for n, d in USUAL_KNOBS.items()})
    bare = study(baseline={}, space={})
    found = baseline(bare, engine, {"temperature": "auto", "top_p": 0.5, "seed": 7})

    assert (found["temperature"], found["top_p"], found["seed"]) == ("auto", 0.5, 7)
    for wrong in ("hot", True):
        with pytest.raises(InputError, match=f"temperature: expected a number, found {wrong!r}"):
            baseline(bare, engine, {"temperature": wrong})


def test_what_is_left_out_is_named_once_with_its_reason() -> None:
    """It is taken out of baseline and space; what the study does not name is not spoken of."""
    engine = Preview({}, left_out={"num_ctx": "why", "num_batch": "why", "num_gpu": "why"})
    made = study(baseline={"num_ctx": 1, "num_batch": 2}, space={"num_ctx": Choices((1, 2))})
    fit, named = fitted(made, engine)

    assert (fit.baseline, fit.space) == ({}, {})
    assert named == {"num_ctx": "why", "num_batch": "why"}
