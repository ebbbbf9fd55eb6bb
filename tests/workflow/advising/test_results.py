"""Costs from what was measured, and from a model's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gguf_files import LLAMA, write
from tests.workflow.measuring.test_compare import kept
from tuner.advice.span import exactly
from tuner.spec.errors import InputError
from tuner.workflow.advising import measured, model_file
from tuner.workflow.advising.cost import Asked, costs
from tuner.workflow.advising.entries import read_entries

ENTRIES = read_entries(None)


def test_a_measurement_tells_tokens_pace_and_rate(tmp_path: Path) -> None:
    """Seconds of a request with their interval, requests an hour, tokens of prompt and answer."""
    found = measured.read(kept(tmp_path / "a", 100.0))

    assert found.measured.request_s.low <= 0.1 <= found.measured.request_s.high + 0.005
    assert found.measured.n == 500
    assert found.measured.per_hour > 0
    assert found.output_tokens == pytest.approx(11, rel=0.01)


def test_costs_of_a_result_are_those_of_its_tokens(tmp_path: Path) -> None:
    """A cost per token without any being said; what is said goes before what was measured."""
    folder = kept(tmp_path / "a", 100.0)
    found = costs(Asked(500.0, result=folder, price=2.0))
    told = costs(Asked(500.0, result=folder, price=2.0, output_tokens=22.0))
    assert found.today.cost.per_million_output is not None
    assert told.today.cost.per_million_output is not None

    assert found.today.cost.per_million_output.likely == pytest.approx(0.004e6 / 11, rel=0.01)
    assert told.today.cost.per_million_output.likely == pytest.approx(0.004e6 / 22, rel=0.01)
    assert found.today.pace is not None
    assert found.today.pace.how == "measured"


def test_a_capacity_tells_its_highest_proven_load(tmp_path: Path) -> None:
    """Not the level that fails."""
    document = json.loads((kept(tmp_path / "a", 100.0) / "measurement.json").read_text())
    slow = document | {"size": 4, "throughput": {"requests_per_s": 1.0, "output_tokens_per_s": 1.0}}
    levels = [document | {"size": 2}, slow]
    file = tmp_path / "capacity.json"
    file.write_text(json.dumps({"schema": "tuner.capacity/1", "highest": 2, "levels": levels}))

    found = measured.read(tmp_path)

    assert found.measured.per_hour == pytest.approx(3600 * document["throughput"]["requests_per_s"])
    file.write_text(json.dumps({"schema": "tuner.capacity/1", "highest": None, "levels": levels}))
    with pytest.raises(InputError, match="not even its lowest load is proven"):
        measured.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: {}, "not a document of tune"),
        (lambda d: d | {"schema": "tuner.measurement/9"}, "found tuner.measurement/9"),
        (lambda d: {k: v for k, v in d.items() if k != "throughput"}, "lacks what this version"),
        (lambda d: d | {"e2e": None}, "lacks what this version"),
        (lambda d: d | {"throughput": {"requests_per_s": 0, "output_tokens_per_s": None}},
         "no request was answered"),
    ],
)  # fmt: skip
def test_a_result_of_another_version_or_half_of_one_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    """In a sentence that names the file."""
    file = kept(tmp_path / "a", 100.0) / "measurement.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))

    with pytest.raises(InputError) as wrong:
        measured.read(tmp_path / "a")

    assert "measurement.json" in str(wrong.value)
    assert said in str(wrong.value)


def test_a_model_file_tells_size_format_and_cache(tmp_path: Path) -> None:
    """The size exactly, parameters by the bits of its format."""
    path = write(tmp_path / "m.gguf", {**LLAMA, "general.file_type": 15})
    model, format_ = model_file.read(path, None, ENTRIES)

    assert format_.name == "Q4_K_M"
    assert model.weights == exactly(float(path.stat().st_size))
    assert model.cached == exactly(23_040.0)
    assert model.params.likely == pytest.approx(path.stat().st_size * 8 / 4.87)


def test_a_model_file_of_an_unknown_format_asks_for_it(tmp_path: Path) -> None:
    """What a person says goes before what the file says."""
    path = write(tmp_path / "m.gguf", {**LLAMA, "general.file_type": 999})

    with pytest.raises(InputError, match="--format is missing"):
        model_file.read(path, None, ENTRIES)
    assert model_file.read(path, ENTRIES.formats["q8_0"], ENTRIES)[1].name == "Q8_0"
