"""Linting files: with what their bases tell, and against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gguf_files import write as write_gguf
from tests.ollama.stored import stored
from tuner.spec.errors import InputError
from tuner.workflow.lint import lint


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of Ollama's with a model small:1b, instead of the user's own."""
    stored(tmp_path / "models", "small", "1b")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def written(folder: Path, name: str, text: str) -> Path:
    """Write a Modelfile."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_two_files_on_one_base_that_will_thrash_are_named(tmp_path: Path) -> None:
    """Another num_ctx on the same base is warned of, with the tag that is meant or the file."""
    one = written(tmp_path, "one", "FROM a\nPARAMETER num_ctx 2048\n")
    other = written(tmp_path, "other", "FROM a:latest\nPARAMETER num_ctx 4096\n")
    same = written(tmp_path, "same", "FROM a\nPARAMETER num_ctx 2048\nPARAMETER top_k 3\n")
    found = {Path(each.file).name: each.findings for each in lint([one, other, same])}

    assert [f.rule for f in found["other"]] == ["thrashing"]
    assert "num_ctx" in found["other"][0].message
    assert [f.rule for f in found["same"]] == ["thrashing"]  # against `other`
    assert found["one"] == ()


def test_the_base_is_read_beside_the_modelfile(tmp_path: Path) -> None:
    """A relative FROM is relative to the file, and its head tells whether it has a template."""
    write_gguf(tmp_path / "m.gguf")
    (found,) = lint([written(tmp_path, "Modelfile", "FROM ./m.gguf\n")])

    assert [f.severity for f in found.findings if f.rule == "no-template"] == ["warning"]


def test_a_model_that_ollama_has_is_read_from_its_folder(tmp_path: Path) -> None:
    """Without a server its window of 8192 x 4 tokens is known to keep 720 MiB."""
    text = "FROM small:1b\nPARAMETER num_ctx 1000000\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)], parallel=4)

    assert {f.rule for f in found.findings} == {"beyond-training", "memory"}
    assert any(
        "num_ctx 8192 x OLLAMA_NUM_PARALLEL 4 keeps 720 MiB" in f.message for f in found.findings
    )


@pytest.mark.parametrize("name", ["small", "small:7b", "../small:1b", "x" * 300, "a b " * 100])
def test_a_model_that_ollama_does_not_have_is_not_talked_about(tmp_path: Path, name: str) -> None:
    """Whatever its name, nothing is known of its window, and it may be pulled later."""
    text = f"FROM {name}\nPARAMETER num_ctx 1000000\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    assert {f.rule for f in found.findings} <= {"name"}


def test_a_model_with_lost_weights_is_not_talked_about(tmp_path: Path, models: Path) -> None:
    """What cannot be read is no mistake of the Modelfile."""
    (models / "blobs" / "sha256-ab").unlink()
    file = written(tmp_path, "Modelfile", "FROM small:1b\nPARAMETER num_ctx 1000000\n")

    assert lint([file])[0].findings == ()


def test_weights_without_the_ending_are_read(tmp_path: Path) -> None:
    """A blob of Ollama's is a GGUF file under another name."""
    write_gguf(tmp_path / "weights")
    text = "FROM ./weights\nPARAMETER num_ctx 4096\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    assert [f.rule for f in found.findings] == ["memory"]


def test_a_folder_with_spaces_is_seen_beside_the_modelfile(tmp_path: Path) -> None:
    """Of two values with spaces the one that is there is a path, the other no model's name."""
    (tmp_path / "my weights").mkdir()
    there = written(tmp_path, "there", "FROM my weights\n")
    prose = written(tmp_path, "prose", "FROM your weights\n")

    assert [each.errors for each in lint([there, prose])] == [0, 1]


def test_findings_come_in_the_order_of_their_lines(tmp_path: Path) -> None:
    """However the rules are ordered."""
    text = "FROM a\nPARAMETER num_thread 4\nSYSTEM ''\nPARAMETER max_tokens 3\n"
    (found,) = lint([written(tmp_path, "Modelfile", text)])

    lines = [f.line for f in found.findings]
    assert lines == sorted(lines)
    assert found.errors == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The path is in the sentence."""
    with pytest.raises(InputError, match="missing"):
        lint([tmp_path / "missing"])
