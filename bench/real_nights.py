"""One night of `tune retune` on a real engine of this machine, with nothing in service before.

    python -m bench.real_nights embedded|ollama [--budget 12m] [--out FOLDER]

`embedded` tunes llama.cpp's server out of the wheel, which serves from a folder (engine `command`);
`ollama` the newest Ollama that `make ollama` built. Both serve SmolLM2-135M. Let nothing else work
on the machine: it takes the whole budget. The study, its files and all that was measured lie in
FOLDER; what came out is printed as a table.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ollama.build import VERSIONS, program
from tests.ollama.installed import MODEL, complete, models, serving
from tuner.engines.models import default_path
from tuner.engines.serving.launch import free_port
from tuner.spec.requests.workload import Supply
from tuner.spec.shipped import studies
from tuner.spec.study import load

HELD_OUT, SEARCHED = 200, 100
"""Distinct prompts that a night compares on, and that it searches with."""

NAME = "night"
RELOAD = """\
[ -f pid ] && kill "$(cat pid)"
[ -d current ] || exit 0
PORT={port} setsid current/serve.sh > server.log 2>&1 &
echo $! > pid
"""
SERVER = (
    '{"model": MODEL, "n_ctx": 4096, "n_parallel": 1, "n_batch": {{ batch }}, "n_threads": '
    '{{ threads }}, "cache_type": "{{ cache }}", "flash_attention": "{{ flash }}", '
    '"port": {{ port }}}'
)


@dataclass(frozen=True, slots=True)
class Place:
    """What is particular to an engine: its part of the study, and the environment of a night."""

    study: Mapping[str, Any]
    env: Mapping[str, str]


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[Place]:
    """Give a folder from which llama.cpp's server starts; end it in the end."""
    served, port = folder / "srv", free_port()
    served.mkdir()
    (served / "reload.sh").write_text(RELOAD.format(port=port))
    server = SERVER.replace("MODEL", json.dumps(str(default_path())))
    knobs = {
        "threads": {"tier": "restart", "default": 1},
        "batch": {"tier": "restart", "default": 512},
        "cache": {"tier": "restart", "default": "f16"},
        "flash": {"tier": "restart", "default": "auto"},
        "num_predict": {"tier": "request", "default": 64, "field": "max_tokens"},
        "temperature": {"tier": "request", "default": 0},
    }
    command = [sys.executable, "-m", "tuner.engines.llamacpp.server", server]
    study = {
        "engine": {"kind": "command", "command": command, "knobs": knobs},
        "space": {"threads": [1, 2], "batch": [64, 128, 256, 512], "cache": ["f16", "q8_0"],
                  "flash": ["auto", "on"], "num_predict": [48, 64]},
        "deploy": {"folder": "srv", "reload": "sh reload.sh", "within": "60s",
                   "health": f"http://127.0.0.1:{port}/health"},
    }  # fmt: skip
    try:
        yield Place(study, {})
    finally:
        (served / "current").unlink(missing_ok=True)
        subprocess.run(["sh", "reload.sh"], cwd=served, check=False)


@contextlib.contextmanager
def ollama(folder: Path) -> Iterator[Place]:
    """Give an Ollama that serves no model called as the night is; end it in the end."""
    version = VERSIONS[-1]
    if not program(version).is_file():
        raise SystemExit(f"Ollama {version} is not built: run `make ollama`")
    ours, there = complete(version, folder), models(folder)
    study = {
        "engine": {"kind": "ollama", "model": MODEL},
        "baseline": {"num_thread": 1, "num_batch": 512, "num_ctx": 4096, "num_predict": 64},
        "space": {"num_thread": [1, 2], "num_batch": [64, 128, 256, 512],
                  "num_ctx": [1024, 2048, 4096], "num_predict": [48, 64]},
    }  # fmt: skip
    with serving(ours, there) as host:
        path = os.pathsep.join([str(ours.parent), os.environ["PATH"]])
        yield Place(study, {"OLLAMA_HOST": host, "OLLAMA_MODELS": str(there), "PATH": path})


ENGINES = {"embedded": embedded, "ollama": ollama}


def write_study(folder: Path, part: Mapping[str, Any]) -> None:
    """Write the study of a night, with filled prompts of the packaged one."""
    packaged = load(studies() / "task-api.yaml").workload
    lines: list[dict[str, Any]] = []
    for held_out, count in ((True, HELD_OUT), (False, SEARCHED)):
        prompts = Supply(packaged, held_out=held_out, seed=0).prompts(0)
        lines += [
            {"template": p.text, "kind": p.kind, "expect": p.expect, "held_out": held_out}
            for p in itertools.islice(prompts, count)
        ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    texts = studies() / "task-api"
    document = {
        "version": 1,
        "name": NAME,
        **part,
        "workload": {
            "prompts": "prompts.jsonl",
            "schema": str(texts / "answer.schema.json"),
            "prompt": {"system": {"compact": str(texts / "system-compact.txt")},
                       "shots": str(texts / "shots.jsonl")},
        },
        "slo": [{"metric": "e2e", "quantile": 0.95, "max_ms": 1000}],
        "guard": {"min_valid": 0.5, "max_drop": 0.05},
        "objective": {"minimize": "e2e_p99"},
        "baseline": {"temperature": 0, "system": "compact", "shots": 2, "format": "schema",
                     **part.get("baseline", {})},
    }  # fmt: skip
    (folder / "tune.yaml").write_text(json.dumps(document, indent=1))  # JSON is YAML


def night(folder: Path, place: Place, budget: str) -> dict[str, Any]:
    """Work one night in a folder; return its document."""
    command = [sys.executable, "-m", "tuner", "retune", "tune.yaml", "--name", NAME]
    command += ["--budget", budget, "--out", "out", "--json"]
    env = {**os.environ, **place.env, "XDG_STATE_HOME": str(folder / "state")}
    done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        raise SystemExit(f"the night ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(found: Mapping[str, Any]) -> str:
    """Return what a night came to as Markdown."""
    lines = [f"{found['decision']}: {found['why']}", "", f"trials: {found['trials']}", ""]
    sides = found["sides"]
    if not sides:
        return "\n".join(lines)
    lines += [f"challenger: {found['challenger']['candidate']}", f"evidence: {found['evidence']}"]
    lines += ["", "| | " + " | ".join(sides) + " |", "|---" * (1 + len(sides)) + "|"]
    rows: dict[str, Sequence[str]] = {
        "requests, engine starts": [f"{s['n']}, {s['engine_starts']}" for s in sides.values()],
        "e2e p50": [_ms(s["quantiles"]["e2e"]["0.5"]) for s in sides.values()],
        "e2e p95": [_ms(s["quantiles"]["e2e"]["0.95"]) for s in sides.values()],
        "late": [str(s["late"]) for s in sides.values()],
        "correct": [f"{s['correct']:.1%}" for s in sides.values()],
    }
    return "\n".join([*lines, *(f"| {name} | {' | '.join(of)} |" for name, of in rows.items())])


def _ms(bound: Sequence[float | None]) -> str:
    value, low, high = ("?" if b is None else f"{b * 1000:.0f}" for b in bound)
    return f"{value} ms [{low}, {high}]"


def main() -> None:
    """Work one night, and print what came out."""
    parser = argparse.ArgumentParser("python -m bench.real_nights", description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--budget", default="12m")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = (given.out or Path(tempfile.mkdtemp(prefix="night-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with ENGINES[given.engine](folder) as place:
        write_study(folder, place.study)
        found = night(folder, place, given.budget)
    (folder / "night.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    print(f"\nall of it: {folder}")


if __name__ == "__main__":
    main()
