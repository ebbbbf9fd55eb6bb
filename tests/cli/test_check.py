"""`tune check` asks real servers whether they still meet their targets, and says what it found."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cli import tune
from tests.ollama import faked
from tuner.engines.serving.launch import free_port
from tuner.spec.shipped import studies
from tuner.spec.study import load
from tuner.testing.fake_server import running

QUICK = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")


def write_study(folder: Path, **changes: Any) -> Path:
    """Write a study of 60 prompts with a target that a quick server meets; return it."""
    prompts = "".join(f'{{"template": "say {n}"}}\n' for n in range(60))
    (folder / "prompts.jsonl").write_text(prompts)
    study = {
        "version": 1,
        "name": "s",
        "engine": {"kind": "openai", "model": "default", "url": "http://127.0.0.1:9"},
        "workload": {"prompts": "prompts.jsonl"},
        "slo": [{"metric": "e2e", "quantile": 0.9, "max_ms": 2000}],
        "baseline": {"num_predict": 8, "temperature": 0.5},
    }
    file = folder / "s.yaml"
    file.write_text(yaml.safe_dump({**study, **changes}))
    return file


def slow(ms: float = 1.0) -> list[dict[str, Any]]:
    """Return a target that no server meets."""
    return [{"metric": "e2e", "quantile": 0.9, "max_ms": ms}]


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    """Run a quick server that writes down what it is asked; yield its URL."""
    with running(*QUICK, "--record", str(folder / "seen.jsonl"), *options) as (_, port):
        yield f"http://127.0.0.1:{port}"


def check(folder: Path, url: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Check what serves at a URL."""
    return tune("check", "s.yaml", "--url", url, *words, cwd=folder, **env)


def seen(folder: Path) -> list[dict[str, Any]]:
    """Return what a server was asked."""
    return [json.loads(line) for line in (folder / "seen.jsonl").read_text().splitlines()]


def test_a_target_that_is_met_is_exit_0_after_few_requests(tmp_path: Path) -> None:
    """The document says by how many, and they are kept."""
    write_study(tmp_path)
    with served(tmp_path) as url:
        found = check(tmp_path, url, "--json", "--out", "o")
    document = json.loads(found.stdout)

    assert found.returncode == 0, found.stderr
    assert (document["schema"], document["state"], document["url"]) == ("tuner.check/1", "met", url)
    assert 30 < document["n"] < 80
    assert document["why"].startswith("met: e2e p90 <= 2000 ms, 0 of ")
    assert json.loads((tmp_path / "o" / "check.json").read_text()) == document
    assert len((tmp_path / "o" / "trials" / "0000" / "samples.jsonl").read_text().splitlines()) > 30


def test_a_target_that_is_lost_is_exit_4_at_once(tmp_path: Path) -> None:
    """One line says which, and the table shows n and interval."""
    write_study(tmp_path, slo=slow())
    with served(tmp_path) as url:
        found = check(tmp_path, url, "--out", "o", COLUMNS="160")

    assert found.returncode == 4, found.stderr
    assert found.stdout.startswith("lost: e2e p90 <= 1 ms, ")
    assert "e2e p50 ms" in found.stdout
    assert "FAIL" in found.stdout


def test_time_that_is_too_short_is_exit_3_with_what_it_would_take(tmp_path: Path) -> None:
    """No data against it is no proof for it."""
    write_study(tmp_path, slo=[{"metric": "e2e", "quantile": 0.9999, "max_ms": 5000}])
    with served(tmp_path) as url:
        found = check(tmp_path, url, "--budget", "1s", "--out", "o")

    assert found.returncode == 3, found.stderr
    assert found.stdout.startswith("undecided: e2e p99.99 <= 5000 ms, 0 of ")
    assert "a longer --budget" in found.stdout


def test_nothing_of_the_server_is_changed_and_requests_are_the_clients(tmp_path: Path) -> None:
    """Models are listed, and chats are sent as the baseline says."""
    write_study(tmp_path)
    with served(tmp_path) as url:
        assert check(tmp_path, url, "--out", "o").returncode == 0
    chats = [r for r in seen(tmp_path) if "chat/completions" in r["target"]]
    others = {r["target"] for r in seen(tmp_path)} - {r["target"] for r in chats}

    assert others == {"/v1/models"}
    assert {json.loads(r["body"])["temperature"] for r in chats} == {0.5}


def test_a_result_says_what_its_clients_send(tmp_path: Path) -> None:
    """In place of the baseline; a result of other prompts is refused."""
    file = write_study(tmp_path)
    candidate = {"temperature": 0.25, "num_predict": 8}
    result = {"schema": "tuner.result/1", "workload_hash": load(file).workload.hash,
              "best": {"candidate": candidate}}  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(result))
    with served(tmp_path) as url:
        found = check(tmp_path, url, "--result", "result.json", "--out", "o")
        assert found.returncode == 0, found.stderr
        (tmp_path / "result.json").write_text(json.dumps(result | {"workload_hash": "other"}))
        other = check(tmp_path, url, "--result", "result.json")
    chats = [r for r in seen(tmp_path) if "chat/completions" in r["target"]]

    assert {json.loads(r["body"])["temperature"] for r in chats} == {0.25}
    assert (other.returncode, "other prompts than the result" in other.stderr) == (2, True)


def test_a_server_that_dies_meanwhile_has_lost(tmp_path: Path) -> None:
    """Requests that fail are late; the line counts them."""
    write_study(tmp_path)
    with served(tmp_path, "--crash-after", "12") as url:
        found = check(tmp_path, url, "--json", "--out", "o")

    assert found.returncode == 4, found.stderr
    assert json.loads(found.stdout)["measurement"]["failures"]["error"] > 10


