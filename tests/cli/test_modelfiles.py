"""`tune lint` and `tune diff` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.test_cli import tune
from tests.gguf_files import LLAMA
from tests.gguf_files import write as write_gguf
from tests.ollama.stored import stored

WRONG = """\
FROM ./missing.gguf
PARAMETER num_ctx 2048
PARAMETER max_tokens 100
SYSTEM \"\"\"\"\"\"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Modelfile full of mistakes and one without; Ollama has no models."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "models"))
    (tmp_path / "wrong").write_text(WRONG, encoding="utf-8")
    (tmp_path / "right").write_text("FROM qwen3:0.6b\nPARAMETER num_ctx 4096\n", encoding="utf-8")
    return tmp_path


def test_errors_are_exit_4(folder: Path, snapshot: SnapshotAssertion) -> None:
    """Each finding has its file and line, and the last line counts them."""
    found = tune("lint", "wrong", "right", cwd=folder)

    assert (found.returncode, found.stderr) == (4, "")
    assert found.stdout == snapshot


def test_a_healthy_file_is_exit_0(folder: Path) -> None:
    """And one sentence."""
    found = tune("lint", "right", cwd=folder)

    assert (found.returncode, found.stdout) == (0, "1 file: nothing to say\n")


def test_findings_are_json_for_programs(folder: Path) -> None:
    """With a schema and counts, and the same exit code."""
    found = tune("lint", "wrong", "--json", cwd=folder)
    document = json.loads(found.stdout)

    assert found.returncode == 4
    assert document["schema"] == "tuner.lint/1"
    assert document["counts"]["error"] == 1
    assert {"line": 3, "severity": "error", "rule": "refused"}.items() <= next(
        f for f in document["files"][0]["findings"] if f["line"] == 3
    ).items()


def test_a_missing_file_is_exit_2(folder: Path) -> None:
    """It is named, and so is what to do."""
    found = tune("lint", "nowhere", cwd=folder)

    assert found.returncode == 2
    assert "nowhere cannot be read" in found.stderr


def test_a_difference_has_its_cost(folder: Path, snapshot: SnapshotAssertion) -> None:
    """A table for people; for programs the changes and what they cost together."""
    (folder / "other").write_text("FROM qwen3:0.6b\nPARAMETER num_ctx 8192\n", encoding="utf-8")
    table = tune("diff", "right", "other", cwd=folder)
    document = json.loads(tune("diff", "right", "other", "--json", cwd=folder).stdout)

    assert table.returncode == 0, table.stderr
    assert table.stdout == snapshot
    assert (document["schema"], document["cost"]) == ("tuner.diff/1", "reload")
    assert document["changes"] == [
        {"what": "PARAMETER num_ctx", "a": "4096", "b": "8192", "cost": "reload"}
    ]


def rules(folder: Path, **files: bytes) -> dict[str, set[str]]:
    """Lint files in one command; return the errors and warnings of each."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    document = json.loads(tune("lint", *files, "--json", cwd=folder).stdout)
    return {
        each["file"]: {f["rule"] for f in each["findings"] if f["severity"] != "note"}
        for each in document["files"]
    }


def test_what_people_write_is_warned_of(folder: Path) -> None:
    """One file for each kind of mistake that Ollama takes without a word, or refuses."""
    assert rules(
        folder,
        stops=b'FROM a\nPARAMETER stop "</s>" "User:"\n',
        empty=b'FROM b\nPARAMETER stop ""\n',
        comment=b"FROM c\nPARAMETER stop </s> # the end\n",
        window=b"FROM d\nPARAMETER num_ctx -1\nPARAMETER num_predict 64\n",
        paths=b"FROM ./one.gguf ./two.gguf\n",
        encoding=b"FROM e\nSYSTEM Sois tr\xe8s bref.\n",
        dropped="FROM f\nSYSTEM Prix : 20\u00a0000 EUR\n".encode(),
        escape=b'FROM g\nSYSTEM "One.\\nTwo."\n',
        long=b"FROM h\nPARAMETER num_ctx 1024\nSYSTEM " + "\u898f\u5247".encode() * 800,
        gone=b"FROM i\nPARAMETER numa true\n",
    ) == {
        "stops": {"list"}, "empty": {"blank"}, "comment": {"comment"}, "window": {"window"},
        "paths": {"name"}, "encoding": {"encoding"}, "dropped": {"dropped"}, "escape": {"escape"},
        "long": {"long-system"}, "gone": {"refused"},
    }  # fmt: skip


def test_what_is_right_is_not_warned_of(folder: Path) -> None:
    """A stub beside RENDERER, a file as tag, threads left to Ollama, projectors in any order."""
    chat = {**LLAMA, "tokenizer.chat_template": "<|im_start|>"}
    write_gguf(folder / "m.gguf", chat)
    write_gguf(folder / "eye.gguf", {"general.architecture": "clip", "clip.has_vision_encoder": 1})
    found = rules(
        folder,
        stub=b"FROM ./m.gguf\nTEMPLATE {{ .Prompt }}\nRENDERER x\nPARAMETER stop <|end|>\n",
        tag=b"FROM hf.co/me/mine:mine-Q4.gguf\nPARAMETER num_thread 0\n",
        two=b"FROM ./m.gguf\nFROM ./eye.gguf\n",
    )

    assert found == {"stub": set(), "tag": set(), "two": set()}


def test_files_of_one_name_in_two_folders_are_not_the_same(folder: Path) -> None:
    """From wherever it runs; a copy of the weights is."""
    for name, weights in (("a", "one"), ("b", "two"), ("c", "one")):
        (folder / name).mkdir()
        (folder / name / "w.gguf").write_text(weights)
        (folder / name / "Modelfile").write_text("FROM ./w.gguf\n")
    other = json.loads(tune("diff", "a/Modelfile", "b/Modelfile", "--json", cwd=folder).stdout)
    copy = tune("diff", "Modelfile", "../c/Modelfile", cwd=folder / "a")

    assert [(c["what"], c["cost"]) for c in other["changes"]] == [("FROM", "reload")]
    assert copy.stdout == "Modelfile and ../c/Modelfile say the same\n"


def test_one_model_by_two_names_thrashes_and_is_the_same(folder: Path) -> None:
    """With all that a name may leave out, and without."""
    whole = "registry.ollama.ai/library/tiny:latest"
    (folder / "a").write_text("FROM tiny\nPARAMETER num_ctx 2048\n")
    (folder / "b").write_text(f"FROM {whole}\nPARAMETER num_ctx 8192\n")
    (folder / "c").write_text(f"FROM {whole}\nPARAMETER num_ctx 2048\n")

    assert "[thrashing]" in tune("lint", "a", "b", cwd=folder).stdout
    assert tune("diff", "a", "c", cwd=folder).stdout == "a and c say the same\n"


@pytest.mark.parametrize("source", ["hf.co/me/Mine:Mine-Q4.gguf", "mine"])
def test_a_study_is_started_from_a_model_whose_tag_is_a_file(folder: Path, source: str) -> None:
    """By its name, or by a Modelfile over it."""
    stored(folder / "models", "Mine", "Mine-Q4.gguf", under=("hf.co", "me"))
    (folder / "mine").write_text("FROM hf.co/me/Mine:Mine-Q4.gguf\n")
    made = tune("init", source, cwd=folder)

    assert (made.returncode, "engine: {kind: ollama" in (folder / "tune.yaml").read_text()) == (
        0, True,
    ), made.stderr  # fmt: skip
