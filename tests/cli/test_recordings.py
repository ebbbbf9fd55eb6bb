"""`tune workload` on recordings with texts as a user meets it: imported, measured, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cli import tune
from tests.workflow.recordings import written
from tests.workflow.recordings.written import CHATS, body

FAST = "--ttft-ms 1 --itl-ms 0.1 --prompt-us-per-token 1"

RULES = r"""
redact:
  patterns: {order: {match: 'ORD-\d+'}}
kinds:
  list: {match: 'name three'}
  code: {at: request.metadata.route, is: code}
"""


def recorded(folder: Path, name: str = "chat.jsonl", code: int = 3, count: int = 90) -> Path:
    """Write a recording, every `code`-th request of which is of that kind."""
    bodies: list[dict[str, Any]] = []
    for n in range(count):
        of_code = n % code == 0
        text = f"Write line {n} for a{n}@mail.example" if of_code else f"Name three of ORD-{n % 40}"
        route = {"route": "code" if of_code else "x", "conversation_id": f"c{n}"}
        bodies.append(body((("user", text),), metadata=route, temperature=0))
    return written.chat(folder, bodies).rename(folder / name)


def test_a_recording_becomes_prompts_that_are_measured(tmp_path: Path) -> None:
    """Redacted, weighted, sorted into kinds, and partly held out."""
    recorded(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES)
    words = ["--format", "chat", "--rules", "rules.yaml", "--held-out", "--seed", "3"]

    done = tune("workload", "import", "chat.jsonl", *words, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "wrote requests.jsonl: " in done.stderr and "wrote requests.mix.json: " in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"list", "code"}
    assert {line.get("held_out", False) for line in lines} == {True, False}
    assert not [s for s in ("@mail.example", "ORD-") if s in json.dumps(lines) + done.stderr]
    study = {
        "version": 1, "name": "recorded", "engine": {"kind": "fake", "model": FAST},
        "workload": {"prompts": "requests.jsonl"}, "baseline": {"num_predict": 8},
    }  # fmt: skip
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(study))
    measured = tune("measure", "tune.yaml", "--requests", "5", "--out", "out", cwd=tmp_path)
    assert measured.returncode == 0, measured.stdout + measured.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--format chat --study tune.yaml", "--study has no meaning for --format chat"),
        ("--format chat --model m", "--model has no meaning for --format chat"),
        ("--format litellm --shorten", "--shorten has no meaning for --format litellm"),
        ("--format vllm-log --max-input 9", "--max-input has no meaning"),
        ("--format chat --answers x", "--answers has no meaning for --format chat, only for: op"),
        ("--format azure --rules r.yaml", "--rules has no meaning for --format azure"),
        ("--format jsonl --window 1h", "--window has no meaning for --format jsonl"),
        ("--format mooncake --most 5", "--most has no meaning for --format mooncake"),
        ("--format ollama-requests", "expected the folder that Ollama's log names"),
        ("--format openai-batch", "records are broken"),
        ("--format chat --rules none.yaml", "--rules: no such file"),
        ("--format texts", "Invalid value for '--format'"),
    ],
)
def test_what_has_no_meaning_is_refused(words: str, said: str, tmp_path: Path) -> None:
    """In one sentence, with exit code 2, and nothing is written."""
    recorded(tmp_path)

    found = tune("workload", "import", "chat.jsonl", *words.split(), cwd=tmp_path)

    assert found.returncode == 2 and said in found.stderr, found.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["chat.jsonl"]


def test_an_environment_for_other_commands_is_no_mistake(tmp_path: Path) -> None:
    """TUNE_MODEL is for runs; only what the command line says is refused."""
    recorded(tmp_path)

    found = tune(
        "workload", "import", "chat.jsonl", "--format", "chat", cwd=tmp_path, TUNE_MODEL="m"
    )

    assert found.returncode == 0, found.stderr


def test_no_secret_is_shown_or_stored_when_an_import_fails(tmp_path: Path) -> None:
    """Neither on the screen nor in any file, temporary ones included."""
    secret = "sk-proj-abcdEFGH12345678"
    lines = [json.dumps(body((("user", f"{n} {secret}"),))) for n in range(20)]
    lines += ['{"messages": "' + secret, json.dumps({"messages": [{"role": secret}]})] * 5
    (tmp_path / "chat.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "tmp").mkdir()

    found = tune(
        "workload", "import", "chat.jsonl", "--format", "chat", "--out", "new/requests.jsonl",
        cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"),
    )  # fmt: skip

    assert found.returncode == 2 and "chat.jsonl:21: not valid JSON" in found.stderr
    assert secret not in found.stdout + found.stderr
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "chat.jsonl"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    """Here files may have a few kilobytes: it ends half-way, says so, and leaves no half."""
    secret = "sk-proj-abcdEFGH12345678"
    bodies = [body((("user", f"{n} {secret} " + "word " * 200),)) for n in range(200)]
    written.chat(tmp_path, bodies)
    line = (
        "ulimit -f 8; exec {} -m tuner workload import chat.jsonl --format chat --out new/a.jsonl"
    )

    done = subprocess.run(
        ["/bin/sh", "-c", line.format(sys.executable)], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1 and "cannot write new/a.jsonl: File too large" in done.stderr
    assert secret not in done.stdout + done.stderr
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / "chat.jsonl"]


def test_an_import_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM while a pipe is read: no half of a file, and no secret on the disk."""
    secret = "sk-proj-abcdEFGH12345678"
    os.mkfifo(tmp_path / "pipe")
    words = ["import", "pipe", "--format", "chat", "--out", "new/requests.jsonl"]
    command = [sys.executable, "-m", "tuner", "workload", *words]
    with (
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running,
        (tmp_path / "pipe").open("w") as pipe,
    ):
        pipe.write(json.dumps(body((("user", secret),))) + "\n")
        pipe.flush()
        while not list(tmp_path.glob("new/.*")):
            time.sleep(0.05)
        running.terminate()
        said = running.communicate()[1]

    assert running.returncode == 143 and secret not in said
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def mix(folder: Path, name: str, code: int, count: int = 600) -> str:
    """Import a recording; return the name of its mix."""
    (folder / "rules.yaml").write_text(RULES)
    recorded(folder, f"{name}.raw", code, count)
    words = f"--format chat --rules rules.yaml --out {name}.jsonl".split()
    done = tune("workload", "import", f"{name}.raw", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return f"{name}.mix.json"


def test_a_drift_is_told_by_its_exit_code(tmp_path: Path) -> None:
    """0 within the threshold, 4 beyond it, 3 where nobody knows."""
    old, same = mix(tmp_path, "old", 3), mix(tmp_path, "same", 3)
    other, few = mix(tmp_path, "other", 1), mix(tmp_path, "few", 3, 15)

    codes = [
        tune("workload", "drift", old, new, "--threshold", "0.3", cwd=tmp_path).returncode
        for new in (same, other, few)
    ]

    assert codes == [0, 4, 3]


def test_a_drift_says_what_moved(tmp_path: Path) -> None:
    """For people with both shares, and as JSON with intervals and numbers."""
    old, new = mix(tmp_path, "old", 3), mix(tmp_path, "new", 1)

    told = tune("workload", "drift", old, new, cwd=tmp_path)
    document = json.loads(tune("workload", "drift", old, new, "--json", cwd=tmp_path).stdout)

    assert "kinds: 66.7% of the requests are of another kind (interval " in told.stdout
    assert "  list: 66.7%, now 0.0%" in told.stdout
    assert told.stdout.splitlines()[-1] == "drifted: beyond 10%"
    assert document["verdict"] == "drifted"
    kinds = document["aspects"][0]
    assert kinds["aspect"] == "kinds" and kinds["requests"] == [600, 600]
    assert kinds["interval"][0] <= kinds["distance"] <= kinds["interval"][1]


@pytest.mark.parametrize("text", ["", "[]", "{}", None])
def test_what_is_no_mix_is_refused(text: str | None, tmp_path: Path) -> None:
    """With the file that is meant."""
    if text is not None:
        (tmp_path / "old.mix.json").write_text(text)

    found = tune("workload", "drift", "old.mix.json", "old.mix.json", cwd=tmp_path)

    assert found.returncode == 2 and "old.mix.json" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_batch_is_read_with_its_output(tmp_path: Path) -> None:
    """Times and lengths of answers come from there."""
    written.batch(tmp_path, [body(c) for c in CHATS])
    written.batch_output(tmp_path, 3)
    words = ["--format", "openai-batch", "--answers", "output.jsonl", "--window", "1h"]

    found = tune("workload", "import", "batch.jsonl", *words, cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    shares = json.loads((tmp_path / "requests.mix.json").read_text())["shares"]
    assert shares["answer_tokens"]["n"] == 3
