"""Linting files: with what their bases tell, and against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gguf_files import write as write_gguf
from tuner.spec.errors import InputError
from tuner.workflow.lint import lint


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
