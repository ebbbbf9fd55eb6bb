"""`tune validate` as a user meets it: two real servers by their URLs, and every exit code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.cli.test_check import QUICK
from tests.cli.test_cli import tune
from tuner.cli.main import cli
from tuner.spec.errors import TunerError
from tuner.testing.fake_server import running

LIKE = {"say": "yes"}
OTHER = {"say": "no"}


def write_study(folder: Path, *, judged: bool = True, **changes: Any) -> None:
    """Write a study of 400 prompts to which "yes" is the right answer."""
    expect = ', "expect": {"exact": "yes"}' if judged else ""
    prompts = "".join(f'{{"template": "say {n}"{expect}}}\n' for n in range(400))
    (folder / "prompts.jsonl").write_text(prompts)
    study = {
        "version": 1,
        "name": "s",
        "engine": {"kind": "openai", "model": "default", "url": "http://127.0.0.1:9"},
        "workload": {"prompts": "prompts.jsonl"},
        "baseline": {"num_predict": 8, "temperature": 0.5},
    }
    (folder / "tune.yaml").write_text(yaml.safe_dump({**study, **changes}))


@contextlib.contextmanager
def served(folder: Path, name: str, answer: dict[str, str], *options: str) -> Iterator[str]:
    """Run a quick server that answers so, and writes down what it is asked; yield its URL."""
    (folder / f"{name}.json").write_text(json.dumps(answer))
    words = ("--answer", str(folder / f"{name}.json"), "--record", str(folder / f"{name}.seen"))
    with running(*QUICK, *words, *options) as (_, port):
        yield f"http://127.0.0.1:{port}"


def seen(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return what a server was asked."""
    return [json.loads(line) for line in (folder / f"{name}.seen").read_text().splitlines()]


def test_an_endpoint_that_answers_wrongly_is_exit_4(tmp_path: Path) -> None:
    """Both were only asked, the same as their clients do, and the document says why."""
    write_study(tmp_path)
    with served(tmp_path, "a", LIKE) as a, served(tmp_path, "b", OTHER) as b:
        found = tune("validate", a, b, "--json", "--out", "o", "--budget", "40s", cwd=tmp_path)
    told = json.loads(found.stdout)

    assert found.returncode == 4, found.stderr
    assert (told["schema"], told["verdict"]) == ("tuner.validation/1", "worse")
    assert (told["a"]["named"], told["b"]["named"]) == (a, b)
    assert told["answers"]["shown"] == "worse"
    assert told["why"].startswith("B is worse than A: right answers -100.0 [")
    assert json.loads((tmp_path / "o" / "validation.json").read_text()) == told
    assert found.stderr.lstrip().startswith("plan: pairs of blocks of ")
    for name in ("a", "b"):
        asked = seen(tmp_path, name)
        chats = [json.loads(r["body"]) for r in asked if "chat/completions" in r["target"]]
        assert {r["target"] for r in asked} == {"/v1/models", "/v1/chat/completions"}
        assert {c["temperature"] for c in chats} == {0.5}


def test_an_endpoint_that_answers_right_where_the_other_does_not_is_exit_0(
    tmp_path: Path,
) -> None:
    """Whatever it takes: a wide margin asks no more of latencies than that they are known."""
    write_study(tmp_path)
    words = ("--out", "o", "--budget", "45s", "--margin", "5000")
    with served(tmp_path, "a", OTHER) as a, served(tmp_path, "b", LIKE) as b:
        found = tune("validate", a, b, *words, cwd=tmp_path, COLUMNS="150")

    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("B is better than A: ")
    assert "right answers %" in found.stdout
    assert "Rare slow requests are not judged" in found.stdout


def test_endpoints_of_two_models_are_exit_6_unless_asked_for(tmp_path: Path) -> None:
    """Nothing is sent to them before that is told."""
    write_study(tmp_path)
    one, two = ("--serves", "one"), ("--serves", "two")
    with served(tmp_path, "a", LIKE, *one) as a, served(tmp_path, "b", OTHER, *two) as b:
        refused = tune("validate", a, b, "--out", "o", cwd=tmp_path)
        before = [r["target"] for r in seen(tmp_path, "b")]
        forced = tune("validate", a, b, "--force", "--budget", "40s", "-q", cwd=tmp_path)

    assert refused.returncode == 6
    assert "two different models: A serves one, B serves two" in refused.stderr
    assert "--force" in refused.stderr
    assert before == ["/v1/models"]
    assert forced.returncode == 4, forced.stderr
    assert "compared all the same: A serves one, B serves two" in forced.stdout


def test_an_interrupted_validation_keeps_its_blocks_and_goes_on(tmp_path: Path) -> None:
    """Ctrl-C is exit 130 with the way to go on; too little time is exit 3."""
    write_study(tmp_path, judged=False)
    words = [sys.executable, "-m", "tuner", "validate"]
    with served(tmp_path, "a", LIKE) as a, served(tmp_path, "b", LIKE) as b:
        begun = subprocess.Popen(
            [*words, a, b, "--out", "o", "--budget", "60s", "--margin", "1000"],
            cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 30
        while not (tmp_path / "o/trials/pair-0001-b").exists() and time.monotonic() < until:
            time.sleep(0.02)
        begun.send_signal(signal.SIGINT)
        _, said = begun.communicate(timeout=30)
        kept = {folder.name for folder in (tmp_path / "o" / "trials").iterdir()}
        more = tune("validate", a, b, "--out", "o", "--budget", "1s", "--margin", "1000",
                    "--resume", "--json", cwd=tmp_path)  # fmt: skip

    assert begun.returncode == 130, said
    assert "go on with --out o --resume" in said
    assert {"agreement-1", "agreement-2", "agreement-3", "pair-0001-b"} <= kept
    assert more.returncode in (0, 3), more.stderr
    assert json.loads(more.stdout)["agreement"]["share"]["value"] == 1.0
    assert kept <= {folder.name for folder in (tmp_path / "o" / "trials").iterdir()}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("baseline", "nowhere"), 2, "nowhere: no such file or folder; expected `baseline`"),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), 5, "no server answers at"),
        (("http://127.0.0.1:1", "http://[::"), 2, "expected http://HOST:PORT"),
        (("baseline",), 2, "Missing argument 'B'"),
        (("baseline", "baseline", "--margin", "1"), 2, "x>=3"),
        (("baseline", "baseline", "--max-drop", "0"), 2, "0<x<1"),
    ],
)
def test_bad_input_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    """With the exit code that the documents say."""
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TunerError, click.UsageError)) as found:
        cli.main(["validate", *words, "-q"], standalone_mode=False)
    error = found.value

    assert error.exit_code == code
    assert said in (error.format_message() if isinstance(error, click.UsageError) else str(error))
