"""`tune study` as a user meets it: a real process each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from tests import gguf_files
from tests.cli.test_cli import tune
from tuner.cli.main import cli
from tuner.spec.errors import InputError
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


def test_options_of_a_run_are_checked_as_the_run_would_take_them(tmp_path: Path) -> None:
    """They replace what the study says, here as there."""
    study(tmp_path)
    options = ["--target-p99", "250", "--budget", "20m", "--objective", "memory"]
    found = tune("study", "check", *options, "--out", "new", "--json", cwd=tmp_path)
    document = json.loads(found.stdout)

    assert document["target"] == ["e2e p99 <= 250 ms"]
    assert document["objective"] == "memory"
    assert document["plan"]["budget_s"] == 1200
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "used"], "used already holds a run"),
        (["--out", "new", "--resume"], "new holds no run that could be continued"),
        (["--resume"], "holds no run that could be continued"),
        (["--pause-production"], "does not say how production is stopped"),
        (["--objective", "correct"], "the workload needs `expect`"),
        (["--budget", "soon"], "'soon'"),
    ],
)
def test_what_a_run_would_refuse_is_refused(
    tmp_path: Path, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same sentence as `tune run`, and exit code 2."""
    study(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    refused = []
    for words in (["study", "check"], ["run", "--quiet"]):
        with pytest.raises((InputError, click.UsageError)) as found:
            cli.main([*words, *options], prog_name="tune", standalone_mode=False)
        refused.append(str(found.value))

    assert said in refused[0]
    assert refused[0] == refused[1]


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
