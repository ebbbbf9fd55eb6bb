"""Candidates are checked against the kinds of value that the engine's knobs take."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines.servers import DEFAULT, KNOBS, fake
from tests.workflow.worlds import study
from tuner.engines.base import Preview
from tuner.engines.command.engine import Command
from tuner.engines.ollama.knobs import knobs
from tuner.engines.openai.remote import USUAL_KNOBS
from tuner.spec.errors import InputError, StartFailed
from tuner.spec.knobs import Knob
from tuner.spec.requests.workload import Shot
from tuner.spec.space import Choices, Dimension, Range
from tuner.testing.fake_engine import FakeEngine
from tuner.workflow.measuring.candidates import baseline, fit_to_engine

ALL = KNOBS | {
    "flash": Knob("flash", "restart", False, "command"),
    "cache": Knob("cache", "restart", "f16", "command"),
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
        ("num_batch", 39.09, "num_batch: expected a whole number, as its default 512 is one"),
        ("cache", False, 'cache: expected text, such as "on" in quotes, found False'),
    ],
)
def test_values_of_another_kind_are_refused(
    tmp_path: Path, name: str, value: Any, words: str
) -> None:
    """What was expected and what was found stand in the message."""
    with pytest.raises(InputError, match=words):
        checked(tmp_path, **{name: value})


def test_whole_numbers_are_written_whole(tmp_path: Path) -> None:
    """64.0 is 64 to a knob of whole numbers, in a baseline, a space and --set alike."""
    engine = Command(fake(knobs=ALL), "default", tmp_path)
    space = {"num_batch": Range(4.0, 64.0), "num_predict": Choices((8.0, 16.0, 0))}
    found, _ = fit_to_engine(study(baseline={"num_batch": 32.0}, space=space), engine)

    assert repr(found.baseline["num_batch"]) == "32"
    assert found.space["num_batch"] == Range(4, 64)
    assert repr(found.space["num_predict"].values) == "(8, 16, 0)"  # type: ignore[union-attr]
    assert repr(checked(tmp_path, num_batch=64.0)["num_batch"]) == "64"


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        (
            Range(4.5, 64),
            "num_batch: expected a whole number, as its default 512 is one, found 4.5",
        ),
        (Range(4, 64, 0.5), "num_batch: expected a whole number.*found 0.5"),
        (Choices((4, 39.09)), "num_batch: expected a whole number.*found 39.09"),
    ],
)
def test_fractions_in_the_space_of_a_whole_knob(
    tmp_path: Path, dimension: Dimension, words: str
) -> None:
    """They would end a search in its middle; they are refused before it."""
    engine = Command(fake(knobs=ALL), "default", tmp_path)
    found, _ = fit_to_engine(study(baseline={}, space={"num_batch": dimension}), engine)

    with pytest.raises(InputError, match=words):
        baseline(found, engine)


@pytest.mark.parametrize(
    ("name", "dimension", "words"),
    [
        ("shots", Range(0, 3), "shots: 3 is not there"),
        ("format", Range(0, 1), "format: 0 is not there"),
        ("shots", Choices((0, True)), "shots: True is not there"),
    ],
)
def test_ranges_of_prompt_knobs_end_where_the_workload_does(
    tmp_path: Path, name: str, dimension: Dimension, words: str
) -> None:
    """A workload without shots has none to choose from."""
    engine = Command(fake(knobs=ALL), "default", tmp_path)

    with pytest.raises(InputError, match=words):
        baseline(study(baseline={}, space={name: dimension}), engine)


def test_each_value_fits_into_the_command(tmp_path: Path) -> None:
    """What an expression of the command line cannot take is found before anything starts."""
    server = fake(settings='{"n_batch": {{ 512 // num_batch }}, "port": {{ port }}}')
    asked = study(
        engine="command", engine_settings=server, space={"num_batch": Choices((64, 0))}, baseline={}
    )
    engine = Command(server, "default", tmp_path)

    with pytest.raises(InputError, match=r"space: num_batch 0: engine\.command\.3: .*cannot be"):
        baseline(asked, engine)
    with pytest.raises(StartFailed, match="cannot be filled in"):  # as combinations may
        asyncio.run(engine.apply(DEFAULT | {"num_batch": 0}))


@pytest.mark.parametrize("text", ['say "hi"""\nbye', "zero\u200bwidth"])
def test_texts_that_no_modelfile_holds(tmp_path: Path, text: str) -> None:
    """Each trial writes one: such a text would end the run after its first."""
    workload = replace(study().workload, systems={"own": text})
    engine = FakeEngine(tmp_path)

    with pytest.raises(InputError, match=r"workload\.prompt\.system\.own: "):
        baseline(study(workload=workload, baseline={}, space={}), engine)
    shot = replace(study().workload, shots=(Shot("a", "u", text),))
    with pytest.raises(InputError, match=r"workload\.prompt\.shots: a: "):
        baseline(study(workload=shot, baseline={}, space={}), engine)
    server = Command(fake(knobs=ALL), "default", tmp_path)
    asked = study(
        engine="command", engine_settings=fake(knobs=ALL), workload=workload, baseline={}, space={}
    )
    assert baseline(asked, server)


