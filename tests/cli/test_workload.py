"""`tune workload import` as a user meets it: a recording becomes load that is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from tests import hf_folders
from tests.cli.test_cli import tune
from tuner.testing.fake_server import running

FAST = "--ttft-ms 1 --itl-ms 0.1 --prompt-us-per-token 1"
ROWS = [(0.0, 400, 12), (0.02, 90, 1), (0.05, 700, 40), (0.05, 61, 3), (0.09, 333, 0)]


def azure(folder: Path, rows: list[tuple[float, int, int]] = ROWS) -> Path:
    """Write a recording of Azure's form."""
    lines = [f"2030-01-02 03:04:05.{at * 1e7:07.0f},{i},{o}\n" for at, i, o in rows]
    path = folder / "requests.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(lines))
    return path


def mooncake(folder: Path) -> Path:
    """Write a recording whose requests share one block, and two of them another one."""
    rows = [(0, 1100, [0, 1, 2]), (40, 1300, [0, 1, 3]), (80, 600, [0, 4])]
    lines = [
        {"timestamp": at, "input_length": n, "output_length": 5, "hash_ids": ids}
        for at, n, ids in rows
    ]
    path = folder / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def study(folder: Path, prompts: str, file: str = "tune.yaml", **changes: Any) -> None:
    """Write a study of the fake engine, with a system text."""
    (folder / "before.jsonl").write_text('{"template": "one"}\n')
    (folder / "brief.txt").write_text("Be brief.")
    load = {"load": {"arrivals": "trace"}} if prompts != "before.jsonl" else {}
    content = {
        "version": 1, "name": "traces", "engine": {"kind": "fake", "model": FAST},
        "workload": {"prompts": prompts, "prompt": {"system": {"brief": "brief.txt"}}, **load},
        "baseline": {"num_ctx": 2048, "num_predict": 64, "system": "brief"},
    }  # fmt: skip
    (folder / file).write_text(yaml.safe_dump(content | changes))


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def measured(folder: Path, requests: int) -> list[dict[str, Any]]:
    """Measure the study and return its counted samples, in the order of their templates."""
    found = tune("measure", "tune.yaml", "--requests", str(requests), "--out", "out", cwd=folder)
    assert found.returncode == 0, found.stdout + found.stderr
    [trial] = (folder / "out" / "trials").iterdir()
    samples = [s for s in lines(trial / "samples.jsonl") if not s["warmup"]]
    return sorted(samples, key=lambda s: int(s["prompt_id"].rsplit("-", 1)[-1]))


