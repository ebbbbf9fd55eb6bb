"""A file of --config: what it says is what is run, also where vLLM would leave it out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.vllm.installed.flags.known import FLAGS
from tuner.engines.vllm.installed.flags.command_line import Checked, checked
from tuner.spec.errors import InputError


def read(tmp_path: Path, text: str, *words: str) -> Checked:
    """Return what a file, and words behind it, come to."""
    (tmp_path / "own.yaml").write_text(text)
    return checked(["--config", "own.yaml", *words], FLAGS, tmp_path)


def test_flags_of_the_file_come_first(tmp_path: Path) -> None:
    """So that the command line has the last word, as with vLLM."""
    text = (
        "port: 8001\n"
        "gpu-memory-utilization: 0.9\n"
        "enable-prefix-caching: false\n"
        "enforce-eager: true\n"
        "api-key: [a, b]\n"
        "lora-modules: []\n"
        "speculative-config: {method: ngram, num_speculative_tokens: 3}\n"
        "block-size: null\n"
        "compilation-config.mode: 3\n"
    )

    assert read(tmp_path, text, "--port", "8002").words == (
        "--port=8001",
        "--gpu-memory-utilization=0.9",
        "--no-enable-prefix-caching",
        "--enforce-eager",
        "--api-key", "a", "b",
        '--speculative-config={"method": "ngram", "num_speculative_tokens": 3}',
        "--block-size=None",
        "--compilation-config.mode=3",
        "--port", "8002",
    )  # fmt: skip


def test_what_vllm_leaves_out_in_silence_is_in_force_and_named(tmp_path: Path) -> None:
    """A switch that is off under underscores, one without a negation, a file behind `=`."""
    switched = read(tmp_path, "enable_prefix_caching: false\nheadless: false\n")
    behind = checked([f"--config={tmp_path / 'own.yaml'}"], FLAGS)

    assert switched.words == behind.words == ("--no-enable-prefix-caching",)
    assert "enable_prefix_caching: false is written as --no-enable" in switched.translated[0]
    assert "headless: false is written as nothing" in switched.translated[1]
    assert "vLLM reads a file only after --config alone" in behind.translated[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("swap-space: 4\n", "does not know --swap-space"),
        ("swap_space: 4\n", "does not know --swap-space"),
        ("enable-nothing: false\n", "does not know --enable-nothing"),
        ("max-num-seqs: many\n", "--max-num-seqs: found 'many'; expected a whole number"),
        ("seed: false\n", "seed: found false, which vLLM leaves out; expected a value"),
        ("config: other.yaml\n", "vLLM reads no file from a file; write its flags here"),
        ("", "expected flags of vLLM without their dashes"),
        ("- port\n", "expected flags of vLLM without their dashes"),
        ("1: 2\n", "expected flags of vLLM without their dashes"),
        ("port: 1\nport: 2\n", "port stands twice"),
        ("port: [\n", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """With what was found, and what was expected."""
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--config"], "expected a file named .yaml or .yml"),
        (["--config", "own.txt"], "expected a file named .yaml or .yml"),
        (["--config", "none.yaml"], "there is no file"),
        (["--config", "a.yaml", "--config", "b.yaml"], "vLLM reads one file: keep one"),
        (["--config", "folder.yaml"], "cannot be read"),
    ],
)
def test_a_file_that_is_not_there_is_refused(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    """Before anything is started."""
    (tmp_path / "folder.yaml").mkdir()

    with pytest.raises(InputError, match=sentence):
        checked(words, FLAGS, tmp_path)


@given(text=st.text(max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Nothing but InputError is raised."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with contextlib.suppress(InputError):
        checked(["--config", str(path)], FLAGS)
