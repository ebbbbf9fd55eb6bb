"""How each load client is run, and how what it reports is read.

Every client is a process of its own; programs of others are used where they are installed and
never needed otherwise.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A client: its command for (url, concurrency, rate, requests, folder), and its reader.

    `read` returns a row for each request with `ttft_s` and `e2e_s`, and `key` where known.
    """

    name: str
    command: Callable[[str, int, float, int, Path], list[str]]
    read: Callable[[Path], Rows]
    program: str | None = None
    fine: tuple[int, ...] = (0,)
    cwd: Path = ROOT

    def found(self) -> bool:
        """Tell whether it can be run here."""
        return self.program is None or shutil.which(self.program) is not None


def _module(name: str) -> Callable[[str, int, float, int, Path], list[str]]:
    def command(url: str, concurrency: int, rate: float, requests: int, folder: Path) -> list[str]:
        words = [url, str(concurrency), str(rate), str(requests), str(folder / "rows.jsonl")]
        return [sys.executable, "-m", name, *words]

    return command


def _rows(folder: Path) -> Rows:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


STUDY = """\
version: 1
name: fidelity
engine: {{kind: openai, url: "{url}", model: paced}}
workload:
  prompts: prompts.jsonl
  slots: slots.yaml
  load: {load}
"""


def _tune(url: str, concurrency: int, rate: float, requests: int, folder: Path) -> list[str]:
    load = f"{{rate: {rate}}}" if rate else f"{{concurrency: {concurrency}}}"
    (folder / "tune.yaml").write_text(STUDY.format(url=url, load=load))
    (folder / "prompts.jsonl").write_text('{"template": "Call number {n} back by Friday"}\n')
    (folder / "slots.yaml").write_text(f"n: {list(range(20_000))}\n")
    words = ["--requests", str(requests), "--out", str(folder / "out"), "--json", "--quiet"]
    return [sys.executable, "-m", "tuner", "measure", str(folder / "tune.yaml"), *words]


def _tuned(folder: Path) -> Rows:
    """Return what the raw samples say, warm-up apart."""
    (file,) = (folder / "out").glob("trials/*/samples.jsonl")
    samples = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {
            "ttft_s": (s["first_ns"] - s["planned_ns"]) / 1e9,
            "e2e_s": (s["last_ns"] - s["planned_ns"]) / 1e9,
        }
        for s in samples
        if not s["warmup"]
    ]


TOKENIZER = {
    "version": "1.0",
    "added_tokens": [],
    "pre_tokenizer": {"type": "Whitespace"},
    "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1}, "unk_token": "<unk>"},
}
"""A tokenizer that needs no download: token counts come from the server's usage frames."""


def _tokenizer(folder: Path) -> str:
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    return str(folder)


def _prompts(file: Path, key: str, requests: int) -> str:
    lines = ({key: f"Create a task: call number {i} back by Friday"} for i in range(requests))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def _aiperf(url: str, concurrency: int, rate: float, requests: int, folder: Path) -> list[str]:
    load = ["--request-rate", str(rate)] if rate else ["--concurrency", str(concurrency)]
    prompts = _prompts(folder / "prompts.jsonl", "text", requests)
    return [
        *("aiperf", "profile", "-m", "paced", "--endpoint-type", "chat", "--streaming"),
        *("--url", url, "--request-count", str(requests), *load),
        *("--input-file", prompts, "--custom-dataset-type", "single-turn"),
        *("--tokenizer", _tokenizer(folder / "tokenizer"), "--use-server-token-count"),
        *("--artifact-dir", str(folder / "out"), "--ui", "none"),
    ]


def _aiperf_rows(folder: Path) -> Rows:
    lines = (folder / "out" / "profile_export.jsonl").read_text().splitlines()
    metrics = (json.loads(line)["metrics"] for line in lines)
    return [
        {
            "ttft_s": m["time_to_first_token"]["value"] / 1e3,
            "e2e_s": m["request_latency"]["value"] / 1e3,
        }
        for m in metrics
    ]


def _guidellm(url: str, concurrency: int, rate: float, requests: int, folder: Path) -> list[str]:
    profile = f"kind=poisson,rate={rate}" if rate else f"kind=concurrent,streams={concurrency}"
    prompts = _prompts(folder / "prompts.jsonl", "prompt", requests)
    return [
        *("guidellm", "run", "--backend", f"kind=openai_http,target={url},model=paced"),
        *("--profile", profile, "--constraint", f"kind=max_requests,count={requests}"),
        *("--data", f"kind=json_file,path={prompts}"),
        *("--output", f"kind=json,path={folder / 'out.json'}", "--disable-console"),
    ]


def _guidellm_rows(folder: Path) -> Rows:
    (benchmark,) = json.loads((folder / "out.json").read_text())["benchmarks"]
    return [
        {"ttft_s": r["time_to_first_token_ms"] / 1e3, "e2e_s": r["request_latency"]}
        for r in benchmark["requests"]["successful"]
    ]


def _vllm(url: str, concurrency: int, rate: float, requests: int, folder: Path) -> list[str]:
    load = ["--request-rate", str(rate)] if rate else ["--max-concurrency", str(concurrency)]
    prompts = _prompts(folder / "prompts.jsonl", "prompt", requests)
    return [
        *("vllm", "bench", "serve", "--backend", "openai-chat", "--base-url", url),
        *("--endpoint", "/v1/chat/completions", "--model", "paced", *load),
        *("--dataset-name", "custom", "--dataset-path", prompts, "--skip-chat-template"),
        *("--custom-output-len", "32", "--num-prompts", str(requests), "--disable-tqdm"),
        *("--tokenizer", _tokenizer(folder / "tokenizer"), "--save-result", "--save-detailed"),
        *("--result-dir", str(folder), "--result-filename", "out.json"),
    ]


def _vllm_rows(folder: Path) -> Rows:
    found = json.loads((folder / "out.json").read_text())
    pairs = zip(found["ttfts"], found["itls"], strict=True)
    return [{"ttft_s": ttft, "e2e_s": ttft + sum(itls)} for ttft, itls in pairs]


PEERS = (
    Peer("client", _module("bench.clients.ours"), _rows),
    Peer("tune", _tune, _tuned, fine=(0, 3)),
    Peer("aiohttp", _module("bench.clients.general"), _rows),
    Peer("aiperf", _aiperf, _aiperf_rows, "aiperf"),
    Peer("vllm", _vllm, _vllm_rows, "vllm"),
    Peer("guidellm", _guidellm, _guidellm_rows, "guidellm"),
)