@pytest.mark.parametrize("words", [["workload", "--help"], ["workload", "import", "--help"]])
def test_help(words: list[str], tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Help texts say what there is, with an example."""
    found = tune(*words, cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout == snapshot


def test_a_recording_becomes_the_load_that_is_measured(tmp_path: Path) -> None:
    """Prompts and answers have the recorded lengths, as the server itself counts both."""
    azure(tmp_path)
    study(tmp_path, "before.jsonl")
    made = tune(
        "workload", "import", "requests.csv", "--format", "azure", "--study", "tune.yaml",
        cwd=tmp_path,
    )  # fmt: skip
    study(tmp_path, "trace.jsonl")
    samples = measured(tmp_path, 5)

    assert made.returncode == 0, made.stderr
    assert made.stdout == ""
    assert "wrote trace.jsonl: 5 requests over 0.1 s" in made.stderr
    assert "counted by fake (fake), its /tokenize" in made.stderr
    assert [s["prompt_tokens"] for s in samples] == [n for _, n, _ in ROWS]
    assert [s["output_tokens"] for s in samples] == [12, 1, 40, 3, 1]
    assert {(s["finish"], s["guard"]) for s in samples} == {("length", "correct")}
    gaps = [(s["planned_ns"] - samples[0]["planned_ns"]) / 1e9 for s in samples]
    assert gaps == pytest.approx([at for at, *_ in ROWS], abs=1e-6)


def test_prompts_share_what_the_recording_shares(tmp_path: Path) -> None:
    """The server finds in its cache what the block ids say, but for the template's own tokens."""
    mooncake(tmp_path)
    study(tmp_path, "before.jsonl")
    made = tune(
        "workload", "import", "requests.jsonl", "--format", "mooncake", "--study", "tune.yaml",
        cwd=tmp_path,
    )  # fmt: skip
    study(tmp_path, "trace.jsonl")
    samples = measured(tmp_path, 3)

    assert made.returncode == 0, made.stderr
    assert [s["prompt_tokens"] for s in samples] == [1100, 1300, 600]
    assert [s["server"]["cache_n"] // 100 for s in samples[1:]] == [10, 5]


def test_a_server_without_tokenize_tells_lengths_by_its_answers(tmp_path: Path) -> None:
    """Any that counts prompt tokens will do; a few short requests are enough."""
    azure(tmp_path)
    with running(*FAST.split(), "--base-path", "/mine", n_ctx=2048) as (_, port):
        url = f"http://127.0.0.1:{port}/mine"
        kind = {"engine": {"kind": "openai", "url": url}, "baseline": {"ignore_eos": True}}
        study(tmp_path, "before.jsonl", **kind)
        made = tune(
            "workload", "import", "requests.csv", "--format", "azure", "--study", "tune.yaml",
            cwd=tmp_path,
        )  # fmt: skip
        study(tmp_path, "trace.jsonl", **kind)
        samples = measured(tmp_path, 5)

    assert made.returncode == 0, made.stderr
    assert "the prompt tokens that it tells of short requests" in made.stderr
    assert [s["prompt_tokens"] for s in samples] == [n for _, n, _ in ROWS]
    assert [s["output_tokens"] for s in samples] == [12, 1, 40, 3, 1]


def test_a_server_that_tells_no_tokens_cannot_count(tmp_path: Path) -> None:
    """What helps is said; nothing is written."""
    azure(tmp_path)
    with running(*FAST.split(), "--base-path", "/mine") as (_, port):
        url = f"http://127.0.0.1:{port}/mine"
        study(tmp_path, "before.jsonl",
              engine={"kind": "openai", "url": url, "stream_options": False},
              baseline={})  # fmt: skip
        found = tune(
            "workload", "import", "requests.csv", "--format", "azure", "--study", "tune.yaml",
            cwd=tmp_path,
        )  # fmt: skip

    assert found.returncode == 5
    assert "openai cannot count tokens: it tells no prompt tokens; leave --study" in found.stderr
    assert not (tmp_path / "trace.jsonl").exists()


def test_a_folder_counts_without_a_server(tmp_path: Path) -> None:
    """Its context bounds requests, and the later half is held out where that is asked for."""
    azure(tmp_path)
    hf_folders.write(tmp_path / "model", config={"max_position_embeddings": 600})
    found = tune(
        "workload", "import", "requests.csv", "--format", "azure", "--model", "model",
        "--out", "sub/t.jsonl", "--held-out", cwd=tmp_path,
    )  # fmt: skip
    made = lines(tmp_path / "sub" / "t.jsonl")

    assert found.returncode == 0, found.stderr
    assert "note: too long, with more than the context of 600 with their answers: 1 left out" in (
        found.stderr
    )
    assert [(m["prompt_tokens"], m["output_tokens"]) for m in made] == [
        (400, 12), (90, 1), (61, 3), (333, 1),
    ]  # fmt: skip
    assert {m["counted_by"] for m in made} == {"tokenizer"}
    assert [m.get("held_out", False) for m in made] == [False, False, True, True]
    assert [m["id"] for m in made] == ["line-2", "line-3", "line-5", "line-6"]


def test_without_a_model_lengths_are_estimates_and_said_to_be(tmp_path: Path) -> None:
    """In what is printed, in the file, and when the study is checked."""
    azure(tmp_path)
    found = tune("workload", "import", "requests.csv", "--format", "azure", cwd=tmp_path)
    study(tmp_path, "trace.jsonl", baseline={"num_predict": 16})
    checked = tune("study", "check", "tune.yaml", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "lengths are estimated, one word for one token" in found.stderr
    assert {m["counted_by"] for m in lines(tmp_path / "trace.jsonl")} == {"estimate"}
    assert checked.returncode == 0
    assert "the lengths of 5 prompts are estimates" in checked.stderr
    assert "1 of 5 answers are to be longer than num_predict 16" in checked.stderr


def test_answers_that_a_limit_cuts_are_said_to_be_short(tmp_path: Path) -> None:
    """A lower limit of the study stays in force, and is no answer of the wanted length."""
    azure(tmp_path)
    tune("workload", "import", "requests.csv", "--format", "azure", cwd=tmp_path)
    study(tmp_path, "trace.jsonl", baseline={"num_predict": 16, "num_ctx": 2048})
    found = tune("measure", "tune.yaml", "--requests", "5", "--out", "out", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert "1 of 5 answers are shorter than the workload wants" in " ".join(found.stdout.split())
    assert "truncated" in found.stdout


def test_the_same_recording_makes_the_same_file(tmp_path: Path) -> None:
    """Byte for byte; another seed says other words."""
    mooncake(tmp_path)
    made = []
    for seed, out in (("0", "a"), ("0", "b"), ("1", "c")):
        tune(
            "workload", "import", "requests.jsonl", "--format", "mooncake", "--seed", seed,
            "--out", out, cwd=tmp_path,
        )  # fmt: skip
        made.append((tmp_path / out).read_bytes())

    assert made[0] == made[1] != made[2]


def test_the_first_requests_alone(tmp_path: Path) -> None:
    """What is too long is shortened to what is asked for."""
    azure(tmp_path)
    found = tune(
        "workload", "import", "requests.csv", "--format", "azure", "--first", "3",
        "--max-input", "100", "--shorten", cwd=tmp_path,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr
    assert [m["prompt_tokens"] for m in lines(tmp_path / "trace.jsonl")] == [100, 90, 100]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["workload", "imprt"], 2, "did you mean `tune workload import`?"),
        (["workload", "nothing"], 2, "expected import"),
        (["requests.csv"], 2, "--format"),
        (["requests.csv", "--format", "csv"], 2, "azure"),
        (["nowhere.csv", "--format", "azure"], 2, "nowhere.csv cannot be read"),
        (["requests.csv", "--format", "mooncake"], 2, "requests.csv:1: not valid JSON"),
        (["requests.csv", "--format", "azure", "--out", "tune.yaml"], 2, "is there already"),
        (
            ["requests.csv", "--format", "azure", "--out", "./requests.csv", "--force"],
            2,
            "requests.csv is the recording itself",
        ),
        (["requests.csv", "--format", "azure", "--out", ".", "--force"], 2, "is there already"),
        (["requests.csv", "--format", "azure", "--max-input", "5"], 2, "0 requests are left"),
        (["requests.csv", "--format", "azure", "--model", "empty"], 2, "has no tokenizer.json"),
        (["requests.csv", "--format", "azure", "--model", "no.gguf"], 2, "no such model file"),
        (["requests.csv", "--format", "azure", "--study", "dead.yaml"], 5, "(crashed)"),
        (["tune.yaml", "--format", "azure", "--study", "dead.yaml"], 2, "tune.yaml:1: expected"),
        (["requests.csv", "--format", "azure", "--out", "tune.yaml/t.jsonl"], 1, "cannot write"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    """Nothing is written then, not even in part."""
    azure(tmp_path)
    study(tmp_path, "before.jsonl")
    study(tmp_path, "before.jsonl", "dead.yaml",
          engine={"kind": "fake", "model": "--die-at-start 1"})  # fmt: skip
    (tmp_path / "empty").mkdir()
    before = sorted(p.name for p in tmp_path.iterdir())
    asked = words if words[0] == "workload" else ["workload", "import", *words]
    found = tune(*asked, cwd=tmp_path)

    assert found.returncode == code, found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before