@pytest.mark.parametrize("value", ["zero\u200bwidth", 'x"""\ny'])
def test_settings_that_no_modelfile_holds(tmp_path: Path, value: str) -> None:
    """A stop text is a PARAMETER of each trial's Modelfile."""
    ollama = Preview(knobs((0, 33), "m"))

    with pytest.raises(InputError, match=r"(?s)space: stop .*PARAMETER stop"):
        baseline(study(baseline={}, space={"stop": Choices(("", value))}), ollama)
    with pytest.raises(InputError, match=r"baseline: .*PARAMETER stop"):
        baseline(study(baseline={"stop": value}, space={}), ollama)
    assert baseline(study(baseline={"stop": "<|end|>"}, space={}), ollama)["stop"] == "<|end|>"


def test_a_model_s_own_whole_number_does_not_make_a_knob_whole() -> None:
    """Ollama keeps a temperature of 1.0 as 1."""
    own = knobs((0, 33), "m", {"temperature": 1, "num_ctx": 2048})
    found, _ = fit_to_engine(study(baseline={}, space={"temperature": Range(0, 2)}), Preview(own))

    assert found.space["temperature"] == Range(0.0, 2.0)
    assert not found.space["temperature"].integer  # type: ignore[union-attr]
    assert repr(own["num_ctx"].default) == "2048"


def test_a_number_may_be_left_to_the_server() -> None:
    """What is sent only where somebody sets it takes numbers and `auto`, and no other word."""
    engine = Preview(USUAL_KNOBS)
    bare = study(baseline={}, space={})
    found = baseline(bare, engine, {"temperature": "auto", "top_p": 0.5, "seed": 7})

    assert (found["temperature"], found["top_p"], found["seed"]) == ("auto", 0.5, 7)
    for wrong in ("hot", True):
        with pytest.raises(InputError, match=f"temperature: expected a number, found {wrong!r}"):
            baseline(bare, engine, {"temperature": wrong})


def test_a_switch_may_be_left_to_the_server() -> None:
    """It takes true, false and `auto`, and no other word or number."""
    engine, bare = Preview(USUAL_KNOBS), study(baseline={}, space={})

    for right in ("auto", True, False):
        assert baseline(bare, engine, {"ignore_eos": right})["ignore_eos"] == right
    for wrong in ("on", 1):
        with pytest.raises(
            InputError, match=f"ignore_eos: expected true or false, found {wrong!r}"
        ):
            baseline(bare, engine, {"ignore_eos": wrong})


def test_what_is_left_out_is_named_once_with_its_reason() -> None:
    """It is taken out of baseline and space; what the study does not name is not spoken of."""
    engine = Preview({}, left_out={"num_ctx": "why", "num_batch": "why", "num_gpu": "why"})
    made = study(baseline={"num_ctx": 1, "num_batch": 2}, space={"num_ctx": Choices((1, 2))})
    fit, named = fit_to_engine(made, engine)

    assert (fit.baseline, fit.space) == ({}, {})
    assert named == {"num_ctx": "why", "num_batch": "why"}
