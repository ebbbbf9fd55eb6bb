"""What a shell completes, as its script asks for it, and what is imported for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from tests.cli.test_cli import tune
from tuner.cli.completion import SHELLS
from tuner.cli.main import COMMANDS, cli

STUDY = """\
version: 1
name: mine
baseline: {num_ctx: 4096, system: "a: b, c: d"}
space:
  num_batch: [1,
    2]
  top_p:
    low: 0.1  # z: 1
    high: 1
  # hidden: [1]
search: {seed: 1}
"""


def completed(*words: str) -> list[str]:
    """Return what is offered for the last of the words that follow `tune`."""
    *before, begun = words
    found = BashComplete(cli, {}, "tune", "_TUNE_COMPLETE").get_completions(before, begun)
    return [item.value for item in found]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.yaml").write_text(STUDY)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.yml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)


def test_the_first_word_is_a_command_or_a_study() -> None:
    """An empty line offers both, and a begun word what begins so."""
    assert completed("") == ["my.yaml", *COMMANDS]
    assert completed("my") == ["my.yaml"]
    assert completed("com") == ["com", "compare", "completion"]  # the first: files, by the shell


def test_options_of_a_run_may_be_the_first_words() -> None:
    """`tune --target-p99 500` is a run, so its options and those of the group are offered."""
    assert completed("--tar") == ["--target-p99", "--target-ttft-p99"]
    assert {"--budget", "--version", "--help"} <= set(completed("--"))
    assert completed("--target-p99", "500", "--sampler", "") == ["tpe", "random"]


def test_a_study_as_the_first_word_takes_the_options_of_a_run() -> None:
    """Whether it is there or not: nothing is refused while it is typed."""
    assert completed("my.yaml", "--bud") == ["--budget"]
    assert completed("gone.yaml", "--bud") == ["--budget"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("measure", ""), ["my.yaml"]),
        (("measure", "sub/"), ["sub/other.yml"]),
        (("measure", "su"), ["su"]),
        (("study", ""), ["check", "schema"]),
        (("run", "--engine", "ol"), ["ollama"]),
        (("measure", "my.yaml", "--set", ""), ["num_batch=", "num_ctx=", "system=", "top_p="]),
        (("measure", "--set", "num_ctx=1", "my.yaml", "--set", "num"), ["num_batch=", "num_ctx="]),
        (("measure", "--set", "num_b"), ["num_batch="]),  # the packaged study has it
        (("measure", "gone.yaml", "--set", "n"), []),
        (("sweep", "my.yaml", "num_c"), ["num_ctx="]),
        (("sweep", "num_ctx=1", "my"), ["my.yaml"]),
    ],
)
def test_arguments_of_commands(words: tuple[str, ...], offered: list[str]) -> None:
    """Studies by their paths, kinds of engine, and the knobs that the study names."""
    assert completed(*words) == offered


def test_each_shell_has_a_script() -> None:
    """It is printed for the shell to read, and names the variable by which it asks."""
    for shell in SHELLS:
        found = tune("completion", shell, cwd=Path.cwd())

        assert found.returncode == 0, found.stderr
        assert f"_TUNE_COMPLETE={shell}_complete" in found.stdout


def test_another_shell_is_named_with_those_that_there_are() -> None:
    """Exit code 2, and the choice."""
    found = tune("completion", "tcsh", cwd=Path.cwd())

    assert found.returncode == 2
    assert "bash" in found.stderr


def test_bash_completes_with_the_script() -> None:
    """A real bash that has read the script puts the offers where it takes them from."""
    folder = Path(sys.executable).parent
    program = Path("bin") / "tune"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuner "$@"\n')
    program.chmod(0o755)
    asked = (
        'eval "$(tune completion bash)"; COMP_WORDS=(tune measure my.yaml --set num_c) '
        "COMP_CWORD=4; _tune_completion tune num_c --set; echo ${COMPREPLY[*]}"
    )
    path = f"{program.parent.absolute()}{os.pathsep}{folder}{os.pathsep}{os.environ['PATH']}"
    found = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )

    assert found.stdout.strip() == "num_ctx=", found.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tune ", "plain,my.yaml"),
        ("tune my.yaml --budget 3m --cpus 2 --se", "plain,--seed"),
        ("tune measure my.yaml --set num_ctx=1 --set ", "plain,num_ctx="),
    ],
)
def test_completing_imports_nothing_heavy(typed: str, offered: str) -> None:
    """A person waits for a key: what makes a start slow is not imported, whatever was typed."""
    heavy = "numpy scipy optuna pydantic aiohttp jinja2 rich jsonschema psutil yaml"
    code = (
        "import sys\nfrom tuner.cli.main import cli\n"
        "try:\n    cli.main(prog_name='tune')\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    asked = {
        "COMP_WORDS": "\n".join(typed.split(" ")),
        "COMP_CWORD": str(typed.count(" ")),
        "_TUNE_COMPLETE": "bash_complete",
    }
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked}
    )

    assert offered in found.stdout.splitlines(), found.stderr
    assert found.stdout.splitlines()[-1] == "[]"
