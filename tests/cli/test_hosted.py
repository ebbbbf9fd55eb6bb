"""A hosted server, with a key and below a path of its own, is tuned through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import tune
from tuner.testing.fake_server import running

KEY, VARIABLE = "s3cret-of-the-team", "HOSTED_KEY"
MODEL, PATH, QUERY = "team/large-1", "/proxy/team-a/openai", "api-version=7"

STUDY = """
version: 1
name: hosted
engine:
  kind: openai
  model: {model}
  url: "{url}"
  api_key_env: {variable}
  headers: {{X-Team: blue}}
workload:
  prompts: prompts.jsonl
  prompt: {{shots: shots.jsonl, system: {{short: system.txt}}}}
slo: [{{metric: e2e, quantile: 0.9, max_ms: 3000}}]
guard: {{min_valid: 0.5}}
baseline: {{num_ctx: 8192, temperature: 1.0, num_predict: 200}}
space:
  temperature: [0.0, 0.5, 1.0]
  top_k: [1, 40]
  num_thread: [1, 2]
  shots: [0, 2]
  system: [none, short]
  format: [none, json]
search: {{budget: 25s, stop_when_met: true}}
"""


@dataclass(frozen=True)
class Hosted:
    """A finished run: its study, its folder, what it printed, and what the server was sent."""

    study: Path
    out: Path
    document: dict[str, Any]
    said: str
    record: Path
    of_the_run: list[dict[str, Any]]


def sent(record: Path) -> list[dict[str, Any]]:
    """Return what came to a server's chat, in order."""
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return [line for line in lines if "/chat/completions" in line["target"]]


def written(folder: Path, port: int) -> Path:
    """Write a study and its files; return the study's."""
    prompts = [
        {"template": f"Delete task {n} of list {n % 7}", "held_out": n % 2 == 0,
         "expect": {"action": "delete_task"}}
        for n in range(80)
    ]  # fmt: skip
    shot = {"user": "Delete task 4", "assistant": '{"action": "delete_task", "params": {"id": 4}}'}
    shots = [{"id": f"s{n}", **shot} for n in range(2)]
    for name, lines in (("prompts.jsonl", prompts), ("shots.jsonl", shots)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "system.txt").write_text("Answer with one JSON object.\n")
    url = f"http://127.0.0.1:{port}{PATH}?{QUERY}"
    study = folder / "study.yaml"
    study.write_text(STUDY.format(model=MODEL, url=url, variable=VARIABLE))
    return study


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """Give a run of a few seconds, its server still there."""
    folder = tmp_path_factory.mktemp("hosted")
    record = folder / "record.jsonl"
    options = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1",
               "--api-key", KEY, "--base-path", PATH, "--query", QUERY, "--serves", MODEL,
               "--refuse-field", "top_k", "--record", str(record))  # fmt: skip
    with running(*options) as (_, port):
        study = written(folder, port)
        ran = tune("run", str(study), "--out", "out", "--json", cwd=folder, **{VARIABLE: KEY})
        assert ran.returncode == 0, ran.stderr
        document = json.loads(ran.stdout)
        yield Hosted(study, folder / "out", document, ran.stderr, record, sent(record))


