"""Artifacts: every setting that is relied on, where it can be held, with its evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tuner.engines.artifacts import Evidence, Serving
from tuner.engines.llamacpp.engine import KNOBS
from tuner.engines.ollama.emitted.artifacts import artifacts
from tuner.engines.ollama.knobs import KNOBS as OLLAMA
from tuner.modelfile.document import parse
from tuner.spec.errors import InputError
from tuner.spec.values import Message
from tuner.testing.fake_engine import MODEL

CANDIDATE = {name: knob.default for name, knob in KNOBS.items()} | {
    "num_thread": 2, "num_ctx": 1024, "num_predict": 40, "temperature": 0.1 + 0.2,
    "system": "none", "shots": 1, "format": "schema",
}  # fmt: skip
PROVEN = Evidence("llama.cpp X", "closed loop, concurrency 1", "PASS", ("e2e p99 <= 500 ms: PASS",))
SHOT = (Message("user", "Delete 1"), Message("assistant", '{"id":1}'))
SERVING = Serving(shots=SHOT, response_format={"type": "object"})


def test_the_emitted_files(snapshot: SnapshotAssertion) -> None:
    """What is written for a proven candidate, to the letter."""
    assert artifacts(CANDIDATE, KNOBS, MODEL, SERVING, PROVEN) == snapshot


def test_the_modelfile_states_every_setting_it_can_hold() -> None:
    """Each PARAMETER is a setting of the candidate, without float noise; nothing else is one."""
    found = parse(artifacts(CANDIDATE, KNOBS, MODEL, SERVING, PROVEN)["Modelfile"])

    assert dict(found.parameters)["temperature"] == "0.3"
    assert set(dict(found.parameters)) == {n for n, k in KNOBS.items() if k.where == "modelfile"}
    assert found.messages == SHOT
    assert found.system is None


def test_each_file_of_a_split_model_has_a_line_of_its_own() -> None:
    """Ollama takes all of them or none."""
    model = replace(MODEL, source="m-1.gguf", parts=(Path("m-2.gguf"), Path("m-3.gguf")))
    found = parse(artifacts(CANDIDATE, KNOBS, model, SERVING, PROVEN)["Modelfile"])

    assert (found.base, found.layers) == ("m-1.gguf", ("m-2.gguf", "m-3.gguf"))


def test_what_a_modelfile_cannot_hold_stands_beside_it() -> None:
    """Environment and client settings have files of their own, named in the header."""
    files = artifacts(CANDIDATE | {"flash_attention": "on"}, KNOBS, MODEL, SERVING, PROVEN)

    assert "OLLAMA_FLASH_ATTENTION=1" in files["ollama.env"]
    assert "OLLAMA_NUM_PARALLEL=1" in files["ollama.env"]
    assert json.loads(files["client.json"])["format"] == {"type": "object"}
    assert "with client.json and ollama.env; not measured under Ollama" in files["Modelfile"]


def test_how_the_server_was_started_stands_with_its_environment() -> None:
    """A scheduling policy is no variable: the line that starts a server so is a comment."""
    knobs = {**KNOBS, "cpu_scheduling": OLLAMA["cpu_scheduling"]}
    usual, batch = (
        artifacts(CANDIDATE | {"cpu_scheduling": policy}, knobs, MODEL, SERVING, PROVEN)
        for policy in ("other", "batch")
    )

    assert "# it was measured as: chrt --batch 0 ollama serve" in batch["ollama.env"].splitlines()
    assert "chrt" not in usual["ollama.env"]
    assert usual["Modelfile"] == batch["Modelfile"]


def test_huge_pages_are_asked_of_glibc() -> None:
    """The environment file holds what makes the memory allocator ask for them."""
    knobs = {**KNOBS, "huge_pages": OLLAMA["huge_pages"]}
    asked, auto = (
        artifacts(CANDIDATE | {"huge_pages": value}, knobs, MODEL, SERVING, PROVEN)["ollama.env"]
        for value in ("on", "auto")
    )

    assert "GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in asked.splitlines()
    assert "GLIBC_TUNABLES=" not in auto


def test_files_with_nothing_to_say_are_left_out() -> None:
    """Without format and dynamic shots there is no client.json."""
    files = artifacts(CANDIDATE, KNOBS, MODEL, replace(SERVING, response_format=None), PROVEN)

    assert "client.json" not in files


def test_an_unproven_candidate_says_so_first() -> None:
    """NOT PROVEN stands at the top, and nothing below says proven."""
    evidence = replace(PROVEN, verdict="NOT PROVEN (UNDECIDED)")
    text = artifacts(CANDIDATE, KNOBS, MODEL, SERVING, evidence)["Modelfile"]

    assert text.splitlines()[1] == "# NOT PROVEN (UNDECIDED)"
    assert "# proven" not in text


@pytest.mark.parametrize("line", ["a\nOLLAMA_DEBUG=1", "ends with \\"])
def test_no_line_of_the_header_is_anything_else(line: str) -> None:
    """What was measured can break no comment; systemd takes a backslash at its end to go on."""
    plain, odd = (
        artifacts(CANDIDATE, KNOBS, MODEL, SERVING, replace(PROVEN, lines=(x,)))["ollama.env"]
        for x in ("one", line)
    )

    lines = [x for x in odd.splitlines() if not x.startswith("#")]
    assert lines == [x for x in plain.splitlines() if not x.startswith("#")]
    assert "\\" not in odd


def test_a_text_that_cannot_be_written_is_refused() -> None:
    """A system text with a character that Ollama drops is named instead of changed."""
    with pytest.raises(InputError):
        artifacts(CANDIDATE, KNOBS, MODEL, replace(SERVING, system="a\u200bb"), PROVEN)
