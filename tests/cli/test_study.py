"""`tune study` as a user meets it: a real process each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from tests import gguf_files
from tests.cli.test_cli import tune
from tuner.spec.file.schema import study_schema


def study(folder: Path, **changes: Any) -> Path:
    """Write a study over a GGUF file without weights."""
    gguf_files.write(folder / "m.gguf")
    (folder / "p.jsonl").write_text('{"template": "Say {word}"}\n')
    (folder / "slots.yaml").write_text("word: [yes please, no thanks]\n")
    content = {
        "version": 1, "name": "mine", "engine": {"kind": "llamacpp", "model": "m.gguf"},
        "workload": {"prompts": "p.jsonl", "slots": "slots.yaml"},
        "slo": [{"metric": "e2e", "max_ms": 500}],
        "baseline": {"num_ctx": 1024}, "space": {"num_ctx": [512, 1024]},
    }  # fmt: skip
    path = folder / "tune.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


@pytest.mark.parametrize(
    "words",
    [["init", "--help"], ["study", "--help"], ["study", "check", "--help"],
     ["study", "schema", "--help"]],
)  # fmt: skip
def test_help(words: list[str], tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Help texts say what there is, with an example."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout == snapshot


def test_a_good_study_is_summed_up(tmp_path: Path) -> None:
    """The summary is on standard output, what is unwise on standard error."""
    study(tmp_path)
    found = tune("study", "check", "tune.yaml", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("tune.yaml: ok\n")
    assert "1 in the file, 2 different texts" in found.stdout
    assert "warning: no guard" in found.stderr
    assert "warning" not in found.stdout


def test_the_document(tmp_path: Path) -> None:
    """--json is one object that holds the warnings too."""
    study(tmp_path)
    found = tune("study", "check", "tune.yaml", "--json", cwd=tmp_path)
    document = json.loads(found.stdout)

    assert document["schema"] == "tuner.study-check/1"
    assert document["ok"] is True
    assert [f"warning: {w}" for w in document["warnings"]] == found.stderr.splitlines()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spce": {}}, "unknown key 'spce'"),
        ({"search": {"seed": "one"}}, "search.seed"),
        ({"slo": {"metric": "e2e"}}, "slo"),
        ({"space": {"num_btach": [1, 2]}}, "did you mean num_batch?"),
        ({"space": {}}, "space: empty; name a knob"),
        ({"space": {"num_ctx": []}}, "space.num_ctx"),
        ({"space": {"top_p": {"low": 0.9, "high": 0.1}}}, "low 0.9 is not below high 0.1"),
        ({"workload": {"prompts": "gone.jsonl"}}, "no such file"),
        ({"workload": {"prompts": "p.jsonl", "slots": "slots.yaml", "schema": "bad.json"}},
         "not a JSON Schema"),
        ({"guard": {"min_correct": 0.5}}, "guard.min_correct"),
        ({"engine": {"kind": "llamacpp", "model": "gone.gguf"}}, "no such model file"),
        ({"engine": {"kind": "llamacpp", "model": "torn.gguf"}}, "damaged GGUF metadata"),
        ({"engine": {"kind": "llamacpp", "model": "m-00001-of-00003.gguf"}},
         "missing beside it: m-00002-of-00003.gguf"),
        ({"engine": {"kind": "llamacpp", "model": "m-00003-of-00003.gguf"}}, "a later part"),
        ({"baseline": {"shots": 4}}, "shots: 4 is not there"),
    ],
)  # fmt: skip
def test_a_bad_study_is_one_message_and_exit_2(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """The message names the file and what to mend; there is no traceback."""
    path = study(tmp_path, **changes)
    (tmp_path / "torn.gguf").write_bytes((tmp_path / "m.gguf").read_bytes()[:60])
    gguf_files.write_split(tmp_path)[1].unlink()
    (tmp_path / "bad.json").write_text('{"type": "objekt"}')
    found = tune("study", "check", path.name, "--json", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert found.stdout == ""
    assert said in found.stderr
    assert found.stderr.startswith("tune: ")
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["studdy"], "did you mean `tune study`?"),
        (["intit"], "did you mean `tune init`?"),
        (["study", "chek", "tune.yaml"], "did you mean `tune study check`?"),
        (["study", "frobnicate"], "expected check or schema"),
        (["study", "check"], "Missing argument 'FILE'"),
        (["study", "check", "gone.yaml"], "gone.yaml: no such study file"),
    ],
)
def test_mistyped_words_get_the_nearest(tmp_path: Path, words: list[str], said: str) -> None:
    """A wrong command is exit 2, with the right one where it can be guessed."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_the_schema_is_printed(tmp_path: Path) -> None:
    """It is one JSON document, the one that the tests of the schema look at."""
    found = tune("study", "schema", cwd=tmp_path)

    assert found.returncode == 0
    assert json.loads(found.stdout) == study_schema()
