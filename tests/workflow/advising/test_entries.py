"""What is known, and what a user adds in a file: checked at the edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.advice.span import Span, exactly
from tuner.spec.errors import InputError
from tuner.workflow.advising.entries import parse_share, read_entries


def written(folder: Path, text: str) -> Path:
    """Write a file of entries."""
    path = folder / "cost.yaml"
    path.write_text(text)
    return path


def test_our_own_entries_can_be_read() -> None:
    """Formats with their losses, GGUF's numbers for them, and what engines take."""
    found = read_entries(None)

    assert found.formats["q8_0"].bits == exactly(8.5)
    assert found.formats["q4_k_m"].perplexity == {"Llama-2-7B": 1.014, "Llama-3-8B": 1.028}
    assert found.gguf_types[15] is found.formats["q4_k_m"]
    assert all(f.speed.high == 1.0 for f in found.formats.values())
    assert {f.files for f in found.formats.values()} == {
        files for takes in found.engines.values() for files in takes.files
    }


def test_a_users_entries_win(tmp_path: Path) -> None:
    """Whatever letters they are written in; the others stay."""
    text = (
        "gpus: {Box: {memory_gb: 24, bandwidth_gb_s: [500, 550, 600], tflops: 20, price: 0.8}}\n"
        "formats: {q8_0: {files: gguf, bits: 9}, Q4_X: {files: gguf, bits: [4, 4.5, 5]}}\n"
        "engines: {mine: {takes: [gguf]}}\n"
        "strategies: [{name: Half, gpu: Box, effort: low, quality: none, note: Ask Bo}]\n"
    )
    found = read_entries(written(tmp_path, text))

    assert found.gpus["box"].bandwidth == Span(500e9, 550e9, 600e9)
    assert found.prices == {"box": 0.8}
    assert found.formats["q8_0"].bits == exactly(9)
    assert found.formats["q4_x"].bits == Span(4, 4.5, 5)
    assert "bf16" in found.formats
    assert found.engines["mine"].files == ("gguf",)
    assert found.strategies[0].changed == ("gpu",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "expected a mapping with gpus, formats, engines and strategies"),
        ("gpu: {}", "gpu: unknown key 'gpu'; allowed here: gpus, formats, engines, strategies; "
                    "did you mean gpus?"),
        ("gpus: {x: {memory_gb: 24}}", "gpus.x.bandwidth_gb_s: missing; it is required"),
        ("gpus: {x: {memory_gb: -1, bandwidth_gb_s: 1}}", "gpus.x.memory_gb: expected"),
        ("gpus: {x: {memory_gb: 1, bandwidth_gb_s: [1, 2]}}", "expected one number, or three"),
        ("gpus: {x: {memory_gb: 1, bandwidth_gb_s: [3, 2, 1]}}", "the lowest first"),
        ("formats: {x: {files: gguf, bits: a}}", "formats.x.bits"),
        ("formats: {x: {files: gguf, bits: 4, bitz: 4}}", "did you mean bits?"),
        ("strategies: [{name: x}]", "strategies.0: changes nothing; name at least one of format"),
        ("strategies: [{hits: 120%}]", "strategies.0.hits: expected a share above 0 and below 1"),
        ("strategies: [{params: big}]", "strategies.0.params: expected the size of a model"),
        ("strategies: [{price: 1, effort: none}]", "strategies.0.effort: expected 'low'"),
        ("strategies: [{price: 0}]", "strategies.0.price: expected greater than 0"),
        ("a: 1\na: 2", "cost.yaml:2: a stands twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """File, field, what was found and what is allowed."""
    with pytest.raises(InputError) as wrong:
        read_entries(written(tmp_path, text))

    assert str(wrong.value).startswith(str(tmp_path / "cost.yaml"))
    assert said in str(wrong.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the option that names it."""
    with pytest.raises(InputError, match="--entries: no such file"):
        read_entries(tmp_path / "none.yaml")


@given(st.integers(1, 99))
def test_a_share_is_read_in_either_way(percent: int) -> None:
    """As a percentage, and as a number."""
    assert parse_share(f"{percent}%") == pytest.approx(parse_share(percent / 100))


@pytest.mark.parametrize("value", ["0%", "100%", "nan", "", "many", None, [1], -0.1])
def test_what_is_no_share_is_refused(value: object) -> None:
    """With examples of one."""
    with pytest.raises(ValueError, match="such as 60%"):
        parse_share(value)