def test_answers_below_their_floor_have_lost(tmp_path: Path) -> None:
    """However fast they come."""
    write_study(tmp_path, guard={"min_correct": 0.5})
    lines = "".join(
        f'{{"template": "say {n}", "expect": {{"contains": "zebra"}}}}\n' for n in range(60)
    )
    (tmp_path / "prompts.jsonl").write_text(lines)
    with served(tmp_path, "--answer", "prose") as url:
        found = check(tmp_path, url, "--out", "o")

    assert found.returncode == 4, found.stderr
    assert "lost: min_correct 0.5, 0.0% of" in found.stdout


def test_what_cannot_be_judged_is_named(tmp_path: Path) -> None:
    """A drop from a baseline that nobody asks, and requests that were not asked."""
    lines = "".join(f'{{"template": "say {n}", "expect": {{"regex": "."}}}}\n' for n in range(300))
    write_study(tmp_path, guard={"max_drop": 0.1})
    (tmp_path / "prompts.jsonl").write_text(lines)
    with served(tmp_path) as url:
        found = check(tmp_path, url, "--json", "--out", "o")
    told = " ".join(json.loads(found.stdout)["not_judged"])

    assert found.returncode == 0, found.stderr
    assert "guard.max_drop is not judged" in told
    assert "of 300 templates were not asked" in told


@pytest.mark.parametrize("more", [(), ("--watch", "--for", "2s")])
def test_nothing_there_is_exit_5(tmp_path: Path, more: tuple[str, ...]) -> None:
    """And an annotation says so where a job runs."""
    write_study(tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    found = check(tmp_path, url, "--out", "o", *more, GITHUB_ACTIONS="true")

    assert found.returncode == 5
    assert "no server answers at" in found.stderr
    assert "::error title=tune check s::" in found.stderr


def test_a_job_of_github_gets_a_summary_and_an_annotation(tmp_path: Path) -> None:
    """The document on standard output stays one; what is met has no annotation."""
    write_study(tmp_path, slo=slow())
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    with served(tmp_path) as url:
        lost = check(tmp_path, url, "--json", "--out", "o", **env)
        write_study(tmp_path)
        met = check(tmp_path, url, "--json", "--out", "p", **env)
    text = summary.read_text()

    assert json.loads(lost.stdout)["state"] == "lost"
    assert "::error title=tune check s::lost: e2e p90 <= 1 ms" in lost.stderr
    assert text.startswith("before\n### s at http&#58;//")
    assert "| e2e p50 ms | " in text
    assert "**met: " in text
    assert "::" not in met.stderr


@pytest.mark.parametrize(
    "engine",
    [
        {"kind": "fake"},
        {"kind": "llamacpp"},
        {"kind": "command", "command": ["serve", "--port", "{{ port }}"]},
        {"kind": "vllm", "model": "m", "url": "http://127.0.0.1:9"},
    ],
)
def test_every_kind_asks_what_serves_without_starting_anything(
    tmp_path: Path, engine: dict[str, Any]
) -> None:
    """On the path where it serves; no program of the engine is needed here."""
    write_study(tmp_path, engine=engine, baseline={})
    with served(tmp_path, "--base-path", "/deep/v1", "--serves", "m") as url:
        words = ("--target-p99", "2000", "--budget", "1s")
        found = check(tmp_path, f"{url}/deep/v1", "--json", "--out", "o", *words)
    chats = {r["target"] for r in seen(tmp_path) if r["body"]}

    assert found.returncode in (0, 3), found.stderr
    assert json.loads(found.stdout)["measurement"]["failures"]["error"] == 0
    assert chats == {"/deep/v1/chat/completions"}


def test_a_model_in_a_running_ollama_is_checked_as_it_is(tmp_path: Path) -> None:
    """Its own settings count: requests carry no options."""
    with faked.running() as url:
        study = str(studies() / "task-api-ollama.yaml")
        words = ("--model", faked.MODEL, "--url", url, "--target-p99", "5000", "--budget", "2s")
        found = tune("check", study, *words, "--json", "--out", "o", cwd=tmp_path)

    assert found.returncode in (0, 3, 4), found.stderr
    assert json.loads(found.stdout)["n"] > 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--window", "5m"), "--window is for --watch"),
        (("--for", "5m"), "--for is for --watch"),
        (("--counters",), "--counters is for --watch"),
        (("--rate", "1", "--concurrency", "2"), "say --rate or --concurrency"),
        (("--watch", "--concurrency", "2"), "leave out --concurrency"),
        (("--watch", "--counters", "--rate", "1"), "leave out --rate"),
        (("--watch", "--counters", "--engine", "fake"), "does not tell how long its requests took"),
        (("--url", "ftp://there"), "--url: expected http"),
    ],
)
def test_options_that_do_not_fit_are_said(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2, before anything is sent."""
    write_study(tmp_path)
    found = tune("check", "s.yaml", "--out", "o", *words, cwd=tmp_path)

    assert found.returncode == 2
    assert said in found.stderr


@pytest.mark.parametrize("guard", [{}, {"max_drop": 0.1}])
def test_nothing_to_check_is_said(tmp_path: Path, guard: dict[str, float]) -> None:
    """A study without a target and without floors that a server alone can miss."""
    write_study(tmp_path, slo=[], guard=guard)
    (tmp_path / "prompts.jsonl").write_text('{"template": "a", "expect": {"contains": "b"}}\n')
    found = check(tmp_path, "http://127.0.0.1:9")

    assert found.returncode == 2
    assert "there is nothing to check" in found.stderr
