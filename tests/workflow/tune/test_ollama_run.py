"""A whole run on Ollama: what is proven is the model that its own Modelfile makes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ollama import faked
from tests.workflow.worlds import Recorder
from tuner.engines.ollama.engine import Ollama
from tuner.modelfile.document import load as load_modelfile
from tuner.search.result import Result
from tuner.spec.shipped import studies
from tuner.spec.space import Choices
from tuner.spec.study import load
from tuner.spec.values import Guard, Model, Slo
from tuner.workflow.tune.production_warning import production_warnings
from tuner.workflow.tune.run import run

STUDY = replace(
    load(studies() / "task-api.yaml"),
    engine="ollama",
    slos=(Slo("e2e", 0.99, 0.25),),
    guard=Guard(min_valid=0.5),
    budget_s=24.0,  # a slow machine too reaches candidates of every tier
    space={
        "shots": Choices((0, 1, 3)),
        "num_ctx": Choices((2048, 4096)),
        "num_parallel": Choices((1, 2)),
    },
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path, Recorder]:
    """Give a run of some seconds."""
    folder, recorder = tmp_path_factory.mktemp("run"), Recorder()
    model = Model(faked.MODEL, faked.MODEL)
    engine = Ollama(model, folder, folder / "engine", faked.program(folder))
    return asyncio.run(run(STUDY, folder / "out", recorder, engine)), folder / "out", recorder


def test_every_tier_was_tuned(finished: tuple[Result, Path, Recorder]) -> None:
    """Request, reload and restart settings all changed, and all were in force."""
    result, _, _ = finished
    measured = [t.candidate for t in result.trials if t.state == "complete"]

    for knob in ("shots", "num_ctx", "num_parallel"):
        assert len({c[knob] for c in measured}) > 1, knob
    assert not [t.reason for t in result.trials if "not in force" in (t.reason or "")]


def test_what_was_proven_is_what_is_written(finished: tuple[Result, Path, Recorder]) -> None:
    """The Modelfile of the proof's trials says the same as the one that is emitted."""
    result, out, _ = finished
    assert result.best is not None
    final = load_modelfile(out / "Modelfile")
    proofs = sorted(out.glob("trials/finalist-*"))
    shown = [
        load_modelfile(p / "Modelfile")
        for p in proofs
        if json.loads((p / "candidate.json").read_text()) == dict(result.best.candidate)
    ]

    assert shown
    assert all(replace(m, header=()) == replace(final, header=()) for m in shown)
    assert final.base == faked.MODEL
    assert not any("not measured under Ollama" in line for line in final.header)


def test_cold_starts_stand_beside_the_warm_figures(
    finished: tuple[Result, Path, Recorder],
) -> None:
    """Three first requests after an unload, each longer than nothing."""
    result, out, _ = finished

    assert result.cold is not None
    assert len(result.cold.starts) == 3
    assert "Cold start (the model was unloaded): first request" in (out / "report.txt").read_text()


def test_clients_get_programs(finished: tuple[Result, Path, Recorder]) -> None:
    """What only a client can send comes as client.json and as two programs."""
    result, out, _ = finished

    assert json.loads((out / "client.json").read_text())["truncate"] is False
    assert {"ask_ollama.py", "ask_openai.py"} <= set(result.artifacts)


def test_a_loaded_server_in_production_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tunes beside it is told what it holds; a silent one is none."""
    engine = Ollama(Model(faked.MODEL, faked.MODEL), tmp_path, tmp_path)

    async def said(host: str, load: bool) -> list[str]:
        from tuner.engines.ollama import api as ollama_api

        monkeypatch.setenv("OLLAMA_HOST", host)
        if load:
            await ollama_api.load(host, faked.MODEL, {})
        return await production_warnings(engine)

    with faked.running() as url:
        assert asyncio.run(said(url, load=False)) == []
        assert "holds small:latest (1 MiB) now" in asyncio.run(said(url, load=True))[0]
    assert asyncio.run(said("http://127.0.0.1:9", load=False)) == []
