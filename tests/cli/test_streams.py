"""What servers stream, through the command line: counts that are missing, fields, ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import tune
from tuner.testing.fake_server import running

WORDS = "one two three four five six seven eight"
PACE = ("--ttft-ms", "30", "--prompt-us-per-token", "0", "--itl-ms", "5", "--answer", "said.json")


def measured(
    folder: Path, *ways: str, slo: str = "", requests: int = 20, more: tuple[str, ...] = ()
) -> tuple[int, Any, str]:
    """Measure a server that streams in these ways; return code, document and what was shown."""
    (folder / "said.json").write_text(json.dumps({"": WORDS}))
    prompts = "".join(f'{{"template": "count to {n}"}}\n' for n in range(30))
    (folder / "prompts.jsonl").write_text(prompts)
    pace = [*PACE[:-1], str(folder / "said.json"), *more]
    options = [word for way in ways for word in ("--stream", way)]
    with running(*pace, *options) as (_, port):
        (folder / "s.yaml").write_text(
            f"version: 1\nname: s\n"
            f"engine: {{kind: openai, url: 'http://127.0.0.1:{port}', model: default}}\n"
            f"workload: {{prompts: prompts.jsonl, load: {{concurrency: 1, timeout: 5s}}}}\n"
            f"{slo}baseline: {{num_predict: 64, temperature: 0.0}}\n"
        )
        words = ("--requests", str(requests), "--out", "o")
        found = tune("measure", "s.yaml", *words, cwd=folder)
    assert "Traceback" not in found.stderr
    document = json.loads((folder / "o" / "measurement.json").read_text())
    return found.returncode, document, found.stdout


def tpot(max_ms: float) -> str:
    """Return a study's target on the time per output token."""
    return f"slo: [{{metric: tpot, quantile: 0.9, max_ms: {max_ms}}}]\n"


@pytest.mark.parametrize("way", ["no-counts", "zero-counts"])
def test_no_count_is_no_proof_of_a_pace(tmp_path: Path, way: str) -> None:
    """A server that tells no counts, or zeros, is timed by its chunks, and the result says so."""
    code, found, shown = measured(tmp_path, way, slo=tpot(1), requests=60)

    assert code == 3
    assert found["verdicts"][0]["verdict"] == "FAIL"
    assert found["tpot"]["quantiles"]["0.5"]["value"] >= 0.004
    assert found["output"]["told"] == 0
    assert found["throughput"]["requests_per_s"] > 0
    assert f"Tokens counted by chunks in {found['output']['by_chunks']} answers" in shown


@pytest.mark.parametrize("way", ["no-counts", "zero-counts"])
def test_chunks_of_several_tokens_leave_the_pace_open(tmp_path: Path, way: str) -> None:
    """Where chunks hold several words nothing is decided on tpot, and the reason is named."""
    code, found, shown = measured(tmp_path, way, "bundled", slo=tpot(1), requests=60)

    assert code == 3
    verdict = found["verdicts"][0]
    assert (verdict["verdict"], verdict["unknown"]) == ("UNDECIDED", 60)
    assert found["throughput"]["output_tokens_per_s"] is None
    assert found["throughput"]["requests_per_s"] > 0
    assert "UNDECIDED (0/60 late, 60 unknown)" in shown
    assert "Output tokens unknown in 60 answers" in shown


def test_thoughts_are_the_first_tokens(tmp_path: Path) -> None:
    """A model that thinks first answers with its first thought, as far as time goes."""
    _, found, _ = measured(tmp_path, "reasoning", requests=8, more=("--itl-ms", "40"))
    _, plain, _ = measured(tmp_path, requests=8, more=("--itl-ms", "40"))

    first = [d["ttft"]["quantiles"]["0.5"]["value"] for d in (found, plain)]
    assert first[0] == pytest.approx(first[1], abs=0.1)  # the answer begins 5 x 40 ms later
    assert found["output"]["fields"] == {}


@pytest.mark.parametrize(
    "ways", [["parts"], ["no-done"], ["one-line-end"], ["stays-open"], ["stays-open", "parts"]]
)
def test_answers_are_whole_however_they_are_sent(tmp_path: Path, ways: list[str]) -> None:
    """Content in parts, an end without [DONE], and [DONE] without an end are whole answers."""
    _, found, _ = measured(tmp_path, *ways)

    assert found["failures"] == {"error": 0, "timeout": 0, "incomplete": 0}
    assert found["e2e"]["quantiles"]["0.99"]["value"] < 2.0  # far below the timeout
    assert found["output"]["told"] == 20


def test_an_answer_that_breaks_off_is_none(tmp_path: Path) -> None:
    """A body that ends before HTTP says so is incomplete, as before."""
    _, found, _ = measured(tmp_path, more=("--cut-every", "2"))

    assert found["failures"]["incomplete"] >= 9


def ran(folder: Path, said: str, *ways: str) -> tuple[int, Any]:
    """Search and prove a bound on tpot on a server that says this; return code and result."""
    (folder / "said.json").write_text(json.dumps({"": said}))
    prompts = "".join(f'{{"template": "count to {n}"}}\n' for n in range(40))
    (folder / "prompts.jsonl").write_text(prompts)
    streamed = "".join(f" --stream {way}" for way in ways)
    pace = "--ttft-ms 3 --itl-ms 1 --prompt-us-per-token 1"
    (folder / "s.yaml").write_text(
        "version: 1\nname: s\n"
        f"engine: {{kind: fake, model: '{pace} --answer {folder / 'said.json'}{streamed}'}}\n"
        "workload: {prompts: prompts.jsonl, load: {concurrency: 1}}\n"
        f"{tpot(50)}space: {{num_batch: [128, 256, 512], num_predict: [16, 32, 64]}}\n"
    )
    found = tune("run", "s.yaml", "--budget", "7s", "--out", "o", "-q", cwd=folder)
    assert "Traceback" not in found.stderr, found.stderr
    return found.returncode, json.loads((folder / "o" / "result.json").read_text())


def test_a_search_without_counts_proves_no_pace_and_says_why(tmp_path: Path) -> None:
    """Nothing is feasible, the result is undecided, and what is missing is named."""
    code, found = ran(tmp_path, WORDS, "no-counts", "bundled")

    assert (code, found["verdict"]) == (3, "UNDECIDED")
    assert any("the server told no number of output tokens" in r for r in found["reasons"])
    assert not any(p["meets_all_estimates"] for p in found["frontier"])
    assert found["drift"] is None or found["drift"]["metric"] == "ttft"


def test_a_search_over_answers_of_one_token_ends(tmp_path: Path) -> None:
    """Answers of one token have no pace: a bound on tpot holds and nothing breaks."""
    code, found = ran(tmp_path, "yes")

    assert code in (0, 3)
    assert any(p["meets_all_estimates"] for p in found["frontier"])