def asked(program: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that a run has written, away from its folder and with no proxy."""
    env = {"PATH": os.environ["PATH"], **environment}
    command = [sys.executable, str(program), *words]
    return subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, timeout=30)


def test_it_is_proven_on_its_one_start(hosted: Hosted) -> None:
    """The verdict is a PASS, no start was made up, and the document says what it holds for."""
    document = hosted.document

    assert document["verdict"] == "PASS"
    assert document["best"]["engine_starts"] == 1
    assert document["spent"]["restarts"] == 0
    assert "one start of the server" in document["scope"][0]
    assert "updates behind the same name" in document["scope"][1]
    assert document["environment"]["server"].endswith(PATH)


def test_what_cannot_be_set_is_named_with_the_reason(hosted: Hosted) -> None:
    """What only a start sets, and what the server refuses in its own words."""
    searched = {knob for trial in hosted.document["trials"] for knob in trial["candidate"]}

    assert "num_ctx is left out: only a start of the server sets it" in hosted.said
    assert "num_thread is left out: only a start of the server sets it" in hosted.said
    assert "top_k is left out: the server refuses it: Unsupported parameter: 'top_k'" in hosted.said
    assert not {"num_ctx", "num_thread"} & searched
    assert {t["candidate"]["top_k"] for t in hosted.document["trials"]} == {"auto"}


def test_the_plan_says_how_many_requests_may_be_sent(hosted: Hosted) -> None:
    """Before and, at the pace that showed, during the run; no start of the server is planned."""
    dry = tune("run", str(hosted.study), "--dry-run", "--json", cwd=hosted.out.parent)
    plan = json.loads(dry.stdout)

    assert plan["restarts"] == 0
    assert plan["requests"] == round(25 / (0.8 * 3.0))
    assert f"about {plan['requests']} requests in all at that pace" in hosted.said
    assert hosted.said.count("requests in all") == 2


def test_the_key_is_in_no_file_and_no_line(hosted: Hosted) -> None:
    """The variable is named; what it holds went to the server alone."""
    files = [f for f in hosted.out.rglob("*") if f.is_file()]

    assert not [f for f in files if KEY.encode() in f.read_bytes()]
    assert KEY not in hosted.said + json.dumps(hosted.document)
    for name, value in (("authorization", f"Bearer {KEY}"), ("x-team", "blue")):
        assert {r["headers"][name] for r in hosted.of_the_run} == {value}


def test_the_client_files_ask_as_it_was_measured(hosted: Hosted) -> None:
    """The program sends what the proof sent, to the same place, and prints the answer."""
    program = hosted.out / "ask_openai.py"
    client = json.loads((hosted.out / "client.json").read_text())
    head = [*([client["system"]] if "system" in client else []),
            *(m["content"] for m in client.get("messages", []))]  # fmt: skip
    measured = [(m["target"], json.loads(m["body"])) for m in hosted.of_the_run]
    text = next(
        body["messages"][-1]["content"]
        for _, body in reversed(measured)
        if body == {**client["request"], "messages": body["messages"]}
        and [m["content"] for m in body["messages"][:-1]] == head
    )
    answer = asked(program, text, **{VARIABLE: KEY})
    again = sent(hosted.record)[-1]

    assert {Path(p).name for p in hosted.document["artifacts"].values()} == {
        "client.json",
        "ask_openai.py",
    }
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
    assert (again["target"], json.loads(again["body"])) in measured
    assert json.loads(again["body"])["model"] == MODEL
    assert again["headers"]["x-team"] == "blue"
    assert "one start of the server" in program.read_text()


def test_without_its_key_the_program_says_what_is_missing(hosted: Hosted) -> None:
    """No traceback: the variable that is not set, and the server's own words for a wrong one."""
    missing = asked(hosted.out / "ask_openai.py", "hello")
    wrong = asked(hosted.out / "ask_openai.py", "hello", **{VARIABLE: "other"})

    assert missing.stderr == f"the environment has no {VARIABLE}; set it: export {VARIABLE}=...\n"
    assert wrong.stderr.startswith("HTTP 401: ")
    assert (missing.returncode, wrong.returncode) == (1, 1)


def test_a_finished_run_goes_on_without_another_start(hosted: Hosted) -> None:
    """`--resume` takes what is there; the same server counts as the same start."""
    again = tune("run", str(hosted.study), "--out", "out", "--resume", "--json",
                 cwd=hosted.out.parent, **{VARIABLE: KEY})  # fmt: skip
    document = json.loads(again.stdout)

    assert again.returncode == 0, again.stderr
    assert document["best"]["engine_starts"] == 1
    assert document["verdict"] == "PASS"


def test_it_is_checked_measured_and_compared(hosted: Hosted) -> None:
    """The other commands take the study too, and claim nothing that one start cannot show."""
    folder, environment = hosted.out.parent, {VARIABLE: KEY}
    check = tune("study", "check", str(hosted.study), cwd=folder, **environment)
    measured = tune("measure", str(hosted.study), "--requests", "20", "--out", "m", "--set",
                    "temperature=0", cwd=folder, **environment)  # fmt: skip
    compared = tune("compare", "m", "m", cwd=folder)

    assert (check.returncode, measured.returncode) == (0, 3), check.stderr + measured.stderr
    assert "num_ctx is left out: only a start of the server sets it" in check.stderr
    assert "num_ctx is left out" in measured.stderr
    assert "cannot start that server again" in compared.stdout


def test_a_first_study_is_written_for_it(hosted: Hosted, tmp_path: Path) -> None:
    """`tune init` asks nobody; with the key's variable added the study can be used."""
    port = json.loads((hosted.out / "client.json").read_text())["url"].split(":")[2].split("/")[0]
    url = f"http://127.0.0.1:{port}{PATH}?{QUERY}"
    made = tune("init", "--engine", "openai", "--url", url, "--model", MODEL, cwd=tmp_path)
    study = tmp_path / "tune.yaml"
    text = study.read_text()
    study.write_text(text.replace("kind: openai,", f"kind: openai, api_key_env: {VARIABLE},"))
    check = tune("study", "check", "tune.yaml", cwd=tmp_path, **{VARIABLE: KEY})
    measured = tune("measure", "--requests", "5", cwd=tmp_path, **{VARIABLE: KEY})

    assert made.returncode == 0, made.stderr
    assert check.returncode == 0, check.stderr
    assert "about 750 requests in all" in check.stdout
    assert measured.returncode in (0, 3), measured.stderr
    assert "requests (starts)" in measured.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "http://box:1"), "--url URL and --model NAME"),
        (("--engine", "openai"), "--url URL and --model NAME"),
        (("--url", "box:1", "--model", "m"), "did you mean http://box:1?"),
        (("Modelfile", "--url", "http://box:1", "--model", "m"), "not both"),
        (("Modelfile", "--engine", "openai"), "not both"),
        (("--engine", "ollama", "--url", "http://box:1", "--model", "m"), "model as SOURCE"),
        (("--engine", "llamacpp", "--model", "m"), "model as SOURCE"),
    ],
)
def test_half_a_server_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """What is missing or too much is said, and nothing is written."""
    found = tune("init", *words, cwd=tmp_path)

    assert found.returncode == 2
    assert said in found.stderr
    assert not list(tmp_path.iterdir())
