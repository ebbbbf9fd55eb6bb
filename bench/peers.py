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


PEERS = (
    Peer("client", _module("bench.clients.ours"), _rows),
    Peer("tune", _tune, _tuned, fine=(0, 3)),
    Peer("aiohttp", _module("bench.clients.general"), _rows),
)
